"""The portfolio of elites as one account: who is in it, what it did, and how it moved. Read from portfolio.json."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from cluster.report.charts import Figure, band, label
from cluster.report.equity import POOL, Stretch, read_equity, stretches
from cluster.report.markup import Html, element, table
from cluster.report.numbers import NOT_READ, NOTHING, SEGMENTS, TITLES, as_number, count, figure
from cluster.report.times import moment_text
from cluster.run_folder import PORTFOLIO_FILE

if TYPE_CHECKING:
    from collections.abc import Callable

    from cluster.view import JobView

MOST_POINTS: Final = 1200
MOST_MEMBERS: Final = 6
COMPARED: Final = {"equal_weight": "equal weights", "best_single": "the best alone", "hold": "buy and hold"}
SHOWN: Final = ("sharpe", "sharpe_beyond", "sortino", "cagr", "total_return", "volatility", "max_drawdown", "calmar",
                "exposure", "n_trades")  # fmt: skip
CURVES: Final = (("growth", "Equal weights", "@benchmark", 1.2), ("growth", "The portfolio", "@strategy", 1.8))


def read_portfolio(view: "JobView") -> Mapping[str, Any] | None:
    """Return the portfolio of a job, None where there is none, or a damaged one."""
    try:
        found = json.loads((view.run_dir / PORTFOLIO_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    members = found.get("members") if isinstance(found, dict) else None
    if not isinstance(members, list) or not members or not isinstance(found.get("stretches"), dict):
        return None
    return found if all(isinstance(one, dict) and isinstance(one.get("id"), str) for one in members) else None


def whole_block(
    view: "JobView", found: Mapping[str, Any], place: "Callable[[Mapping[str, Any], str], Html]"
) -> list[Html]:
    """Return the tables and the curves of a portfolio; `place` is where figures go."""
    method, chosen_by = (str(found.get(name, NOTHING)).replace("_", " ") for name in ("method", "chosen_by"))
    lead = f"Elites that were chosen to be held together, by {chosen_by}; weights by {method}. {_note(found)}"
    curve = found.get("equity") or []
    drawn = [place(whole_figure(curve, _member_curves(view, found)), "Equity of the portfolio")] if curve else []
    return [
        element("h3", "Held together"),
        element("p", lead, class_="lead"),
        _members(found["members"]),
        *drawn,
        _stretches(found),
        *_left_out(found),
    ]


def whole_figure(curve: Sequence[Sequence[Any]], members: Mapping[str, Sequence[Stretch]]) -> Figure:
    """Return growth of the whole and of equal weights, from stretch to stretch, stretches shaded.

    Args:
        curve: rows of ISO time, stretch, growth, growth of equal weights, in the order of time.
        members: the stretches of some members by id, one after the other: drawn thin.
    """
    step = max(1, -(-len(curve) // MOST_POINTS))
    edges = {row for row in range(1, len(curve)) if curve[row][1] != curve[row - 1][1]}
    shown = [curve[row] for row in range(len(curve)) if row % step == 0 or row + 1 in edges or row == len(curve) - 1]
    x = [moment_text(row[0]) for row in shown]
    data = [
        {"type": "scatter", "mode": "lines", "name": f"{strategy_id[:8]} alone", "hovertemplate": "%{y:.3f}",
         "x": [day for part in parts for day in part.dates],
         "y": [worth for part in parts for worth in part.growth["equity"]],
         "line": {"color": f"@series-{number % 6 + 1}", "width": 0.8}, "opacity": 0.7}
        for number, (strategy_id, parts) in enumerate(members.items())
    ] + [
        {"type": "scatter", "mode": "lines", "name": name, "x": x, "y": [_rounded(row[place]) for row in shown],
         "line": {"color": colour, "width": width}, "hovertemplate": "%{y:.3f}"}
        for place, (_, name, colour, width) in zip((3, 2), CURVES, strict=True)
    ]  # fmt: skip
    layout: Figure = {"height": 340, "hovermode": "x unified", "shapes": [], "annotations": [],
                      "xaxis": {"type": "date", "nticks": 10},
                      "yaxis": {"type": "log", "tickformat": ".3~g", "nticks": 6,
                                "title": {"text": "Growth of 1"}}}  # fmt: skip
    for name in SEGMENTS:
        inside = [moment_text(row[0]) for row in curve if row[1] == name]
        if inside:
            layout["annotations"].append(label(SEGMENTS[name], inside[0]))
            layout["shapes"] += band(name, inside[0], inside[-1])
    return {"data": data, "layout": layout}


def _member_curves(view: "JobView", found: Mapping[str, Any]) -> dict[str, list[Stretch]]:
    """The curves of the first members, if there are several; all shards as one account."""
    ids = [one["id"] for one in found["members"]]
    frames = {strategy_id: read_equity(view.run_dir, strategy_id) for strategy_id in ids[:MOST_MEMBERS]}
    if len(ids) < 2:
        return {}
    return {one: stretches(frame, POOL, chained=True) for one, frame in frames.items() if frame is not None}


def _members(members: Sequence[Mapping[str, Any]]) -> Html:
    names = list(dict.fromkeys(name for one in members for name in one.get("marginal") or {}))
    rows: list[list[str]] = []
    for one in members:
        added = one.get("marginal") or {}
        rows.append([_link(one["id"]), _share(one.get("weight")), *(_value(name, added.get(name)) for name in names)])
    head = ["Member", "Weight", *(f"{_title(name)} it adds" for name in names)]
    return table(head, rows, caption="What is held, and what each adds to those before it, in equal shares")


def _note(found: Mapping[str, Any]) -> str:
    note = found.get("note")
    return note if isinstance(note, str) else "The lockbox was no part of the choice."


def _left_out(found: Mapping[str, Any]) -> list[Html]:
    """Who was not chosen and why, in a list; an empty one where nobody is named."""
    named = [one for one in found.get("passed_over") or [] if isinstance(one, dict)]
    if not named:
        return []
    rows = [[_link(str(one.get("id"))), str(one.get("reason", NOTHING))] for one in named]
    inner = table(["Elite", "Why not"], rows, numeric_from=2)
    return [element("details", element("summary", f"{count(len(named), 'elite')} not held"), inner)]


def _stretches(found: Mapping[str, Any]) -> Html:
    figures_of = found["stretches"]
    known = [name for name in SEGMENTS if isinstance(figures_of.get(name), dict)]
    listed = {name for stretch in known for name in figures_of[stretch]}
    rows = []
    for name in (*(one for one in SHOWN if one in listed), *sorted(listed - set(SHOWN))):
        cells = [_value(name, figures_of[stretch].get(name)) if stretch in known else NOT_READ for stretch in SEGMENTS]
        rows.append([_title(name), *cells])
        rows += _intervals(found, name)
    for other, title in COMPARED.items():
        if figures := (found.get("compared") or {}).get(other):
            sharpes = [(figures.get(stretch) or {}).get("sharpe") for stretch in SEGMENTS]
            rows.append([f"Sharpe of {title}", *(figure("sharpe", value) for value in sharpes)])
    return table(["Measure", *SEGMENTS.values()], rows, caption="The whole as one account")


def _intervals(found: Mapping[str, Any], name: str) -> list[list[str]]:
    """The row of the interval of one measure, in a list; an empty one where it has none."""
    known = (found.get("intervals") or {}).get("portfolio") or {}
    ends = [(known.get(stretch) or {}).get(name) for stretch in SEGMENTS]
    if not any(ends):
        return []
    cells = [f"{_value(name, pair[0])} to {_value(name, pair[1])}" if pair else NOTHING for pair in ends]
    return [["\u2003in 95 %", *cells]]


def _value(name: str, value: object) -> str:
    if isinstance(value, Mapping | Sequence) and not isinstance(value, str):
        return NOTHING
    return str(value) if isinstance(value, str) else figure("sharpe" if name == "sharpe_beyond" else name, value)


def _title(name: str) -> str:
    if name == "sharpe_beyond":
        return "Sharpe beyond holding"
    return TITLES.get(name, name.replace("_", " ").capitalize())


def _link(strategy_id: str) -> Html:
    return element("a", strategy_id, href=f"#s-{strategy_id}", class_="id")


def _share(weight: object) -> str:
    number = as_number(weight)
    return NOTHING if number is None else f"{100 * number:.1f} %"


def _rounded(value: object) -> float | None:
    number = as_number(value)
    return None if number is None else round(number, 5)
