"""What was tried, and what luck makes of so many tries."""

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from cluster.report import charts
from cluster.report.luck_table import luck_of, luck_table
from cluster.report.markup import Html, element, section, table
from cluster.report.numbers import NOTHING, as_number, count, figure, threshold_figure

if TYPE_CHECKING:
    from cluster.view import JobView

LUCK_POINTS: Final = 40

Place = Callable[[Mapping[str, Any], str], Html]
"""Puts a figure with its label on the page."""


def luck_sections(view: "JobView", place: Place) -> list[Html]:
    """Return the sections on what was tried and on luck."""
    return [_tried(view, place), _luck(view, place)]


def _tried(view: "JobView", place: Place) -> Html:
    """Every count of trials, and what the tests over all of them say."""
    chosen = view.chosen or {}
    counts = chosen.get("trials")
    if not counts:
        return section("tried", "What was tried", element("p", "Not known: no candidates were judged yet."))
    lead = (
        f"{view.n_trials:,} ways of trading were tried on these bars, by {count(counts['n_jobs'], 'job')}. That is the "
        "N of every statistic here: two strategies with the same trades are one trial, and nothing that was looked at "
        "is left out."
    )
    rows = [[name, value] for name, value in tried_rows(counts)]
    parts = [element("p", lead, class_="lead"), table(["Trials", "Number"], rows)]
    tests = test_rows(chosen)
    if tests:
        parts.append(table(["Test over all trials", "Value", "What it means"], tests, numeric_from=9))
    logits = (chosen.get("pbo") or {}).get("logits")
    if logits:
        parts.append(place(logit_figure(logits), "Ranks out of sample of the best in sample"))
    return section("tried", "What was tried", *parts)


def tried_rows(counts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return names and numbers of the trial counts that a choice of candidates recorded."""
    names = {
        "n_births": "Strategies bred",
        "n_evaluated": "Evaluated",
        "n_screened": "of these, seen by the screen alone",
        "n_refined": "of these, made by refining",
        "n_genomes": "Different strategies",
        "n_behaviours": "Different ways of trading: N",
        "n_jobs": "Jobs on these bars",
    }
    return [(title, f"{counts[name]:,}") for name, title in names.items() if counts.get(name) is not None]


def test_rows(chosen: Mapping[str, Any]) -> list[list[str]]:
    """Return a row for each test over the trials as a whole that could be made."""
    rows = []
    if effective := chosen.get("effective"):
        text = (
            f"As many independent tries are among {effective['n_sampled']:,} of them, drawn evenly, counted by "
            f"clusters of correlated returns (by the spectrum of their correlations: {effective['participation']:.0f})."
        )
        rows.append(["Effective number", f"{effective['n_clusters']:,}", text])
    if spa := chosen.get("spa"):
        text = (
            f"Chance that the best of {spa['n_models']:,} looks this good if none has any skill (Hansen's SPA; between "
            f"{spa['lower']:.3f} and {spa['upper']:.3f} by how the bad ones are counted). It takes them as named "
            "beforehand; these were bred on the same bars, so it is kind: not enough by itself."
        )
        rows.append(["SPA", f"{spa['consistent']:.3f}", text])
    if pbo := chosen.get("pbo"):
        loss = threshold_figure(100 * (as_number(pbo["probability_of_loss"]) or 0.0))
        text = (
            f"Share of {pbo['n_splits']:,} ways to cut the folds in two halves in which the best of one half was no "
            f"better than the middle in the other; it lost there in {loss} %. A search without skill gives about 0.5."
        )
        rows.append(["PBO", threshold_figure(pbo["pbo"]), text])
    if paths := chosen.get("paths"):
        shown = ", ".join(figure("sharpe", value) for value in sorted(paths["sharpes"], key=lambda value: value or 0.0))
        text = (
            "Sharpe of taking the best in sample, out of sample, in the middle of so many histories (combinatorial "
            f"purged cross-validation): {shown}."
        )
        rows.append(["Paths", figure("sharpe", paths["median"]) if paths["sharpes"] else NOTHING, text])
    return rows


def logit_figure(logits: Mapping[str, Any]) -> charts.Figure:
    """Return the histogram of where the best of one half stands in the other: left of 0 is overfitting."""
    edges, counts = logits["edges"], logits["counts"]
    middles = [(low + high) / 2 for low, high in pairwise(edges)]
    colours = ["@series-2" if middle < 0 else "@strategy" for middle in middles]
    data = [{"type": "bar", "x": middles, "y": counts, "marker": {"color": colours},
             "hovertemplate": "%{y} splits around %{x}<extra></extra>"}]  # fmt: skip
    layout: charts.Figure = {
        "height": 240,
        "bargap": 0.05,
        "xaxis": {"title": {"text": "Logit of the rank out of sample of the best in sample; 0 is the middle"}},
        "yaxis": {"title": {"text": "Splits"}, "rangemode": "tozero"},
    }
    return {"data": data, "layout": layout}


def _luck(view: "JobView", place: Place) -> Html:
    """What the best of so many tries would show by chance, beside what this job's best did show."""
    luck = luck_of(view)
    if luck is None:
        return section("luck", "Luck", element("p", "Not known: no candidates were judged yet."))
    top = max(view.n_trials * 10, 1000)
    tries = sorted(
        {round(10 ** (math.log10(top) * step / LUCK_POINTS)) for step in range(4, LUCK_POINTS + 1)} | {view.n_trials}
    )
    shown = "" if luck.best is None else f" The best of this job shows {luck.best:.2f}."
    beyond = " beyond holding its mean exposure" if view.config.gates.benchmark == "passive" else ""
    text = (
        f"Without any skill, the best of {view.n_trials:,} ways of trading would show a Sharpe of "
        f"{luck.sharpe(view.n_trials):.2f} a year in sample{beyond}, judging by how much the founders differ on "
        f"permuted bars (variance {threshold_figure((view.chosen or {}).get('trial_variance'))} per bar).{shown}"
    )
    drawn = charts.luck_figure(tries, [luck.sharpe(n) for n in tries], n_trials=view.n_trials, best=luck.best)
    return section("luck", "Luck", element("p", text, class_="lead"), place(drawn, "Luck"), luck_table(luck))
