"""Health is a fold of the journal: speeds, diversity, waiting, losses and stalls, a job and an island.

Promise: self-repair is visible: every loss, stall and missing worker that the journal tells is counted once.
"""

import json
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cluster.happenings import SENTENCES, sentence_of
from cluster.health import BREEDING, DONE, FOUNDING, REPAIRING, STALLED, health_document
from cluster.health_ledger import HAPPENINGS_KEPT, HealthLedger, health_of
from cluster.journal import Record, plain, read_journal

MakeRun = Callable[..., Path]
START = datetime.fromisoformat("2026-11-21T10:00:00.000+00:00")
EVENTS: list[tuple[str, dict[str, Any]]] = [
    ("workers", {"present": 3, "wanted": 4, "reason": "a node left"}),
    ("repair", {"what": "breeder 1", "island": 0, "epoch": 9, "reason": "died", "action": "epoch run again"}),
    ("repair", {"what": "session", "island": None, "epoch": None, "reason": "all gone", "action": "new session"}),
    ("quarantined", {"id": "ab", "text": "x", "reason": "killed its worker", "island": 1, "epoch": 9}),
    ("stall", {"island": 1, "epoch": 9, "waited_s": 75.0, "typical_s": 9.5}),
    ("resumed", {"changed_versions": {"numpy": ["2.4", "2.5"]}}),
    ("interrupted", {"reason": "stopped between two epochs"}),
]


def instant(second: float) -> str:
    return (START + timedelta(seconds=second)).isoformat(timespec="milliseconds")


class Story:
    """A journal in memory, written with a clock of its own."""

    def __init__(self, islands: int = 2, generations: int = 40) -> None:
        evolution = {"islands": islands, "generations": generations, "objectives": ["sharpe", "drawdown"]}
        self.records: list[Record] = []
        self.now = 0.0
        self.add("job_created", {"config": {"evolution": evolution}})

    def add(self, kind: str, data: dict[str, Any], after_s: float = 1.0) -> None:
        self.now += after_s
        self.records.append(Record(len(self.records), instant(self.now), kind, data))

    def epoch(self, island: int, epoch: int, *, after_s: float = 1.0, **changes: Any) -> None:
        """Two generations of ten births, eight of them evaluated, a second each."""
        generations = [2 * epoch + 1, 2 * epoch + 2]
        facts = {"best": 1.0, "spread": 0.5, **changes}
        stats = [
            {"generation": generation, "best": {"sharpe": facts["best"]}, "gene_spread": facts["spread"],
             "n_families": 3, "species": {"ta": {"n": 10}}}
            for generation in generations
        ]  # fmt: skip
        data = {"island": island, "epoch": epoch, "stats": stats, "n_births": 20, "n_evaluated": 16,
                "n_screened_out": 0, "seconds": 2.0, "screen": [], "validation_best": {"sharpe": 0.5}}  # fmt: skip
        data |= {name: changes[name] for name in ("waited_s", "host", "seconds") if name in changes}
        self.add("epoch_finished", data, after_s)


def test_an_island_is_measured_in_its_own_seconds() -> None:
    story = Story()
    story.epoch(0, 0, waited_s=2.0, host="a")
    story.epoch(0, 1, waited_s=6.0, host="b", after_s=1000.0)  # a night between them
    island = health_of(story.records).islands[0]
    assert (island.generation, island.epoch, island.host) == (4, 1, "b")
    assert island.births_per_s == pytest.approx(40 / 12)
    assert island.evaluated_per_s == pytest.approx(32 / 12)
    assert island.waiting_share == pytest.approx(8 / 12)


def test_what_an_older_journal_does_not_say_is_unknown() -> None:
    story = Story()
    story.epoch(0, 0)
    health = health_of(story.records)
    assert health.islands[0].evaluated_per_s == pytest.approx(16 / 2)
    assert (health.islands[0].waiting_share, health.islands[0].host) == (None, "")
    assert (health.waiting_share, health.workers_present, health.hosts) == (None, None, {})


def test_only_the_last_epochs_make_the_speed() -> None:
    story = Story()
    for epoch in range(3):
        story.epoch(0, epoch, seconds=100.0)
    for epoch in range(3, 8):
        story.epoch(0, epoch, seconds=1.0)
    assert health_of(story.records).islands[0].births_per_s == pytest.approx(20.0)


def test_diversity_has_a_trend_and_the_best_an_age() -> None:
    story = Story()
    for epoch in range(8):
        story.epoch(0, epoch, spread=0.8 - 0.05 * epoch, best=1.0 if epoch < 2 else 0.9)
    island = health_of(story.records).islands[0]
    assert island.diversity == pytest.approx(0.45)
    assert island.diversity_change == pytest.approx(-0.25)  # ten generations are five epochs
    assert island.since_best == 16 - 1
    assert health_of(story.records).islands[1].since_best is None
    assert health_of(story.records).islands[1].diversity_change is None


def test_the_speed_of_a_job_falls_while_nothing_comes_and_begins_anew_when_resumed() -> None:
    story = Story()
    for epoch in range(3):
        for island in range(2):
            story.epoch(island, epoch)
    last = datetime.fromisoformat(story.records[-1].at)
    health = health_of(story.records)
    assert health.evaluated_per_s == pytest.approx(16.0)
    assert health.left_s == pytest.approx((80 - 12) / 2.0)
    waiting = health_of(story.records, last + timedelta(seconds=5))
    assert waiting.evaluated_per_s == pytest.approx(5 * 16 / 10.0)
    assert waiting.left_s == pytest.approx(68.0)
    story.add("interrupted", {"reason": "stopped"})
    stopped = health_of(story.records, last + timedelta(hours=8))
    assert (stopped.evaluated_per_s, stopped.left_s) == (health.evaluated_per_s, None)
    story.add("resumed", {"changed_versions": {}}, after_s=3600.0)
    assert health_of(story.records).evaluated_per_s is None


def test_a_clock_that_is_behind_makes_no_negative_speed() -> None:
    story = Story()
    story.epoch(0, 0)
    story.epoch(0, 1)
    behind = START - timedelta(hours=1)
    assert health_of(story.records, behind) == health_of(story.records)
    still = [Record(record.n, instant(0), record.kind, record.data) for record in story.records]
    assert health_of(still).evaluated_per_s is None


def test_states_follow_what_happened_until_the_epoch_is_back() -> None:
    story = Story(islands=1, generations=4)

    def state() -> str:
        return health_of(story.records).islands[0].state

    seen = [state()]
    story.add("stall", {"island": 0, "epoch": 0, "waited_s": 9.0, "typical_s": 1.0})
    seen.append(state())
    story.epoch(0, 0)
    seen.append(state())
    story.add("repair", {"what": "breeder 0", "island": 0, "epoch": 1, "reason": "died", "action": "epoch run again"})
    seen.append(state())
    story.epoch(0, 1)
    seen.append(state())
    assert seen == [FOUNDING, STALLED, BREEDING, REPAIRING, DONE]


def test_every_happening_is_counted_once_and_told_in_words() -> None:
    story = Story()
    story.epoch(0, 0)
    for kind, data in EVENTS:
        story.add(kind, data)
    health = health_of(story.records)
    assert health.repairs == {"breeder": 1, "session": 1}
    assert (health.n_repairs, health.n_quarantined, health.n_stalls) == (2, 1, 1)
    assert (health.workers_present, health.workers_wanted, health.workers_reason) == (3, 4, "a node left")
    assert [island.n_repairs for island in health.islands] == [1, 0]
    assert [island.n_quarantined for island in health.islands] == [0, 1]
    assert [island.n_stalls for island in health.islands] == [0, 1]
    assert not health.is_quiet
    assert {kind for kind, _ in EVENTS} == set(SENTENCES)
    assert [one.text for one in health.happenings] == [
        "3 of 4 workers present: a node left",
        "breeder 1 lost (died): epoch run again (island 0, epoch 9)",
        "session lost (all gone): new session",
        "strategy ab put aside: it killed its worker (island 1, epoch 9)",
        "stalled: 1 min 15 s so far, 9.5 s is usual (island 1, epoch 9)",
        "resumed with other packages: numpy 2.4 -> 2.5",
        "interrupted: stopped between two epochs",
    ]
    assert sentence_of(story.records[0]) == ""


def test_what_a_record_may_leave_out_is_unknown() -> None:
    """Of an epoch only its place and its counts must be there, see `record_forms`."""
    story = Story(islands=1)
    bare = {"island": 0, "epoch": 0, "n_births": 5, "n_evaluated": 4, "n_screened_out": 0}
    story.add("epoch_finished", bare)
    story.add("epoch_finished", {**bare, "epoch": 1, "stats": [{}], "screen": [{}], "seconds": None, "waited_s": None})
    story.add("epoch_finished", {**bare, "epoch": 2, "stats": [{"best": {"sharpe": 10**400}, "species": {"ta": {}}}]})
    story.add("interrupted", {})
    story.add("something of a later version", {"island": 99})
    (island,) = health_of(story.records).islands
    assert (island.epoch, island.generation, island.best, island.births_per_s) == (2, -1, None, None)


def test_a_job_in_which_nothing_broke_is_quiet(make_run: MakeRun) -> None:
    records = read_journal(make_run() / "journal.jsonl").records
    assert not health_of(records).is_quiet  # the run by hand has one repair
    assert health_of([record for record in records if record.kind != "repair"]).is_quiet
    assert {island.state for island in health_of(records).islands} == {DONE}


def test_taking_records_one_by_one_is_reading_them_at_once_and_the_document_is_plain(make_run: MakeRun) -> None:
    records = read_journal(make_run() / "journal.jsonl").records
    ledger = HealthLedger()
    for n, record in enumerate(records, start=1):
        ledger.take(record)
        assert ledger.health() == health_of(records[:n])
    document = health_document(ledger.health())
    assert json.loads(json.dumps(plain(document), allow_nan=False)) == plain(document)
    only = ledger.health(only=(1,))
    assert only.islands == ledger.health().islands[1:]


def test_the_ledger_grows_with_islands_not_with_epochs_and_stays_cheap() -> None:
    """A thousand islands: what one record costs must not grow with them, for the driver pays it."""
    story = Story(islands=1000, generations=100)
    for epoch in range(4):
        for island in range(1000):
            story.epoch(island, epoch)
    for n in range(3 * HAPPENINGS_KEPT):
        story.add(
            "repair", {"what": f"cell {n}", "island": None, "epoch": None, "reason": "died", "action": "replaced"}
        )
    ledger = HealthLedger()
    began = time.process_time()
    for record in story.records:
        ledger.take(record)
        ledger.health(only=())
    spent_s = time.process_time() - began
    assert spent_s / len(story.records) < 0.001
    health = ledger.health()
    assert len(health.happenings) == HAPPENINGS_KEPT
    assert health.repairs == {"cell": 3 * HAPPENINGS_KEPT}
    assert len(health.islands) == 1000
