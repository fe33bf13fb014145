"""The log beside the journal: JSON lines with job, island and epoch, of the journal and of Python's own logging."""

import io
import json
import logging
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cluster.driver import run_job
from cluster.journal import FILE_NAME, Record, read_journal
from cluster.signals import Interrupted
from cluster.structured_log import LOG_FILE, JobLog, fields_of, line_of
from cluster.view import list_jobs

MakeRun = Callable[..., Path]
AT = "2026-11-21T10:00:00.000+00:00"


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="ascii").splitlines()]


def told(log: JobLog, run: Path) -> None:
    for record in read_journal(run / FILE_NAME).records:
        log(record)


def test_every_record_is_one_line_with_job_island_and_epoch(make_run: MakeRun) -> None:
    run = make_run()
    records = read_journal(run / FILE_NAME).records
    with JobLog(root=run.parent) as log:
        told(log, run)
    lines = lines_of(run / LOG_FILE)
    assert [(line["n"], line["at"], line["event"]) for line in lines] == [(r.n, r.at, r.kind) for r in records]
    assert {line["job"] for line in lines} == {run.name}
    assert [(line["island"], line["epoch"]) for line in lines] == [
        (record.data.get("island"), record.data.get("epoch")) for record in records
    ]
    (repair,) = (line for line in lines if line["event"] == "repair")
    assert (repair["level"], repair["what"]) == ("warning", "island 1")
    assert repair["text"].startswith("island 1 lost (worker <killed> & restarted)")
    epoch = next(line for line in lines if line["event"] == "epoch_finished")
    assert (epoch["level"], epoch["n_births"], epoch["seconds"]) == ("info", 60, 1.25)
    assert (run / LOG_FILE).stat().st_size < (run / FILE_NAME).stat().st_size / 3


def test_a_resumed_job_goes_on_in_the_same_file_and_an_echo_gets_every_line(make_run: MakeRun) -> None:
    run, echo = make_run(), io.StringIO()
    for _ in range(2):
        with JobLog(root=Path("nowhere"), run_dir=run, echo=echo) as log:
            told(log, run)
    assert echo.getvalue() == (run / LOG_FILE).read_text()
    assert len(lines_of(run / LOG_FILE)) == 2 * len(read_journal(run / FILE_NAME).records)


def test_warnings_of_any_library_are_in_it_with_its_name_and_nothing_after_its_end(make_run: MakeRun) -> None:
    run = make_run()
    logger = logging.getLogger("some.library")
    with JobLog(root=run.parent) as log:
        logger.warning("before the first record")
        told(log, run)
        before = len(lines_of(run / LOG_FILE))
        logger.info("chatter")
        logger.warning("slow %s\nand two lines", "disk")
        logger.error("failed", exc_info=ValueError("broken \ud800"))
    logger.warning("after the end")
    first, second = lines_of(run / LOG_FILE)[before:]
    assert {key: first[key] for key in ("level", "job", "island", "epoch", "event", "text")} == {
        "level": "warning", "job": run.name, "island": None, "epoch": None, "event": "some.library",
        "text": "slow disk\nand two lines",
    }  # fmt: skip
    assert (second["level"], second["error"], second["island"]) == ("error", "ValueError: broken \ud800", None)


def test_what_ends_a_job_badly_is_the_last_line(make_run: MakeRun) -> None:
    run = make_run()
    log = JobLog(root=run.parent)

    def fail() -> None:
        with log:
            told(log, run)
            raise RuntimeError("no memory")

    with pytest.raises(RuntimeError, match="no memory"):
        fail()
    last = lines_of(run / LOG_FILE)[-1]
    assert (last["level"], last["event"], last["text"]) == ("error", "RuntimeError", "no memory")


def test_a_disk_that_refuses_the_log_leaves_the_echo_and_the_end_of_the_job_as_they_are(make_run: MakeRun) -> None:
    run, echo = make_run(), io.StringIO()
    log = JobLog(root=run.parent, echo=echo)
    first, second, *_ = read_journal(run / FILE_NAME).records

    def fail() -> None:
        with log:
            log(first)
            assert log._file is not None
            log._file.close()
            log._file = Path("/dev/full").open("a", encoding="ascii")  # noqa: SIM115
            with pytest.raises(OSError, match="No space left"):
                log(second)
            raise RuntimeError("no memory")

    with pytest.raises(RuntimeError, match="no memory"):
        fail()
    assert [json.loads(line)["event"] for line in echo.getvalue().splitlines()] == [
        first.kind, second.kind, "RuntimeError",
    ]  # fmt: skip


def test_a_link_in_the_place_of_the_log_is_replaced_and_never_written_through(make_run: MakeRun) -> None:
    run = make_run()
    precious, link = run.parent / "precious", run / LOG_FILE
    precious.write_text("mine")
    link.symlink_to(precious)
    with JobLog(root=run.parent) as log:
        told(log, run)
    assert (precious.read_text(), link.is_symlink()) == ("mine", False)
    assert len(lines_of(link)) == len(read_journal(run / FILE_NAME).records)


def test_lines_of_threads_do_not_mix(make_run: MakeRun) -> None:
    run = make_run()
    logger = logging.getLogger("threads")
    with JobLog(root=run.parent) as log:
        told(log, run)
        before = len(lines_of(run / LOG_FILE))

        def work(island: int) -> None:
            for n in range(50):
                logger.warning("line %d of island %d, %s", n, island, "x" * 3000)

        threads = [threading.Thread(target=work, args=(island,)) for island in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    lines = lines_of(run / LOG_FILE)[before:]
    said = [re.fullmatch(r"line (\d+) of island (\d), x{3000}", line["text"]) for line in lines]
    assert all(said)
    assert sorted((int(one[2]), int(one[1])) for one in said if one) == [
        (island, n) for island in range(4) for n in range(50)
    ]


def test_strange_values_are_still_one_line() -> None:
    record = Record(3, AT, "repair", {"what": "cell \u2028", "reason": "a\nb", "island": None, "epoch": None,
                                      "action": float("nan")})  # fmt: skip
    line = line_of({**fields_of(record, "j"), "path": Path("x"), "nan": float("inf")})
    assert line.isascii()
    assert len(line.splitlines()) == 1
    assert json.loads(line)["nan"] is None


def test_a_real_job_is_logged_as_it_is_journalled_and_a_full_disk_stops_nothing(
    tiny_job: Any, tmp_path: Path, capsys: Any, replay: Any
) -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    def look(record: Record) -> None:
        if record.kind == "epoch_finished":
            stop.set()

    stop = threading.Event()
    log, refused = JobLog(root=tmp_path), JobLog(root=tmp_path, run_dir=tmp_path, echo=Full())
    with log, refused, pytest.raises(Interrupted, match="stopped between two epochs"):
        run_job(tiny_job(), root=tmp_path, observers=[refused, log, look], stop=stop, make_executor=replay)
    (view,) = list_jobs(tmp_path)
    assert (view.status, len(view.epochs) > 0) == ("interrupted", True)
    assert capsys.readouterr().err.count("No space left on device") == 1  # told once, not with every record
    records = read_journal(view.run_dir / FILE_NAME).records
    lines = lines_of(view.run_dir / LOG_FILE)
    assert [line["n"] for line in lines if "n" in line] == [record.n for record in records]
    assert {line["job"] for line in lines} == {view.id}
