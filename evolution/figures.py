"""What one generation of one island looked like, for progress and tracking."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evolution.archive import ArchiveStats
from evolution.archive import figures as archive_figures
from evolution.credit import shares
from evolution.key_sets import repeated
from evolution.pedigree import MIGRANT, RESTART, Births, generation_of, island_of
from evolution.population import State
from evolution.sayable import sayable_genes
from evolution.selection import feasible
from evolution.settings import EvolutionSettings
from strategies.genes import GENES, GeneKind
from strategies.language import DEFAULT, Language
from strategies.species import SPECIES

LISTED: Final = 8
"""How many families are listed by name in each generation."""


@dataclass(frozen=True)
class SpeciesStats:
    """One species in one generation of one island, after selection.

    Attributes:
        n_births: born here in this generation, without migrants.
        n: members of the population.
        n_feasible: of these, those without a reason against them.
        best, median: of the first objective over the feasible, None where none is.
    """

    n_births: int
    n: int
    n_feasible: int
    best: float | None
    median: float | None


@dataclass(frozen=True)
class GenerationStats:
    """One generation of one island, after selection.

    Attributes:
        island, generation: where and when.
        n_births: births of this generation, migrants included.
        n_evaluated: births that were evaluated; the others' fitness was known.
        n_migrants: migrants that arrived.
        n_migrants_kept: of these, those that live on in the population.
        n_parents: different strategies that bore children; an island with none does not breed.
        locality: share of the parents whose line was founded on this island; None without any.
        restarted: whether the population had collapsed and began anew.
        operators: shares of crossover, mutation and both among the children to come, None where they are fixed.
        archive: what the archive holds, None where none is kept.
        occupancy: share of the island's places that hold a feasible strategy of which there is no twin.
        n_replaced: births of this generation that live on in the population, migrants included.
        n_feasible: strategies of the population without a reason against them.
        n_known: strategies whose fitness this island knows.
        n_families: families with descendants in the population.
        families: the largest of them in the population, at most `LISTED`: family and members, most members first.
        species: what each species looked like, in the order of `strategies.species.SPECIES`.
        best: best value of each objective in the population, None where none is feasible.
        mean: mean of each objective over the feasible, None where none is.
        distinct_share: different strategies in the population over its size.
        gene_spread: mean distance of two members per gene that the language has a use for, over its range, 0 to 1.
    """

    island: int
    generation: int
    n_births: int
    n_evaluated: int
    n_migrants: int
    n_migrants_kept: int
    n_parents: int
    locality: float | None
    restarted: bool
    operators: tuple[float, ...] | None
    archive: ArchiveStats | None
    occupancy: float
    n_replaced: int
    n_feasible: int
    n_known: int
    n_families: int
    families: tuple[tuple[int, int], ...]
    species: tuple[SpeciesStats, ...]
    best: tuple[float, ...] | None
    mean: tuple[float, ...] | None
    distinct_share: float
    gene_spread: float


def generation_stats(
    state: State, births: Births, settings: EvolutionSettings, *, n_parents: int, locality: float | None
) -> GenerationStats:
    """Return the figures of the generation that made `births` and left `state`; who mated is known to the caller."""
    able = feasible(state.objectives, state.reasons)
    fit = state.objectives[able]
    own = island_of(state.birth_ids) == state.island
    native = births.operator != MIGRANT
    families, members = np.unique(state.families, return_counts=True)
    largest = np.lexsort((families, -members))[:LISTED]
    return GenerationStats(
        island=state.island,
        generation=state.generation,
        n_births=len(births),
        n_evaluated=int(births.evaluated.sum()),
        n_migrants=int((~native).sum()),
        n_migrants_kept=int(np.isin(births.birth_id[~native], state.birth_ids).sum()),
        n_parents=n_parents,
        locality=locality,
        restarted=bool((births.operator == RESTART).any()),
        operators=tuple(shares(state.credit).tolist()) if settings.adaptive else None,
        archive=None if settings.archive is None else archive_figures(state.archive, settings.archive),
        occupancy=float((able & ~repeated(state.keys)).sum() / settings.population_size),
        n_replaced=int((own & (generation_of(state.birth_ids) == state.generation)).sum()),
        n_feasible=len(fit),
        n_known=len(state.known_keys),
        n_families=len(families),
        families=tuple(zip(families[largest].tolist(), members[largest].tolist(), strict=True)),
        species=tuple(
            _species_stats(state.species == species, able, state.objectives, births.species[native] == species)
            for species in range(len(SPECIES))
        ),
        best=tuple(fit.max(axis=0).tolist()) if len(fit) else None,
        mean=tuple(fit.mean(axis=0).tolist()) if len(fit) else None,
        distinct_share=1.0 - float(repeated(state.keys).mean()),
        gene_spread=gene_spread(state.genomes, settings.language),
    )


def _species_stats(
    members: NDArray[np.bool_], able: NDArray[np.bool_], objectives: NDArray[np.float64], births: NDArray[np.bool_]
) -> SpeciesStats:
    first = objectives[members & able, 0]
    if not len(first):
        return SpeciesStats(int(births.sum()), int(members.sum()), 0, None, None)
    return SpeciesStats(
        n_births=int(births.sum()),
        n=int(members.sum()),
        n_feasible=len(first),
        best=float(first.max()),
        median=float(np.median(first)),
    )


def gene_spread(genomes: NDArray[np.float64], language: Language = DEFAULT) -> float:
    """Return the mean over genes and pairs of `genomes` (n, N_GENES) of the distance over the gene's range.

    Of the genes that `language` has a use for.

    From sorted values: the sum over pairs of |a - b| is the sum of (2 i - n + 1) times the i-th smallest.
    """
    n = len(genomes)
    if n < 2:
        return 0.0
    weights = 2 * np.arange(n) - n + 1
    columns = np.flatnonzero(sayable_genes(language))
    unit, whole = columns[~_WHOLE[columns]], columns[_WHOLE[columns]]
    fractions = np.sort(np.ascontiguousarray(genomes[:, unit].T), axis=1)
    wholes = np.sort(np.ascontiguousarray(genomes[:, whole].T, dtype=np.int32), axis=1)  # half the work, and exact
    sums = np.concatenate([(fractions * weights).sum(axis=1), (wholes * weights).sum(axis=1)])
    spans = _SPANS[np.concatenate([unit, whole])]
    return float((sums / spans).sum() / len(columns) / (n * (n - 1) / 2))


_WHOLE: Final = np.array([gene.kind is not GeneKind.UNIT for gene in GENES])
_RANGES: Final = np.array([gene.high - gene.low for gene in GENES])
_SPANS: Final = np.maximum(_RANGES, 1.0)  # a gene of one value has no spread
