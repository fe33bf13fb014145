"""What a strategy needs to know: never the future, and of the past no more than lies in front of every window."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fitness.bank import FeatureBank
from fitness.battery.acts import Run, act_of, play
from fitness.battery.history import history_needed
from fitness.battery.subject import Finding, Subject, finding
from fitness.bits import n_words, unpack
from fitness.folds import Window
from fitness.shard import VALUES, Shard, bars_hash
from fitness.tally import Trade

BANK_BYTES: Final = 4 * 2**20
"""Budget of a bank that is used once."""
N_CUTS: Final = 6
"""Places at which a shard is cut, where it trades as often."""
EQUAL_SHARE: Final = 0.8
_ACTED: Final = (int(Trade.ENTRY_BAR), int(Trade.EXIT_BAR))


def look_ahead(subject: Subject) -> Finding:
    """How many bars differ before a cut when the bars after it do not exist; it must be none.

    Each shard is cut right after decisions that led to a trade, where a rule that has seen the next bar has most to
    lose, and everything is computed anew. Every decision before the cut, the size that goes with it, every position and
    every return must be the same to the bit. Source: the truncation test of Studbook's own operands
    (tests/fitness/test_look_ahead.py), on this strategy and these bars.
    """
    n_cuts = n_different = 0
    for number in range(len(subject.shards)):
        for cut in _cuts(subject.runs[number]):
            n_cuts += 1
            n_different += _n_different(subject, number, cut)
    value = float(n_different) if subject.n_trades and n_cuts else math.nan
    different = f"{n_different:,} bars" if n_cuts else "nothing to compare"
    text = f"Cut at {n_cuts} places, there were {different} at which it decided or earned otherwise before the cut; "
    text += "0 are allowed"
    return finding("look_ahead", "No look-ahead", value=value, threshold=0.0, passed=value == 0.0, text=text)


def _cuts(runs: Sequence[Run]) -> list[int]:
    """Bars to cut before: spread evenly over those at which a decision was acted on; and one in the middle."""
    acted = sorted({int(trade[column]) for run in runs for trade in run.trades for column in _ACTED})
    places = np.linspace(0, max(len(acted) - 1, 0), N_CUTS).round().astype(int).tolist()
    cuts = {acted[place] for place in places} if acted else set()
    cuts |= {(run.window.start + run.window.stop) // 2 for run in runs[len(runs) // 2 :][:1]}
    return sorted(cut for cut in cuts if cut > min(run.window.start for run in runs) + 1)


def _n_different(subject: Subject, number: int, cut: int) -> int:
    """Bars before `cut` at which the strategy decides or earns otherwise on a shard that ends there."""
    whole = subject.acts[number]
    bank = FeatureBank(whole.shard.head(cut), BANK_BYTES)
    short = act_of(subject.phenotype, bank)
    different = (unpack(whole.masks[:, : n_words(cut)], cut) != unpack(short.masks, cut)).any(axis=0)
    different |= _unequal(whole.scale[:cut], short.scale) if whole.scale.size else False
    runs = [run for run in subject.runs[number] if run.window.start < cut - 1]
    windows = [Window(run.window.name, run.window.start, min(run.window.stop, cut)) for run in runs]
    for long_run, short_run in zip(runs, play(short, bank.kernel_bars(subject.costs), windows), strict=True):
        n_same = short_run.window.n_bars - (short_run.window.stop < long_run.window.stop)  # the cut ends its last trade
        unequal = long_run.returns[:n_same] != short_run.returns[:n_same]
        unequal |= long_run.positions()[:n_same] != short_run.positions()[:n_same]
        different[short_run.window.start : short_run.window.start + n_same] |= unequal
    return int(different.sum())


def _unequal(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.bool_]:
    return (left != right) & ~(np.isnan(left) & np.isnan(right))


def warm_up(subject: Subject) -> Finding:
    """Share of the bars with a position at which it is the same with less history in front; 80 % at least.

    From the bars before the first window those are dropped that the strategy's operands do not need by their own
    account (`operands.warm_up`). A learner, which never knows enough, keeps three quarters of the history, and so does
    an operand that needs more than there is. Bars at which neither run holds anything count for nothing, or a strategy
    that seldom trades would always pass. Rules on windows hold the same at every bar; learners, which go on from what
    they saw first, at some 90 % (measured on the templates). Who falls below 80 % trades the beginning of its data.
    """
    n_held = n_equal = n_dropped = 0
    for number, shard in enumerate(subject.shards):
        first = min((window.start for window in subject.windows[number]), default=0)
        drop = first - history_needed(subject.phenotype, shard, first)
        n_dropped = max(n_dropped, drop)
        for long_run, short_run in _with_less_history(subject, number, drop):
            mine, other = long_run.positions(), short_run.positions()
            n_held += int(((mine != 0) | (other != 0)).sum())
            n_equal += int(((mine == other) & (mine != 0)).sum())
    value = n_equal / n_held if n_held and n_dropped else math.nan
    share = f"{value:.1%}" if math.isfinite(value) else "none"
    text = (
        f"With up to {n_dropped:,} bars less in front, {share} of the bars with a position have the same one; at least "
        f"{EQUAL_SHARE:.0%} is needed"
    )
    if not n_dropped:
        text += " (there is no history in front that could be dropped)"
    passed = value >= EQUAL_SHARE
    return finding("warm_up", "Enough warm-up", value=value, threshold=EQUAL_SHARE, passed=passed, text=text)


def _with_less_history(subject: Subject, number: int, drop: int) -> Iterator[tuple[Run, Run]]:
    """The run in each window beside that on a shard without its first `drop` bars."""
    shorter = tail(subject.shards[number], drop)
    bank = FeatureBank(shorter, BANK_BYTES)
    windows = [Window(one.name, one.start - drop, one.stop - drop) for one in subject.windows[number]]
    runs = play(act_of(subject.phenotype, bank), bank.kernel_bars(subject.costs), windows)
    yield from zip(subject.runs[number], runs, strict=True)


def tail(shard: Shard, n_dropped: int) -> Shard:
    """The shard without its first `n_dropped` bars."""
    values = {name: getattr(shard, name)[n_dropped:] for name in VALUES}
    extra = {name: column[n_dropped:] for name, column in shard.extra.items()}
    stamps = shard.timestamps[n_dropped:]
    found = bars_hash(shard.symbol, shard.timeframe, stamps, {**values, **extra})
    return replace(shard, timestamps=stamps, **values, extra=extra, content_hash=found)
