"""Which elites are held together: one after the other, each time the one that adds most to those before it.

What is added is the annual Sharpe ratio beyond holding, of equal shares of capital, in sample and in validation in a
row. The lockbox is not to choose by; nothing here ever gets a return of it. An elite that moves with a better one
(correlation above the limit) is never chosen.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cluster.examination import Stretch
from cluster.shared_capital import shares, together
from fitness.correlation import KEPT, correlation, redundant
from fitness.gates import annual_sharpe
from fitness.pooled import Pool
from strategies.errors import UsageError

Float64 = NDArray[np.float64]
SEEN: Final = ("in_sample", "validation")
"""The stretches that a portfolio is chosen and weighed by."""


@dataclass(frozen=True, eq=False)
class Elite:
    """An elite as a portfolio sees it before the lockbox.

    Attributes:
        id: of the strategy.
        merit: its deflated Sharpe ratio: of two that move together the one with more stays.
        returns: of each stretch of `SEEN`, pooled.
        beyond: the same beyond holding.
    """

    id: str
    merit: float
    returns: Mapping[Stretch, Pool]
    beyond: Mapping[Stretch, Pool]


@dataclass(frozen=True)
class Chosen:
    """A member, and what it adds to those before it: Sharpe ratio a year beyond holding, and as it is."""

    id: str
    sharpe_beyond: float
    sharpe: float


@dataclass(frozen=True, eq=False)
class Choice:
    """The members in the order of their choice, the correlations of all elites, and who was passed over, with why.

    Attributes:
        members: best first.
        ids: of all elites, as `correlations` has them.
        correlations: `(n, n)` of returns in sample and in validation.
        passed_over: reason by id.
    """

    members: tuple[Chosen, ...]
    ids: tuple[str, ...]
    correlations: Float64
    passed_over: Mapping[str, str]


def choose_members(elites: Sequence[Elite], *, size: int | None, limit: float) -> Choice:
    """Return who is held together; the order of `elites` does not matter.

    Args:
        elites: with returns on the same bars.
        size: so many are chosen, if so many are not redundant; None goes on while another one adds something.
        limit: correlation above which the worse of two is redundant, in [-1, 1].

    Raises:
        UsageError: no elite, `size` below 1, or `limit` out of range.
    """
    if not elites:
        raise UsageError("A portfolio must have at least one elite to choose from, but was given none.")
    if size is not None and size < 1:
        raise UsageError(f"`--size` must be at least 1, but was {size}.")
    ranked = sorted(elites, key=lambda one: (-one.merit, one.id))
    rows = np.stack([np.concatenate([one.returns[name].returns for name in SEEN]) for one in ranked])
    matrix = correlation(rows)
    places = redundant(matrix, -np.arange(len(ranked), dtype=np.float64), limit)
    free = [number for number, better in enumerate(places.tolist()) if better == KEPT]
    order = greedy(lambda some: value(ranked, some, beyond=True), free, size)
    members, before = [], 0.0
    for count, (number, gain) in enumerate(order, start=1):
        whole = value(ranked, tuple(one for one, _ in order[:count]), beyond=False)
        members.append(Chosen(ranked[number].id, gain, whole - before))
        before = whole
    taken, passed = {one.id for one in members}, {}
    for number, one in enumerate(ranked):
        better = int(places[number])
        if better != KEPT:
            passed[one.id] = f"correlation of {matrix[number, better]:.2f} with {ranked[better].id}, which is better"
        elif one.id not in taken:
            passed[one.id] = "adds nothing to those chosen" if size is None else f"adds less than the {size} chosen"
    return Choice(tuple(members), tuple(one.id for one in ranked), matrix, passed)


def greedy(worth: Callable[[tuple[int, ...]], float], free: Sequence[int], size: int | None) -> list[tuple[int, float]]:
    """Return numbers of `free` and what each adds to `worth`, which is 0 for none: each time the one that adds most.

    The first of those that add as much is taken. Without `size` it ends, after the first, where nothing is added. What
    is added sums to the worth of all that were chosen.
    """
    chosen: list[int] = []
    gains: list[float] = []
    before = 0.0
    while len(chosen) < min(size or len(free), len(free)):
        worths = {one: worth((*chosen, one)) for one in free if one not in chosen}
        best = max(worths, key=lambda one: (worths[one], -free.index(one)))
        if size is None and chosen and worths[best] <= before:
            break
        chosen.append(best)
        gains.append(worths[best] - before)
        before = worths[best]
    return list(zip(chosen, gains, strict=True))


def value(elites: Sequence[Elite], some: Sequence[int], *, beyond: bool) -> float:
    """Return the annual Sharpe ratio of elites on equal shares of capital, all stretches in a row; 0 if undefined."""
    weights = np.full(len(some), 1.0 / len(some))
    rows, times = [], []
    for name in SEEN:
        returns = np.stack([elites[one].returns[name].returns for one in some])
        counted = np.stack([elites[one].beyond[name].returns for one in some]) if beyond else returns
        rows.append(together(counted, shares(returns, weights)))
        times.append(elites[some[0]].returns[name])
    per_year = sum(one.returns.size for one in times) / sum(one.returns.size / one.bars_per_year for one in times)
    stamps = np.concatenate([one.timestamps for one in times])
    found = annual_sharpe(Pool(stamps, np.concatenate(rows), per_year))
    return found if np.isfinite(found) else 0.0
