"""The market upside down: does a strategy mean the same of falling prices as of rising ones?

Two mirrors are needed. What a rule sees is turned on the scale of ratios, `p` to `first_close ** 2 / p`: a line
that was crossed from below is crossed from above at the same bar. But on such prices a short loses the square of
volatility a year that a long never paid (a tenth up is undone by a ninth down), some 16 % on a stock at 40 %. So what
the account is paid by are bars on which each return, measured from the last close, has the other sign.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fitness.bank import FeatureBank
from fitness.battery.acts import Act, Run, act_of
from fitness.battery.causality import BANK_BYTES
from fitness.battery.subject import Finding, Subject, finding, sharpe_of, shown
from fitness.conditions import BOTH
from fitness.costs import Costs
from fitness.rules import SHORT
from fitness.shard import VALUES, Shard, bars_hash
from strategies.genes import COLUMN
from strategies.mirrors import mirror as turned_rules

Float64 = NDArray[np.float64]

TELLING: Final = 0.5
"""Share of the Sharpe ratio; who loses that much by rising or falling prices alone lives off them."""
_DIRECTION: Final = COLUMN["risk.direction"]
_FAR: Final = 1.5
_SWAPPED: Final = {"bid": "ask", "bid_size": "ask_size", "long_liquidations": "short_liquidations"}


def mirror(subject: Subject) -> Finding:
    """The Sharpe ratio of the mirrored strategy on mirrored prices; it must be above 0.

    Every condition is turned upside down (strategies/mirrors.py), long and short change places, and so do borrowing and
    funding; a strategy that trades both sides has both rules already. What depended on nothing but the shape of prices
    does the same again; what leaned on their height, or on a rule that means nothing upside down, does not. Not more
    than 0 is asked, because the same positions do not earn quite the same: a short weighs less the more it has won.

    This can't tell skill from drift: who is always long becomes who is always short, on prices that fall. So a trader
    wants the other figure too, which the explanation gives: what the strategy *as it is* earns on mirrored prices. A
    long strategy that loses there about what it earns here lived off the rise; one that stays out, or a strategy of
    both sides that earns there as well, did not. It is no threshold, because a real edge of one side alone may be worth
    nothing on the other; that timing beats holding is judged by the gates (excess.py).
    """
    banks = [FeatureBank(upside_down(shard), BANK_BYTES) for shard in subject.shards]
    bars = [_paying_bars(shard) for shard in subject.shards]
    twins = [_on(bar, act_of(mirrored(subject.phenotype), bank)) for bar, bank in zip(bars, banks, strict=True)]
    as_it_is = [_on(bar, act_of(subject.phenotype, bank)) for bar, bank in zip(bars, banks, strict=True)]
    runs = subject.played(twins, costs=swapped(subject.costs))
    unmirrored = sharpe_of(subject.played(as_it_is, with_trades=False))
    value = sharpe_of(runs)
    text = (
        f"On mirrored prices the mirrored strategy has a Sharpe of {shown(value)} a year where it was "
        f"{shown(subject.sharpe)}, with {_shown_share(agreement(subject.runs, runs))} of the bars held on the opposite "
        f"side; more than 0 is needed. Left as it is, its Sharpe on mirrored prices is {shown(unmirrored)}"
    )
    if subject.phenotype[_DIRECTION] != BOTH and 0.0 < TELLING * subject.sharpe <= -unmirrored:
        text += ": it earns here by the drift of prices, and loses there by it"
    return finding("mirror", "Mirrored prices", value=value, threshold=0.0, passed=value > 0.0, text=text)


def mirrored(phenotype: Float64) -> Float64:
    """The phenotype row `(N_GENES,)` of the strategy upside down; one that trades both sides is its own mirror."""
    if phenotype[_DIRECTION] == BOTH:
        return phenotype
    out: Float64 = turned_rules(phenotype[np.newaxis])[0]
    out[_DIRECTION] = SHORT - out[_DIRECTION]  # long is 0
    return out


def _on(bars: tuple[Shard, Float64], act: Act) -> Act:
    """The act on other bars `(shard, atr)`."""
    return replace(act, shard=bars[0], atr=bars[1])


def agreement(mine: Sequence[Sequence[Run]], other: Sequence[Sequence[Run]]) -> float:
    """Share of the bars at which either holds a position where they hold opposite ones; NaN where there is none."""
    n_held = n_opposite = 0
    for runs, mirrors in zip(mine, other, strict=True):
        for run, turned in zip(runs, mirrors, strict=True):
            here, there = run.positions(), turned.positions()
            n_held += int(((here != 0) | (there != 0)).sum())
            n_opposite += int(((here == -there) & (here != 0)).sum())
    return n_opposite / n_held if n_held else math.nan


def upside_down(shard: Shard) -> Shard:
    """The shard on which every price `p` is `first_close ** 2 / p`; volume and times stay as they are.

    Of the extra columns buyers and sellers change places, and so does who pays funding.
    """
    square = shard.close[0] ** 2
    values = {name: square / getattr(shard, {"high": "low", "low": "high"}.get(name, name)) for name in VALUES[:-1]}
    values["volume"] = shard.volume
    extra = _extra_upside_down(shard, square)
    found = bars_hash(shard.symbol, shard.timeframe, shard.timestamps, {**values, **extra})
    return replace(shard, **values, extra=extra, content_hash=found)


def opposite_returns(shard: Shard) -> Shard:
    """The shard whose every price lies as far below the last close as it lay above it, as a share of that close.

    A price of more than half above the last close, whose opposite comes near to nothing, falls by ratio from there on.
    """
    before = np.concatenate([shard.close[:1], shard.close[:-1]])

    def turned(name: str) -> Float64:
        ratio = getattr(shard, name) / before
        return np.where(ratio < _FAR, 2.0 - ratio, (2.0 - _FAR) * _FAR / ratio)

    last = shard.close[0] * np.cumprod(turned("close"))
    base = np.concatenate([shard.close[:1], last[:-1]])
    values = {"open": base * turned("open"), "high": base * turned("low"), "low": base * turned("high"), "close": last}
    found = bars_hash(shard.symbol, shard.timeframe, shard.timestamps, {**values, "volume": shard.volume})
    return replace(shard, **values, extra={}, content_hash=found)


def _paying_bars(shard: Shard) -> tuple[Shard, Float64]:
    """The bars that pay, and what stops are measured in on them."""
    bars = opposite_returns(shard)
    return bars, FeatureBank(bars, 0).atr()


def _extra_upside_down(shard: Shard, square: float) -> dict[str, Float64]:
    others = _SWAPPED | {there: here for here, there in _SWAPPED.items()}
    out = {others.get(name, name): column for name, column in shard.extra.items()}
    for name in {"bid", "ask"} & out.keys():
        out[name] = square / out[name]
    if "buy_volume" in out:
        out["buy_volume"] = shard.volume - out["buy_volume"]
    if "funding_rate" in out:
        out["funding_rate"] = -out["funding_rate"]
    return out


def swapped(costs: Costs) -> Costs:
    """The costs under which a short pays what a long paid, and a long what a short paid, for holding."""
    return replace(costs, funding=costs.borrow - costs.funding)


def _shown_share(value: float) -> str:
    return f"{value:.0%}" if math.isfinite(value) else "none"
