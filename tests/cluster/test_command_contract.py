"""What the command line promises when things go wrong, with real processes and real faults.

Promise: the command line keeps its contract: with `--json` stdout is one JSON document even under faults; the first
Ctrl-C commits and exits 130, the second leaves at once; no orphan after 60 s. (That `submit` twice is one job is in
test_submit; usage and config errors, exit codes 2, 3 and 5, MLflow down and preferences are in test_cli.)
"""

import contextlib
import hashlib
import json
import os
import pty
import re
import resource
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster.journal import FILE_NAME, read_journal
from cluster.signals import INTERRUPTED, Interrupted, install_stop_handlers
from cluster.view import read_job

MAIN = [sys.executable, "-m", "cluster.cli"]
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 75, signal.SIGUSR1: 75}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, write_small_job: Callable[..., Path]) -> Path:
    """A working folder with bars and a job that would go on for minutes."""
    breeding = {"islands": 2, "population_size": 16, "generations": 4000, "epoch_generations": 1}
    return write_small_job(tmp_path_factory.mktemp("contract"), "long", bars_seed=8, evolution=breeding)


class Command:
    """A process of `studbook`, its mark, and what it printed."""

    def __init__(self, folder: Path, *words: str, **options: Any) -> None:
        self.mark = f"STUDBOOK_MARK={uuid.uuid4().hex}"
        name, _, value = self.mark.partition("=")
        env = {key: text for key, text in os.environ.items() if not key.startswith(("RAY_", "PYTHONDONTWRITE"))}
        self.process = subprocess.Popen(
            [*MAIN, *words], cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**env, name: value, "COLUMNS": "200"}, **options,
        )  # fmt: skip
        self.stderr = ""
        self._reader = threading.Thread(target=self._read_stderr, daemon=True)
        self._reader.start()

    def _read_stderr(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.stderr += line

    def until(self, happened: Any, *, patience_s: float = 240.0) -> None:
        deadline = time.monotonic() + patience_s
        while not happened():
            assert self.process.poll() is None, self.stderr
            assert time.monotonic() < deadline, self.stderr
            time.sleep(0.02)

    def document(self, *, code: int) -> dict[str, Any]:
        """Its one JSON document, once it has ended with `code`; nothing of it is left running after a minute."""
        out, _ = self.process.communicate(timeout=240)
        self._reader.join()
        assert self.process.returncode == code, self.stderr
        assert "Traceback" not in self.stderr
        deadline = time.monotonic() + 60
        while marked(self.mark) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert {one: Path(f"/proc/{one}/cmdline").read_bytes() for one in marked(self.mark)} == {}
        found: dict[str, Any] = json.loads(out)
        return found


@contextlib.contextmanager
def running(folder: Path, *words: str, **options: Any) -> Iterator[Command]:
    """`studbook`, killed at the end whatever happens."""
    command = Command(folder, *words, **options)
    try:
        yield command
    finally:
        command.process.kill()
        command.process.communicate()


def marked(mark: str) -> list[int]:
    """Processes that have `mark` in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if mark.encode() in path.read_bytes():
                found.append(int(path.parent.name))
    return found


def epochs(run: Path) -> int:
    try:
        return (run / FILE_NAME).read_bytes().count(b'"kind":"epoch_finished"')
    except FileNotFoundError:
        return 0


@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
def test_the_first_signal_commits_and_ends_with_its_code(folder: Path, number: signal.Signals) -> None:
    """Exit codes 130, 143 and 75, one JSON document each; the same command then goes on with what was committed."""
    run = folder / "runs" / "asked"
    before = epochs(run)
    with running(folder, "run", "long.yaml", "--id", "asked", "--json") as command:
        command.until(lambda: epochs(run) > before)
        command.process.send_signal(number)
        answer = command.document(code=CODES[number])
    assert answer["exit_code"] == CODES[number]
    assert "`studbook resume asked` goes on" in answer["error"]["message"]
    assert "\x1b" not in command.stderr  # no progress bar, no colour off a terminal
    assert "\r" not in command.stderr
    assert ("asked goes on after" in command.stderr) == (before > 0)
    records = read_journal(run / FILE_NAME).records
    assert records[-1].kind == "interrupted"
    assert len(read_job(run).epochs) > before


@pytest.mark.ray
def test_the_second_signal_leaves_at_once_also_while_ray_starts(folder: Path) -> None:
    with running(folder, "run", "long.yaml", "--executor", "ray", "--id", "hasty", "--json") as command:
        command.until(lambda: b"gcs_server" in b"".join(map(command_line, marked(command.mark))))
        command.process.send_signal(signal.SIGINT)
        command.until(lambda: "Once more to leave at once" in command.stderr)
        command.process.send_signal(signal.SIGINT)
        began = time.monotonic()
        command.process.wait(30)
        assert time.monotonic() - began < 10  # Ray alone takes longer to start, and to end
        answer = command.document(code=130)
    assert answer == {"error": {"message": "left at once, as asked for by a second signal."}, "exit_code": 130}


@pytest.mark.ray
def test_a_killed_worker_and_ctrl_c_leave_one_document_and_no_orphan(folder: Path) -> None:
    """Ray itself tells of dead workers on standard output, whatever its settings."""
    run = folder / "runs" / "hurt"
    with running(folder, "run", "long.yaml", "--executor", "ray", "--id", "hurt", "--json") as command:
        command.until(lambda: epochs(run) > 1)
        command.until(lambda: workers_of(command.process.pid))
        os.kill(workers_of(command.process.pid)[0], signal.SIGKILL)
        command.until(lambda: b'"kind":"repair"' in (run / FILE_NAME).read_bytes())
        done = epochs(run)
        command.until(lambda: epochs(run) > done)
        command.process.send_signal(signal.SIGINT)
        answer = command.document(code=130)
    assert "`studbook resume hurt` goes on" in answer["error"]["message"]
    assert read_job(run).repairs


def workers_of(driver: int) -> list[int]:
    """The actors of a driver; a process title may overwrite their mark, so they are found by descent."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    family = {driver}
    while more := {child for child, parent in parents.items() if parent in family} - family:
        family |= more
    return [one for one in family if command_line(one).startswith((b"ray::ShardEvaluator", b"ray::Breeder"))]


def command_line(process: int) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""


def test_a_full_disk_is_one_document_and_exit_code_1(folder: Path) -> None:
    """The system refuses every file above 6,000 bytes, as it refuses every write on a full disk."""

    def fill() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (6_000, 6_000))

    with running(folder, "run", "long.yaml", "--id", "full", "--json", preexec_fn=fill) as command:
        answer = command.document(code=1)
    assert answer["exit_code"] == 1
    assert "File too large" in answer["error"]["message"]
    assert "Nothing" in answer["error"]["message"]
    assert read_job(folder / "runs" / "full").status == "interrupted"  # what was journalled can be read


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_command_without_a_job_says_that_it_was_stopped(folder: Path, number: signal.Signals) -> None:
    """It waits for a job file that never comes, through a pipe that nobody writes into."""
    pipe = folder / f"pipe-{number.name}"
    os.mkfifo(pipe)
    writers: list[int] = []

    def is_read() -> bool:
        with contextlib.suppress(OSError):  # a pipe can be opened for writing once somebody reads
            writers.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        return bool(writers)

    with running(folder, "run", str(pipe), "--json") as command:
        command.until(is_read)
        command.process.send_signal(number)
        answer = command.document(code=CODES[number])
    os.close(writers[0])
    assert answer["exit_code"] == CODES[number]
    assert answer["error"]["message"] in ("interrupted.", "terminated.")


def test_stopped_by_its_caller_is_75() -> None:
    assert Interrupted("stopped").exit_code == INTERRUPTED == 75
    with install_stop_handlers() as request:
        assert request.exit_code == 75


def test_a_signal_that_is_ignored_stays_ignored_and_handlers_come_back() -> None:
    before = {number: signal.getsignal(number) for number in CODES}
    hangup = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with install_stop_handlers() as request:
            os.kill(os.getpid(), signal.SIGHUP)
            time.sleep(0.05)
            assert not request.event.is_set()
            os.kill(os.getpid(), signal.SIGTERM)
            assert request.event.wait(10)
            assert request.exit_code == 143
    finally:
        signal.signal(signal.SIGHUP, hangup)
    assert {number: signal.getsignal(number) for number in CODES} == before


def test_a_signal_is_heard_while_the_main_thread_is_busy_in_a_library() -> None:
    """A handler written in Python would wait for the library to return."""
    heard: list[float] = []
    with install_stop_handlers() as request:
        waiter = threading.Thread(target=lambda: heard.append(time.monotonic()) if request.event.wait(60) else None)
        sender = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM))
        waiter.start()
        sender.start()
        hashlib.pbkdf2_hmac("sha256", b"word", b"salt", 3_000_000)  # one call, which no signal ends
        ended = time.monotonic()
        waiter.join()
        sender.join()
    assert heard[0] < ended


@pytest.mark.parametrize(("variable", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_no_color_is_honoured_on_a_terminal(make_run: Any, variable: dict[str, str], coloured: bool) -> None:
    run = make_run()
    ours, theirs = pty.openpty()
    env = {**{key: text for key, text in os.environ.items() if key != "NO_COLOR"}, "TERM": "xterm-256color", **variable}
    words = [*MAIN, "show", "latest", "--root", str(run.parent)]
    child = subprocess.Popen(words, env=env, stdout=theirs, stderr=subprocess.DEVNULL)
    os.close(theirs)
    text = b""
    with contextlib.suppress(OSError):  # the end of a terminal
        while part := os.read(ours, 65536):
            text += part
    os.close(ours)
    assert child.wait() == 0
    assert b"Elites" in text
    assert bool(re.search(rb"\x1b\[(?:\d+;)*(?:3[0-7]|38|9[0-7])(?:;\d+)*m", text)) == coloured
