"""The report says how the job ran: what broke, who was put aside, workers over time; or that nothing happened."""

import re
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from cluster.cli.outcome import outcome_document
from cluster.journal import FILE_NAME, Journal
from cluster.report.markup import Html
from cluster.report.running import SHOWN, running_section, summary
from cluster.tables import ran_sentence
from cluster.view import JobView, read_job

MakeRun = Callable[..., Path]
EVENTS: list[tuple[str, dict[str, Any]]] = [
    ("workers", {"present": 1, "wanted": 4, "reason": "the first is ready"}),
    ("workers", {"present": 4, "wanted": 4, "reason": "three joined"}),
    ("workers", {"present": 2, "wanted": 4, "reason": "node <7> left"}),
    ("repair", {"what": "cell 0", "island": None, "epoch": None, "reason": "node <7> left", "action": "cell replaced"}),
    ("quarantined", {"key": "0" * 32, "id": "3f9a", "text": "long when RSI(14) < 30", "reason": "killed its worker",
                     "segment": "folds", "island": 1, "epoch": 2}),
    ("stall", {"island": 0, "epoch": 2, "waited_s": 75.0, "typical_s": 9.5}),
    ("interrupted", {"reason": "stopped between two epochs"}),
]  # fmt: skip


@pytest.fixture
def troubled(make_run: MakeRun) -> JobView:
    """A job with one of everything."""
    run = make_run(finished=False)
    journal, _ = Journal.open(run / FILE_NAME)
    for kind, data in EVENTS:
        journal.append(kind, data)
    journal.close()
    return read_job(run)


def page_of(view: JobView) -> tuple[str, list[Any]]:
    """The section as text, tags left out, and its figures."""
    figures: list[Any] = []

    def place(figure: Any, label: str) -> Html:
        figures.append(figure)
        return Html(label)

    section = running_section(view, place)
    assert "<7>" not in section
    return unescape(re.sub(r"<[^>]+>", " ", section)), figures


def test_everything_that_happened_is_told(troubled: JobView) -> None:
    text, (figure,) = page_of(troubled)
    for part in (
        "4 epochs in", "at most 4 workers", "2 repairs (1 cell, 1 island), 1 strategy put aside, 1 stall.",
        "cell replaced", "node <7> left", "long when RSI(14) < 30", "it killed its worker", "island 1, epoch 2",
        "Stalls", "1 min 15 s", "9.5 s", "3 changes", "2 of 4", "Interruptions", "stopped between two epochs",
        "How each of 2 islands did",
    ):  # fmt: skip
        assert part in text
    assert [line["y"] for line in figure["data"]] == [[1, 4, 2], [4, 4, 4]]


def test_where_nothing_happened_a_line_says_so_and_nothing_else_is_shown(troubled: JobView) -> None:
    quiet = replace(
        troubled, repairs=(), quarantined=(), stalls=(), workers=troubled.workers[:1],
        health=replace(troubled.health, happenings=()),
    )  # fmt: skip
    text, figures = page_of(quiet)
    assert "Nothing broke: no repair, no stall, no strategy put aside." in text
    assert figures == []
    for title in ("Repairs", "Put aside the", "Stalls", "Workers", "Interruptions"):
        assert f" {title} " not in text.split("How each of")[0]
    assert "on at most 1 worker" in summary(quiet)


def test_a_job_of_an_older_journal_says_nothing_of_workers(make_run: MakeRun) -> None:
    view = read_job(make_run())
    assert (view.workers, view.quarantined, view.stalls) == ((), (), ())
    assert "worker" not in summary(view).split(". ")[0]
    text, figures = page_of(view)
    assert figures == []
    assert "worker <killed> & restarted" in text


def test_a_long_list_is_cut_and_says_so(troubled: JobView) -> None:
    text, _ = page_of(replace(troubled, repairs=troubled.repairs[:1] * (SHOWN + 7)))
    assert "7 more rows in the journal." in text


def test_before_the_first_epoch_there_is_no_table(troubled: JobView) -> None:
    text, _ = page_of(replace(troubled, epochs=()))
    assert "How each of" not in text


def test_the_outcome_tells_it_too(troubled: JobView) -> None:
    document = outcome_document(troubled)
    assert [document[name] for name in ("repairs", "quarantined", "workers", "stalls")] == [
        list(troubled.repairs), list(troubled.quarantined), list(troubled.workers), list(troubled.stalls)
    ]  # fmt: skip
    assert document["workers"][0] == {"at": troubled.workers[0]["at"], **EVENTS[0][1]}
    assert ran_sentence(troubled) == (
        "On the way: 2 repairs (1 cell, 1 island); 1 stall; 1 strategy put aside: 3f9a (killed its worker)."
    )
