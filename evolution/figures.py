"""What one generation of one island looked like, for progress and tracking."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evolution.key_sets import repeated
from evolution.pedigree import MIGRANT, Births, generation_of, island_of
from evolution.population import State
from evolution.selection import feasible
from strategies.genes import GENES, GeneKind


@dataclass(frozen=True)
class GenerationStats:
    """One generation of one island, after selection.

    Attributes:
        island, generation: where and when.
        n_births: births of this generation, migrants included.
        n_evaluated: births that were evaluated; the others' fitness was known.
        n_migrants: migrants that arrived.
        n_replaced: births of this generation that live on in the population, migrants included.
        n_feasible: strategies of the population without a reason against them.
        n_known: strategies whose fitness this island knows.
        n_families: families with descendants in the population.
        best: best value of each objective in the population, None where none is feasible.
        mean: mean of each objective over the feasible, None where none is.
        distinct_share: different strategies in the population over its size.
        gene_spread: mean distance of two members per gene, over the gene's range, 0 to 1.
    """

    island: int
    generation: int
    n_births: int
    n_evaluated: int
    n_migrants: int
    n_replaced: int
    n_feasible: int
    n_known: int
    n_families: int
    best: tuple[float, ...] | None
    mean: tuple[float, ...] | None
    distinct_share: float
    gene_spread: float


def generation_stats(state: State, births: Births) -> GenerationStats:
    """Return the figures of the generation that made `births` and left `state`."""
    fit = state.objectives[feasible(state.objectives, state.reasons)]
    own = island_of(state.birth_ids) == state.island
    return GenerationStats(
        island=state.island,
        generation=state.generation,
        n_births=len(births),
        n_evaluated=int(births.evaluated.sum()),
        n_migrants=int((births.operator == MIGRANT).sum()),
        n_replaced=int((own & (generation_of(state.birth_ids) == state.generation)).sum()),
        n_feasible=len(fit),
        n_known=len(state.known_keys),
        n_families=len(np.unique(state.families)),
        best=tuple(fit.max(axis=0).tolist()) if len(fit) else None,
        mean=tuple(fit.mean(axis=0).tolist()) if len(fit) else None,
        distinct_share=1.0 - float(repeated(state.keys).mean()),
        gene_spread=gene_spread(state.genomes),
    )


def gene_spread(genomes: NDArray[np.float64]) -> float:
    """Return the mean over genes and pairs of `genomes` (n, N_GENES) of the distance over the gene's range.

    From sorted values: the sum over pairs of |a - b| is the sum of (2 i - n + 1) times the i-th smallest.
    """
    n = len(genomes)
    if n < 2:
        return 0.0
    weights = 2 * np.arange(n) - n + 1
    fractions = np.sort(np.ascontiguousarray(genomes[:, ~_WHOLE].T), axis=1)
    wholes = np.sort(np.ascontiguousarray(genomes[:, _WHOLE].T, dtype=np.int32), axis=1)  # half the work, and exact
    sums = np.concatenate([(fractions * weights).sum(axis=1), (wholes * weights).sum(axis=1)])
    return float((sums / _SPANS).sum() / len(GENES) / (n * (n - 1) / 2))


_WHOLE: Final = np.array([gene.kind is not GeneKind.UNIT for gene in GENES])
_RANGES: Final = np.array([gene.high - gene.low for gene in GENES])
_SPANS: Final = np.concatenate([_RANGES[~_WHOLE], np.maximum(_RANGES[_WHOLE], 1)])
