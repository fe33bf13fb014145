"""How many independent trials are in a crowd of correlated ones.

Strategies that move together are one try, not many. Clusters of their correlations are counted as Lopez de Prado and
Lewis do: the number of clusters is that with the best silhouette, the measure of how much nearer everyone is to its own
cluster than to the next. Two things are ours, so that the two ends can come out, one cluster and n: a stranger with
correlation 0 always is among the neighbours, and a strategy that stays alone scores what two unrelated series would
by chance. Beside it stands the participation ratio of the spectrum, which needs no choices.

Source: Lopez de Prado and Lewis 2019, "Detection of false investment strategies using unsupervised learning methods",
Quantitative Finance 19(9); Rousseeuw 1987 (silhouettes), Journal of Computational and Applied Mathematics 20.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from strategies.errors import UsageError

Float64 = NDArray[np.float64]
Integers = NDArray[np.int64]

COPY: Final = 1.0 - 1e-9
"""Correlation from which on two strategies are one."""
_STRANGER: Final = math.sqrt(0.5)  # distance of two series with correlation 0
_ALONE: Final = 0.1  # silhouette of a strategy alone where the number of bars is not known


@dataclass(frozen=True)
class EffectiveTrials:
    """How many independent trials `n` correlated ones amount to.

    Attributes:
        n_clusters: clusters with the best silhouette, 1 to n; copies count once.
        labels: `(n,)` cluster of each, numbered by first appearance.
        participation: (sum of eigenvalues)^2 / sum of their squares of the correlations without copies, 1 to n.
        silhouette: mean of the chosen clusters, at most 1.
        n_distinct: strategies that are no copy of an earlier one.
    """

    n_clusters: int
    labels: Integers
    participation: float
    silhouette: float
    n_distinct: int


def effective_trials(values: Float64, *, n_bars: int | None = None) -> EffectiveTrials:
    """Effective number of trials by correlations `(n, n)`, or by returns `(n, n_bars)`.

    A symmetric square with ones on its diagonal is taken for correlations, anything else for returns. A correlation
    that is not known (NaN, or of a strategy that did not move) is 0: the strategy counts as one of its own.

    Args:
        values: correlations in [-1, 1] or NaN, or finite returns per bar.
        n_bars: length of the series behind correlations, if known: it tells how large they are by chance.

    Raises:
        UsageError: another number of dimensions, no strategy, correlations out of range, returns that are not finite.
    """
    if values.ndim != 2 or not values.size:
        raise UsageError(f"`values` must be (n, n) correlations or (n, n_bars) returns, but was {values.shape}.")
    if _is_correlation(values):
        matrix = np.where(np.isnan(values), 0.0, values)
        if float(np.abs(matrix).max()) > 1.0:
            raise UsageError(f"a correlation must be in [-1, 1], but was {matrix.flat[np.abs(matrix).argmax()]}.")
    else:
        matrix, n_bars = _correlations(values), values.shape[1]
    np.fill_diagonal(matrix, 1.0)
    originals = _originals(matrix)
    kept, of_kept = np.unique(originals, return_inverse=True)
    distinct = matrix[np.ix_(kept, kept)]
    labels, silhouette = _clusters(distinct, _alone(len(kept), n_bars))
    return EffectiveTrials(
        n_clusters=int(labels.max()) + 1,
        labels=labels[of_kept],
        participation=float(len(kept) ** 2 / (distinct**2).sum()),  # sum of squared eigenvalues = squared entries
        silhouette=silhouette,
        n_distinct=len(kept),
    )


def _is_correlation(values: Float64) -> bool:
    if values.shape[0] != values.shape[1]:
        return False
    diagonal = values.diagonal()
    ones = bool((np.isnan(diagonal) | (np.abs(diagonal - 1.0) < 1e-9)).all())
    return ones and bool(np.allclose(values, values.T, rtol=0.0, atol=1e-9, equal_nan=True))


def _correlations(returns: Float64) -> Float64:
    wrong = np.argwhere(~np.isfinite(returns))
    if wrong.size:
        raise UsageError(
            f"a return must be finite, but was {returns[tuple(wrong[0])]} (strategy {wrong[0][0]}, bar {wrong[0][1]}): "
            "pass `correlation(returns)`, which knows missing bars."
        )
    centred = returns - returns.mean(axis=1, keepdims=True)
    norms = np.sqrt((centred**2).sum(axis=1))
    moves = norms > 1e-12 * np.sqrt((returns**2).sum(axis=1))
    unit = np.where(moves[:, None], centred / np.where(moves, norms, 1.0)[:, None], 0.0)
    return np.clip(unit @ unit.T, -1.0, 1.0)


def _originals(matrix: Float64) -> Integers:
    """The first strategy `(n,)` that each one is a copy of, or itself."""
    return np.argmax(matrix >= COPY, axis=1).astype(np.int64)


def _alone(n: int, n_bars: int | None) -> float:
    """Silhouette of a pair with the largest correlation that `n` unrelated series are expected to show."""
    if n_bars is None or n < 2:
        return _ALONE
    by_chance = min(1.0, math.sqrt(2.0 * math.log(max(2.0, n * (n - 1) / 2.0)) / n_bars))
    return 1.0 - math.sqrt(1.0 - by_chance)


def _clusters(matrix: Float64, alone: float) -> tuple[Integers, float]:
    """Labels `(n,)` and mean silhouette of the best cut of the tree of average linkage; of equal cuts the finer."""
    n = len(matrix)
    distances = np.sqrt(np.maximum(0.5 * (1.0 - np.minimum(matrix, matrix.T)), 0.0))
    np.fill_diagonal(distances, 0.0)
    between = distances.copy()  # average distance of clusters, each at the place of its first member
    np.fill_diagonal(between, math.inf)
    members, sums, sizes = np.arange(n), distances.copy(), np.ones(n)  # (n,), (n, clusters): distance to all members
    best, best_members = alone, members.copy()
    for _ in range(n - 1):
        into, gone = sorted(divmod(int(np.argmin(between)), n))
        joined = (sizes[into] * between[into] + sizes[gone] * between[gone]) / (sizes[into] + sizes[gone])
        between[into], between[:, into] = joined, joined
        between[into, into] = math.inf
        between[gone], between[:, gone] = math.inf, math.inf
        sums[:, into] += sums[:, gone]
        sizes[into] += sizes[gone]
        sums[:, gone], sizes[gone] = math.inf, 1.0  # nobody's neighbour
        members[members == gone] = into
        mean = float(_silhouettes(sums, sizes, members, alone).mean())
        if mean > best:
            best, best_members = mean, members.copy()
    return np.unique(best_members, return_inverse=True)[1].astype(np.int64), best


def _silhouettes(sums: Float64, sizes: Float64, members: Integers, alone: float) -> Float64:
    """Silhouette of each `(n,)` from the sum of its distances to the members of each cluster `(n, n)`."""
    each = np.arange(len(members))
    own = sizes[members]
    inside = sums[each, members] / np.maximum(own - 1.0, 1.0)
    away = sums / sizes
    away[each, members] = math.inf
    nearest = np.minimum(away.min(axis=1), _STRANGER)
    score = (nearest - inside) / np.maximum(np.maximum(nearest, inside), 1e-300)
    return np.where(own > 1.0, score, alone)
