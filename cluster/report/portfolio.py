"""The elites as one portfolio: which of them move together, and which one repeats a better one."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cluster.portfolio import redundant_with
from cluster.report.charts import Figure
from cluster.report.markup import Html, element, section
from cluster.report.numbers import as_number, by_merit, count
from cluster.report.whole_portfolio import read_portfolio, whole_block
from cluster.run_folder import PORTFOLIO_FILE

if TYPE_CHECKING:
    from cluster.view import JobView

Place = Callable[[Mapping[str, Any], str], Html]
"""Puts a figure with its label on the page."""
CELL = 46
SHORT = 8


def portfolio_section(view: "JobView", place: Place) -> Html:
    """Return how the elites of a job move together, and what those do that are held together, if some were chosen.

    Nothing where there are fewer than two elites and no portfolio.
    """
    elites, chosen = by_merit(view.elites), read_portfolio(view)
    whole = _without(view) if chosen is None else whole_block(view, chosen, place)
    if len(elites) < 2:
        return section("portfolio", "Portfolio", *whole) if whole else Html("")
    limit = view.config.portfolio.max_correlation
    text = (
        "Correlation of the elites' per-bar returns, all shards as one account, in sample and in validation: the "
        f"lockbox is not to choose by. Above {limit:g} the worse of two is redundant: more risk, no second opinion."
    )
    return section(
        "portfolio",
        "Portfolio",
        element("p", text, class_="lead"),
        place(heat_map(elites), "Correlation of the elites"),
        _redundant(elites),
        *whole,
    )


def heat_map(elites: Sequence[Mapping[str, Any]]) -> Figure:
    """Return the correlations of each two elites, the best first, as a figure."""
    ids = [record["id"] for record in elites]
    values = [[_correlation(record, other) for other in ids] for record in elites]
    names = [one[:SHORT] for one in ids]
    shown = [["" if value is None else f"{value:.2f}".replace("-0.00", "0.00") for value in row] for row in values]
    data = [{"type": "heatmap", "x": names, "y": names, "z": values, "text": shown, "texttemplate": "%{text}",
             "zmin": -1, "zmax": 1, "xgap": 2, "ygap": 2, "hoverongaps": False,
             "colorscale": [[0, "@series-2"], [0.5, "@soft"], [1, "@strategy"]],
             "colorbar": {"thickness": 10, "tickvals": [-1, 0, 1], "outlinewidth": 0},
             "hovertemplate": "%{y} and %{x}: %{z:.2f}<extra></extra>"}]  # fmt: skip
    axis = {"type": "category", "showgrid": False}  # an id such as 30575e41 is no number
    layout: Figure = {"height": max(250, CELL * len(ids) + 120), "yaxis": {**axis, "autorange": "reversed"},
                      "xaxis": {**axis, "side": "top"}}  # fmt: skip
    return {"data": data, "layout": layout}


def _correlation(record: Mapping[str, Any], other: str) -> float | None:
    if record["id"] == other:
        return 1.0
    value = as_number(((record.get("portfolio") or {}).get("correlations") or {}).get(other))
    return None if value is None else round(value, 4)


def _redundant(elites: Sequence[Mapping[str, Any]]) -> Html:
    found = [(record["id"], better) for record in elites if (better := redundant_with(record)) is not None]
    if not found:
        return element("p", "None of them is redundant.")
    items = [
        element("li", element("span", "redundant", class_="chip bad"), f" {one}: {better['correlation']:.2f} with "
                f"{better['id']}, which is better")
        for one, better in found
    ]  # fmt: skip
    return element("div", element("p", f"{count(len(found), 'elite')} could be left out:"), element("ul", *items))


def _without(view: "JobView") -> list[Html]:
    """What to say where no portfolio can be read: nothing if there is none."""
    if not (view.run_dir / PORTFOLIO_FILE).exists():
        return []
    text = f"{PORTFOLIO_FILE} can't be read; `studbook portfolio {view.id}` makes it again."
    return [element("p", text, class_="lead")]
