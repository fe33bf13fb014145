"""The Pareto front: everything that was evaluated, by its objectives, and what nothing else dominates."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cluster.report.births import NOT_THERE, objective_title, scored
from cluster.report.charts import Figure
from cluster.report.markup import Html, element, section, table
from cluster.report.numbers import count
from fitness.objectives import OBJECTIVES

if TYPE_CHECKING:
    from cluster.report.places import Page
    from cluster.view import JobView

Floats = NDArray[np.float64]

MOST_POINTS: Final = 3000
"""Strategies off the front that are drawn one by one; more are counted in tiles."""
MOST_RANKED: Final = 20_000
"""Strategies that are ranked in three and more objectives, where ranking is slow; of more, the front alone is found."""
TILES: Final = (60, 40)
BANDS: Final = ((5, "Ranks 2 to 5", "@series-1"), (20, "Ranks 6 to 20", "@series-6"), (None, "Behind", "@benchmark"))
MARKS: Final = {True: ("Elites", "star", "@good"), False: ("Candidates, not promoted", "diamond", "@bad")}
SHOWN: Final = 0.01
"""Share of the strategies at the low end of an objective that the first view leaves out: a few are very bad."""
_COLUMNS: Final = ("birth_id", "strategy_id", "island", "generation", "species")


def pareto_section(view: "JobView", births: pl.DataFrame | None, page: "Page") -> Html:
    """Return the section; a sentence where there are no births, or one objective alone."""
    objectives = view.config.evolution.objectives
    title = "Pareto front"
    if not view.epochs:
        return Html("")
    if births is None:
        return section("pareto", title, element("p", NOT_THERE, class_="lead"))
    fit = scored(births, objectives)
    reasons = reason_rows(births)
    if fit.is_empty() or len(objectives) < 2:
        few = "No strategy has objectives." if fit.is_empty() else f"One objective, {objective_title(objectives[0])}: "
        text = few if fit.is_empty() else f"{few}the front is the best of them, and breeding shows it."
        return section("pareto", title, element("p", text, class_="lead"), *reasons)
    ranks = ranks_of(values_of(fit, objectives))
    figures = [
        (f"{objective_title(x)} and {objective_title(y)}", pareto_figure(fit, ranks, view.candidates, x=x, y=y))
        for x, y in combinations(objectives, 2)
    ]
    lead = element("p", _lead(fit, ranks, objectives), class_="lead")
    return section("pareto", title, lead, page.choice(figures, "Pareto front", what="Objectives"), *reasons)


def values_of(fit: pl.DataFrame, objectives: Sequence[str]) -> Floats:
    """Return the objectives (n, m) as evolution has them: the higher, the better."""
    return np.ascontiguousarray(fit.select(f"objective.{name}" for name in objectives).to_numpy(), dtype=np.float64)


def ranks_of(values: Floats) -> NDArray[np.int64]:
    """Return the rank (n,) of each strategy by its objectives (n, m): 0 is the front, 1 the front without it, and on.

    Of more than `MOST_RANKED` in three and more objectives only the front is told: all others have rank 1.
    """
    import moocore

    from evolution.selection import pareto_ranks

    if values.shape[1] == 2 or len(values) <= MOST_RANKED:
        return pareto_ranks(values)
    front = moocore.is_nondominated(np.array(values), maximise=True, keep_weakly=True)
    return np.where(front, 0, 1).astype(np.int64)


def pareto_figure(
    fit: pl.DataFrame, ranks: NDArray[np.int64], candidates: Sequence[Mapping[str, Any]], *, x: str, y: str
) -> Figure:
    """Return the strategies by two objectives: the front one by one, the others in bands of ranks or in tiles.

    Args:
        fit: strategies with objectives, see `births.scored`.
        ranks: (n,) of them, over all objectives.
        candidates: records of those that were judged: marked.
        x: name of one objective.
        y: of the other.
    """
    on_front, behind = fit.filter(ranks == 0), fit.filter(ranks > 0)
    data = [_tiles(behind, x, y)] if behind.height > MOST_POINTS else _bands(behind, ranks[ranks > 0], x, y)
    front = _points(on_front, "Front (rank 1)", x, y, {"color": "@series-2", "size": 7})
    data.append(front if len(objectives_of(fit)) > 2 else _stairs(front, x))
    data += [_marked(candidates, passed=passed, x=x, y=y) for passed in MARKS]
    axes = {axis: _axis(fit, name) for axis, name in (("xaxis", x), ("yaxis", y))}
    return {"data": data, "layout": {"height": 460, "hovermode": "closest", **axes}}


def _bands(behind: pl.DataFrame, ranks: NDArray[np.int64], x: str, y: str) -> list[Figure]:
    found, low = [], 0
    for high, name, colour in BANDS:
        rows = (ranks >= low) & (ranks < (np.inf if high is None else high))
        if rows.any():
            marker = {"color": colour, "size": 4, "opacity": 0.6}
            found.append(_points(behind.filter(rows), name, x, y, marker))
        low = high or 0
    return found[::-1]  # the better on top


def _points(rows: pl.DataFrame, name: str, x: str, y: str, marker: Figure) -> Figure:
    return {
        "type": "scatter", "mode": "markers", "name": name, "marker": marker,
        "x": _shown(rows, x), "y": _shown(rows, y),
        "customdata": [list(map(_named, row)) for row in rows.select(_COLUMNS).rows()],
        "hovertemplate": f"{_hover(x, y)}<br>%{{customdata[1]}}, %{{customdata[4]}}<br>birth %{{customdata[0]}}, "
        "island %{customdata[2]}, generation %{customdata[3]}<extra></extra>",
    }  # fmt: skip


def objectives_of(fit: pl.DataFrame) -> list[str]:
    """Return the names of the objectives that births have."""
    return [name.removeprefix("objective.") for name in fit.columns if name.startswith("objective.")]


def _stairs(front: Figure, x: str) -> Figure:
    """The front with its border, in two objectives: what lies behind it is dominated."""
    order = sorted(range(len(front["x"])), key=lambda row: front["x"][row])
    listed = {name: [front[name][row] for row in order] for name in ("x", "y", "customdata")}
    line = {"color": "@series-2", "width": 1, "shape": "vh" if _sign(x) > 0 else "hv"}
    return {**front, **listed, "mode": "lines+markers", "line": line}


def _sign(name: str) -> int:
    return OBJECTIVES[name].sign if name in OBJECTIVES else 1


def _marked(candidates: Sequence[Mapping[str, Any]], *, passed: bool, x: str, y: str) -> Figure:
    name, symbol, colour = MARKS[passed]
    mine = [record for record in candidates if bool(record["passed"]) == passed and record.get("objectives")]
    values = {axis: [_signed(objective, record["objectives"].get(objective)) for record in mine]
              for axis, objective in (("x", x), ("y", y))}  # fmt: skip
    marker = {"symbol": symbol, "size": 13, "color": colour, "line": {"color": "@paper", "width": 1}}
    return {"type": "scatter", "mode": "markers", "name": name, **values, "marker": marker, "showlegend": bool(mine),
            "text": [record["id"] for record in mine],
            "hovertemplate": f"{_hover(x, y)}<br>%{{text}}<extra></extra>"}  # fmt: skip


def _tiles(behind: pl.DataFrame, x: str, y: str) -> Figure:
    """How many strategies lie where: counts on a grid over all of them."""
    values = [np.array(_shown(behind, name)) for name in (x, y)]
    counts, *edges = np.histogram2d(values[0], values[1], bins=TILES)
    middles = [[float(f"{value:.6g}") for value in (edge[:-1] + edge[1:]) / 2] for edge in edges]
    z = [[None if n == 0 else round(float(np.log10(n)), 3) for n in row] for row in counts.T]
    return {
        "type": "heatmap", "name": "All others", "x": middles[0], "y": middles[1], "z": z, "showscale": False,
        "text": [[f"{int(n):,}" for n in row] for row in counts.T], "hoverongaps": False,
        "colorscale": [[0, "@benchmark-soft"], [1, "@series-1"]],
        "hovertemplate": "%{text} strategies<br>around " + _hover(x, y) + "<extra></extra>",
    }  # fmt: skip


def _axis(fit: pl.DataFrame, name: str) -> Figure:
    """The first view: all but the worst, of whom a few may be very bad."""
    values = np.array(_shown(fit, name))
    sign = _sign(name)
    cut = np.quantile(values, SHOWN if sign > 0 else 1.0 - SHOWN)
    low, high = (float(cut), float(values.max())) if sign > 0 else (float(values.min()), float(cut))
    room = 0.06 * (high - low) or 0.5
    better = "" if sign > 0 else ", the lower the better"
    return {"title": {"text": objective_title(name) + better}, "range": [low - room, high + room], "zeroline": True}


def _shown(rows: pl.DataFrame, name: str) -> list[float]:
    return [_signed(name, value) or 0.0 for value in rows[f"objective.{name}"]]


def _signed(name: str, value: float | None) -> float | None:
    """The value of an objective as people read it: drawdowns are positive."""
    return None if value is None else float(f"{_sign(name) * value:.6g}")


def _hover(x: str, y: str) -> str:
    return f"{objective_title(x)} %{{x:.4~g}}, {objective_title(y)} %{{y:.4~g}}"


def _named(value: object) -> str:
    return "id not known yet" if value is None else str(value)


def _lead(fit: pl.DataFrame, ranks: NDArray[np.int64], objectives: Sequence[str]) -> str:
    names = ", ".join(map(objective_title, objectives))
    n_ranks = int(ranks.max()) + 1
    told = f"; {n_ranks} ranks in all" if len(objectives) == 2 or fit.height <= MOST_RANKED else ""
    counted = " Where there are too many to draw, tiles tell how many." if fit.height > MOST_POINTS else ""
    return (
        f"{count(fit.height, 'different strategy', 'different strategies')} that could be scored, by {names}. On the "
        f"front are the {int((ranks == 0).sum()):,} that no other beats in one without losing in another{told}. All of "
        f"it is in sample: a front is where overfitting is best.{counted} The worst per cent lie outside of the first "
        "view."
    )


def reason_rows(births: pl.DataFrame) -> list[Html]:
    """Return a table of why births have no objectives, in a list; an empty one where all of them have."""
    found = births.filter(pl.col("reason") != "")["reason"].value_counts(sort=True).sort("count", "reason").reverse()
    if found.is_empty():
        return []
    rows = [[str(reason).capitalize(), f"{n:,}"] for reason, n in found.rows()]
    inner = table(["Why a birth has no objectives", "Births"], rows)
    return [element("details", element("summary", f"{int(found['count'].sum()):,} births could not be scored"), inner)]
