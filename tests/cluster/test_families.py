"""Species and families on the report page: sums over islands, founders by name, figures that Plotly takes."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import plotly.graph_objects as go
import pytest

from cluster.report import families, render_report
from cluster.view import read_job

MakeRun = Callable[..., Path]
RSI, RANDOM, NEWCOMER = 1 << 40 | 1, 7, 1 << 40 | 5 << 20 | 3


@pytest.fixture
def view(make_run):
    return read_job(make_run())


def test_generations_are_those_that_every_island_has_been_through(view):
    generations = families.by_generation(view.epochs, 2)
    assert list(generations) == list(range(7))
    assert all(len(stats) == 2 for stats in generations.values())
    assert list(families.by_generation(view.epochs[:3], 2)) == [0, 1, 2]  # island 1 has not come further


def test_shares_add_up_to_one_in_every_generation(view):
    figure = families.shares_figure(families.by_generation(view.epochs, 2))
    for axis in ("x", "x2"):
        traces = [trace for trace in figure["data"] if trace["xaxis"] == axis]
        assert [trace["name"] for trace in traces] == ["Technical", "Learning", "Hybrid"]
        for values in zip(*(trace["y"] for trace in traces), strict=True):
            assert sum(values) == pytest.approx(1.0, abs=2e-4)
    assert figure["data"][0]["y"] == [0.6, 0.55, 0.5, 0.45, 0.4, 0.35, 0.3]


def test_families_and_all_others_add_up_to_the_population(view):
    generations = families.by_generation(view.epochs, 2)
    figure = families.families_figure(generations, families.founders_of(view.epochs))
    for values in zip(*(trace["y"] for trace in figure["data"]), strict=True):
        assert sum(values) == pytest.approx(1.0, abs=1e-3)
    assert figure["data"][0]["name"] == "sma_cross, island 0"
    assert figure["data"][-1]["name"] == "All others"


def test_the_best_is_of_all_islands_and_the_median_of_those_that_were_ranked():
    def island(best, median, n):
        return {"species": {name: {"best": best, "median": median, "n_feasible": n} for name in families.NAMES}}

    stats = {0: [island(1.0, 0.5, 30), island(2.0, 0.1, 10)], 1: [island(None, None, 0), island(3.0, 0.2, 4)],
             2: [island(None, None, 0)] * 2}  # fmt: skip
    best, median = families.merit_figure(stats, "Sharpe")["data"][:2]
    assert best["y"] == [2.0, 3.0, None]
    assert median["y"] == [0.4, 0.2, None]


def test_founders_are_named_by_template_or_by_what_they_were(view):
    templates = families.founders_of(view.epochs)
    assert families.founder_of(0, templates) == ("sma_cross", 0, 0)
    assert families.founder_of(RSI, templates) == ("rsi_reversion, mutated", 1, 0)
    assert families.founder_of(RANDOM, templates) == ("random", 0, 0)
    assert families.founder_of(NEWCOMER, templates) == ("newcomer of generation 5", 1, 5)


def test_the_page_tells_species_families_and_whose_children_the_candidates_are(view):
    text = render_report(view)
    part = text[text.index('<section id="species">') :]
    part = re.sub(r"<[^>]+>", " ", part[: part.index("</section>")])
    for words in ("Founders: ta 0.5, ml 0.5", "at least so much of each lives on: ta 0.1, ml 0.1", "24 families",
                  "rsi_reversion, mutated", "(ta, elite)", "15 %"):  # fmt: skip
        assert words in part, words
    assert all(record["id"][:8] in part for record in view.candidates)


def test_without_an_epoch_that_all_islands_finished_there_is_no_section(view):
    from dataclasses import replace

    assert '<section id="species">' not in render_report(replace(view, epochs=view.epochs[:1]))


def test_figures_are_valid_for_plotly(view):
    generations = families.by_generation(view.epochs, 2)
    made = (families.shares_figure(generations), families.merit_figure(generations, "x"),
            families.families_figure(generations, {}))  # fmt: skip
    for figure in made:
        go.Figure(json.loads(re.sub(r'"@[\w-]+"', '"#123456"', json.dumps(figure, allow_nan=False))))
