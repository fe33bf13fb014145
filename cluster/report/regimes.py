"""Regimes on the page: what each candidate did in bull, bear and sideways markets, and which market was when."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cluster.report.markup import Html, element, joined, section, table
from cluster.report.numbers import NOTHING, PERCENT, SEGMENTS, TITLES, as_number, figure

if TYPE_CHECKING:
    from cluster.report.places import Page
    from cluster.view import JobView

REGIMES_FILE: Final = "regimes.json"
NAMES: Final = {
    "trend": {"bull": "Bull", "sideways": "Sideways", "bear": "Bear", "unknown": "Not known yet"},
    "volatility": {"high": "High volatility", "low": "Low volatility"},
}
SHOWN: Final = ("n_trades", "sharpe", "max_drawdown")  # three stretches fit on a page
HELD: Final = frozenset({"sharpe", "max_drawdown"})
SHADES: Final = {0: "@bad-soft", 2: "@good-soft"}
MOST_OPEN: Final = 4
MOST_WIDE: Final = 2
"""Shards whose charts are as wide as the page; where there are more, they stand beside one another."""
_MORE_TITLES: Final = {"volatility": "Volatility", "worst_trade": "Worst trade", "average_holding": "Average holding"}
_STRIP: Final = 0.06
_LEAD: Final = (
    "Bars and trades by the regime known at the close before, all shards strung together. Time is the share of the "
    "bars; the small figures are buy and hold in the same regime. Growths of the regimes multiply to the whole; Sharpe "
    "ratios and drawdowns are of the bars of a regime alone."
)


def regime_tables(record: Mapping[str, Any]) -> Html:
    """Return a candidate's measures per regime in each stretch; nothing for a record without them."""
    regimes = record.get("regimes") or {}
    stretches = [name for name in SEGMENTS if regimes.get(name)]
    if not stretches:
        return Html("")
    groups = [Html("<th></th>")]
    groups += [element("th", SEGMENTS[name], colspan=str(len(SHOWN) + 1), scope="colgroup") for name in stretches]
    titles = ["Time", *(TITLES[name] for name in SHOWN)] * len(stretches)
    head = [
        element("tr", *groups),
        element("tr", element("th", "Regime", scope="col"), *(_cell("th", one) for one in titles)),
    ]
    rows = [
        element(
            "tr", element("td", name), *(cell for stretch in stretches for cell in _cells(regimes[stretch], *place))
        )
        for place, name in _rows(regimes, stretches)
    ]
    body = element("table", element("thead", *head), element("tbody", *rows))
    every = [_all(regimes[stretch], stretch) for stretch in stretches]
    return joined(
        element("h3", "By regime"),
        element("p", _LEAD, class_="lead"),
        element("div", body, class_="scroll"),
        element("details", element("summary", "Every measure by regime"), *every),
    )


def _rows(regimes: Mapping[str, Any], stretches: Sequence[str]) -> list[tuple[tuple[str, str], str]]:
    """The regimes that any stretch has, as (kind, regime) and title, and the whole last."""
    found = [
        ((kind, regime), title)
        for kind, titles in NAMES.items()
        for regime, title in titles.items()
        if any(regime in regimes[stretch]["strategy"][kind] for stretch in stretches)
    ]
    return [*found, (("all", "all"), "All bars")]


def _cells(stretch: Mapping[str, Any], kind: str, regime: str) -> list[Html]:
    """Share of time and measures in one regime of one stretch, buy and hold in small."""
    row, hold = (stretch[name][kind].get(regime) for name in ("strategy", "hold"))
    if row is None:
        return [_cell("td", NOTHING), *[_cell("td", "")] * len(SHOWN)]
    cells = [_cell("td", f"{row['share']:.0%}")]
    for name in SHOWN:
        beside = (hold or {}).get("measures", {}).get(name) if name in HELD else None
        small = element("small", figure(name, beside)) if name in HELD else Html("")
        cells.append(element("td", figure(name, row["measures"].get(name)), small, class_="num"))
    return cells


def _cell(kind: str, text: str) -> Html:
    return element(kind, text, class_="num", scope="col" if kind == "th" else None)


def _all(stretch: Mapping[str, Any], name: str) -> Html:
    """Every measure of the strategy in one stretch, a column a regime."""
    places = [place for place, _ in _rows({name: stretch}, [name])]
    titles = [title for _, title in _rows({name: stretch}, [name])]
    columns = [stretch["strategy"][kind][regime]["measures"] for kind, regime in places]
    bars = [f"{stretch['strategy'][kind][regime]['n_bars']:,}" for kind, regime in places]
    rows = [["Bars", *bars]]
    for measure in columns[0]:
        title = TITLES.get(measure) or _MORE_TITLES.get(measure, measure)
        rows.append([title, *(_figure(measure, column.get(measure)) for column in columns)])
    return table(["Measure", *titles], rows, caption=SEGMENTS[name])


def _figure(measure: str, value: object) -> str:
    """As `figure`, small percentages with enough digits to tell them apart."""
    number = as_number(value)
    if measure in PERCENT and number is not None and 0 < abs(number) < 0.0095:
        return f"{100 * number:.2f} %"
    return figure(measure, value)


def market_section(view: "JobView", page: "Page") -> Html:
    """Return which regime the detector saw when on each shard; nothing where the run folder doesn't say."""
    strips = _read(view.run_dir)
    if not strips:
        return Html("")
    drawn = [page.place(regime_figure(strip), f"Regimes of {strip['symbol']}") for strip in strips]
    lead = element(
        "p",
        "Close, on a logarithmic axis, over what the detector held at the time: ",
        element("span", "bull", class_="chip good"),
        " ",
        element("span", "bear", class_="chip bad"),
        ", unshaded sideways; the grey strip at the foot is high volatility. Filtered, not smoothed: each label uses "
        "its bar and earlier ones alone, so it is late where anybody would have been. Validation begins at the dotted "
        "line.",
        class_="lead",
    )
    wide = None if len(drawn) <= MOST_WIDE else "grid"
    first, rest = (element("div", *some, class_=wide) for some in (drawn[:MOST_OPEN], drawn[MOST_OPEN:]))
    more = element("details", element("summary", f"{len(drawn) - MOST_OPEN} more shards"), rest)
    return section("regimes", "Regimes", lead, first, *([more] if len(drawn) > MOST_OPEN else []))


def _read(run_dir: Path) -> list[Mapping[str, Any]]:
    """The markets as the job wrote them; none where the file is missing or damaged."""
    try:
        found = json.loads((run_dir / REGIMES_FILE).read_text(encoding="utf-8"))["shards"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return list(found)


def regime_figure(strip: Mapping[str, Any]) -> dict[str, Any]:
    """Return one market as a plotly dict: its close over shaded trends, and a strip where volatility is high."""
    days = [_moment(stamp) for stamp in strip["timestamps"]]
    shapes = [
        _band(days, first, stop, SHADES[label], bottom=_STRIP, top=1.0)
        for label, first, stop in _runs(strip["trend"])
        if label in SHADES
    ]
    shapes += [
        _band(days, first, stop, "@muted", bottom=0.0, top=_STRIP)
        for label, first, stop in _runs(strip["volatility"])
        if label == 1
    ]
    begins = _moment(strip["validation"])
    shapes.append(
        {"type": "line", "xref": "x", "yref": "paper", "x0": begins, "x1": begins, "y0": 0, "y1": 1,
         "line": {"width": 1, "dash": "dot", "color": "@muted"}}
    )  # fmt: skip
    closes = [float(f"{value:.6g}") for value in strip["close"]]
    line = {"type": "scatter", "mode": "lines", "name": "close", "x": days, "y": closes, "showlegend": False,
            "line": {"color": "@strategy", "width": 1.3}, "hovertemplate": "%{y:,.5~g}"}  # fmt: skip
    layout = {"height": 230, "title": {"text": f"{strip['symbol']} {strip['timeframe']}"}, "shapes": shapes,
              "hovermode": "x unified",
              "xaxis": {"type": "date", "nticks": 8, "showgrid": False, "anchor": "free", "position": 0},
              "yaxis": {"type": "log", "tickformat": ",.6~g", "nticks": 5, "showgrid": False,
                        "domain": [_STRIP + 0.04, 1.0]}}  # fmt: skip
    return {"data": [line], "layout": layout}


def _runs(labels: Sequence[int]) -> list[tuple[int, int, int]]:
    """Label, first and last + 1 of each stretch of equal labels."""
    found, first = [], 0
    for label, run in groupby(labels):
        stop = first + len(list(run))
        found.append((label, first, stop))
        first = stop
    return found


def _band(days: Sequence[str], first: int, stop: int, colour: str, *, bottom: float, top: float) -> dict[str, Any]:
    """A shade from a bar up to the one where the label changed."""
    return {"type": "rect", "xref": "x", "yref": "paper", "x0": days[first], "x1": days[min(stop, len(days) - 1)],
            "y0": bottom, "y1": top, "line": {"width": 0}, "fillcolor": colour, "layer": "below"}  # fmt: skip


def _moment(microseconds: int) -> str:
    """A time as ISO text; midnights as dates."""
    text = datetime.fromtimestamp(microseconds / 1e6, UTC).isoformat()
    return text.replace("+00:00", "").removesuffix("T00:00:00")
