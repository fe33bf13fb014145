"""What a job's trials as a whole say of its best: luck (SPA), overfitting (PBO), how many they are in effect, paths.

One pass over the bars: the returns of every way of trading that the job tried, or of an even sample of them in the
order of birth, whatever their merit, stream through the tests batch by batch. All are of the folds, pooled, beyond the
benchmark. The figures go into the journal with the choice of candidates, so a promotion that is run again has the same.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cluster.examination import Examiner
from cluster.trial_ledger import behaviours_of
from evolution.pedigree import Births
from fitness.lockbox import resamples
from fitness.objectives import MEASURE_COLUMNS, QUARANTINED
from fitness.pooled import trial_variance
from fitness.statistics import block_sums, effective_trials, overfitting, selection_paths, superior_ability
from fitness.trial_returns import even_sample
from fitness.tried import Tried
from strategies.codec import express
from strategies.language import Language

Float64 = NDArray[np.float64]
Integers = NDArray[np.int64]

N_BLOCKS: Final = 10
"""Parts of the folds that PBO cuts into halves in every way, and of which the paths leave out two at a time."""
N_TEST_BLOCKS: Final = 2
N_SPA: Final = 1000
"""Resamples of the SPA: a p-value of 0.05 is known to 0.007."""
N_FOUNDERS: Final = 300
"""Founders whose Sharpe ratios on permuted bars say how much luck varies: their spread is known to 4 %."""
N_CLOSE: Final = 500
"""Trials, evenly drawn from those above, that the effective number and the paths look at: both grow with its square."""
EMBARGO: Final = 5
"""Bars after a test that the paths drop besides the holding time."""
LOGIT_EDGES: Final = tuple(float(edge) for edge in range(-6, 7))


def trial_statistics(
    examiner: Examiner,
    births: Births,
    language: Language,
    *,
    chosen: Integers,
    most: int | None,
    block: float,
    seed: int,
) -> dict[str, Any]:
    """Return the figures of a job's trials as plain values, for the journal.

    Args:
        examiner: of the job's market.
        births: all of the job.
        language: in which their genomes are read.
        chosen: birth ids of the candidates: always in the sample.
        most: trials to look at; None for all.
        block: of the stationary bootstrap, in bars.
        seed: of its draws.
    """
    rows, founders = sampled(births, chosen, most)
    stream = _Stream(rows.size)
    phenotypes = express(births.genome[rows], language)
    n_bars = examiner.n_bars("in_sample")
    found: dict[str, Any] = {"n_sampled": int(rows.size), "block": block, "spa": None}
    if rows.size:
        batches = stream.watched(examiner.trial_batches(phenotypes))
        spa = superior_ability(batches, block=block, n_resamples=min(N_SPA, resamples(n_bars)), seed=seed)
        found["spa"] = asdict(spa)
    first = express(births.genome[founders], language)
    found["trial_variance"] = trial_variance(examiner.null_sharpes(first, seed))
    found["pbo"] = _overfitting(stream.sums)
    found |= _close(stream, births.take(rows), n_bars, examiner.bars_per_year)
    return found


def tried_of(figures: Mapping[str, Any]) -> Tried:
    """Return what the gates read of the journalled choice of candidates."""
    spa, pbo, close = (figures.get(name) or {} for name in ("spa", "pbo", "effective"))
    return Tried(
        n=max(figures["n_trials"], 1),
        n_jobs=figures["trials"]["n_jobs"],
        variance=_number(figures["trial_variance"]),
        n_effective=_number(close.get("n_clusters")),
        n_sampled=figures["n_sampled"],
        spa_p=_number(spa.get("consistent")),
        pbo=_number(pbo.get("pbo")),
    )


def sampled(births: Births, chosen: Integers, most: int | None) -> tuple[Integers, Integers]:
    """Return the rows of the births to look at: one of each behaviour, thinned evenly; and some of generation 0."""
    tried = np.flatnonzero(births.evaluated & (births.reason != QUARANTINED))  # those can't be played here either
    behaviours = behaviours_of(births)
    known, first = np.unique(behaviours[tried], return_index=True)
    order = np.argsort(first)  # of birth
    of_chosen = np.isin(known[order], behaviours[np.isin(births.birth_id, chosen)])
    kept = even_sample(known.size, most, np.flatnonzero(of_chosen))
    founders = tried[births.generation[tried] == 0]
    some = even_sample(founders.size, N_FOUNDERS, np.zeros(0, dtype=np.int64))
    return np.sort(tried[first[order][kept]]), founders[some]


class _Stream:
    """What is kept of the returns of n strategies while they stream by: block sums, and some whole rows."""

    def __init__(self, n: int) -> None:
        self._close = np.zeros(n, dtype=np.bool_)
        self._close[even_sample(n, N_CLOSE, np.zeros(0, dtype=np.int64))] = True
        self.close_rows: list[Float64] = []
        self.close_places: list[int] = []
        self._sums: list[Float64] = []

    @property
    def sums(self) -> Float64:
        """Return the block sums (n, N_BLOCKS, 3) of the sample."""
        return np.concatenate(self._sums) if self._sums else np.zeros((0, N_BLOCKS, 3))

    def watched(self, batches: Iterator[tuple[int, Float64]]) -> Iterator[Float64]:
        """Yield the returns that could be computed."""
        for start, returns in batches:
            sound = np.isfinite(returns).all(axis=1)
            for row in np.flatnonzero(sound & self._close[start : start + len(returns)]):
                self.close_rows.append(returns[row].copy())
                self.close_places.append(start + int(row))
            mine = returns[sound]
            if mine.shape[1] >= 2 * N_BLOCKS:
                self._sums.append(block_sums(mine, N_BLOCKS))
            if len(mine):
                yield mine


def _overfitting(sums: Float64) -> dict[str, Any] | None:
    if len(sums) < 2:
        return None
    found = overfitting(sums)
    counts = np.histogram(np.clip(found.logits[np.isfinite(found.logits)], -6.0, 6.0), LOGIT_EDGES)[0]
    return {
        "pbo": found.pbo,
        "n_splits": found.n_splits,
        "n_strategies": found.n_strategies,
        "probability_of_loss": found.probability_of_loss,
        "slope": found.slope,
        "logits": {"edges": list(LOGIT_EDGES), "counts": counts.tolist()},
    }


def _close(stream: _Stream, births: Births, n_bars: int, bars_per_year: float) -> dict[str, Any]:
    """Return the effective number of trials and the paths, of the rows that were kept; each None without any."""
    if len(stream.close_rows) < 2 or n_bars < 2 * N_BLOCKS:
        return {"effective": None, "paths": None}
    returns = np.stack(stream.close_rows)
    close = effective_trials(returns)
    holdings = mean_holdings(births.take(np.array(stream.close_places)), n_bars)
    paths = selection_paths(returns, holdings, n_groups=N_BLOCKS, n_test_groups=N_TEST_BLOCKS, embargo=EMBARGO)
    yearly = math.sqrt(bars_per_year)
    return {
        "effective": {
            "n_clusters": close.n_clusters,
            "participation": close.participation,
            "n_sampled": len(returns),
            "n_distinct": close.n_distinct,
        },
        "paths": {
            "sharpes": (paths.sharpes * yearly).tolist(),
            "median": paths.median * yearly,
            "low": paths.low * yearly,
            "n_sampled": len(returns),
        },
    }


def mean_holdings(births: Births, n_bars: int) -> Integers:
    """Return the mean holding time (n,) in bars, rounded up, by exposure and trades; 0 where it never traded."""
    exposure, trades = (births.measures[:, MEASURE_COLUMNS.index(name)] for name in ("exposure", "n_trades"))
    held = np.nan_to_num(exposure, nan=0.0) * n_bars
    return np.ceil(held / np.maximum(np.nan_to_num(trades, nan=0.0), 1.0)).astype(np.int64)


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
