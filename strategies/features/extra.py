"""Order book, trades, funding, open interest and liquidations, where the bars bring such columns along.

A missing value is NaN, and so is every operand that would have to read it. All are free of the units of price and
volume. Sums over a window are taken from its newest bar to its oldest, so a value depends on its window alone, to the
bit.
"""

from typing import Final

import numpy as np

from strategies.features.feature import Compute, Feature, Output
from strategies.indicators import Bars, Column
from strategies.operand_kind import NUMBER, Parameter
from strategies.scales import Scale

_NUMBER: Final = Scale(0.0, 0.0, located=False)
_SPANS: Final = (1.0, 2.0, 3.0, 5.0, 8.0, 10.0, 13.0, 14.0, 20.0, 21.0, 30.0, 34.0, 50.0, 55.0, 100.0)


def extra_column(bars: Bars, name: str) -> Column:
    """One of the extra columns, `(n_bars,)`; all NaN where the bars have none."""
    found: Column | None = getattr(bars, "extra", {}).get(name)
    return np.full(bars.close.size, np.nan) if found is None else found


def window_sum(values: Column, n_bars: int) -> Column:
    """The sum of the last `n_bars` values at each bar, `(n_bars,)`: NaN at the start and where one of them is NaN."""
    total = np.full(values.size, np.nan)
    if values.size < n_bars:
        return total
    tail = values[n_bars - 1 :].copy()
    for back in range(1, n_bars):
        tail += values[n_bars - 1 - back : values.size - back]
    total[n_bars - 1 :] = tail
    return total


def _ratio(above: Column, below: Column) -> Column:
    """Their quotient, NaN where there is nothing to divide by."""
    out = np.full(above.size, np.nan)
    np.divide(above, below, out=out, where=below > 0.0)
    return out


def _book_imbalance(bars: Bars, _parameters: tuple[float, ...]) -> tuple[Column, ...]:
    bid, ask = extra_column(bars, "bid_size"), extra_column(bars, "ask_size")
    return (_ratio(bid - ask, bid + ask),)


def _quoted_spread(bars: Bars, _parameters: tuple[float, ...]) -> tuple[Column, ...]:
    bid, ask = extra_column(bars, "bid"), extra_column(bars, "ask")
    return (100.0 * _ratio(ask - bid, (ask + bid) / 2.0),)


def _buy_share(bars: Bars, parameters: tuple[float, ...]) -> tuple[Column, ...]:
    n_bars, bought = round(parameters[0]), extra_column(bars, "buy_volume")
    return (_ratio(window_sum(bought, n_bars), window_sum(bars.volume, n_bars)),)


def _trade_size(bars: Bars, parameters: tuple[float, ...]) -> tuple[Column, ...]:
    n_bars = round(parameters[0])
    size = _ratio(bars.volume, extra_column(bars, "n_trades"))
    return (_ratio(size, window_sum(size, n_bars) / n_bars),)


def _trade_rate(bars: Bars, parameters: tuple[float, ...]) -> tuple[Column, ...]:
    n_bars, n_trades = round(parameters[0]), extra_column(bars, "n_trades")
    return (_ratio(n_trades, window_sum(n_trades, n_bars) / n_bars),)


def _funding_rate(bars: Bars, parameters: tuple[float, ...]) -> tuple[Column, ...]:
    n_bars = round(parameters[0])
    return (100.0 * (window_sum(extra_column(bars, "funding_rate"), n_bars) / n_bars),)


def _open_interest_change(bars: Bars, parameters: tuple[float, ...]) -> tuple[Column, ...]:
    n_bars, contracts = round(parameters[0]), extra_column(bars, "open_interest")
    before = np.full(contracts.size, np.nan)
    before[n_bars:] = contracts[: max(contracts.size - n_bars, 0)]
    return (100.0 * _ratio(contracts - before, before),)


def _liquidation_imbalance(bars: Bars, parameters: tuple[float, ...]) -> tuple[Column, ...]:
    n_bars = round(parameters[0])
    longs = window_sum(extra_column(bars, "long_liquidations"), n_bars)
    shorts = window_sum(extra_column(bars, "short_liquidations"), n_bars)
    return (_ratio(longs - shorts, longs + shorts),)


def _liquidation_share(bars: Bars, parameters: tuple[float, ...]) -> tuple[Column, ...]:
    n_bars = round(parameters[0])
    closed = extra_column(bars, "long_liquidations") + extra_column(bars, "short_liquidations")
    return (100.0 * _ratio(window_sum(closed, n_bars), window_sum(bars.volume, n_bars)),)


def _feature(
    name: str,
    compute: Compute,
    requires: tuple[str, ...],
    level_range: tuple[float, float],
    *,
    span: float | None = None,
    from_span: float = 1.0,
    looks_back: int = -1,
    flips: bool = False,
    peers: str = "",
) -> Feature:
    """An operand of one output: over a window with `span` as its default, or of one bar.

    Its warm-up is the window and `looks_back`: -1 for a window that ends at the bar, 0 for one that begins before it.
    It is compared with itself and levels alone, unless `peers` says with whom else.
    """
    grid = tuple(bars for bars in _SPANS if bars >= from_span)
    return Feature(
        name=name,
        family="extra",
        outputs=(Output(name, _NUMBER, level_range, peers=peers or f"only {name}", flips=flips),),
        parameters=() if span is None else (Parameter("timeperiod", span, grid, integer=True),),
        compute=compute,
        warm_up=lambda parameters: round(parameters[0]) + looks_back if parameters else 0,
        requires=requires,
    )


EXTRA: Final[tuple[Feature, ...]] = (
    _feature("BOOK_IMBALANCE", _book_imbalance, ("ask_size", "bid_size"), (-1.0, 1.0), flips=True, peers=NUMBER),
    _feature("QUOTED_SPREAD", _quoted_spread, ("ask", "bid"), (0.0, 1.0)),
    _feature("BUY_SHARE", _buy_share, ("buy_volume",), (0.0, 1.0), span=1.0, flips=True, peers=NUMBER),
    _feature("TRADE_SIZE", _trade_size, ("n_trades",), (0.0, 3.0), span=20.0, from_span=2.0),
    _feature("TRADE_RATE", _trade_rate, ("n_trades",), (0.0, 3.0), span=20.0, from_span=2.0),
    _feature("FUNDING_RATE", _funding_rate, ("funding_rate",), (-0.1, 0.1), span=1.0, flips=True),
    _feature("OPEN_INTEREST_CHANGE", _open_interest_change, ("open_interest",), (-20.0, 20.0), span=5.0, looks_back=0),
    _feature(
        "LIQUIDATION_IMBALANCE",
        _liquidation_imbalance,
        ("long_liquidations", "short_liquidations"),
        (-1.0, 1.0),
        span=5.0,
        flips=True,
        peers=NUMBER,
    ),
    _feature(
        "LIQUIDATION_SHARE",
        _liquidation_share,
        ("long_liquidations", "short_liquidations"),
        (0.0, 10.0),
        span=5.0,
    ),
)
"""BOOK_IMBALANCE: size wanted less size offered, over both (Cao, Hansch, Wang 2009). QUOTED_SPREAD: ask less bid in per
cent of their mean. BUY_SHARE: bought volume over volume. TRADE_SIZE, TRADE_RATE: volume a trade, and trades, over their
own means. FUNDING_RATE: mean in per cent. OPEN_INTEREST_CHANGE: in per cent. LIQUIDATION_IMBALANCE: longs less shorts
over both; LIQUIDATION_SHARE: both in per cent of volume. NaN where there is nothing to divide by."""
