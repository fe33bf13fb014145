"""On real Ray: the same bytes however wide, deaths are repaired, a killed driver leaves nothing running.

Promises: same inputs, same bytes; kill any worker.

The conformance kit that Ray shares with the serial executor is in test_executor.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import polars as pl
import pytest

from cluster.driver import resume_job, run_job
from cluster.journal import FILE_NAME
from cluster.kernel_cache import kernel_cache_folder
from cluster.ray_executor import RayExecutor
from cluster.ray_faults import cause_of, is_loss, reason_of
from cluster.ray_session import _start, actor_environment, fenced_stdout
from cluster.run_folder import BIRTHS_FILE
from cluster.view import read_job
from strategies.errors import ClusterError, JournalError

DRIVER = """
import json, pathlib, sys
from cluster.driver import run_job
from cluster.settings import config_from
run_job(config_from(json.loads(sys.argv[1]), where="test"), root=pathlib.Path(sys.argv[2]))
"""


def on_ray(workers, **changes):
    return {"cluster": {"executor": "ray", "workers": workers, **changes}}


@pytest.fixture(scope="module")
def serial(tiny_values, tmp_path_factory):
    from cluster.settings import config_from

    return run_job(config_from(tiny_values, where="test"), root=tmp_path_factory.mktemp("serial"))


def parents():
    """Every process and its parent, from /proc."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text()
        except OSError:
            continue
        found[int(path.parent.name)] = int(text.rpartition(")")[2].split()[1])
    return found


def own_actors(kind):
    """Process ids of the actors of a kind that descend from this very process."""
    family, actors = parents(), []
    for pid in family:
        ancestor = pid
        while ancestor in family and ancestor != os.getpid():
            ancestor = family[ancestor]
        try:
            title = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if ancestor == os.getpid() and title.startswith(f"ray::{kind}".encode()):
            actors.append(pid)
    return sorted(actors)


SCREEN = {"evolution": {"screen": {"enabled": True, "keep": 0.4, "min_agreement": 0.2}}}


@pytest.mark.ray
@pytest.mark.parametrize(("workers", "changes"), [(1, SCREEN), (2, {}), (4, {})], ids=["1, screened", "2", "4"])
def test_births_are_the_same_bytes_serial_and_on_ray(tiny_job, tmp_path, ray_once, serial, workers, changes):
    alone = run_job(tiny_job(**changes), root=tmp_path / "serial") if changes else serial
    view = run_job(tiny_job(**on_ray(workers), **changes), root=tmp_path / "ray")
    assert view.births_sha256 == alone.births_sha256
    assert view.candidates == alone.candidates
    assert view.verdict == alone.verdict
    assert view.n_screened_out == alone.n_screened_out
    assert (view.n_screened_out > 20) == bool(changes)
    assert view.repairs == ()
    founders = pl.read_parquet(view.run_dir / BIRTHS_FILE).filter(pl.col("generation") == 0)
    assert {"ta", "ml"} <= set(founders["species"])  # so learners ran in evaluators too


LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}


def descendants(process):
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    found = {process}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def listening_addresses(process):
    """Addresses, as the kernel writes them, on which a process or its descendants accept connections."""
    sockets = set()
    for one in descendants(process):
        for link in Path(f"/proc/{one}/fd").glob("*"):
            with contextlib.suppress(OSError):
                sockets.add(str(link.readlink()))
    rows = [row.split() for name in ("tcp", "tcp6") for row in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return [row[1].partition(":")[0] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in sockets]


@pytest.mark.ray
def test_nothing_listens_beyond_this_machine(ray_once):
    found = listening_addresses(os.getpid())
    assert len(found) >= 3  # the head's and the raylet's servers at least
    assert set(found) <= LOOPBACK


@pytest.mark.ray
def test_killed_islands_and_evaluators_are_replaced_and_change_nothing(tiny_job, tmp_path, ray_once, serial):
    victims = ["ShardEvaluator", "Breeder"]

    def killer(record):
        if record.kind == "epoch_finished" and victims:
            os.kill(own_actors(victims.pop())[-1], signal.SIGKILL)  # the newest: others may be dying already

    view = run_job(tiny_job(**on_ray(2, repairs=9, group=2)), root=tmp_path, observers=[killer])
    assert view.births_sha256 == serial.births_sha256
    assert view.verdict == serial.verdict
    repaired = {repair["what"].split()[0] for repair in view.repairs}
    assert repaired == {"breeder", "evaluator"}
    assert all("Error" in repair["reason"] for repair in view.repairs)


@pytest.mark.ray
def test_a_cluster_smaller_than_wanted_is_made_do_with(tiny_job, tmp_path, ray_once, serial):
    told = []
    view = run_job(
        tiny_job(**on_ray(9)),
        root=tmp_path,
        observers=[lambda record: told.append(record.data) if record.kind == "workers" else None],
    )
    assert view.births_sha256 == serial.births_sha256
    assert told[-1]["wanted"] == 9
    assert 0 < max(one["present"] for one in told) <= 4


@pytest.mark.ray
def test_an_epoch_that_raises_ends_the_job_and_leaves_no_actor(tiny_job, tmp_path, ray_once, monkeypatch):
    submit = RayExecutor.submit

    def damaged(self, task):
        submit(self, task.__class__(task.island, 1, task.generations, b"no state", ()))

    monkeypatch.setattr(RayExecutor, "submit", damaged)
    with pytest.raises(JournalError, match="The state bytes must begin with"):
        run_job(tiny_job(**on_ray(1)), root=tmp_path)
    deadline = time.monotonic() + 30
    while (own_actors("Breeder") or own_actors("ShardEvaluator")) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not own_actors("Breeder")
    assert not own_actors("ShardEvaluator")


def marked(mark):
    """Process ids whose environment has `mark`."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


@pytest.mark.ray
def test_a_driver_killed_under_ray_is_resumed_to_the_same_bytes_and_leaves_no_orphan(
    tiny_values, tmp_path, serial, tiny_job
):
    name, value = "STUDBOOK_MARK", uuid.uuid4().hex
    mark = f"{name}={value}"
    values = {**tiny_values, "cluster": {"executor": "ray", "workers": 2}}
    environment = {**os.environ, name: value, "PYTHONPATH": str(Path.cwd())}
    with (tmp_path / "log").open("wb") as log:
        driver = subprocess.Popen(
            [sys.executable, "-c", DRIVER, json.dumps(values), str(tmp_path / "runs")],
            env=environment, stdout=log, stderr=log,
        )  # fmt: skip
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline and driver.poll() is None:
            journals = list(tmp_path.glob(f"runs/*/{FILE_NAME}"))
            if journals and journals[0].read_bytes().count(b'"kind":"epoch_finished"') >= 3:
                break
            time.sleep(0.01)
        driver.kill()
        assert driver.wait() == -signal.SIGKILL, (tmp_path / "log").read_text()
    (run,) = (tmp_path / "runs").glob("*-*")
    view = read_job(run)
    assert view.status == "interrupted"
    assert 3 <= len(view.epochs) < 8

    resumed = resume_job(run, config=tiny_job())  # begun on Ray, ended without
    assert resumed.births_sha256 == serial.births_sha256
    assert resumed.candidates == serial.candidates

    deadline = time.monotonic() + 20
    while marked(mark) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert {process: Path(f"/proc/{process}/cmdline").read_bytes() for process in marked(mark)} == {}


def test_the_fence_leads_file_descriptor_1_to_standard_error(capfd):
    with fenced_stdout():
        os.write(1, b"a worker died\n")
        with fenced_stdout():
            os.write(1, b"nested\n")
    os.write(1, b"a result\n")
    out, err = capfd.readouterr()
    assert out == "a result\n"
    assert err == "a worker died\nnested\n"


def test_a_cluster_that_does_not_answer_is_told(monkeypatch):
    class Ray:
        def init(self, **options):
            raise ConnectionError("Failed to connect\nand more")

    with pytest.raises(
        ClusterError, match=r"must answer at 10\.0\.0\.9:6379, but did not: ConnectionError: Failed to connect\."
    ):
        _start(Ray(), "10.0.0.9:6379", 2)
    with pytest.raises(ClusterError, match="must answer on this machine, but did not"):
        _start(Ray(), None, 2)


def test_an_address_that_ray_would_import_a_module_for_is_refused_before_it_sees_it():
    class Ray:
        def init(self, **options):
            raise AssertionError(options)

    with pytest.raises(ClusterError, match=r"must be HOST:PORT, `auto`, or begin with .*, but was 'antigravity://x'"):
        _start(Ray(), "antigravity://x", 2)


def test_a_session_of_our_own_is_never_the_cluster_of_somebody_else():
    """Without "local" Ray takes the cluster whose address `ray start` has left in the temporary folder."""
    asked = {}

    class Ray:
        def init(self, **options):
            asked.update(options)

    _start(Ray(), None, 2)
    assert (asked["address"], asked["num_cpus"]) == ("local", 2)


def test_ray_does_not_keep_our_signals(monkeypatch):
    """Ray's own handler of SIGTERM would end the process without a word to the journal."""
    from cluster import ray_session

    before = signal.getsignal(signal.SIGTERM)
    with ray_session._own_signal_handlers():
        signal.signal(signal.SIGTERM, lambda number, frame: None)
    assert signal.getsignal(signal.SIGTERM) is before


def test_losses_are_told_from_errors_of_our_own():
    from ray import exceptions

    for loss in (exceptions.RayActorError(), exceptions.WorkerCrashedError(), exceptions.OutOfMemoryError("full")):
        assert is_loss(loss)
        assert reason_of(loss).startswith(type(loss).__name__)
    assert is_loss(exceptions.GetTimeoutError("late"))
    assert not is_loss(JournalError("torn"))
    assert not is_loss(ValueError("a bug"))
    wrapped = exceptions.RayTaskError("f", "traceback", JournalError("torn"))
    assert not is_loss(wrapped)
    assert not is_loss(wrapped.as_instanceof_cause())
    assert isinstance(cause_of(wrapped.as_instanceof_cause()), JournalError)


def test_workers_have_one_thread_a_library_and_share_the_kernel_cache(monkeypatch, tmp_path):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    environment = actor_environment()
    assert (
        environment["POLARS_MAX_THREADS"] == environment["NUMBA_NUM_THREADS"] == environment["OMP_NUM_THREADS"] == "1"
    )
    assert Path(environment["NUMBA_CACHE_DIR"]).is_relative_to(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    assert not kernel_cache_folder().is_relative_to("/proc")
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/given")
    assert kernel_cache_folder() == Path("/given")
