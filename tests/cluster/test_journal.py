"""Promise: torn or damaged files are found. The journal: what is acknowledged stays, what is torn is cut.

What is damaged elsewhere is refused by name.
"""

import errno
import json
import os
import random
import threading

import numpy as np
import pytest

from cluster.journal import FILE_NAME, Journal, Record, is_being_written, plain, read_journal
from strategies.errors import JournalError, StudbookError

DATA = [{"text": 'ä \n \\ "', "n": 1}, {"list": [1.5, None, True]}, {}, {"nested": {"a": {"b": [1, 2, 3]}}}]


@pytest.fixture
def written(tmp_path):
    """A journal of four records: its path and its records."""
    path = tmp_path / FILE_NAME
    journal = Journal.create(path)
    records = tuple(journal.append(f"kind_{number}", data) for number, data in enumerate(DATA))
    journal.close()
    return path, records


def test_what_was_appended_is_read(written):
    path, records = written
    assert read_journal(path).records == records
    assert [record.n for record in records] == [0, 1, 2, 3]
    assert [record.data for record in records] == DATA
    assert all(line.endswith(b"}") for line in path.read_bytes().splitlines())


def test_a_journal_goes_on_where_it_ended(written):
    path, records = written
    journal, found = Journal.open(path)
    assert found == records
    added = journal.append("more", {"x": 1})
    journal.close()
    assert read_journal(path).records == (*records, added)


def test_lines_are_plain_json_with_the_fields_in_order(written):
    path, _ = written
    first = json.loads(path.read_bytes().splitlines()[0])
    assert list(first) == ["n", "at", "kind", "data", "prev", "hash"]
    assert first["prev"] == "0" * 64


def test_plain_makes_json_of_numpy_and_of_what_is_not_finite():
    value = {"a": np.float64(1.5), "b": np.array([1.0, np.nan]), 3: (np.int64(2), float("inf")), "c": np.bool_(True)}
    assert plain(value) == {"a": 1.5, "b": [1.0, None], "3": [2, None], "c": True}
    assert json.dumps(plain(value), allow_nan=False)


def test_cut_at_every_byte_of_the_last_two_records(written):
    path, records = written
    whole = path.read_bytes()
    ends = [position + 1 for position, byte in enumerate(whole) if byte == 10]
    for cut in range(ends[1], len(whole)):
        path.write_bytes(whole[:cut])
        journal, found = Journal.open(path)
        n_good = sum(end - 1 <= cut for end in ends)  # a record is whole without its newline too
        assert found == records[:n_good], cut
        added = journal.append("after", {})
        journal.close()
        assert read_journal(path).records == (*records[:n_good], added), cut


def test_cut_in_the_first_record_is_refused(written):
    path, _ = written
    first = path.read_bytes().splitlines()[0]
    for cut in range(len(first)):
        path.write_bytes(first[:cut])
        with pytest.raises(JournalError, match="at least its first record, but held no complete line"):
            read_journal(path)


@pytest.mark.parametrize("cut", [0, 40])
def test_two_lines_run_together_are_no_torn_one(written, cut):
    path, _ = written
    *lines, before, last = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([*lines, before + b"\x0b" + last[: len(last) - cut]]))
    with pytest.raises(JournalError, match=f"another record began in it: the end of line {len(lines) + 1} is damaged"):
        read_journal(path)


@pytest.mark.chaos
def test_bit_flips_are_mended_or_refused(written, amount):
    """500 of them, 20,000 under `make chaos`; opened to be written too, and what was mended goes on."""
    path, records = written
    whole = path.read_bytes()
    rng = random.Random(5)
    outcomes = {"mended": 0, "refused": 0}
    n_flips = amount(500, 20_000)
    for flip in range(n_flips):
        damaged = bytearray(whole)
        for _ in range(rng.choice([1, 1, 1, 2, 9])):
            place = -1 if rng.random() < 0.1 else rng.randrange(len(whole))  # the last newline is a place of its own
            damaged[place] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        if damaged == whole:
            continue
        try:
            found = read_journal(path).records
        except JournalError as error:
            outcomes["refused"] += FILE_NAME in str(error)
            with pytest.raises(JournalError, match=FILE_NAME):
                Journal.open(path)
            assert path.read_bytes() == damaged, "a journal was changed that was refused"
        else:
            assert found == records[: len(found)], "a damaged record was believed"
            assert len(found) >= len(records) - 1
            outcomes["mended"] += 1
            _check_it_goes_on(path, found, flip)
    assert outcomes["refused"] > 0.8 * n_flips
    assert outcomes["mended"] > 0.02 * n_flips


def _check_it_goes_on(path, found, number):
    journal, opened = Journal.open(path)
    added = journal.append("after", {"number": number})
    journal.close()
    assert opened == found
    assert read_journal(path).records == (*found, added)


@pytest.mark.chaos
def test_other_damage_is_mended_or_refused(written, amount):
    """Blocks that are zeros, doubled, swapped, lost, or of another journal; and rubbish at the end."""
    path, records = written
    whole, rng = path.read_bytes(), random.Random(6)
    n_refused, n_tries = 0, amount(500, 20_000)
    for number in range(n_tries):
        first, second = sorted(rng.sample(range(len(whole) + 1), 2))
        block = whole[first:second]
        damaged = rng.choice(
            [
                whole[:first] + bytes(len(block)) + whole[second:],
                whole[:second] + block + whole[second:],
                whole[:first] + whole[second:],
                whole[:first] + block[::-1] + whole[second:],
                whole + rng.randbytes(len(block)),
                whole[:first] + rng.randbytes(len(block)) + whole[second:],
            ]
        )
        path.write_bytes(damaged)
        try:
            found = read_journal(path).records
        except JournalError as error:
            n_refused += FILE_NAME in str(error)
        else:
            assert found == records[: len(found)], "a damaged record was believed"
            _check_it_goes_on(path, found, number)
    assert 0.3 * n_tries < n_refused < n_tries


def test_damage_is_named_by_file_and_line(written):
    path, _ = written
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1].replace(b"1.5", b"1.6") + lines[2] + lines[3])
    with pytest.raises(JournalError, match=r"its hash does not fit its content \(.*journal\.jsonl, line 2\)"):
        read_journal(path)
    path.write_bytes(lines[0] + lines[2] + lines[3])
    with pytest.raises(JournalError, match=r"it is record 2, which does not follow the line before it \(.*line 2\)"):
        read_journal(path)
    path.write_bytes(lines[0] + b"\n" + lines[1])
    with pytest.raises(JournalError, match="it does not end with its hash"):
        read_journal(path)


def test_a_sealed_line_that_is_no_record_is_refused(tmp_path):
    import hashlib

    for body in (b"[]}", b'{"n":0}', b'{"n":"x","at":"","kind":"","data":{},"prev":""}', b"\xff}", b"[" * 99999 + b"}"):
        seal = hashlib.sha256(body).hexdigest().encode()
        (tmp_path / FILE_NAME).write_bytes(body[:-1] + b',"hash":"' + seal + b'"}\n')
        with pytest.raises(JournalError, match="it is no record of a journal"):
            read_journal(tmp_path / FILE_NAME)


def test_a_missing_journal_is_told(tmp_path):
    with pytest.raises(JournalError, match="must hold a journal, but there is none at"):
        Journal.open(tmp_path / FILE_NAME)
    with pytest.raises(JournalError, match="must be readable, but was not: Is a directory"):
        read_journal(tmp_path)


def test_a_new_journal_never_overwrites(written):
    with pytest.raises(JournalError, match="must have a folder of its own, but there is a journal"):
        Journal.create(written[0])


def test_one_writer_at_a_time(written):
    path, records = written
    assert not is_being_written(path)
    journal, _ = Journal.open(path)
    assert is_being_written(path)
    with pytest.raises(JournalError, match="must have one driver, but another is running it now"):
        Journal.open(path)
    assert read_journal(path).records == records  # reading needs no lock
    journal.close()
    assert not is_being_written(path)
    Journal.open(path)[0].close()


def test_a_writer_waits_out_a_reader_that_asks_for_the_lock(written):
    path, _ = written
    asking = threading.Event()

    def ask():
        while not asking.is_set():
            is_being_written(path)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        Journal.open(path)[0].close()
    finally:
        asking.set()
        thread.join()


@pytest.mark.parametrize("call", ["pwrite", "fsync"])
def test_a_disk_that_refuses_leaves_the_journal_as_it_was(written, monkeypatch, call):
    path, records = written
    journal, _ = Journal.open(path)
    real = os.pwrite

    def refuse(descriptor, *rest):
        if call == "pwrite":
            real(descriptor, rest[0][:7], rest[1])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, refuse)
    with pytest.raises(StudbookError, match=r"must be writable, but was not: No space left on device .*resume"):
        journal.append("x", {})
    monkeypatch.undo()
    assert read_journal(path) == read_journal(path).__class__(
        records, read_journal(path).last_hash, path.stat().st_size, lacks_newline=False, torn=False
    )
    with pytest.raises(StudbookError, match="must be open to take a record, but was closed"):
        journal.append("y", {})
    journal.close()


def test_short_writes_are_completed(written, monkeypatch):
    path, records = written
    journal, _ = Journal.open(path)
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda descriptor, content, offset: real(descriptor, content[:5], offset))
    added = journal.append("slow", {"a": "b" * 50})
    journal.close()
    assert read_journal(path).records == (*records, added)


def test_a_record_is_a_value():
    assert Record(0, "t", "k", {}) == Record(0, "t", "k", {})
