"""MLflow holds what the journal holds, once, however often it was told; and it may fail alone.

Promise: MLflow down stops nothing. Here with the SQLite store of a laptop; `test_tracking_server.py` has a server.
"""

import contextlib
import socket
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cluster.journal import read_journal
from cluster.tracking import Pace, Tracker, artifacts_of, located, replay
from cluster.tracking_projection import Entry, Projection, flattened, milliseconds
from cluster.tracking_store import Point, store_uri
from strategies.errors import ClusterError, JournalError

MakeRun = Callable[..., Path]
QUICK = Pace(gather_s=0.01, first_s=0.05, longest_s=0.2, troubled_s=2.0)


def points_of(run: Path) -> list[Point]:
    projection = Projection()
    entry = Entry()
    for record in read_journal(run / "journal.jsonl").records:
        entry.add(projection.entry(record))
    return entry.points


def rows(root: Path, sql: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(root / "mlflow.db") as connection:
        found = connection.execute(sql).fetchall()
    connection.close()
    return found


def of_job(run: Path) -> str:
    """The job's own run alone: its elites have runs of their own."""
    return f"where run_uuid = (select run_uuid from runs where name = '{run.name}')"


def test_projection_logs_each_island_and_whole_generations(make_run: MakeRun) -> None:
    points = points_of(make_run())
    by_key = {(point.key, point.step): point for point in points}
    for generation in range(7):
        islands = [by_key[f"island_{island}/best_steady_sharpe", generation].value for island in range(2)]
        assert by_key["best_steady_sharpe", generation].value == max(islands)
        assert by_key["n_births", generation].value == 40
    assert len({(point.key, point.step, point.at_ms) for point in points}) == len(points)


def test_projection_logs_the_share_of_each_species(make_run: MakeRun) -> None:
    values = {(point.key, point.step): point.value for point in points_of(make_run())}
    for generation in range(7):
        shares = [values[f"share_{name}", generation] for name in ("ta", "ml", "hybrid")]
        assert shares == [(12 - generation) / 20, 8 / 20, generation / 20]
        assert sum(values[f"births_share_{name}", generation] for name in ("ta", "ml", "hybrid")) == pytest.approx(1)
        islands = [values[f"island_{island}/best_of_ml", generation] for island in range(2)]
        assert values["best_of_ml", generation] == max(islands)
    assert ("best_of_hybrid", 3) not in values


def test_projection_logs_the_screen(make_run: MakeRun) -> None:
    values = {(point.key, point.step): point.value for point in points_of(make_run(screen=True))}
    assert [values["screen_on", generation] for generation in range(7)] == [0, 1, 1, 1, 1, 0, 0]
    assert values["screen_agreement", 2] == pytest.approx(0.6)
    assert ("screen_agreement", 6) not in values
    assert values["n_screened_out", 1] == 18
    assert values["island_1/screened_out_share", 1] == 0.5
    plain = {point.key for point in points_of(make_run("plain-20261121T100000-00bb"))}
    assert not any("screen" in key for key in plain)


def test_projection_waits_for_the_slow_island(make_run: MakeRun) -> None:
    records = read_journal(make_run() / "journal.jsonl").records
    projection = Projection()
    projection.entry(records[0])
    first = projection.entry(next(record for record in records if record.kind == "epoch_finished"))
    assert {point.key.split("/")[0] for point in first.points} <= {"island_0", "job"}


def test_projection_carries_the_journals_time(make_run: MakeRun) -> None:
    records = read_journal(make_run() / "journal.jsonl").records
    projection = Projection()
    for record in records:
        assert {point.at_ms for point in projection.entry(record).points} <= {milliseconds(record.at)}


def test_flattened_settings_name_every_leaf() -> None:
    shards = [{"symbol": "SPX", "timeframe": "1d"}, {"symbol": "IXIC", "timeframe": "1d"}]
    assert flattened({"data": {"shards": shards, "seed": None}}) == {
        "data.shards": "SPX 1d, IXIC 1d",
        "data.seed": "none",
    }


def test_uri_prefers_the_given_one_then_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    assert store_uri("http://given", tmp_path) == "http://given"
    assert store_uri(None, tmp_path) == "http://127.0.0.1:1"
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert store_uri(None, tmp_path) == f"sqlite:///{tmp_path.resolve()}/mlflow.db"


@pytest.mark.mlflow
def test_store_equals_the_journal_after_live_log_interruption_resume_and_replays(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    run = make_run()
    root, records = run.parent, read_journal(run / "journal.jsonl").records
    wanted = {(point.key, point.step, point.at_ms, point.value) for point in points_of(run)}

    live = Tracker(uri=None, root=root, experiment="studbook")
    for record in records[:4]:  # the driver dies here
        live(record)
    assert live.close(patience_s=180) == ""
    assert rows(root, "select status from runs") == [("FAILED",)]
    assert {step for (step,) in rows(root, "select step from metrics where key = 'island_0/seconds'")} == {1, 3}

    resumed = Tracker(uri=None, root=root, experiment="studbook", run_dir=run)
    for record in records[4:]:
        resumed(record)
    assert resumed.close(patience_s=180) == ""
    for _ in range(2):
        replay(run, uri=None, root=root, experiment="studbook")

    logged = rows(root, f"select key, step, timestamp, value from metrics {of_job(run)}")
    assert len(logged) == len(wanted)
    assert set(logged) == wanted
    (job, elite) = rows(root, "select status, name from runs order by start_time")
    assert job == ("FINISHED", run.name)
    assert elite[0] == "FINISHED"
    assert dict(rows(root, "select key, value from params"))["evolution.population_size"] == "20"
    tags = dict(rows(root, f"select key, value from tags {of_job(run)}"))
    assert tags["studbook.job_id"] == run.name
    assert tags["studbook.n_trials"] == "252"
    assert any(key.startswith("studbook.elite.") for key in tags)
    stretches = ("", " in sample", " lockbox", " validation")
    shards = [(f"{symbol} 1d{stretch}",) for symbol in ("IXIC", "SPX") for stretch in stretches]
    assert sorted(rows(root, "select name from datasets")) == shards
    assert sorted(path.name for path in root.glob(f"mlflow-artifacts/studbook/{resumed.run_id}/artifacts/*")) == [
        "births.parquet", "candidates", "elites", "journal.jsonl",
    ]  # fmt: skip
    assert capfd.readouterr().out == ""  # stdout is the command's


@pytest.mark.mlflow
@pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "sqlite:////proc/no/such/folder/mlflow.db", "nonsense://x"])
def test_a_broken_store_is_told_once_and_stops_nothing(make_run: MakeRun, uri: str) -> None:
    run = make_run()
    tracker = Tracker(uri=uri, root=run.parent, experiment="studbook", pace=QUICK)
    for record in read_journal(run / "journal.jsonl").records:
        tracker(record)
    assert tracker.close(patience_s=120) != ""
    with pytest.raises(ClusterError, match="must take the job's records, but did not"):
        replay(run, uri=uri, root=run.parent, experiment="studbook", pace=QUICK)


@pytest.mark.mlflow
def test_a_server_that_never_answers_is_left_behind(make_run: MakeRun) -> None:
    run = make_run()
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        tracker = Tracker(uri=f"http://127.0.0.1:{silent.getsockname()[1]}", root=run.parent, experiment="studbook")
        tracker(read_journal(run / "journal.jsonl").records[0])
        assert "did not answer within" in tracker.close(patience_s=0.3)
        asked = time.monotonic()
        assert tracker.close(patience_s=60) != ""
        assert time.monotonic() - asked < 30


@pytest.mark.mlflow
def test_a_locked_database_is_told_everything_once_it_is_free(make_run: MakeRun) -> None:
    run = make_run()
    uri = f"sqlite:///{run.parent}/mlflow.db?timeout=0.1"
    first, *records = read_journal(run / "journal.jsonl").records
    tracker = Tracker(uri=uri, root=run.parent, experiment="studbook", pace=QUICK)
    tracker(first)
    wait_until(lambda: tracker.run_id != "")
    with contextlib.closing(sqlite3.connect(run.parent / "mlflow.db", timeout=60)) as other:
        other.execute("begin exclusive")
        for record in records[:5]:
            tracker(record)
        wait_until(lambda: "database is locked" in tracker.trouble)
        other.rollback()
    wait_until(lambda: tracker.trouble == "")
    for record in records[5:]:
        tracker(record)
    assert tracker.close(patience_s=120) == ""
    assert tracker.n_outages == 1
    logged = rows(run.parent, f"select key, step, timestamp, value from metrics {of_job(run)}")
    assert sorted(logged) == sorted((point.key, point.step, point.at_ms, point.value) for point in points_of(run))


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_tracking_needs_the_folder_that_the_record_came_from(make_run: MakeRun) -> None:
    first = read_journal(make_run() / "journal.jsonl").records[0]
    other = make_run("other-20261121T100000-00bb", extra={"seed": 8})
    assert located(other.parent, first).name.startswith("hand")
    with pytest.raises(JournalError, match="none there begins at"):
        located(other.parent, type(first)(0, "2001-01-01T00:00:00+00:00", "job_created", {}))


def test_artifacts_are_those_that_exist(make_run: MakeRun) -> None:
    unfinished = make_run(finished=False)
    assert [path.name for path, _ in artifacts_of(unfinished)] == ["journal.jsonl"]
    others = ("genealogy.html", "pedigree.parquet", "portfolio.json", "report.html")
    for name in (*others, "notes.txt"):
        (unfinished / name).write_text("")
    assert sorted(path.name for path, _ in artifacts_of(unfinished)) == sorted([*others, "journal.jsonl"])
