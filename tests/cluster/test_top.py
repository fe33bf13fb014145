"""`studbook top`: what it reads, what it draws, how it is left, and that a job elsewhere is followed to its end."""

import fcntl
import io
import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from cluster.cli import app
from cluster.cli.watching import watched
from cluster.health_ledger import health_of
from cluster.journal import FILE_NAME, Journal, read_journal
from cluster.journal_tail import JournalTail
from cluster.structured_log import LOG_FILE
from cluster.top import JobWatch, drawn, in_view, sight_document
from strategies.errors import JournalError

MakeRun = Callable[..., Path]
REPAIR = {"what": "breeder 1", "island": 1, "epoch": 2, "reason": "ActorDiedError", "action": "epoch run again"}
STALL = {"island": 0, "epoch": 2, "waited_s": 75.0, "typical_s": 9.5}
WORKERS = {"present": 3, "wanted": 4, "reason": "node 10.0.0.7 left"}
MAIN = "from cluster.cli import main; import cluster.cli.watching; main()"


def studbook(*words: str | Path) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words])


def picture(watch: JobWatch, *, height: int | None = None, width: int = 150) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(drawn(watch.look(), height=height))
    return console.file.getvalue()  # type: ignore[attr-defined]


@pytest.fixture
def going(make_run: MakeRun) -> Iterator[tuple[Path, Journal]]:
    """A run folder whose journal a driver (this process) is writing."""
    run = make_run("going-20261121T100000-00aa", finished=False)
    journal, _ = Journal.open(run / FILE_NAME)
    try:
        yield run, journal
    finally:
        journal.close()


def test_a_tail_gives_every_record_once(going: tuple[Path, Journal]) -> None:
    run, journal = going
    tail = JournalTail(run / FILE_NAME)
    found = list(tail.read())
    assert tail.read() == ()
    for data in (REPAIR, {**REPAIR, "what": "breeder 0"}):
        journal.append("repair", data)
    found += tail.read()
    journal.append("stall", STALL)
    found += tail.read()
    assert tuple(found) == read_journal(run / FILE_NAME).records


def test_a_tail_reads_only_what_is_new(going: tuple[Path, Journal], monkeypatch: pytest.MonkeyPatch) -> None:
    run, journal = going
    tail = JournalTail(run / FILE_NAME)
    tail.read()
    journal.append("repair", REPAIR)
    monkeypatch.setattr("cluster.journal_tail.read_journal", None)  # whoever reads it all again fails
    assert [record.kind for record in tail.read()] == ["repair"]
    assert tail.read() == ()


@pytest.mark.parametrize("cut", [1, 2, 40, 90])
def test_a_line_that_is_not_whole_yet_is_left_for_later(going: tuple[Path, Journal], cut: int) -> None:
    run, journal = going
    whole = run / FILE_NAME
    partly = run / "partly.jsonl"
    journal.append("repair", REPAIR)
    content = whole.read_bytes()
    last = len(content[:-1].rsplit(b"\n", 1)[1]) + 1
    partly.write_bytes(content[:-last])
    tail = JournalTail(partly)
    before = tail.read()
    partly.write_bytes(content[:-cut])
    assert tail.read() == ()
    partly.write_bytes(content)
    assert (*before, *tail.read()) == read_journal(whole).records


def test_a_last_line_that_lacked_its_newline_is_not_read_twice(going: tuple[Path, Journal]) -> None:
    run, journal = going
    journal.append("repair", REPAIR)
    journal.close()
    path = run / FILE_NAME
    path.write_bytes(path.read_bytes()[:-1])
    tail = JournalTail(path)
    n = len(tail.read())
    mended, _ = Journal.open(path)
    mended.append("stall", STALL)
    mended.close()
    assert [record.n for record in tail.read()] == [n]


def test_damage_is_told_in_the_words_of_the_journal(going: tuple[Path, Journal]) -> None:
    run, journal = going
    path, tail = run / FILE_NAME, JournalTail(run / FILE_NAME)
    tail.read()
    journal.append("repair", REPAIR)
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"breeder 1"', b'"breeder 7', 1))
    with pytest.raises(JournalError, match="Every line of a journal must be whole, but was not: "):
        tail.read()
    path.write_bytes(content[: len(content) // 2].rsplit(b"\n", 1)[0] + b"\n")
    path.write_bytes(path.read_bytes() + b"{}\n")
    with pytest.raises(JournalError, match="Every line of a journal must be whole"):
        JournalTail(path).read()
    path.unlink()
    with pytest.raises(JournalError, match="must hold a journal, but there is none"):
        tail.read()


def test_a_new_line_that_was_changed_is_told_though_it_is_a_record_that_follows(going: tuple[Path, Journal]) -> None:
    run, journal = going
    path, tail = run / FILE_NAME, JournalTail(run / FILE_NAME)
    tail.read()
    journal.append("repair", REPAIR)
    before, mark, after = path.read_bytes().rpartition(b'"breeder 1"')
    path.write_bytes(before + b'"breeder 7"' + after)
    assert mark
    with pytest.raises(JournalError, match="its hash does not fit its content"):
        tail.read()


def test_a_journal_that_shrank_is_refused(going: tuple[Path, Journal]) -> None:
    run, journal = going
    path, tail = run / FILE_NAME, JournalTail(run / FILE_NAME)
    content = path.read_bytes()
    n = len(tail.read())
    journal.append("repair", REPAIR)
    tail.read()
    path.write_bytes(content)
    with pytest.raises(JournalError, match=f"A journal must only grow, but had {n + 1} records and now has {n} "):
        tail.read()


def test_a_watch_follows_a_job_and_knows_when_nobody_runs_it(going: tuple[Path, Journal]) -> None:
    run, journal = going
    watch = JobWatch(run)
    first = watch.look()
    assert (first.status, first.health.n_repairs) == ("running", 1)
    journal.append("repair", REPAIR)
    assert watch.look().health.n_repairs == 2
    assert watch.look().health.islands[1].state == "repairing"
    sight = watch.look()
    assert sight.health == health_of(read_journal(run / FILE_NAME).records, sight.at)
    journal.close()
    assert watch.look().status == "interrupted"


def test_the_picture_says_what_a_watcher_wants_to_know(going: tuple[Path, Journal]) -> None:
    run, journal = going
    for kind, data in (("workers", WORKERS), ("repair", REPAIR), ("stall", STALL)):
        journal.append(kind, data)
    text = picture(JobWatch(run))
    for part in (
        run.name, "running", "last record", "67%", "generation 4/6", "180 evaluated", "workers 3 of 4 (node 10.0.0.7",
        "2 repairs (1 breeder, 1 island)", "1 stall", "0 put aside", "Island", "Diversity", "Trend", "stalled",
        "repairing", "breeder 1 lost (ActorDiedError): epoch run again", "1 min 15 s so far, 9.5 s is usual",
    ):  # fmt: skip
        assert part in text
    assert "\x1b" not in text


def test_a_low_window_keeps_the_islands_in_trouble(make_run: MakeRun) -> None:
    islands = health_of(read_journal(make_run() / FILE_NAME).records).islands
    many = [
        type(islands[0])(**{**vars(islands[0]), "island": n, "state": "stalled" if n in (70, 90) else "breeding"})
        for n in range(100)
    ]
    rows, hidden = in_view(many, 6)
    assert [island.island for island in rows] == [0, 1, 2, 70, 90]
    assert hidden == 95
    assert in_view(many, None) == (many, 0)
    assert in_view(many[:6], 6) == (many[:6], 0)


def test_a_picture_is_no_higher_than_the_window(make_run: MakeRun) -> None:
    run = make_run("wide-20261121T100000-00aa", finished=False, extra={"evolution": {"islands": 60, "generations": 6}})
    for height in (18, 30, 100):
        lines = picture(JobWatch(run), height=height, width=200).splitlines()
        assert len(lines) <= height
    assert "more islands; the window is too low" in picture(JobWatch(run), height=30, width=200)


def test_json_is_one_document_that_is_the_sight(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run()
    result = studbook("top", run.name, "--root", tmp_path / "runs", "--json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    expected = sight_document(JobWatch(run).look(datetime.now(UTC)))
    assert {**document, "at": "", "age_s": 0} == json.loads(json.dumps({**expected, "at": "", "age_s": 0}))
    assert (document["job"], document["status"], document["n_repairs"]) == (run.name, "finished", 1)
    assert [island["state"] for island in document["islands"]] == ["done", "done"]


def test_off_a_terminal_it_is_shown_once(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(finished=False)
    for words in (("top",), ("top", run.name[:9]), ("top", "latest", "--once")):
        result = studbook(*words, "--root", tmp_path / "runs")
        assert result.exit_code == 0
        assert result.stdout.count(run.name) == 1
        assert "\x1b" not in result.stdout


def test_no_job_no_journal_and_bad_options_are_said(tmp_path: Path, make_run: MakeRun) -> None:
    empty = studbook("top", "--root", tmp_path / "none")
    assert (empty.exit_code, "there is none in" in empty.stderr) == (2, True)
    run = make_run()
    (run / FILE_NAME).write_bytes(b"nonsense\n")
    damaged = studbook("top", run.name, "--root", tmp_path / "runs", "--json")
    assert damaged.exit_code == JournalError.exit_code
    assert "must be whole" in json.loads(damaged.stdout)["error"]["message"]
    assert studbook("top", "x", "--every", "0").exit_code == 2


def _take_terminal() -> None:
    """Make standard input the terminal of this process, so that Ctrl-C on it is a signal."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Screen:
    """`studbook top` on a terminal of its own."""

    def __init__(self, *words: str) -> None:
        self.keyboard, end = pty.openpty()
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "150", "LINES": "40"}
        command = [sys.executable, "-c", MAIN, "top", *words]
        self.process = subprocess.Popen(
            command,
            stdin=end,
            stdout=end,
            stderr=end,
            env=environment,
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
        os.close(end)
        self.text = ""

    def until(self, *parts: str, patience_s: float = 60.0) -> None:
        """Read the screen until it has shown all of `parts`."""
        deadline = time.monotonic() + patience_s
        while not all(part in self.text for part in parts):
            assert time.monotonic() < deadline, f"{parts} not in {self.text[-2000:]!r}"
            ready, _, _ = select.select([self.keyboard], [], [], 0.5)
            if ready:
                try:
                    self.text += os.read(self.keyboard, 65536).decode(errors="replace")
                except OSError:  # the other end has closed
                    break
        assert all(part in self.text for part in parts), self.text[-2000:]

    def end(self) -> int:
        """Wait for its end and return its exit code."""
        try:
            return self.process.wait(60.0)
        finally:
            self.process.kill()
            os.close(self.keyboard)


@pytest.mark.parametrize("leave", ["q", "Ctrl-C", "SIGINT"])
def test_on_a_terminal_it_follows_until_one_leaves(going: tuple[Path, Journal], leave: str) -> None:
    run, journal = going
    screen = Screen(str(run), "--every", "0.2")
    screen.until("\x1b[?1049h", run.name, "1 repair (1 island)")
    journal.append("repair", REPAIR)
    screen.until("2 repairs (1 breeder, 1 island)")
    if leave == "SIGINT":
        screen.process.send_signal(signal.SIGINT)
    else:
        os.write(screen.keyboard, {"q": b"q", "Ctrl-C": b"\x03"}[leave])
    screen.until("\x1b[?1049l")  # the terminal is as it was
    assert screen.end() == 0
    assert journal.append("stall", STALL).kind == "stall"  # the job goes on


def test_it_ends_with_the_job(going: tuple[Path, Journal]) -> None:
    run, journal = going
    screen = Screen(str(run), "--every", "0.2")
    screen.until(run.name)
    journal.append("job_finished", {"verdict": "", "n_trials": 1, "n_elites": 0, "seconds": 1.0, "births_sha256": ""})
    screen.until("\x1b[?1049l", "finished")
    assert screen.end() == 0


@pytest.mark.parametrize("log_json", [True, False])
def test_who_watches_a_job_of_the_command_line(make_run: MakeRun, capsys: Any, log_json: bool) -> None:
    run = make_run()
    records = read_journal(run / FILE_NAME).records
    with watched(root=run.parent, run_dir=run, records=records[:3], log_json=log_json) as (progress, observers):
        progress.say("starting")
        for record in records[3:]:
            for observer in observers:
                observer(record)
    told = capsys.readouterr().err.splitlines()
    assert progress.standing.phase == "finished"
    assert progress.standing.n_births == 280
    if log_json:
        assert [json.loads(line)["n"] for line in told] == [record.n for record in records[3:]]
        assert (run / LOG_FILE).read_text().splitlines() == told
    else:
        assert told[0] == "starting"
        assert any(line.startswith("island 1 lost") for line in told)
