"""Journals: damaged bytes, and wrong content under a chain of hashes that fits, are a job or a `JournalError`.

Promise: torn or damaged files are found. (The journal cut at every byte: tests/cluster/test_journal.py.)
"""

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from cluster.journal import FILE_NAME, GENESIS, Journal
from cluster.view import read_job
from strategies.errors import ConfigError, JournalError
from tests.fuzz.law import hold
from tests.fuzz.mutations import ODD_TEXTS, as_json, damaged_bytes, damaged_tree, deep_text

pytestmark = pytest.mark.chaos
GOLDEN = Path(__file__).parents[1] / "golden" / "job-4-finished" / FILE_NAME
OTHERS = (
    ("interrupted", {"reason": "stopped between two epochs"}),
    ("resumed", {"changed_versions": {"numpy": ["2.3", "2.4"]}}),
    ("repair", {"what": "cell 0", "island": 1, "epoch": 0, "reason": "killed", "action": "epoch run again"}),
    (
        "quarantined",
        {
            "key": "0" * 32,
            "id": "a" * 16,
            "text": "long",
            "reason": "raised",
            "segment": "folds",
            "island": 0,
            "epoch": 1,
        },
    ),
    ("workers", {"present": 1, "wanted": 2, "reason": "a node left"}),
    ("stall", {"island": 1, "epoch": 2, "waited_s": 90.5, "typical_s": 9.0}),
)  # fmt: skip
KEPT = ("id", "text", "strategy", "passed", "gates", "birth_id", "species")


@pytest.fixture(scope="module")
def records():
    """Kind and data of every kind of record there is; one epoch of each island, candidates cut to what names them."""
    found = []
    for line in GOLDEN.read_text().splitlines():
        kind, data = (json.loads(line)[name] for name in ("kind", "data"))
        if kind == "candidate":
            data = {"record": {name: data["record"][name] for name in KEPT}}
        if kind != "epoch_finished" or data["epoch"] == 0:
            found.append((kind, data))
    return [*found[:3], *OTHERS, *found[3:]]


def chained(bodies):
    """Lines, each sealed and chained to the one before it, whatever they hold."""
    lines, previous = [], GENESIS
    for body in bodies:
        text = (body if isinstance(body, str) else as_json({**body, "prev": previous}))[:-1]
        previous = hashlib.sha256((text + "}").encode("utf-8", "surrogatepass")).hexdigest()
        lines.append(f'{text},"hash":"{previous}"}}\n')
    return "".join(lines).encode("utf-8", "surrogatepass")


def whole(records):
    at = "2026-01-01T00:00:00.000+00:00"
    return [{"n": n, "at": at, "kind": kind, "data": data} for n, (kind, data) in enumerate(records)]


def case(rng, records):
    """A journal with one wrong record under a right chain; or one with damaged bytes."""
    bodies = whole(records)
    if rng.random() < 0.2:
        return damaged_bytes(rng, chained(bodies))
    at = rng.choice((0, rng.randrange(len(bodies))))
    what = rng.random()
    if what < 0.8:
        bodies[at]["data"] = damaged_tree(rng, bodies[at]["data"])
    elif what < 0.9:
        bodies[at] = damaged_tree(rng, bodies[at])
    elif what < 0.98:
        bodies[at] |= {rng.choice(("n", "at", "kind", "data")): rng.choice((*ODD_TEXTS, 2**70, None, []))}
    else:
        bodies[at] = f'{{"n":{at},"at":"","kind":"x","data":{deep_text(rng)}}}'
    return chained([body if isinstance(body, dict | str) else {"lost": body} for body in bodies])


def test_a_journal_with_any_damage_is_a_job_or_refused_by_name(amount, records, tmp_path):
    def load(content):
        (tmp_path / FILE_NAME).write_bytes(content)
        view = read_job(tmp_path)
        assert view.n_births >= 0 or view.epochs
        assert view.status in ("interrupted", "finished")

    found = hold(
        lambda rng: case(rng, records),
        load,
        n=amount(2_000, 100_000),
        errors=(JournalError, ConfigError),
        named=FILE_NAME,
    )
    assert min(found.values()) > 0


def test_a_writer_opens_what_a_reader_reads_and_nothing_else(amount, records, tmp_path):
    path = tmp_path / FILE_NAME

    def load(content):
        path.write_bytes(content)
        journal, found = Journal.open(path)
        journal.append("after", {})
        journal.close()
        again, records = Journal.open(path)
        again.close()
        assert records[:-1] == found

    def torn(rng):
        return damaged_bytes(rng, chained(whole(records)))

    counts = hold(torn, load, n=amount(300, 20_000), errors=JournalError, named=FILE_NAME)
    assert min(counts.values()) > 0


def test_what_is_read_past_does_no_harm(records, tmp_path):
    """A kind of record that this version does not know says nothing to it."""
    (tmp_path / FILE_NAME).write_bytes(chained(whole([*records, ("from_the_future", {"n_births": "many"})])))
    assert read_job(tmp_path).status == "finished"
    shutil.rmtree(tmp_path)


def test_what_a_record_says_beyond_its_form_does_no_harm(records, tmp_path):
    """Nobody has checked the island of a record that has none."""
    odd = [(kind, {**data, "island": []} if kind == "job_finished" else data) for kind, data in records]
    (tmp_path / FILE_NAME).write_bytes(chained(whole([*odd, ("from_the_future", {"island": {}})])))
    assert read_job(tmp_path).status == "finished"


def test_an_infinite_number_of_a_record_is_damage(records, tmp_path):
    bodies = whole(records)
    bodies[3]["n"] = float("inf")
    (tmp_path / FILE_NAME).write_bytes(chained(bodies))
    with pytest.raises(JournalError, match=r"it is no record of a journal .*line 4\)"):
        read_job(tmp_path)


def test_a_journal_is_of_one_job(records, tmp_path):
    """A second creation would bring a config that nobody has checked."""
    for more in (records[0], ("job_created", {**records[0][1], "config": {}})):
        (tmp_path / FILE_NAME).write_bytes(chained(whole([*records, more])))
        with pytest.raises(JournalError, match=f"`n` of a record 'job_created' must be 0.* but was {len(records)} "):
            read_job(tmp_path)


def test_a_bug_of_ours_is_not_called_damage(records, tmp_path, monkeypatch):
    def broken(_):
        raise TypeError("a bug")

    (tmp_path / FILE_NAME).write_bytes(chained(whole(records)))
    monkeypatch.setattr("cluster.view.health_of", broken)
    with pytest.raises(TypeError, match="a bug"):
        read_job(tmp_path)
