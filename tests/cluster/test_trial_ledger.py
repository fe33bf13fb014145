"""The trial ledger: every strategy ever tried on some bars is counted, once, whatever became of its run folder."""

import hashlib
import itertools
import json
import shutil
import threading
from dataclasses import replace

import numpy as np
import pytest

from cluster import trial_books
from cluster.births_file import read_births
from cluster.driver import resume_job, run_job
from cluster.journal import FILE_NAME, JOURNAL_FORMAT, Journal
from cluster.run_folder import epoch_file
from cluster.settings import config_from, config_hash
from cluster.signals import Interrupted
from cluster.trial_file import MAGIC, Trials, distinct, read_file, trials_from_bytes, trials_path, trials_to_bytes
from cluster.trial_ledger import (
    behaviours_of,
    count_of,
    count_trials,
    ledger,
    record_job,
    tried_line,
    tried_on_bars,
    write_trials,
)
from cluster.view import read_job
from evolution.pedigree import FOUNDER, MIGRANT, REFINED, Births, births_to_bytes, concat
from fitness.files import atomic_write_bytes
from fitness.objectives import FAILED, MEASURE_COLUMNS, NEVER_TRADES, SCREENED_OUT, TOO_FEW_TRADES
from strategies.errors import JournalError, StudbookError, UsageError
from strategies.genes import N_GENES

N_MEASURES = len(MEASURE_COLUMNS)
DAY = "2026-11-21T10:00:00.000+00:00"


def births_of(genomes, behaviours=None, *, reason=0, evaluated=True, operator=FOUNDER, extra=0):
    """Made-up births: `genomes` and `behaviours` (n,) are numbers that stand for a key and for a row of measures."""
    genomes = np.asarray(genomes)
    behaviours = np.asarray(genomes if behaviours is None else behaviours)
    n = len(genomes)

    def column(value, dtype):
        return np.broadcast_to(np.asarray(value, dtype=dtype), n).copy()

    measures = np.stack([np.random.default_rng(int(one)).standard_normal(N_MEASURES) for one in behaviours] or
                        [np.zeros(N_MEASURES)])[:n]  # fmt: skip
    return Births(
        birth_id=np.arange(n), island=column(0, np.int32), generation=column(0, np.int32),
        operator=column(operator, np.int8), parent_a=column(-1, np.int64), parent_b=column(-1, np.int64),
        family=np.arange(n), species=column(0, np.int8), retries=column(0, np.int16), genome=np.zeros((n, N_GENES)),
        key=np.stack([genomes, genomes % 3], axis=1).astype(np.uint64), evaluated=column(evaluated, np.bool_),
        objectives=np.zeros((n, 1)), reason=column(reason, np.int16),
        measures=np.hstack([measures, np.arange(n * extra, dtype=float).reshape(n, extra)]),
    )  # fmt: skip


def hand_job(root, name, epochs, *, shards=("a",), at=DAY):
    """A run folder with a journal of made-up epochs; every record is of the time `at`."""
    run = root / name
    run.mkdir(parents=True)
    config = config_from({"name": "hand", "seed": 1, "data": {"shards": [{"symbol": "SPX"}]}}, where="test")
    journal = Journal.create(run / FILE_NAME, clock=lambda: at)
    facts = [{"symbol": one.upper(), "timeframe": "1d", "content_hash": one * 64, "bars_per_year": 252.0}
             for one in shards]  # fmt: skip
    journal.append("job_created", {"format": JOURNAL_FORMAT, "config": config.model_dump(mode="json"),
                                   "config_hash": config_hash(config), "shards": facts,
                                   "gene_table": "0" * 16, "versions": {}})  # fmt: skip
    for epoch, births in enumerate(epochs):
        append_epoch(run, journal, epoch, births)
    journal.close()
    return run


def append_epoch(run, journal, epoch, births):
    content, name = births_to_bytes(births), epoch_file(0, epoch, "births")
    atomic_write_bytes(run / name, content)
    entry = {"file": name, "sha256": hashlib.sha256(content).hexdigest(), "n": len(births)}
    journal.append("epoch_finished", {"island": 0, "epoch": epoch, "births": entry, "n_births": len(births),
                                      "n_evaluated": int(births.evaluated.sum()), "n_screened_out": 0})  # fmt: skip


def search(name, numbers, *, shards=("a",), at=DAY):
    births = births_of(numbers)
    return Trials(name, "job", tuple(one * 64 for one in shards), at, "", len(births), len(births), 0, 0,
                  distinct([births.key]), distinct([behaviours_of(births)]))  # fmt: skip


def numbers_of(count):
    return count.n_evaluated, count.n_genomes, count.n_behaviours, count.n_jobs


# Behaviours


def test_equal_measures_are_one_behaviour_whatever_the_genome():
    births = births_of([1, 2, 3, 4], [7, 7, 8, 9])
    a, b, c, d = behaviours_of(births).tolist()
    assert a == b
    assert len({a, c, d}) == 3


def test_one_bit_of_one_measure_is_another_behaviour():
    births = births_of([1] * (N_MEASURES + 1), [5] * (N_MEASURES + 1))
    measures = births.measures.copy()
    for column in range(N_MEASURES):
        measures[column, column] = np.nextafter(measures[column, column], np.inf)
    assert len(set(behaviours_of(replace(births, measures=measures)).tolist())) == N_MEASURES + 1


def test_measures_that_trade_places_are_other_behaviours():
    births = births_of([1, 2], [5, 5])
    measures = np.stack([births.measures[0], births.measures[0, ::-1]])
    assert len(set(behaviours_of(replace(births, measures=measures)).tolist())) == 2


def test_further_columns_are_no_part_of_a_behaviour():
    assert np.array_equal(behaviours_of(births_of([1, 2], [7, 7])), behaviours_of(births_of([1, 2], [7, 7], extra=3)))


def test_zeros_and_nans_have_one_form():
    measures = np.zeros((3, N_MEASURES))
    measures[1] = -0.0
    measures[:, 5] = np.array([0x7FF8000000000000, 0xFFF8000000000000, 0x7FF8000000000001], np.uint64).view(np.float64)
    births = replace(births_of([1, 2, 3]), measures=measures)
    assert len({row.tobytes() for row in births.measures}) == 3
    assert len(set(behaviours_of(births).tolist())) == 1
    assert births.measures.tobytes() == measures.tobytes()


@pytest.mark.parametrize(("reason", "n_behaviours"),
                         [(NEVER_TRADES, 1), (TOO_FEW_TRADES, 1), (SCREENED_OUT, 2), (FAILED, 2)])  # fmt: skip
def test_what_has_no_measures_is_a_behaviour_for_each_genome(tmp_path, reason, n_behaviours):
    run = hand_job(tmp_path, "hand-1", [births_of([1, 2, 2], [7, 7, 7], reason=reason)])
    assert numbers_of(count_trials(read_job(run))) == (3, 2, n_behaviours, 1)


def test_a_key_is_never_taken_for_measures():
    zeros = replace(births_of([0, 0]), measures=np.zeros((2, N_MEASURES)), reason=np.array([0, SCREENED_OUT]))
    assert len(set(behaviours_of(zeros).tolist())) == 2


# Counting


def test_only_what_was_evaluated_counts(tmp_path):
    parts = [
        births_of([1, 2], [11, 11]),
        births_of([3], reason=SCREENED_OUT),
        births_of([4, 5], operator=REFINED),
        births_of([6], operator=MIGRANT, evaluated=False),
        births_of([7], operator=REFINED, evaluated=False),
        births_of([8], reason=SCREENED_OUT, evaluated=False),
        births_of([1], [11]),
    ]
    count = count_trials(read_job(hand_job(tmp_path, "hand-1", parts)))
    assert (count.n_births, count.n_evaluated, count.n_screened, count.n_refined) == (9, 6, 1, 2)
    assert (count.n_genomes, count.n_behaviours, count.own_genomes, count.own_behaviours) == (5, 4, 5, 4)
    assert (count.n_jobs, count.earlier, count.uncounted) == (1, (), ())


def test_a_job_without_births_counts_nothing(tmp_path):
    assert numbers_of(count_trials(read_job(hand_job(tmp_path, "hand-1", [])))) == (0, 0, 0, 1)


def test_births_given_or_read_come_to_the_same(tmp_path):
    parts = [births_of([1, 2, 3]), births_of([3, 4], [3, 2])]
    view = read_job(hand_job(tmp_path, "hand-1", parts))
    assert count_trials(view, concat(parts)) == count_trials(view)


@pytest.mark.parametrize("seed", range(5))
def test_counts_are_those_of_plain_sets(seed):
    rng = np.random.default_rng(seed)
    searches = [search(f"s{number}", rng.integers(0, 60, rng.integers(0, 50))) for number in range(4)]
    count = count_of(searches[-1], searches[:-1])
    assert count.n_genomes == len(set().union(*(map(tuple, one.keys.tolist()) for one in searches)))
    assert count.n_behaviours == len(set().union(*(one.behaviours.tolist() for one in searches)))
    assert count.n_evaluated == sum(one.n_evaluated for one in searches)


@pytest.mark.parametrize("n_columns", [1, 2])
def test_distinct_is_unique(n_columns):
    rng = np.random.default_rng(n_columns)
    for n in (0, 1, 2, 200):
        rows = rng.integers(0, 8, (n, 2), dtype=np.uint64)[:, :n_columns]
        rows = rows[:, 0] if n_columns == 1 else rows
        kept = rows.copy()
        assert np.array_equal(distinct([rows[: n // 3], rows[n // 3 :]]), np.unique(rows, axis=0))
        assert np.array_equal(rows, kept)


def test_counting_knows_no_order_of_jobs_and_no_sessions():
    numbers = {"a": range(10), "b": range(5, 20), "c": [3, 30]}
    counts = set()
    for order in itertools.permutations(numbers):
        searches = [search(name, numbers[name]) for name in order]
        counts.add(numbers_of(count_of(searches[-1], searches[:-1])))
    assert counts == {(27, 21, 21, 3)}
    whole = search("all", [*range(20), 30])
    parts = [search(name, numbers[name]) for name in numbers]
    assert np.array_equal(distinct([one.keys for one in parts]), whole.keys)  # the union of ledgers ...
    assert np.array_equal(distinct([one.behaviours for one in parts]), whole.behaviours)  # ... is that of the union


def test_epochs_may_be_cut_and_come_as_they_like(tmp_path):
    births = births_of(np.arange(30) % 17, np.arange(30) % 11)
    counts = set()
    for number, cuts in enumerate(([births], np.array_split(np.arange(30), 7), np.array_split(np.arange(30), 4)[::-1])):
        parts = [part if isinstance(part, Births) else births.take(part) for part in cuts]
        run = hand_job(tmp_path / str(number), "hand-1", parts)
        counts.add(numbers_of(count_trials(read_job(run))))
    assert counts == {(30, 17, 11, 1)}


# Earlier searches on the same bars


def test_a_search_counts_if_it_shares_a_shard_and_began_before(tmp_path):
    later, earlier = "2026-11-22T10:00:00.000+00:00", "2026-11-20T10:00:00.000+00:00"
    runs = {
        name: hand_job(tmp_path, name, [births_of(numbers)], shards=shards, at=at)
        for name, numbers, shards, at in [
            ("one-b", [1, 2], "ab", DAY),
            ("one-a", [2, 3], "b", DAY),  # as old: the name decides
            ("one-c", [50], "b", DAY),
            ("old", [4], "bz", earlier),
            ("other", [60], "z", earlier),
            ("young", [70], "ab", later),
        ]
    }
    count = count_trials(read_job(runs["one-b"]))
    assert count.earlier == ("old", "one-a")
    assert numbers_of(count) == (5, 4, 4, 3)
    assert (count.own_genomes, count.own_behaviours) == (2, 2)
    assert count_trials(read_job(runs["young"])).earlier == ("old", "one-a", "one-b", "one-c")
    assert count_trials(read_job(runs["other"])).earlier == ("old",)
    assert count_trials(read_job(runs["old"])).earlier == ()


def test_age_is_time_and_not_text(tmp_path):
    hand_job(tmp_path, "west", [births_of([1])], at="2026-11-21T09:00:00.000-05:00")  # 14:00 UTC
    run = hand_job(tmp_path, "home", [births_of([2])], at=DAY)
    assert count_trials(read_job(run)).earlier == ()
    assert count_trials(read_job(tmp_path / "west")).earlier == ("home",)


def test_deleting_a_run_folder_changes_no_count(tmp_path):
    first = hand_job(tmp_path, "first", [births_of([1, 2, 3], [1, 1, 3])])
    second = read_job(hand_job(tmp_path, "second", [births_of([3, 4])]))
    before = count_trials(second)
    shutil.rmtree(first)
    assert count_trials(second) == before
    assert numbers_of(before) == (5, 4, 3, 2)
    assert [one.name for one in ledger(tmp_path).entries] == ["first", "second"]
    assert [one.name for one in ledger(tmp_path, without="first").entries] == ["second"]


def test_a_stale_file_is_made_again_from_the_journal(tmp_path):
    run = hand_job(tmp_path, "first", [births_of([1])])
    second = read_job(hand_job(tmp_path, "second", [births_of([9])]))
    assert count_trials(second).n_genomes == 2
    journal, _ = Journal.open(run / FILE_NAME)
    append_epoch(run, journal, 1, births_of([1, 2]))
    assert count_trials(second).n_genomes == 3  # under way: counted, and its own session will write
    assert read_file(trials_path(tmp_path, "first")).n_evaluated == 1
    journal.close()
    assert count_trials(second).n_genomes == 3
    assert read_file(trials_path(tmp_path, "first")).n_evaluated == 3


def test_a_file_that_fits_its_journal_is_not_made_again(tmp_path, monkeypatch):
    run = hand_job(tmp_path, "first", [births_of([1])])
    made = record_job(read_job(run))
    path = trials_path(tmp_path, "first")
    stamp = path.stat().st_mtime_ns
    monkeypatch.setattr(trial_books, "trials_of", None)
    assert record_job(read_job(run)).facts() == made.facts()
    assert path.stat().st_mtime_ns == stamp


def test_a_damaged_file_is_made_again_if_its_run_is_there_and_else_refused_by_name(tmp_path):
    first = hand_job(tmp_path, "first", [births_of([1, 2])])
    second = read_job(hand_job(tmp_path, "second", [births_of([9])]))
    before = count_trials(second)
    path = trials_path(tmp_path, "first")
    whole = path.read_bytes()
    path.write_bytes(whole[:-3])
    assert count_trials(second) == before
    assert path.read_bytes() == whole
    path.write_bytes(whole[:-3])
    shutil.rmtree(first)
    with pytest.raises(
        JournalError, match=r"before second must be counted, but can't be.*match its seal.*first\.trials"
    ):
        count_trials(second)
    ((problem),) = ledger(tmp_path).problems
    assert problem.place == path
    path.unlink()
    assert count_trials(second).earlier == ()


def test_lost_births_of_an_earlier_job_on_these_bars_are_refused_and_of_others_not(tmp_path):
    old, other = "2026-11-20T10:00:00.000+00:00", "2026-11-22T10:00:00.000+00:00"
    lost = [hand_job(tmp_path, "elsewhere", [births_of([1])], shards="z"),
            hand_job(tmp_path, "afterwards", [births_of([1])], at=other)]  # fmt: skip
    second = read_job(hand_job(tmp_path, "second", [births_of([9])]))
    for run in lost:
        (run / epoch_file(0, 0, "births")).unlink()
    assert numbers_of(count_trials(second)) == (1, 1, 1, 1)
    run = hand_job(tmp_path, "before", [births_of([1])], at=old)
    (run / epoch_file(0, 0, "births")).unlink()
    with pytest.raises(JournalError, match=r"before second must be counted.*must be there, but was not.*before/epochs"):
        count_trials(second)


def test_a_journal_that_cannot_be_read_is_named_unless_the_ledger_knows_its_trials(tmp_path):
    run = hand_job(tmp_path, "first", [births_of([1, 2])])
    second = read_job(hand_job(tmp_path, "second", [births_of([9])]))
    record_job(read_job(run))
    (run / FILE_NAME).write_bytes(b"{}\n")
    assert count_trials(second).n_genomes == 3
    trials_path(tmp_path, "first").unlink()
    count = count_trials(second)
    assert (count.n_genomes, count.uncounted) == (1, ("first",))
    assert "Not counted, because their journals can't be read: first." in tried_line(count)


def test_a_folder_that_cannot_be_written_to_is_counted_all_the_same(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError("read-only")

    hand_job(tmp_path, "first", [births_of([1])])
    second = hand_job(tmp_path, "second", [births_of([9])])
    monkeypatch.setattr(trial_books, "write_file", refuse)
    assert [one.name for one in ledger(tmp_path).entries] == ["first", "second"]
    assert count_trials(read_job(second), births_of([9])).n_genomes == 2


def test_what_cannot_be_counted_is_said_beside_the_result(tmp_path):
    run = hand_job(tmp_path, "first", [births_of([1, 2])])
    assert tried_on_bars(read_job(run)) == tried_line(count_trials(read_job(run)))
    trials_path(tmp_path, "first").unlink()
    (run / epoch_file(0, 0, "births")).unlink()
    assert tried_on_bars(read_job(run)).startswith("What was tried on these bars can't be counted: A journalled file")


def test_journals_of_searches_on_other_bars_are_not_read(tmp_path, monkeypatch):
    for name, shards in (("first", "ab"), ("other", "z")):
        record_job(read_job(hand_job(tmp_path, name, [births_of([1])], shards=shards)))
    second = read_job(hand_job(tmp_path, "second", [births_of([9])], shards="b"))
    read = []
    monkeypatch.setattr(trial_books, "read_job", lambda folder: read.append(folder.name) or read_job(folder))
    assert count_trials(second).earlier == ("first",)
    assert read == ["first"]
    assert [one.name for one in ledger(tmp_path).entries] == ["first", "other", "second"]


def test_the_sentence():
    one, two = search("one", [1, 2]), search("two", [2, 3])
    assert tried_line(count_of(two, [one])) == (
        "4 tried on these bars: 3 by genome, 3 by behaviour, in 2 jobs (this one and 1 before it)."
    )
    assert tried_line(count_of(one, [])) == "2 tried on these bars: 2 by genome, 2 by behaviour, in this job alone."


# Other searches


def given(numbers, **changes):
    births = births_of(numbers)
    return {"name": "walk-1", "what": "walk-forward", "shard_hashes": ["a" * 64], "created_at": DAY,
            "keys": births.key, "behaviours": behaviours_of(births), **changes}  # fmt: skip


def test_another_search_counts_for_later_jobs(tmp_path):
    view = read_job(hand_job(tmp_path, "x-job", [births_of([1, 2])]))
    write_trials(tmp_path, **given([2, 3, 3]))
    write_trials(tmp_path, **given([9], name="z-later"))
    count = count_trials(view)
    assert count.earlier == ("walk-1",)
    assert numbers_of(count) == (5, 3, 3, 2)


def test_writing_a_search_again_adds_and_never_takes_away(tmp_path):
    first = write_trials(tmp_path, **given([1, 2]))
    assert write_trials(tmp_path, **given([1, 2])).facts() == first.facts()
    again = write_trials(tmp_path, **given([2, 5, 6], shard_hashes=["b" * 64], created_at="2026-11-22T10:00:00+00:00"))
    held = read_file(trials_path(tmp_path, "walk-1"))
    assert held.facts() == again.facts()
    assert (len(held.keys), len(held.behaviours), held.n_evaluated) == (4, 4, 4)
    assert (held.shard_hashes, held.created_at) == (("a" * 64, "b" * 64), DAY)


@pytest.mark.parametrize(("changes", "message"), [
    ({"name": "../x"}, r"must be letters, digits, .* but was '\.\./x'"),
    ({"name": "first"}, "must have a kind and name of its own, but was a walk-forward with the name 'first'"),
    ({"what": "job"}, "must have a kind and name of its own, but was a job"),
    ({"shard_hashes": []}, "must name the bars it was on, but named no shard"),
    ({"created_at": "2026-11-21T10:00:00"}, "must have its offset from UTC, but was '2026-11-21T10:00:00'"),
    ({"created_at": "yesterday"}, "must be a time in ISO 8601, but was 'yesterday'"),
    ({"behaviours": np.zeros(3, np.uint64)}, r"must be \(n, 2\) and \(n,\) of uint64, but were \(\(2, 2\), 'uint64'\)"),
    ({"keys": np.zeros((2, 2))}, r"must be .* uint64, but were \(\(2, 2\), 'float64'\)"),
])  # fmt: skip
def test_a_search_that_cannot_be_kept_is_refused(tmp_path, changes, message):
    hand_job(tmp_path, "first", [])
    with pytest.raises(UsageError, match=message):
        write_trials(tmp_path, **given([1, 2], **changes))
    assert not (tmp_path / "trials").exists()


# Files


def test_a_file_comes_back_as_it_was_and_any_damage_is_found():
    trials = search("one", [5, 1, 3, 3], shards="ba")
    data = trials_to_bytes(trials)
    back = trials_from_bytes(data, where="here")
    assert back.facts() == trials.facts()
    assert np.array_equal(back.keys, trials.keys)
    assert np.array_equal(back.behaviours, trials.behaviours)
    assert trials_to_bytes(back) == data
    for place in range(0, len(data), 7):
        bad = bytearray(data)
        bad[place] ^= 4
        with pytest.raises(JournalError, match=r"A file of trials must .*but .*\(here\)"):
            trials_from_bytes(bytes(bad), where="here")
    for length in range(0, len(data), 11):
        with pytest.raises(JournalError, match=r"A file of trials must .*but .*\(here\)"):
            trials_from_bytes(data[:length], where="here")
    with pytest.raises(
        JournalError, match=r"must have format 1, but had 2 .*with the version of Studbook that wrote it"
    ):
        trials_from_bytes(MAGIC[:-1] + b"\x02" + data[len(MAGIC) :], where="here")


def test_a_trial_takes_24_bytes():
    small, large = (len(trials_to_bytes(search("one", range(n)))) for n in (1000, 2000))
    assert large - small == 24 * 1000


def test_two_writers_do_not_tear_a_file(tmp_path):
    payloads = [given(range(start, start + 400)) for start in (0, 1000)]
    problems = []

    def write(payload):
        for _ in range(15):
            write_trials(tmp_path, **payload)

    threads = [threading.Thread(target=write, args=(payload,)) for payload in payloads]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        problems += ledger(tmp_path).problems
    for thread in threads:
        thread.join()
    assert problems == []
    assert len(read_file(trials_path(tmp_path, "walk-1")).keys) in (400, 800)
    assert [path.name for path in (tmp_path / "trials").iterdir()] == ["walk-1.trials"]


# Real jobs


@pytest.fixture(scope="module")
def job(tiny_values):
    evolution = {**tiny_values["evolution"], "generations": 2}
    return config_from({**tiny_values, "evolution": evolution, "gates": {"candidates": 1}}, where="test")


@pytest.fixture(scope="module")
def finished(job, tmp_path_factory, replay):
    return run_job(job, root=tmp_path_factory.mktemp("runs"), make_executor=replay)


def test_a_finished_job_is_in_the_ledger_and_counts_what_it_evaluated(finished):
    births = read_births(finished.run_dir, finished.epochs)
    count = count_trials(finished, births)
    held = read_file(trials_path(finished.run_dir.parent, finished.id))
    tried = births.take(births.evaluated)
    assert count.n_births == finished.n_births
    assert count.n_evaluated == finished.n_evaluated == held.n_evaluated
    assert count.n_genomes == len(np.unique(tried.key, axis=0)) == len(held.keys)
    rows = {json.dumps(row) for row in (tried.measures[:, :N_MEASURES] + 0.0).tolist()}
    assert count.n_behaviours == len(rows) == len(held.behaviours)
    assert 1 < count.n_behaviours < count.n_genomes <= count.n_evaluated  # some never trade
    assert tried_on_bars(finished) == tried_line(count)
    forgotten = replace(finished, run_dir=finished.run_dir / "gone" / "run")
    assert tried_on_bars(forgotten) == tried_line(count)  # what it was judged by is in its journal


def test_a_job_run_twice_adds_no_behaviour_and_is_listed(finished, job, replay, tmp_path):
    root = tmp_path / "runs"
    shutil.copytree(finished.run_dir, root / finished.id)
    again = run_job(job, root=root, make_executor=replay)
    count, first = count_trials(again), count_trials(finished)
    assert count.earlier == (finished.id,)
    assert (count.n_behaviours, count.n_genomes) == (first.n_behaviours, first.n_genomes)
    assert (count.own_behaviours, count.own_genomes) == (first.n_behaviours, first.n_genomes)
    assert count.n_evaluated == 2 * first.n_evaluated


def test_a_job_that_was_stopped_is_recorded_and_counts_once_when_resumed(finished, job, replay, tmp_path):
    stop = threading.Event()
    with pytest.raises(Interrupted, match="stopped"):
        run_job(job, root=tmp_path, observers=[lambda r: r.kind == "epoch_finished" and stop.set()], stop=stop,
                make_executor=replay)  # fmt: skip
    (path,) = (tmp_path / "trials").iterdir()
    entry = read_file(path)
    view = read_job(tmp_path / entry.name)
    assert entry.n_evaluated == view.n_evaluated > 0
    resumed = resume_job(view.run_dir, make_executor=replay)
    whole, first = count_trials(resumed), count_trials(finished)
    assert whole == first
    assert numbers_of(whole) == numbers_of(first)
    assert [one.name for one in ledger(tmp_path).entries] == [entry.name]


def test_no_candidate_is_judged_while_the_disk_refuses_the_ledger(job, replay, tmp_path, capsys):
    (tmp_path / "trials").write_text("in the way")
    with pytest.raises(StudbookError, match=r"must be able to read and write its files, but was not: File exists"):
        run_job(job, root=tmp_path, make_executor=replay)
    assert "The trial ledger could not be written:" in capsys.readouterr().err
    (run,) = tmp_path.glob("tiny-*")
    assert (read_job(run).status, read_job(run).chosen) == ("interrupted", None)
    (tmp_path / "trials").unlink()
    view = resume_job(run, make_executor=replay)
    assert view.status == "finished"
    assert read_file(trials_path(tmp_path, view.id)).n_evaluated == view.n_evaluated
