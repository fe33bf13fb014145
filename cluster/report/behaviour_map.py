"""A map of behaviours: tiles over two of them, coloured by the best strategy in each."""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cluster.report.charts import Figure
from fitness.behaviour import SPANS

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

LINE: Final = 60
RANGES: Final = {
    "exposure": (0.0, 1.0, False, "Exposure"),
    "turnover": (0.1, 1000.0, True, "Turnover a year"),
    "n_trades": (1.0, 10_000.0, True, "Trades in sample"),
    "win_rate": (0.0, 1.0, False, "Win rate"),
}
"""Behaviours that every birth has, where no archive is kept: low and high end, whether logarithmic, title."""
_STOPS: Final = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, eq=False)
class Kept:
    """The strategies that are drawn: the best of every cell.

    Attributes:
        ids: (n,) their births.
        quality: (n,) first objective.
        places: (n, d) behaviours, from 0 to 1 within their ranges.
        names: of the behaviours, d of them.
    """

    ids: Integers
    quality: Floats
    places: Floats
    names: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Tiles:
    """The tiles that something lies in, n of them.

    Attributes:
        x, y: (n,) numbers from 0.
        best: (n,) row of the best that lies there, of equals the oldest.
        counts: (n,) how many lie there.
    """

    x: Integers
    y: Integers
    best: Integers
    counts: Integers


@dataclass(frozen=True, eq=False)
class Maps:
    """What all maps of a job have in common.

    Attributes:
        kept: what is drawn.
        parts: into how many each behaviour is cut.
        title: of the first objective.
        rules: of births, for the hover.
        marked: candidate records with their places (d,), by birth.
    """

    kept: Kept
    parts: int
    title: str
    rules: Mapping[int, str]
    marked: Mapping[int, tuple[Mapping[str, Any], Floats]]

    def figure(self, x: int, y: int, tiles: Tiles) -> Figure:
        """Return the map of behaviours `x` and `y`, by number: the best of each tile, with the candidates on it."""
        z: list[list[float | None]] = [[None] * self.parts for _ in range(self.parts)]
        texts = [[""] * self.parts for _ in range(self.parts)]
        for column, line, row, n in zip(tiles.x, tiles.y, tiles.best, tiles.counts, strict=True):
            z[line][column] = float(f"{self.kept.quality[row]:.5g}")
            texts[line][column] = self._text(int(row), int(n))
        axes = {f"{axis}axis": _axis(self.kept.names[number]) for axis, number in (("x", x), ("y", y))}
        data = [self._heat(z, texts), *(self._marks(x, y, passed=passed) for passed in (False, True))]
        return {"data": data, "layout": {"height": 330, "hovermode": "closest", "showlegend": False, **axes}}

    def _heat(self, z: list[list[float | None]], texts: list[list[str]]) -> Figure:
        middles = [round((part + 0.5) / self.parts, 4) for part in range(self.parts)]
        low, high = np.quantile(self.kept.quality, (0.05, 1.0))
        return {
            "type": "heatmap", "x": middles, "y": middles, "z": z, "text": texts, "xgap": 1, "ygap": 1,
            "hoverongaps": False, "zmin": float(low), "zmax": float(high) if high > low else float(low) + 1.0,
            "colorscale": [[0, "@scale-low"], [1, "@scale-high"]],
            "colorbar": {"thickness": 8, "outlinewidth": 0, "nticks": 4, "tickformat": ".2~f",
                         "tickfont": {"color": "@muted", "size": 11}},
            "hovertemplate": f"best {self.title}: %{{z:.3~g}}<br>%{{text}}<extra></extra>",
        }  # fmt: skip

    def _marks(self, x: int, y: int, *, passed: bool) -> Figure:
        mine = [(record, places) for record, places in self.marked.values() if bool(record["passed"]) == passed]
        symbol, word = ("star", "elite") if passed else ("diamond", "candidate, not promoted")
        return {
            "type": "scatter", "mode": "markers", "text": [record["id"] for record, _ in mine],
            "x": [round(float(places[x]), 4) for _, places in mine],
            "y": [round(float(places[y]), 4) for _, places in mine],
            "marker": {"symbol": symbol, "size": 11, "color": "@series-2", "line": {"color": "@paper", "width": 1}},
            "cliponaxis": False,
            "hovertemplate": f"%{{text}}, {word}<extra></extra>",
        }  # fmt: skip

    def _text(self, row: int, n: int) -> str:
        birth = int(self.kept.ids[row])
        told = self.rules.get(birth, "")
        return f"birth {birth}, best of {n:,}" + (f"<br>{folded(told)}" if told else "")


def tiles_of(kept: Kept, x: int, y: int, parts: int) -> Tiles:
    """Return the tiles of behaviours `x` and `y`, by number, each cut into `parts`; 1 itself lies in the last part."""
    columns = [np.minimum((kept.places[:, axis] * parts).astype(np.int64), parts - 1) for axis in (x, y)]
    tiles = columns[0] * parts + columns[1]
    order = np.lexsort((kept.ids, -kept.quality, tiles))
    found, first, counts = np.unique(tiles[order], return_index=True, return_counts=True)
    return Tiles(found // parts, found % parts, order[first], counts)


def position(values: Floats, name: str) -> Floats:
    """Return where values of a behaviour lie, 0 to 1; what lies outside counts as at the end, NaN stays NaN."""
    low, high, is_log = range_of(name)
    clipped = np.clip(values, low, high)
    placed = np.log(clipped / low) / np.log(high / low) if is_log else (clipped - low) / (high - low)
    return np.asarray(np.clip(placed, 0.0, 1.0))


def range_of(name: str) -> tuple[float, float, bool]:
    """Return low and high end of a behaviour, and whether equal ratios are equal distances."""
    if name in SPANS:
        return SPANS[name].low, SPANS[name].high, SPANS[name].is_log
    return RANGES[name][:3]


def title_of(name: str) -> str:
    """Return what a behaviour is called on an axis."""
    return SPANS[name].title if name in SPANS else RANGES[name][3]


def folded(text: str) -> str:
    """Return a text in lines of at most some sixty characters, as plotly breaks them, with its signs escaped."""
    lines = textwrap.wrap(text, LINE)
    return "<br>".join(line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") for line in lines)


def _axis(name: str) -> Figure:
    """An axis of places from 0 to 1 with natural units at its ticks."""
    low, high, is_log = range_of(name)
    values = [low * (high / low) ** stop if is_log else low + (high - low) * stop for stop in _STOPS]
    texts = [f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2g}" for value in values]
    return {"title": {"text": title_of(name)}, "range": [0, 1], "tickvals": list(_STOPS), "showgrid": False,
            "ticktext": texts, "zeroline": False}  # fmt: skip
