"""Every measure per regime: what a strategy did in bull, bear and sideways markets, in calm and in storm.

A bar's return, its holding and its fills belong to the regime known at the close before it, so that nobody is credited
with a regime that only that bar revealed. A trade (its profit, its length) belongs to the regime known at the close
that decided its entry, however the market turned until its exit. The first bar of a window, which is always flat,
belongs to the regime before it like any other; bars before the detector has a label are "unknown".

The bars of a regime are strung together as if nothing lay between: growth, drawdown and Sharpe ratio are those of this
curve, annual figures those of a year in this regime. Bars, sums of returns, trades, profits and turnover of the regimes
add up to those of the whole, and growths multiply to it. Drawdowns and Sharpe ratios do not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Final, TypedDict

import numpy as np
from numpy.typing import NDArray

from fitness.measures import MEASURES
from fitness.pooled import pool_tally
from fitness.shard import Shard
from fitness.tally import ExitReason, Tally, empty_tally, merge
from fitness.trace import Trace
from strategies.errors import UsageError
from strategies.features.regimes import TRENDS, VOLATILITIES, Regimes, regimes_of

Float64 = NDArray[np.float64]
Integers = NDArray[np.int64]

ALL: Final = "all"
UNKNOWN: Final = "unknown"
KINDS: Final = {"trend": TRENDS[::-1], "volatility": VOLATILITIES[::-1]}
"""The regimes of each kind of table, in the order they are shown."""
_AT_OPEN: Final = (int(ExitReason.EXIT), int(ExitReason.TIME))


class Row(TypedDict):
    """One regime: its bars, their share of all bars, every measure by name, NaN where undefined."""

    n_bars: int
    share: float
    measures: dict[str, float]


Tables = dict[str, dict[str, Row]]
"""By kind ("all", "trend", "volatility"), then by regime ("all"; "bull", "sideways", "bear"; "high", "low")."""


@dataclass(frozen=True, eq=False)
class Part:
    """What belongs to one regime of one or more traces.

    Attributes:
        tally: `(N_TALLY,)` as of a window of its own.
        bars_of_trades: bars for which the trades that were entered in it were held, in whichever regime.
        years: time that its bars are.
    """

    tally: Float64
    bars_of_trades: float
    years: float

    def with_next(self, other: "Part") -> "Part":
        """Both, one after the other."""
        return Part(
            merge(self.tally, other.tally), self.bars_of_trades + other.bars_of_trades, self.years + other.years
        )

    def row(self, *, n_all: float, bars_per_year: float) -> Row:
        """The measures, with `bars_per_year` where there are no bars to tell."""
        n_bars = float(self.tally[Tally.N_BARS])
        rate = n_bars / self.years if self.years > 0.0 else bars_per_year
        of_trades = self.tally.copy()
        of_trades[Tally.BARS_HELD] = self.bars_of_trades
        figures = {
            name: float(measure.function(of_trades if name == "average_holding" else self.tally, rate))
            for name, measure in MEASURES.items()
        }
        return Row(n_bars=int(n_bars), share=n_bars / n_all if n_all else 0.0, measures=figures)


def tables(trace: Trace, shard: Shard) -> Tables:
    """Every measure of a trace per regime of its shard, as plain values: `tables(...)["trend"]["bull"]["measures"]`.

    The row "unknown" is there only where it has bars.

    Args:
        trace: of one window of `shard`.
        shard: its bars up to the window's end; the regimes warm up on those before the window.
    """
    return tables_of([trace], [regimes_of(shard)])


def tables_of(traces: Sequence[Trace], regimes: Sequence[Regimes]) -> Tables:
    """As `tables`, of several traces strung together one after the other: folds of a shard, or several shards.

    Args:
        traces: at least one.
        regimes: of the shard of each trace.

    Raises:
        UsageError: no trace, or not as many regimes as traces.
    """
    if not traces or len(traces) != len(regimes):
        raise UsageError(
            f"there must be at least one trace, and the regimes of each one's shard, but there were {len(traces)} "
            f"traces and {len(regimes)} regimes; give one for each."
        )
    whole = [split(one, np.zeros(one.returns.size, dtype=np.int64), 1)[0] for one in traces]
    whole_part = reduce(Part.with_next, whole)
    n_all, rate = float(whole_part.tally[Tally.N_BARS]), traces[0].bars_per_year
    found: Tables = {ALL: {ALL: whole_part.row(n_all=n_all, bars_per_year=rate)}}
    for kind, names in KINDS.items():
        order = names[::-1]
        parts = [
            split(one, known_before(getattr(labels, kind), one), len(order) + 1)
            for one, labels in zip(traces, regimes, strict=True)
        ]
        joined = [reduce(Part.with_next, of_regime) for of_regime in zip(*parts, strict=True)]
        rows = {name: joined[order.index(name)].row(n_all=n_all, bars_per_year=rate) for name in names}
        if joined[-1].tally[Tally.N_BARS] > 0.0:
            rows[UNKNOWN] = joined[-1].row(n_all=n_all, bars_per_year=rate)
        found[kind] = rows
    return found


def known_before(labels: NDArray[np.int8], trace: Trace) -> Integers:
    """The label `(n,)` known at the close before each bar of a trace; -1 where there is none.

    Raises:
        UsageError: the labels end before the window.
    """
    start, stop = trace.window.start, trace.window.stop
    if labels.size < stop - 1:
        raise UsageError(
            f"the regimes must be of the whole shard, but there are {labels.size} labels and the window ends at bar "
            f"{stop} of {trace.symbol} {trace.timeframe}; use the shard that was traded."
        )
    before = labels[max(start - 1, 0) : stop - 1].astype(np.int64)
    return before if start > 0 else np.concatenate([[-1], before])


def split(trace: Trace, known: Integers, n_parts: int) -> tuple[Part, ...]:
    """What of a trace belongs to each of `n_parts` labels, `known` `(n,)` before each bar; -1 is the last part.

    Where a volume share lets a trade leave in parts, turnover and holding of its exit count where the last part left.
    """
    labels = np.where(known < 0, n_parts - 1, known)
    trades = trace.trades
    entries, exits = (labels[trades[name] - trace.window.start] for name in ("entry_bar", "exit_bar"))
    held, lengths = _holding(trace)
    turnover = _turnover(trace)
    shares = trades["profit_share"]
    parts = []
    for part in range(n_parts):
        returns = trace.returns[labels == part]
        entered = entries == part
        tally = pool_tally(returns) if returns.size else empty_tally()
        tally[Tally.BARS_HELD] = held[labels == part].sum()
        tally[Tally.TURNOVER] = turnover[0][entered].sum() + turnover[1][exits == part].sum()
        own, won = shares[entered], trades["profit"][entered] > 0.0
        tally[Tally.N_TRADES], tally[Tally.N_WINS] = own.size, np.count_nonzero(won)
        tally[Tally.GROSS_PROFIT], tally[Tally.GROSS_LOSS] = own[won].sum(), -own[~won].sum() + 0.0
        tally[Tally.WORST_TRADE] = min(0.0, float(own.min(initial=0.0)))
        parts.append(Part(tally, float(lengths[entered].sum()), returns.size / trace.bars_per_year))
    return tuple(parts)


def _holding(trace: Trace) -> tuple[Float64, Float64]:
    """Whether each bar was held `(n,)`, and bars held by each trade `(n_trades,)`; each adds up to the tally's."""
    trades = trace.trades
    first, last = trades["entry_bar"] - trace.window.start, trades["exit_bar"] - trace.window.start
    stop = last + ~np.isin(trades["exit_reason"], _AT_OPEN)  # what leaves at an open doesn't hold that bar
    edges = np.zeros(trace.returns.size + 1)
    np.add.at(edges, first, 1.0)
    np.add.at(edges, stop, -1.0)
    held, lengths = np.cumsum(edges)[:-1], (stop - first).astype(np.float64)
    scale = _ratio(trace.tally[Tally.BARS_HELD], lengths.sum())
    return held * scale, lengths * scale


def _turnover(trace: Trace) -> Float64:
    """Turnover of entry and exit of each trade, `(2, n_trades)`; all add up to the tally's."""
    trades = trace.trades
    before = np.concatenate([[1.0], trace.equity[:-1]])
    same = trades["entry_bar"] == trades["exit_bar"]
    known = np.where(same, trades["entry_equity"], before[trades["exit_bar"] - trace.window.start])
    notional = trades["units"] * np.stack([trades["entry_price"], trades["exit_price"]])
    flows = np.abs(notional) / np.stack([trades["entry_equity"], known])
    return np.asarray(flows * _ratio(trace.tally[Tally.TURNOVER], flows.sum()))


def _ratio(whole: float, total: float) -> float:
    """What brings a sum to the tally's own, which alone knows the start equity and exits in parts."""
    return float(whole / total) if total > 0.0 else 1.0
