"""Luck in a few bars: what is left without the best trades, and when trading begins a little later."""

import math
from itertools import chain
from typing import Final

import numpy as np

from fitness.battery.subject import Finding, Subject, finding, sharpe_of, shown
from fitness.folds import Window

BEST_SHARE: Final = 0.05
OFFSETS: Final = (1, 2, 3, 5, 8, 13, 20)
"""Bars by which windows begin later."""
KEPT: Final = 0.5
"""Share of the Sharpe ratio that must be left."""


def best_trades(subject: Subject) -> Finding:
    """The sum of the profits of all trades but the best 5 % of them, at least one; it must stay above 0.

    Profits are fractions of the equity at entry, summed over all shards: so no trade counts for more because it came
    late in a growing account. Trend followers live off few trades, but one in twenty should not be all there is.
    """
    profits = np.sort(np.concatenate([run.profits() for run in chain(*subject.runs)]))
    n_left_out = max(1, math.ceil(BEST_SHARE * profits.size))
    value = math.fsum(profits[:-n_left_out]) if profits.size else math.nan
    left_out = "the best trade" if n_left_out == 1 else f"the best {n_left_out} trades"
    text = (
        f"Without {left_out} of {profits.size:,} the profits add up to {shown(value, 4)} times the equity at entry, "
        f"where all add up to {shown(math.fsum(profits) if profits.size else math.nan, 4)}; more than 0 is needed"
    )
    return finding("best_trades", "Without the best trades", value=value, threshold=0.0, passed=value > 0.0, text=text)


def start(subject: Subject) -> Finding:
    """The worst Sharpe ratio when every window begins 1 to 20 bars later; at least half of the whole must be left.

    The start of a test is nobody's choice, but entries follow from it: one position begun at another bar shifts all
    that come after. What is cut off is next to nothing, so half is much to lose; and it must be above 0 too.
    """
    sharpes = [sharpe_of(subject.played(subject.acts, windows=later, with_trades=False)) for later in _later(subject)]
    value = math.nan if any(math.isnan(one) for one in sharpes) else min(sharpes)
    threshold = KEPT * subject.sharpe
    text = (
        f"Begun {OFFSETS[0]} to {OFFSETS[-1]} bars later, the worst Sharpe is {shown(value)} a year where it was "
        f"{shown(subject.sharpe)}; at least {KEPT:.0%} of that, {shown(threshold)}, and more than 0 are needed"
    )
    passed = value >= threshold and value > 0.0
    return finding("start", "Begun later", value=value, threshold=threshold, passed=passed, text=text)


def _later(subject: Subject) -> list[list[list[Window]]]:
    """For each offset the windows of each shard; a window keeps its last bar whatever the offset."""
    return [
        [
            [Window(one.name, min(one.start + offset, one.stop - 1), one.stop) for one in windows]
            for windows in subject.windows
        ]
        for offset in OFFSETS
    ]
