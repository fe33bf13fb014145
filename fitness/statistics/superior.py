"""Is the best of many better than nothing? Hansen's SPA over a stream of models, Romano and Wolf's StepM over a few.

Both resample all models by the same bars (see `bootstrap`), so what models have in common is kept, and compare how
good the best looks with how good the best of as many without skill would look. The returns are in excess of what a
model has to beat; a p-value is (1 + resamples at least as extreme) / (1 + resamples), so it is never 0.

The SPA studentises every model by one error, as Hansen does: among thousands of models are some that hardly trade, and
a resample that misses their few bars would have next to no spread of its own to be divided by; the best of all models
in a resample would be such an accident (measured: a strategy nine errors above nothing got p = 0.95). StepM, the last
gate, has few strategies, and they trade: it studentises by the ordinary standard deviation, each resample by its own,
so skewed and fat-tailed returns, and the error of the error, are in its critical values too. (By one error, ten
negatively skewed series without edge pass a 5 % test in 13 % of cases; this way in 4 to 7 %.) And it asks a second
question: could this be chance if every gain had been as likely a loss? Resampling can't draw the losses that a strategy
of few trades was spared; with half a dozen trades and no edge it alone passes 8 to 10 %.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fitness.statistics.bootstrap import block_signs, draw_counts
from strategies.errors import UsageError

Float64 = NDArray[np.float64]
Booleans = NDArray[np.bool_]

TILE: Final = 64
"""Models that are multiplied at once. All tiles have one shape, so how models come in batches changes no bit."""
_ROUNDING: Final = 1e-12


@dataclass(frozen=True)
class SuperiorAbility:
    """Chance that the best of all models looks this good by luck, by three ways to treat the bad models.

    Attributes:
        lower: p-value if models worse than nothing are taken to be as bad as they look: the least.
        consistent: p-value if only clearly bad models are (Hansen's test).
        upper: p-value if every model is taken to be exactly as good as nothing (White's reality check, studentised).
        statistic: the largest of the models' statistics, at least 0.
        best: place of that model in the stream; -1 if no model has spread.
        n_models: models that came, also those without spread, which take no part.
        n_resamples: resamples that were drawn.
    """

    lower: float
    consistent: float
    upper: float
    statistic: float
    best: int
    n_models: int
    n_resamples: int


@dataclass(frozen=True)
class StepM:
    """Which of a family have a positive mean, with the chance of any false one held at alpha.

    Attributes:
        rejected: `(n,)` whether "its mean is not positive" is rejected; that is, which ones passed.
        adjusted_p: `(n,)` the alpha at which it would just pass, the larger of both questions; 1 without spread.
        statistics: `(n,)` mean / standard deviation * sqrt(T); -inf without spread.
        critical: what the best's statistic has to exceed at alpha.
    """

    rejected: Booleans
    adjusted_p: Float64
    statistics: Float64
    critical: float


def superior_ability(
    batches: Iterable[Float64],
    *,
    block: float,
    n_resamples: int,
    seed: int,
    studentised: bool = True,
    counts: Float64 | None = None,
) -> SuperiorAbility:
    """Test of superior predictive ability over batches `(b, n_bars)` of excess returns, read once and not kept.

    All p-values are 1 if no model has a positive mean or spread.

    Args:
        batches: models, all on the same bars; every cut of the same models into batches gives the same bits.
        block: average block in bars, at least 1.
        n_resamples: how many.
        seed: of the draws.
        studentised: divide each model's mean by its standard error, the larger of the long-run and the ordinary one;
            else compare means, as White and arch do.
        counts: `(n_resamples, n_bars)` draws to use instead of those of block, number and seed.

    Source: Hansen 2005, "A test for superior predictive ability", Journal of Business and Economic Statistics 23(4).

    Raises:
        UsageError: no model, returns that are not finite, batches of different lengths, or what `draw_counts` refuses.
    """
    n_models, best, statistic = 0, -1, -math.inf
    luck = np.empty((3, 0))  # the best of all models in each resample, by treatment
    for tile, n_real in _tiles(batches):
        n_bars = tile.shape[1]
        if counts is None:
            counts = draw_counts(n_bars, block=block, n_resamples=n_resamples, seed=seed)
        _checked(counts, n_bars)
        if not luck.size:
            luck = np.zeros((3, len(counts)))
        shown, drawn = _tile_statistics(tile, counts, block=block, studentised=studentised)
        np.maximum(luck, drawn, out=luck)
        place = int(np.argmax(shown[:n_real]))
        if shown[place] > statistic:
            best, statistic = n_models + place, float(shown[place])
        n_models += n_real
    if not n_models:
        raise UsageError(
            "`batches` must hold at least one model, but was empty. Give the returns of all that was tried."
        )
    statistic = max(statistic, 0.0)
    lower, consistent, upper = ((1.0 + np.sum(luck >= statistic, axis=1)) / (1.0 + luck.shape[1])).tolist()
    return SuperiorAbility(lower, consistent, upper, statistic, best, n_models, luck.shape[1])


def _tiles(batches: Iterable[Float64]) -> Iterator[tuple[Float64, int]]:
    """The models in tiles `(TILE, n_bars)`, the last one filled up with zeros, and how many of a tile are real."""
    tile, filled = np.zeros((0, 0)), 0
    for batch in batches:
        rows = _finite(batch)
        if not tile.size:
            tile = np.zeros((TILE, rows.shape[1]))
        if rows.shape[1] != tile.shape[1]:
            raise UsageError(f"all batches must have the same bars, but was {rows.shape[1]} after {tile.shape[1]}.")
        start = 0
        while start < len(rows):
            taken = min(TILE - filled, len(rows) - start)
            tile[filled : filled + taken] = rows[start : start + taken]
            start, filled = start + taken, filled + taken
            if filled == TILE:
                yield tile, filled
                filled = 0
    if filled:
        tile[filled:] = 0.0
        yield tile, filled


def _finite(returns: Float64) -> Float64:
    if returns.ndim != 2 or returns.shape[1] < 3:
        raise UsageError(
            f"returns must be (n_strategies, n_bars) with 3 bars or more, but was {returns.shape}: stack a row each."
        )
    wrong = np.argwhere(~np.isfinite(returns))
    if wrong.size:
        raise UsageError(
            f"an excess return must be finite, but was {returns[tuple(wrong[0])]} (strategy {wrong[0][0]}, bar "
            f"{wrong[0][1]}): a bar without a position has 0."
        )
    return returns


def _checked(counts: Float64, n_bars: int) -> Float64:
    if counts.ndim != 2 or counts.shape[1] != n_bars or not len(counts):
        raise UsageError(
            f"`counts` must be (n_resamples, {n_bars}), long as the returns, but was {counts.shape}: use `draw_counts`."
        )
    return counts


def _tile_statistics(tile: Float64, counts: Float64, *, block: float, studentised: bool) -> tuple[Float64, Float64]:
    """Statistics `(TILE,)` and the best resampled one by treatment `(3, n_resamples)`; -inf without spread."""
    n_bars = tile.shape[1]
    means = tile.mean(axis=1)
    centred = tile - means[:, None]
    variances = (centred**2).mean(axis=1)
    moves = variances > _ROUNDING * means**2
    if not moves.any():
        return np.full(TILE, -math.inf), np.full((3, len(counts)), -math.inf)
    away, long_run = (counts @ centred.T) / n_bars, long_run_variances(tile, block=block)
    bound = np.sqrt(long_run / n_bars * 2.0 * max(math.log(math.log(n_bars)), 0.0))
    kept = (np.minimum(means, 0.0), np.where(means >= -bound, 0.0, means), np.zeros(TILE))  # of a mean, by treatment
    errors = np.sqrt(np.where(moves, np.maximum(long_run, variances), n_bars) / n_bars)
    scale = errors if studentised else np.ones(TILE)
    drawn = np.stack([((away + part) / scale)[:, moves].max(axis=1) for part in kept])
    return np.where(moves, means / scale, -math.inf), drawn


@dataclass(frozen=True)
class _Resampled:
    """Means of rows and of their resamples, with the ordinary errors of both; errors are 1 where a row never moves."""

    means: Float64  # (n,)
    errors: Float64  # (n,)
    moves: Booleans  # (n,)
    away: Float64  # (n_resamples, n): resampled mean less the mean
    drawn_errors: Float64  # (n_resamples, n)


def _resampled(returns: Float64, counts: Float64) -> _Resampled:
    n_bars = returns.shape[1]
    means = returns.mean(axis=1)
    centred = returns - means[:, None]
    variances = (centred**2).mean(axis=1)
    moves = variances > _ROUNDING * means**2
    variances = np.where(moves, variances, n_bars)
    away = (counts @ centred.T) / n_bars
    drawn = (counts @ (centred**2).T) / n_bars - away**2
    drawn = np.where(drawn > _ROUNDING * variances, drawn, variances)  # drew only equal bars: no error of its own
    return _Resampled(means, np.sqrt(variances / n_bars), moves, away, np.sqrt(drawn / n_bars))


def long_run_variances(returns: Float64, *, block: float) -> Float64:
    """Variance of the mean of each row of `returns (n, n_bars)` under the stationary bootstrap, times `n_bars`: `(n,)`.

    Source: Politis and Romano 1994, lemma 1: sum of autocovariances, weighted by the chance that both bars are drawn
    together.
    """
    n_bars = returns.shape[1]
    stay = 1.0 - 1.0 / block
    lag = np.arange(1, n_bars)
    weights = (1.0 - lag / n_bars) * stay**lag + (lag / n_bars) * stay ** (n_bars - lag)
    spectrum = np.fft.rfft(returns - returns.mean(axis=1, keepdims=True), 2 * n_bars, axis=1)
    covariances = np.fft.irfft(spectrum.real**2 + spectrum.imag**2, 2 * n_bars, axis=1)[:, :n_bars] / n_bars
    return np.maximum(covariances[:, 0] + 2.0 * (covariances[:, 1:] * weights).sum(axis=1), 0.0)


def step_m(
    returns: Float64,
    *,
    alpha: float = 0.05,
    block: float,
    n_resamples: int,
    seed: int,
    counts: Float64 | None = None,
) -> StepM:
    """Stepwise test of every row of excess returns `(n, n_bars)`: is its mean positive? One row is a test of one mean.

    A row passes if it does so beside resampled histories about its mean, and beside its own history with the signs of
    blocks of bars turned at random.

    Args:
        returns: finite, per bar, in excess of what has to be beaten.
        alpha: chance of any false pass among the family, between 0 and 1.
        block: average block in bars, at least 1.
        n_resamples: how many; at least 1 / alpha, or nothing could pass.
        seed: of the draws.
        counts: `(n_resamples, n_bars)` draws to use instead of those of block, number and seed; signs are always drawn.

    Source: Romano and Wolf 2005, "Stepwise multiple testing as formalized data snooping", Econometrica 73(4), with
    studentised statistics; step-down p-values: the same 2016, Statistics and Probability Letters 113, algorithm 4.2.

    Raises:
        UsageError: alpha out of range, too few resamples for it, returns that are not finite, no strategy.
    """
    rows = _finite(returns)
    if not 0.0 < alpha < 1.0:
        raise UsageError(f"`alpha` must lie strictly between 0 and 1, but was {alpha}. Use 0.05.")
    if not len(rows):
        raise UsageError("`returns` must hold at least one strategy, but was empty: an empty family needs no test.")
    n_bars, n_resamples = rows.shape[1], n_resamples if counts is None else len(_checked(counts, rows.shape[1]))
    if (1.0 + n_resamples) * alpha < 1.0 - 1e-9:
        raise UsageError(
            f"`n_resamples` must be at least {math.ceil(1.0 / alpha - 1.0 - 1e-9)}, but was {n_resamples}: no p-value "
            f"could be as small as {alpha}. Use 2,000."
        )
    if counts is None:
        counts = draw_counts(n_bars, block=block, n_resamples=n_resamples, seed=seed)
    found = _resampled(rows, counts)
    del counts  # as large as what comes next
    turned = _turned(rows, block_signs(n_bars, block=block, n_resamples=n_resamples, seed=seed))
    shown = np.where(found.moves, found.means / found.errors, -math.inf)
    by_luck = [np.where(found.moves, drawn, -math.inf) for drawn in (found.away / found.drawn_errors, turned)]
    adjusted = np.maximum(*(_step_down(shown, drawn) for drawn in by_luck))
    may_exceed = math.floor((1.0 + n_resamples) * alpha + 1e-9)  # so many of the luckiest, the data among them
    critical = max(float(np.sort(drawn.max(axis=1))[-may_exceed]) for drawn in by_luck)
    return StepM(adjusted <= alpha, adjusted, shown, critical)


def _turned(returns: Float64, signs: Float64) -> Float64:
    """Student's t `(n_resamples, n)` of the rows with their signs turned; 0 where a row has no spread."""
    n_bars = returns.shape[1]
    squares = (returns**2).mean(axis=1)
    means = (signs @ returns.T) / n_bars
    spread = squares - means**2
    spread = np.where(spread > _ROUNDING * squares, spread, squares)
    return means * math.sqrt(n_bars) / np.sqrt(np.where(spread > 0.0, spread, 1.0))


def _step_down(shown: Float64, drawn: Float64) -> Float64:
    """Step-down adjusted p-values `(n,)`: each against the best resampled of those that are no better than it."""
    order = np.argsort(-shown, kind="stable")
    worse_or_same = np.maximum.accumulate(drawn[:, order[::-1]], axis=1)[:, ::-1]
    raw = (1.0 + (worse_or_same >= shown[order]).sum(axis=0)) / (1.0 + len(drawn))
    adjusted = np.empty(shown.size)
    adjusted[order] = np.maximum.accumulate(raw)
    return adjusted
