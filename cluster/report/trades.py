"""Trades on prices: where a candidate entered and left each shard, why, and what it made of it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from cluster.report.charts import Figure, band, label
from cluster.report.markup import Html, element
from cluster.report.numbers import SEGMENTS, as_number, count
from cluster.report.times import moment_text

if TYPE_CHECKING:
    from cluster.report.places import Page

MOST_MARKS: Final = 1500
"""Trades of a shard that are drawn one by one; more are drawn in as many bundles at most, none left out."""
SIDES: Final = {"long": ("Long entry", "triangle-up"), "short": ("Short entry", "triangle-down")}
_COLUMNS: Final = frozenset(
    ("symbol", "timeframe", "segment", "side", "entry_time", "exit_time", "entry_bar", "exit_bar", "entry_price",
     "exit_price", "profit_share", "exit_reason")
)  # fmt: skip
_HOVER: Final = (
    "%{customdata[0]}<br>in %{customdata[1]} at %{customdata[2]}<br>out %{customdata[3]} at %{customdata[4]}: "
    "%{customdata[5]}<br>%{customdata[6]}<extra></extra>"
)


def trades_path(run_dir: Path, strategy_id: str) -> Path:
    """Return where the driver puts a candidate's trades."""
    return run_dir / "candidates" / f"{strategy_id}.trades.parquet"


def read_trades(run_dir: Path, strategy_id: str) -> pl.DataFrame | None:
    """Return the trades of a candidate, None when the file is missing, damaged or of another kind."""
    try:
        frame = pl.read_parquet(trades_path(run_dir, strategy_id))
    except (OSError, pl.exceptions.PolarsError):
        return None
    return frame if set(frame.columns) >= _COLUMNS else None


def trades_block(
    record: Mapping[str, Any],
    trades: pl.DataFrame | None,
    prices: pl.DataFrame | None,
    page: "Page",
    *,
    note: str,
) -> list[Html]:
    """Return the block of a candidate, in a list; an empty one where it has no shard.

    Args:
        record: of the candidate.
        trades: its own; None where they are not there.
        prices: of all shards, see `cluster.prices`; None draws the trades alone.
        page: where figures go.
        note: where the prices come from, or why there are none; may be empty.
    """
    title = element("h3", "Trades on price")
    if trades is None:
        text = "Its file of trades is not in the run folder, so none is drawn."
        return [title, element("p", text, class_="lead")]
    figures = []
    for symbol, timeframe in _shards(record, trades):
        mine = _of(trades, symbol, timeframe)
        steps = None if prices is None else _seen(_of(prices, symbol, timeframe), record)
        figures.append((f"{symbol} {timeframe}, {count(mine.height, 'trade')}", trade_figure(steps, mine, page)))
    if not figures:
        return []
    lead = [element("p", " ".join(part for part in (_lead(record, trades), note) if part), class_="lead")]
    label = f"Trades of {record['id']} on prices"
    return [title, *lead, page.choice(figures, label, what="Shard")]


def trade_figure(steps: pl.DataFrame | None, trades: pl.DataFrame, page: "Page") -> Figure:
    """Return one shard as a figure: closes within their range, stretches shaded, and every trade.

    Args:
        steps: of the shard, see `cluster.prices.COLUMNS`; None where there are no prices.
        trades: of the candidate on this shard.
        page: where the prices go, once for all candidates.
    """
    drawn = [] if steps is None else _stretches(steps)
    data: list[Figure] = [] if steps is None or steps.is_empty() else _price_lines(steps, page)
    marks = bundled(trades) if trades.height > MOST_MARKS else marks_of(trades)
    data += [*_ties(marks), *(_entries(marks, side) for side in SIDES), _exits(marks)]
    layout: Figure = {
        "height": 420,
        "hovermode": "closest",
        "shapes": [shade for name, first, last in drawn for shade in band(name, first, last)],
        "annotations": [label(SEGMENTS[name], first) for name, first, _ in drawn],
        "xaxis": {"type": "date", "nticks": 10},
        "yaxis": {"type": "log", "tickformat": ",.5~g", "nticks": 7, "title": {"text": "Price"}},
    }
    if steps is not None and not steps.is_empty():
        layout["xaxis"]["range"] = [moment_text(steps["timestamp"][row]) for row in (0, -1)]
    return {"data": data, "layout": layout}


def marks_of(trades: pl.DataFrame) -> list[dict[str, Any]]:
    """Return every trade as a mark: side, when and at what price it came and went, and its text in the hover."""
    return [
        {
            "side": row["side"],
            "n": 1,
            "x": (moment_text(row["entry_time"]), moment_text(row["exit_time"])),
            "y": (_price(row["entry_price"]), _price(row["exit_price"])),
            "profit": as_number(row["profit_share"]) or 0.0,
            "how": str(row["exit_reason"]).replace("_", " "),
            "what": f"held for {count(row['exit_bar'] - row['entry_bar'], 'bar')}",
        }
        for row in trades.sort("entry_time").iter_rows(named=True)
    ]


def bundled(trades: pl.DataFrame) -> list[dict[str, Any]]:
    """Return trades as at most `MOST_MARKS` marks and a few: neighbours in time of one side, profits added up.

    A bundle stands at its first entry and its last exit, at the means of the prices.
    """
    width = -(-trades.height // MOST_MARKS)
    found = []
    for _, side in trades.sort("entry_time").group_by("side", maintain_order=True):
        found += [_bundle(side[start : start + width]) for start in range(0, side.height, width)]
    return found


def _bundle(trades: pl.DataFrame) -> dict[str, Any]:
    profits = [as_number(value) or 0.0 for value in trades["profit_share"]]
    n, reasons = trades.height, trades["exit_reason"].value_counts(sort=True).rows()
    prices = trades.select(pl.col("entry_price", "exit_price").mean()).row(0)
    return {
        "side": trades["side"][0],
        "n": n,
        "x": (moment_text(trades["entry_time"][0]), moment_text(trades["exit_time"].to_list()[-1])),
        "y": (_price(prices[0]), _price(prices[1])),
        "profit": sum(profits),
        "how": ", ".join(f"{many} {str(reason).replace('_', ' ')}" for reason, many in reasons),
        "what": f"{count(n, 'trade')} together, {sum(one > 0 for one in profits)} of them won",
    }


def _shards(record: Mapping[str, Any], trades: pl.DataFrame) -> list[tuple[str, str]]:
    """Symbols and timeframes, in the order of the record; those without a trade too."""
    named = [(shard["symbol"], shard["timeframe"]) for shard in record.get("per_shard") or []]
    traded = trades.select("symbol", "timeframe").unique(maintain_order=True).rows()
    return named + [one for one in traded if one not in named]


def _of(frame: pl.DataFrame, symbol: str, timeframe: str) -> pl.DataFrame:
    return frame.filter((pl.col("symbol") == symbol) & (pl.col("timeframe") == timeframe))


def _seen(steps: pl.DataFrame, record: Mapping[str, Any]) -> pl.DataFrame:
    """Without the lockbox where this candidate did not read it: nobody is to think that it did nothing there."""
    return steps if record.get("lockbox") is not None else steps.filter(pl.col("stretch") != "lockbox")


def _price_lines(steps: pl.DataFrame, page: "Page") -> list[Figure]:
    """The closes, and the range of each step behind them."""
    name = "/".join(map(str, steps.row(0)[:2])) + f"/{steps['stretch'][-1]}"
    x = page.share(f"{name}/x", [moment_text(moment) for moment in steps["timestamp"]])
    y = {
        column: page.share(f"{name}/{column}", list(map(_price, steps[column]))) for column in ("high", "low", "close")
    }
    common = {"type": "scatter", "mode": "lines", "x": x, "hoverinfo": "skip", "showlegend": False}
    bare = {"width": 0, "color": "@benchmark"}
    return [
        {**common, "y": y["high"], "line": bare},
        {**common, "y": y["low"], "line": bare, "fill": "tonexty", "fillcolor": "@benchmark-range"},
        {**common, "y": y["close"], "line": {"color": "@benchmark", "width": 1}, "name": "Close", "showlegend": True},
    ]


def _ties(marks: Sequence[Mapping[str, Any]]) -> list[Figure]:
    """Lines from each entry to its exit, those that won apart from those that lost."""
    return [
        {
            "type": "scatter", "mode": "lines", "name": name, "hoverinfo": "skip", "legendgroup": name,
            "x": [at for mark in some for at in (*mark["x"], None)],
            "y": [at for mark in some for at in (*mark["y"], None)], "line": {"color": colour, "width": 1.4},
        }
        for name, colour, some in (
            ("Won", "@good", [mark for mark in marks if mark["profit"] > 0]),
            ("Lost", "@bad", [mark for mark in marks if mark["profit"] <= 0]),
        )
    ]  # fmt: skip


def _entries(marks: Sequence[Mapping[str, Any]], side: str) -> Figure:
    title, symbol = SIDES[side]
    mine = [mark for mark in marks if mark["side"] == side]
    return _markers(mine, title, 0, {"symbol": symbol, "size": 9, "color": "@strategy"})


def _exits(marks: Sequence[Mapping[str, Any]]) -> Figure:
    colours = ["@good" if mark["profit"] > 0 else "@bad" for mark in marks]
    return _markers(marks, "Exit", 1, {"symbol": "circle-open", "size": 7, "color": colours, "line": {"width": 1.6}})


def _markers(marks: Sequence[Mapping[str, Any]], name: str, end: int, marker: Figure) -> Figure:
    return {
        "type": "scatter", "mode": "markers", "name": name, "x": [mark["x"][end] for mark in marks],
        "y": [mark["y"][end] for mark in marks], "customdata": [_texts(mark) for mark in marks], "marker": marker,
        "hovertemplate": _HOVER,
    }  # fmt: skip


def _texts(mark: Mapping[str, Any]) -> list[str]:
    (came, went), (entry, left) = mark["x"], mark["y"]
    profit = f"{100 * mark['profit']:+.2f} % of equity, {mark['what']}"
    return [f"{mark['side']}", came, f"{entry:,.6g}", went, f"{left:,.6g}", mark["how"], profit]


def _stretches(steps: pl.DataFrame) -> list[tuple[str, str, str]]:
    """Name, first and last moment of each stretch that is drawn."""
    ends = steps.group_by("stretch", maintain_order=True).agg(
        first=pl.col("timestamp").first(), last=pl.col("timestamp").last()
    )
    return [(name, moment_text(first), moment_text(last)) for name, first, last in ends.rows()]


def _lead(record: Mapping[str, Any], trades: pl.DataFrame) -> str:
    bundles = trades.group_by("symbol", "timeframe").len().filter(pl.col("len") > MOST_MARKS).height
    shut = " Its lockbox was not read, so prices end before it." if record.get("lockbox") is None else ""
    many = f" Where there are more than {MOST_MARKS:,} trades, neighbours are drawn together." if bundles else ""
    return (
        "Every trade at the prices it was filled at, over the closes and their range. Drag to look closer, click twice "
        f"to go back.{shut}{many}"
    )


def _price(value: float) -> float:
    """Six digits are enough to draw by."""
    return float(f"{value:.6g}")
