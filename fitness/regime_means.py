"""What a strategy earned beyond its benchmark in each regime of its markets: bull, sideways, bear; high and low."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fitness.by_regime import KINDS, known_before
from fitness.excess import TimingReturns
from fitness.timeframes import DAY_US
from fitness.trace import Trace
from strategies.errors import UsageError
from strategies.features.regimes import Regimes

LEAST_DAYS: Final = 10
"""Days of a regime below which it says nothing of a strategy."""


@dataclass(frozen=True)
class RegimeMean:
    """One regime: its days on all shards, and the mean return a bar beyond the benchmark in it."""

    name: str
    n_days: int
    mean: float


def regime_means(
    traces: Sequence[Trace], beyond: Sequence[TimingReturns], regimes: Sequence[Regimes]
) -> tuple[RegimeMean, ...]:
    """The mean of timing returns in every regime that lasted 10 days or more, over all shards and windows.

    A bar belongs to the regime known at the close before it, as in `by_regime`. A day is a date of UTC of one shard.

    Args:
        traces: of one stretch.
        beyond: the timing returns of each trace.
        regimes: of the shard of each trace.

    Raises:
        UsageError: not as many of one as of another.
    """
    if not len(traces) == len(beyond) == len(regimes):
        raise UsageError(
            f"there must be timing returns and regimes for each trace, but there were {len(traces)} traces, "
            f"{len(beyond)} timing returns and {len(regimes)} regimes; give one for each."
        )
    found = []
    for kind, names in KINDS.items():
        labels = [known_before(getattr(known, kind), one) for one, known in zip(traces, regimes, strict=True)]
        for name in names:
            code = names[::-1].index(name)
            inside = [label == code for label in labels]
            n_days = sum(_n_days(one.timestamps[bars]) for one, bars in zip(traces, inside, strict=True))
            if n_days >= LEAST_DAYS:
                returns = np.concatenate([one.returns[bars] for one, bars in zip(beyond, inside, strict=True)])
                title = name if kind == "trend" else f"{name} volatility"
                found.append(RegimeMean(title, n_days, float(returns.mean())))
    return tuple(found)


def _n_days(timestamps: NDArray[np.int64]) -> int:
    return int(np.unique(timestamps // DAY_US).size)
