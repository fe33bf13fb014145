"""A real MLflow server on a real PostgreSQL, and what may become of them while a job runs.

Promise: MLflow down stops nothing: server killed, slow, erroring, locked: afterwards its history equals the journal, no
duplicates. (Locked: `test_tracking.py`, whose SQLite can be.)
"""

import json
import random
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cluster.driver import run_job
from cluster.journal import Record, read_journal
from cluster.mlflow_telling import told_of
from cluster.tracking import Pace, Tracker, replay
from cluster.tracking_feed import Feed
from cluster.tracking_projection import Entry
from cluster.tracking_store import ARTIFACTS
from tests.cluster.fault_proxy import FAULTS, FaultProxy, settle
from tests.cluster.mlflow_server import MlflowServer, Postgres, mlflow_on_postgres

pytestmark = pytest.mark.mlflow
MakeRun = Callable[..., Path]
Servers = tuple[MlflowServer, Postgres]
QUICK = Pace(gather_s=0.01, first_s=0.05, longest_s=0.4, troubled_s=20.0)
METRICS = "select key, step, timestamp, value from metrics m join runs r using (run_uuid)"
ANSWERED_IN_S = 10


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with mlflow_on_postgres() as both:
        yield both


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow's client waits ten seconds, tries twice, and pauses; here one second, once."""
    for name, value in (("TIMEOUT", 1), ("MAX_RETRIES", 0), ("BACKOFF_FACTOR", 0)):
        monkeypatch.setenv(f"MLFLOW_HTTP_REQUEST_{name}", str(value))


@pytest.fixture
def proxy(servers: Servers) -> Iterator[FaultProxy]:
    """Between us and the server; harmless until its `fault` is set."""
    between = FaultProxy(servers[0].port, lambda: "pass")
    yield between
    between.close()


def records_of(run: Path) -> tuple[Record, ...]:
    return read_journal(run / "journal.jsonl").records


def tracker_of(uri: str, run: Path) -> Tracker:
    return Tracker(uri=uri, root=run.parent, experiment="studbook", run_dir=run, pace=QUICK)


def tell(tracker: Tracker, records: Iterable[Record]) -> None:
    for record in records:
        tracker(record)


def require_equal(postgres: Postgres, run: Path, status: str = "FINISHED") -> None:
    """MLflow's history of the job is its journal's, each value once, in one run."""
    feed, whole = Feed.of(run), Entry()
    while entry := feed.batch(10**9):
        whole.add(entry)
    where = f"where r.name = '{run.name}' and r.lifecycle_stage = 'active'"
    logged = postgres.rows(f"{METRICS} {where} and key not like 'system/%'")
    wanted = [(point.key, point.step, point.at_ms, point.value) for point in whole.points]
    assert sorted(logged) == sorted(wanted)
    assert postgres.rows(f"select status, lifecycle_stage from runs r {where}") == [(status, "active")]
    tags = dict(postgres.rows(f"select t.key, t.value from tags t join runs r using (run_uuid) {where}"))
    assert {key: tags.get(key) for key in whole.tags} == whole.tags
    assert dict(postgres.rows(f"select key, value from params p join runs r using (run_uuid) {where}")) == whole.params
    require_elites(postgres, run)


def require_elites(postgres: Postgres, run: Path) -> None:
    """Each elite of the job is one run under it, one model whose files are there, and one version."""
    ids, ready = sorted(one.id for one in told_of(run).elites), 2
    job = f"= 'job_id' and {{}}.{{}} = '{run.name}'"
    (parent,) = postgres.rows(f"select run_uuid from runs where name = '{run.name}' and lifecycle_stage = 'active'")
    runs = postgres.rows(
        "select k.value, r.status, p.value from tags t join runs r using (run_uuid) "
        "join tags k on k.run_uuid = r.run_uuid and k.key = 'strategy_id' "
        "join tags p on p.run_uuid = r.run_uuid and p.key = 'mlflow.parentRunId' "
        f"where t.key {job.format('t', 'value')} and r.lifecycle_stage = 'active'"
    )
    assert sorted(runs) == [(one, "FINISHED", parent[0]) for one in ids]
    models = postgres.rows(
        "select m.name, m.status from logged_models m join logged_model_tags t using (model_id) "
        f"where t.tag_key {job.format('t', 'tag_value')} and m.lifecycle_stage = 'active'"
    )
    assert sorted(models) == [(one, ready) for one in ids]
    versions = postgres.rows(
        "select k.value from model_versions v join model_version_tags t using (name, version) "
        "join model_version_tags k on k.name = v.name and k.version = v.version and k.key = 'strategy_id' "
        f"where t.key {job.format('t', 'value')} and v.current_stage <> 'Deleted_Internal'"
    )
    assert sorted(versions) == [(one,) for one in ids]


def test_a_server_on_postgres_holds_what_the_journal_holds(
    make_run: MakeRun, servers: Servers, capfd: pytest.CaptureFixture[str]
) -> None:
    server, postgres = servers
    run = make_run("plain")
    for _ in range(2):
        tracker = replay(run, uri=server.uri, root=run.parent, experiment="studbook")
    require_equal(postgres, run)
    stored = {path.name for path in server.artifacts.glob(f"*/{tracker.run_id}/artifacts/**/*")}
    assert {"journal.jsonl", "births.parquet", "candidates", "elites"} <= stored
    assert len([name for name in stored if name.endswith(".json")]) == 4
    assert capfd.readouterr().out == ""


def test_the_database_itself_may_be_the_tracking_uri(
    make_run: MakeRun, servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Artifacts then lie beside the runs, not in `mlruns` wherever we are."""
    run = make_run("direct")
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    tracker = replay(run, uri=servers[1].uri, root=run.parent, experiment="direct")
    require_equal(servers[1], run)
    assert list(here.iterdir()) == []
    assert list((run.parent / ARTIFACTS).glob(f"direct/{tracker.run_id}/artifacts/journal.jsonl"))


@pytest.mark.chaos
def test_random_faults_leave_no_gap_and_no_duplicate(
    make_run: MakeRun, servers: Servers, proxy: FaultProxy, amount: Callable[[int, int], int]
) -> None:
    """Promise: MLflow down stops nothing. Requests are lost, answered with errors, late, carried out but unanswered."""
    for seed in range(amount(3, 100)):
        rng = random.Random(seed)
        run = make_run(f"chaos-{seed}", extra={"seed": seed})
        ills = [rng.choice(FAULTS) if rng.random() < 0.5 else "pass" for _ in range(rng.randrange(1, 30))]
        proxy.fault = lambda ills=ills: ills.pop(0) if ills else "pass"
        tracker = tracker_of(proxy.uri, run)
        for record in records_of(run):
            tracker(record)
            time.sleep(rng.choice([0, 0, 0.05]))
        trouble = tracker.close()
        ills.clear()
        settle(lambda: len(proxy.ended) == len(proxy.met))
        if trouble or "late" in proxy.met:  # it gave up in good time; or its run was made once more, after the end
            replay(run, uri=proxy.uri, root=run.parent, experiment="studbook", pace=QUICK)
        require_equal(servers[1], run)
        proxy.met, proxy.ended = [], []


def test_lost_answers_make_no_second_run(make_run: MakeRun, servers: Servers, proxy: FaultProxy) -> None:
    """The request that makes the run is carried out after we gave it up, and so is the next one."""
    run = make_run("twice")
    ills = ["pass", "pass", "late", "pass", "late", "pass"]
    proxy.fault = lambda: ills.pop(0) if ills else "pass"
    tracker = tracker_of(proxy.uri, run)
    tell(tracker, records_of(run))
    settle(lambda: len(ills) == 0)
    time.sleep(proxy.hang_s)
    assert tracker.close() == ""
    require_equal(servers[1], run)
    made = servers[1].rows(f"select lifecycle_stage from runs where name = '{run.name}' order by 1")
    assert made == [("active",), ("deleted",)]


def test_a_slow_server_is_caught_up_with_in_mid_run(make_run: MakeRun, servers: Servers, proxy: FaultProxy) -> None:
    run = make_run("slow")
    records, slow = records_of(run), ["late"] * 2
    tracker = tracker_of(proxy.uri, run)
    tell(tracker, records[:3])
    settle(lambda: tracker.run_id != "" and not tracker.trouble)
    proxy.fault = lambda: slow.pop(0) if slow else "pass"
    tell(tracker, records[3:10])
    settle(lambda: tracker.n_outages == 1 and not tracker.trouble)
    tell(tracker, records[10:])
    assert tracker.close() == ""
    require_equal(servers[1], run)


def test_a_database_that_dies_in_mid_run_is_caught_up_with(make_run: MakeRun, servers: Servers) -> None:
    """PostgreSQL is killed: the server is up, and answers with errors."""
    server, postgres = servers
    run = make_run("headless")
    records = records_of(run)
    tracker = tracker_of(server.uri, run)
    tell(tracker, records[:4])
    settle(lambda: tracker.run_id != "")
    postgres.kill()
    tell(tracker, records[4:8])
    settle(lambda: tracker.trouble != "")
    postgres.start()
    settle(lambda: tracker.trouble == "")
    tell(tracker, records[8:])
    assert tracker.close() == ""
    assert tracker.n_outages == 1
    require_equal(postgres, run)


def test_a_run_deleted_in_mid_job_is_told_again(make_run: MakeRun, servers: Servers) -> None:
    """As where the server comes back with an empty database."""
    server, postgres = servers
    run = make_run("deleted")
    records = records_of(run)
    tracker = tracker_of(server.uri, run)
    tell(tracker, records[:6])
    settle(lambda: bool(postgres.rows(f"{METRICS} where r.name = '{run.name}'")))
    before = tracker.run_id
    api(server.uri, "runs/delete", run_id=before)
    tell(tracker, records[6:])
    assert tracker.close() == ""
    assert tracker.run_id != before
    require_equal(postgres, run)


def test_a_refused_login_is_told_as_such(make_run: MakeRun, proxy: FaultProxy) -> None:
    run = make_run("stranger")
    proxy.fault = lambda: "401"
    tracker = tracker_of(proxy.uri, run)
    tracker(records_of(run)[0])
    settle(lambda: tracker.trouble != "")
    asked = len(proxy.met)
    time.sleep(2 * QUICK.first_s)
    assert len(proxy.met) == asked  # an account is not to be locked by trying again and again
    assert "it wants a login (401): set MLFLOW_TRACKING_USERNAME" in tracker.close()


def test_what_the_machine_does_is_logged_where_asked_for(make_run: MakeRun, servers: Servers) -> None:
    run = make_run("watched", extra={"tracking": {"system_metrics": True}})
    tracker = tracker_of(servers[0].uri, run)
    tell(tracker, records_of(run))
    assert tracker.close() == ""
    names = {name for (name,) in servers[1].rows(f"select key from metrics m join runs r using (run_uuid) "
                                                 f"where r.name = '{run.name}' and key like 'system/%'")}  # fmt: skip
    assert {"system/cpu_utilization_percentage", "system/system_memory_usage_megabytes"} <= names
    require_equal(servers[1], run)


def test_a_server_killed_under_a_job_delays_nothing_and_learns_all_later(
    tiny_job: Any, servers: Servers, tmp_path: Path, replay: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last test here: it kills the server with SIGKILL, and `studbook track` meets it down, then up again."""
    server, postgres = servers
    config = tiny_job(tracking={"enabled": True, "uri": server.uri})
    tracker = Tracker(uri=server.uri, root=tmp_path / "runs", experiment="studbook", pace=QUICK)

    def killer(record: Record) -> None:
        if record.kind == "epoch_finished" and record.data["epoch"] == 1:
            settle(lambda: tracker.run_id != "")
            server.kill()

    view = run_job(config, root=tmp_path / "runs", make_executor=replay, observers=[tracker, killer])
    ended = time.monotonic()
    assert "MlflowException" in tracker.close()
    assert time.monotonic() - ended < QUICK.troubled_s + ANSWERED_IN_S
    assert view.status == "finished"
    down = track(view.run_dir)
    assert down.exit_code == 4
    assert f"MLflow at {server.uri} must take the job's records" in json.loads(down.stdout)["error"]["message"]
    server.start()
    up = track(view.run_dir)
    assert up.exit_code == 0, up.stderr
    assert json.loads(up.stdout)["run_id"] == tracker.run_id
    require_equal(postgres, view.run_dir)


def track(run: Path) -> Any:
    from cluster.cli import app

    return CliRunner().invoke(app, ["track", run.name, "--root", str(run.parent), "--json"])


def api(uri: str, endpoint: str, **body: Any) -> Any:
    """What MLflow's own REST interface answers."""
    import urllib.request

    query = urllib.request.Request(
        f"{uri}/api/2.0/mlflow/{endpoint}", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(query, timeout=30) as answer:
        return json.load(answer)
