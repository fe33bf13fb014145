"""Elites as one portfolio: how their returns move together, and which of them says nothing that a better one doesn't.

Correlations are of pooled per-bar returns in sample and in the validation stretch, never of the lockbox, which is not
to choose by.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cluster.report.numbers import count
from fitness.correlation import correlation


@dataclass(frozen=True, eq=False)
class Portfolio:
    """Strategies that may become elites.

    Attributes:
        ids: of the strategies.
        correlations: `(n, n)` of their returns; NaN where one never traded.
        limit: above it the worse of two is redundant.
    """

    ids: tuple[str, ...]
    correlations: NDArray[np.float64]
    limit: float

    def place(self, strategy_id: str, better: Sequence[str]) -> dict[str, Any]:
        """Return how a strategy stands in the portfolio: its correlations by id, and the better one it repeats, if any.

        Asked for from the best on, with what was kept so far, this is `fitness.correlation.redundant`.

        Args:
            strategy_id: of a strategy that may not be in the portfolio: then it has no correlations.
            better: elites that it is measured against, by id; what is redundant itself is not among them.
        """
        if strategy_id not in self.ids:
            return {"correlations": {}, "redundant_with": None}
        row = self.correlations[self.ids.index(strategy_id)]
        values = {other: float(value) for other, value in zip(self.ids, row, strict=True) if other != strategy_id}
        above = [other for other in better if other in values and values[other] > self.limit]
        worst = max(above, key=lambda other: values[other], default=None)
        found = None if worst is None else {"id": worst, "correlation": values[worst], "limit": self.limit}
        return {"correlations": values, "redundant_with": found}


def portfolio_of(returns: Sequence[tuple[str, NDArray[np.float64]]], limit: float) -> Portfolio:
    """Return the portfolio of strategies by id, each with its returns `(n_bars,)` on the same bars."""
    ids = tuple(strategy_id for strategy_id, _ in returns)
    rows = np.stack([values for _, values in returns]) if returns else np.zeros((0, 0))
    return Portfolio(ids, correlation(rows), limit)


def is_redundant(record: Mapping[str, Any]) -> bool:
    """Return whether a candidate record is of an elite that a better one makes redundant."""
    return redundant_with(record) is not None


def redundant_with(record: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the better elite that makes one redundant, with their correlation and the limit; None if none does."""
    found: Mapping[str, Any] | None = (record.get("portfolio") or {}).get("redundant_with")
    return found


def redundancy_sentence(n_redundant: int, limit: float) -> str:
    """Return what is to be said of redundant elites after a verdict; empty if there are none.

    >>> redundancy_sentence(2, 0.7)
    ' Of these, 2 elites are redundant: each moves with a better one (correlation above 0.7).'
    """
    if not n_redundant:
        return ""
    verb = "is redundant: it moves" if n_redundant == 1 else "are redundant: each moves"
    return f" Of these, {count(n_redundant, 'elite')} {verb} with a better one (correlation above {limit:g})."
