"""Progress is a fold of the journal: rates, time left, and what is written where."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from cluster.journal import Record, read_journal
from cluster.progress import Progress, headline, species, troubles
from cluster.standing import Standing, Stopwatch

MakeRun = Callable[..., Path]


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def records_of(run: Path) -> tuple[Record, ...]:
    return read_journal(run / "journal.jsonl").records


def test_standing_adds_up_the_epochs(make_run: MakeRun) -> None:
    standing = Standing()
    for record in records_of(make_run()):
        standing.take(record)
    assert standing.n_births == 280
    assert standing.n_evaluated == 252
    assert standing.n_repairs == 1
    assert standing.share_done() == 1.0
    assert standing.phase == "finished"


def test_phases_follow_the_journal(make_run: MakeRun) -> None:
    standing, phases = Standing(), []
    for record in records_of(make_run()):
        standing.take(record)
        if not phases or phases[-1] != standing.phase:
            phases.append(standing.phase)
    assert phases == ["founding", "breeding", "judging the candidates", "reading the lockbox", "finished"]


def test_rates_and_time_left_count_from_the_start_of_this_process(make_run: MakeRun) -> None:
    clock, standing = Clock(), Standing()
    records = records_of(make_run())
    standing.take(records[0])
    standing.take(records[1])
    watch = Stopwatch(standing, clock)
    assert watch.evaluations_per_s() is None
    assert watch.left_s() is None
    standing.take(records[2])  # the other island's first epoch: 3 generations' rows, 54 evaluated, 2 generations bred
    clock.now += 6.0
    assert watch.evaluations_per_s() == 9.0
    assert watch.left_s() == pytest.approx(6.0 * (12 - 4) / 2)


def test_a_slow_start_is_no_speed_of_breeding(make_run: MakeRun) -> None:
    clock, stream = Clock(), io.StringIO()
    progress = Progress(Console(file=stream, width=200), clock=clock)
    records = records_of(make_run())
    progress(records[0])
    for record in records[1:3]:  # the first epoch of both islands, after a minute of starting and compiling
        clock.now += 60.0
        progress(record)
    assert "left" not in stream.getvalue()
    clock.now += 6.0
    progress(records[3])
    assert progress.watch.evaluations_per_s() == records[3].data["n_evaluated"] / 6.0
    assert progress.watch.left_s() is not None
    assert progress.watch.elapsed_s() == 126.0


def test_headline_says_what_a_watcher_wants_to_know(make_run: MakeRun) -> None:
    clock, standing = Clock(), Standing()
    watch = Stopwatch(standing, clock)
    watch.warm()
    for record in records_of(make_run())[:3]:
        standing.take(record)
    clock.now += 3.0
    text = headline(standing, watch)
    for part in (
        "generation 2/6",
        "108 evaluated (36/s)",
        "best steady_sharpe",
        "validation Sharpe 0.00",
        "diversity",
        "ta 50 % ml 40 % hybrid 10 %",
        "left",
    ):
        assert part in text


def test_a_single_species_is_not_told(make_run: MakeRun) -> None:
    standing = Standing()
    for record in records_of(make_run())[:3]:
        for one in record.data.get("stats", []):
            one["species"]["ta"]["n"], one["species"]["ml"]["n"], one["species"]["hybrid"]["n"] = 20, 0, 0
        standing.take(record)
    assert species(standing) == ""
    assert "ta" not in headline(standing, Stopwatch(standing, Clock())).split()


def test_the_screen_is_told_when_there_is_one_and_when_it_turns_itself_off(make_run: MakeRun) -> None:
    clock, stream = Clock(), io.StringIO()
    progress = Progress(Console(file=stream, width=300), clock=clock)
    for record in records_of(make_run(screen=True)):
        clock.now += 0.5
        progress(record)
    lines = [line for line in stream.getvalue().splitlines() if "screen" in line]
    assert "screen on for 1 of 1 island, lowest rank agreement 0.60, 33% screened out" in lines[0]
    assert "screen on for 1 of 2 islands, lowest rank agreement 0.40" in lines[2]
    assert "screen on for 0 of 2 islands" in lines[3]
    plain = Standing()
    for record in records_of(make_run("plain-20261121T100000-00bb")):
        plain.take(record)
    assert "screen" not in headline(plain, Stopwatch(plain, clock))


def test_troubles_are_counted_and_missing_workers_told() -> None:
    standing = Standing()
    assert troubles(standing) == ""
    at = "2026-11-21T10:00:00.000+00:00"
    facts = [
        ("workers", {"present": 4, "wanted": 4, "reason": "all began"}),
        ("repair", {"what": "breeder 1", "island": 0, "epoch": 2, "reason": "died", "action": "epoch run again"}),
        ("quarantined", {"id": "ab", "reason": "killed its worker", "island": 0, "epoch": 2}),
        ("quarantined", {"id": "cd", "reason": "took longer than 60 s", "island": 0, "epoch": 2}),
        ("stall", {"island": 0, "epoch": 3, "waited_s": 90.0, "typical_s": 9.0}),
    ]
    for n, (kind, data) in enumerate(facts):
        standing.take(Record(n, at, kind, data))
    assert troubles(standing) == "1 repair, 2 strategies put aside, 1 stall"
    standing.take(Record(9, at, "workers", {"present": 3, "wanted": 4, "reason": "a node left"}))
    assert troubles(standing).endswith("3 of 4 workers")


def test_before_the_first_record_nothing_divides_by_zero() -> None:
    standing = Standing()
    assert "starting" in headline(standing, Stopwatch(standing, Clock()))


def test_off_a_terminal_there_are_lines_now_and_then_and_no_control_codes(make_run: MakeRun) -> None:
    clock, stream = Clock(), io.StringIO()
    with Progress(Console(file=stream, width=200), clock=clock) as progress:
        progress.say("starting: opening one process")
        for record in records_of(make_run()):
            clock.now += 0.5
            progress(record)
    lines = stream.getvalue().splitlines()
    assert lines[0].startswith("starting")
    assert lines[-1].startswith("finished")
    assert len(lines) == 7
    assert "island 1 lost (worker <killed> & restarted): epoch run again (island 1, epoch 1)" in lines
    assert "1 repair" in lines[-1]
    assert "\x1b" not in stream.getvalue()


def test_on_a_terminal_the_panel_shows_every_island_and_leaves_nothing_behind(make_run: MakeRun) -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=120, height=40, legacy_windows=False)
    with Progress(console) as progress:
        for record in records_of(make_run())[:5]:
            progress(record)
        drawn = Console(width=120, file=io.StringIO(), record=True)
        drawn.print(progress._panel())
    text = drawn.export_text()
    for part in ("Island", "Validation", "Diversity", "Families", "67%", "so far"):
        assert part in text


def test_a_resumed_job_starts_where_it_stood(make_run: MakeRun) -> None:
    progress = Progress(Console(file=io.StringIO()), clock=Clock())
    progress.prime(records_of(make_run(finished=False)))
    assert progress.standing.generations_done() == 8
    assert progress.watch.evaluations_per_s() is None
