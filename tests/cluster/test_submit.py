"""Jobs submitted to a real Ray head with a dashboard and token authentication, on loopback.

Promise: the command line keeps its contract (`submit` twice is one job). Everything that talks to the head does so in
a process of its own: Ray keeps the first token that it meets for as long as a process lives.
"""

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster.driver import run_job
from cluster.journal import FILE_NAME
from cluster.shipping import LAYERS
from cluster.view import read_job

TOKEN = secrets.token_hex(16)
MAIN = [sys.executable, "-m", "cluster.cli"]
ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(**changes: str) -> dict[str, str]:
    """Of a process that talks to the head: its token, and no address but the one on its command line."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "PYTHONDONTWRITE"))}
    return {**env, "RAY_AUTH_TOKEN": TOKEN, "RAY_USAGE_STATS_ENABLED": "0", "COLUMNS": "200", **changes}


def marked(mark: str) -> list[int]:
    """Processes that have `mark` in their environment."""
    return [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/environ") if mark.encode() in content(path)]


def content(path: Path) -> bytes:
    """What a file of a process says; nothing if the process has ended."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


@pytest.fixture(scope="module")
def head() -> Iterator[str]:
    """Address of a head that is started for these tests; afterwards nothing of it is left."""
    mark, folder, port = f"STUDBOOK_HEAD={secrets.token_hex(8)}", tempfile.mkdtemp(prefix="sb", dir="/tmp"), free_port()
    name, value = mark.split("=")
    paths = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    own = {"RAY_AUTH_MODE": "token", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "PATH": paths, name: value}
    options = {"dashboard-host": "127.0.0.1", "node-ip-address": "127.0.0.1", "dashboard-port": port, "num-cpus": 2,
               "include-dashboard": "true",
               "port": free_port(), "ray-client-server-port": free_port(), "dashboard-agent-listen-port": 0,
               "min-worker-port": 0, "max-worker-port": 0, "object-store-memory": 100_000_000,
               "temp-dir": folder}  # fmt: skip
    words = [f"--{option}={setting}" for option, setting in options.items()]
    with (Path(folder) / "head.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", *words],
            env=environment(**own), stdout=log, stderr=log,
        )  # fmt: skip
    try:
        wait_for_jobs_api(f"http://127.0.0.1:{port}", process, Path(folder) / "head.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        deadline = time.monotonic() + 30
        while (left := marked(mark)) and time.monotonic() < deadline:
            for one in left:
                with contextlib.suppress(OSError):
                    os.kill(one, signal.SIGKILL)
            time.sleep(0.2)
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def wait_for_jobs_api(address: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    request = urllib.request.Request(f"{address}/api/jobs/", headers={"Authorization": f"Bearer {TOKEN}"})
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(request, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise AssertionError(log.read_text())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, write_small_job: Callable[..., Path]) -> Path:
    """A folder with bars and a job of four epochs that nothing passes."""
    root = tmp_path_factory.mktemp("submit")
    breeding = {"islands": 1, "population_size": 8, "generations": 4, "epoch_generations": 1}
    sections = {"evolution": breeding, "gates": {"dsr": 1.0}, "output": {"root": str(root / "runs")}}
    return write_small_job(root, "tiny", bars_seed=5, **sections)


def studbook(folder: Path, *words: str, **env: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*MAIN, *words], cwd=folder, env=environment(**env), text=True, capture_output=True, timeout=300, check=False
    )


def answer(folder: Path, *words: str, code: int = 0, **env: str) -> dict[str, Any]:
    """The one document that a command prints with --json, after a look at its exit code."""
    done = studbook(folder, *words, "--json", **env)
    assert done.returncode == code, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return {**found, "stderr": done.stderr}


# On a real head


@pytest.mark.ray
def test_a_submitted_job_runs_on_actors_once_and_ends_wait_with_its_own_code(head: str, folder: Path) -> None:
    at = ["--address", head]
    more = ["--executor", "ray", "--code", "image", "--require-elite"]
    first = answer(folder, "submit", "tiny.yaml", *at, *more, "--wait", code=5)
    assert (first["status"], first["exit_code"], first["new"]) == ("failed", 5, True)
    assert "cluster.cli run job.yaml --id tiny-" in first["stderr"]
    assert "exit code 5" in first["stderr"]  # its own words came along
    view = read_job(Path(first["run_dir"]))
    assert view.status == "finished"
    assert view.config.cluster.address not in (None, head)
    assert view.run_dir == folder / "runs" / first["job"]

    again = answer(folder, "submit", "tiny.yaml", *at, *more, "--wait", code=5)  # one job: shown, not run again
    assert (again["submission"], again["new"]) == (f"{first['job']}-2", True)
    assert "is finished; there is nothing to resume" in again["stderr"]
    assert read_job(view.run_dir).births_sha256 == view.births_sha256
    assert [path.name for path in (folder / "runs").glob("tiny-*")] == [first["job"]]

    listed = answer(folder, "list", *at)["jobs"]
    assert [job["submission"] for job in listed[:2]] == [again["submission"], first["submission"]]
    assert answer(folder, "status", "tin", RAY_ADDRESS=head)["submission"] == again["submission"]
    unknown = answer(folder, "status", "tyni-0", *at, code=2)
    assert f"nearest known: {first['job']}" in unknown["error"]["message"]


@pytest.mark.ray
def test_a_stopped_job_submitted_again_goes_on_to_the_same_bytes(head: str, folder: Path, tmp_path: Path) -> None:
    at, long = ["--address", head], ["--set", "evolution.generations=12", "--set", "evolution.population_size=24"]
    words = ["submit", "tiny.yaml", *at, *long, "--code", "image", "--id", "stopped"]
    sent = answer(folder, *words)
    assert (sent["job"], sent["submission"], sent["exit_code"]) == ("stopped", "stopped", None)
    run = folder / "runs" / "stopped"
    with frozen(run, lambda: studbook(folder, "logs", "stopped", *at).stdout) as driver:
        twice = answer(folder, *words)
        assert (twice["submission"], twice["new"], twice["status"]) == ("stopped", False, "running")
        assert "it is one job, so nothing was sent" in twice["stderr"]
        watch_and_leave(folder, "attach", "stopped", *at)
        stopping = subprocess.Popen([*MAIN, "stop", "stopped", *at], cwd=folder, env=environment())
        while not is_told_to_end(driver):
            assert stopping.poll() is None
            time.sleep(0.05)
    assert stopping.wait(150) == 0
    stopped = answer(folder, "status", "stopped", *at)
    assert (stopped["status"], stopped["exit_code"]) == ("stopped", 143)
    before = read_job(run)
    assert before.status == "interrupted"
    assert 1 <= len(before.epochs) < 12
    other = answer(folder, *words, "--set", "seed=4", code=3)
    assert "must have the config it began with" in other["error"]["message"]

    resumed = answer(folder, *words, "--wait")
    assert (resumed["submission"], resumed["status"], resumed["exit_code"]) == ("stopped-2", "succeeded", 0)
    assert f"stopped goes on after {len(before.epochs)} epochs" in resumed["stderr"]
    assert "goes on after" in answer(folder, "logs", "stopped", "-f", *at)["logs"]
    view = read_job(run)
    assert view.births_sha256 == run_job(view.config, root=tmp_path).births_sha256


@contextlib.contextmanager
def frozen(run: Path, log: Callable[[], str]) -> Iterator[int]:
    """The driver of a run, held still as soon as it has journalled an epoch."""
    deadline = time.monotonic() + 240
    while not (run / FILE_NAME).exists() or b'"epoch_finished"' not in (run / FILE_NAME).read_bytes():
        assert time.monotonic() < deadline, log()
        time.sleep(0.02)
    (driver,) = [
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if f"cluster.cli\0run\0job.yaml\0--id\0{run.name}".encode() in content(path)
    ]
    os.kill(driver, signal.SIGSTOP)
    try:
        yield driver
    finally:
        os.kill(driver, signal.SIGCONT)


def is_told_to_end(process: int) -> bool:
    """Whether SIGTERM waits for the process to go on."""
    status = Path(f"/proc/{process}/status").read_text()
    return any(
        int(line.split()[1], 16) >> (signal.SIGTERM - 1) & 1
        for line in status.splitlines()
        if line.startswith(("SigPnd", "ShdPnd"))
    )


def watch_and_leave(folder: Path, *words: str) -> None:
    """Follow a job until its first words, and press Ctrl-C."""
    watcher = subprocess.Popen([*MAIN, *words], cwd=folder, env=environment(), text=True, stderr=subprocess.PIPE)
    assert watcher.stderr is not None
    for line in watcher.stderr:
        if "Running entrypoint" in line:
            break
    watcher.send_signal(signal.SIGINT)
    rest = watcher.communicate(timeout=60)[1]
    assert watcher.returncode == 130, rest
    assert "goes on without you" in rest


@pytest.mark.ray
def test_the_code_travels_where_the_image_has_another(head: str, folder: Path, tmp_path: Path) -> None:
    """A changed copy of our packages is what runs on the cluster; what is installed there says nothing of the sort."""
    for layer in LAYERS:
        shutil.copytree(ROOT / layer, tmp_path / layer, ignore=shutil.ignore_patterns("__pycache__"))
    start = tmp_path / "cluster" / "cli" / "__main__.py"
    start.write_text(
        start.read_text().replace("if __name__", "import sys\n\nprint('shipped', file=sys.stderr)\nif __name__")
    )
    words = ["submit", "tiny.yaml", "--address", head, "--set", "data.root=/nowhere", "--id", "far", "--wait"]
    found = answer(folder, *words, code=3, PYTHONPATH=str(tmp_path))
    assert "must exist before it is read" in found["stderr"]  # the job's own error and exit code
    assert "\nshipped\n" in found["stderr"].partition("Running entrypoint")[2]


@pytest.mark.ray
@pytest.mark.parametrize("token", ["", "0123456789abcdef0123456789abcdef"], ids=["none", "wrong"])
def test_a_missing_or_wrong_token_is_told_as_such(head: str, folder: Path, token: str) -> None:
    found = answer(folder, "list", "--address", head, code=4, RAY_AUTH_TOKEN=token, HOME="/nonexistent")
    assert f"The cluster at {head} must be given its token, but refused ours" in found["error"]["message"]
    assert "Set RAY_AUTH_TOKEN" in found["error"]["message"]


# Without one


def test_the_address_is_that_of_the_flag_then_the_environment_then_the_project(folder: Path, tmp_path: Path) -> None:
    """Nobody listens on these ports, so the error says who was asked."""
    (tmp_path / "studbook.toml").write_text('address = "http://127.0.0.1:4"\n')
    cases = {
        "http://127.0.0.1:1": (["--address", "http://127.0.0.1:1"], {"RAY_ADDRESS": "http://127.0.0.1:3"}),
        "http://127.0.0.1:2": ([], {"RAY_API_SERVER_ADDRESS": "127.0.0.1:2", "RAY_ADDRESS": "http://127.0.0.1:3"}),
        "http://127.0.0.1:4": ([], {}),
    }
    for address, (words, env) in cases.items():
        found = answer(tmp_path, "list", *words, code=4, **env)
        assert f"A Ray head must answer at {address}, but did not" in found["error"]["message"]
