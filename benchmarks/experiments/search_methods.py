"""What evolution is compared with in experiment C: random search and hill climbing, at the same number of evaluations.

All three draw strategies by the founders' law (templates in their share, then strangers), score them with the same
evaluator on the same folds, and pay only for a strategy whose phenotype is new to the search. Random search founds
islands for ever and never breeds. Hill climbing moves from a founder to the best of some mutants as long as that is
better in the job's first objective, and starts anew from the next founder once so many mutants on end were not; its
mutation is evolution's.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cluster.driver import with_columns
from cluster.job_config import JobConfig, settled
from cluster.market import Market
from cluster.serial_executor import local_evaluator
from cluster.worker import CellEvaluation, breeding_of
from evolution.admission import Evaluate, admit
from evolution.keys import Place, Purpose
from evolution.mutation import mutated
from evolution.settings import EvolutionSettings
from evolution.variation import found_brood
from strategies.codec import express, phenotype_keys

Rows = NDArray[np.float64]
PATIENCE: Final = 100
"""Mutants on end without a better one among them, after which hill climbing starts anew."""
WIDTH: Final = 10
"""Mutants of which hill climbing takes the best; 1 takes the first that is better."""
BARREN: Final = 200
"""Islands or climbs on end without a single new strategy, after which a search gives up: all there are were tried."""


@dataclass(frozen=True, eq=False)
class Tried:
    """What a search tried, in the order in which it did.

    Attributes:
        genomes: (n, N_GENES), no two of the same phenotype.
        objectives: (n, m) those of the job, maximised; NaN where the reason is not 0.
        reasons: (n,) codes of `fitness.objectives.REASONS`.
        measures: (n, k) as births have them.
    """

    genomes: Rows
    objectives: Rows
    reasons: NDArray[np.int16]
    measures: Rows

    def __len__(self) -> int:
        return len(self.genomes)

    @property
    def best(self) -> int | None:
        """Return the row with the highest first objective, None if nothing was feasible."""
        merits = np.where(self.reasons == 0, self.objectives[:, 0], -np.inf)
        return int(np.argmax(merits)) if np.isfinite(merits).any() else None

    def best_so_far(self) -> Rows:
        """Return (n,) the highest first objective after each evaluation, -inf before the first feasible one."""
        return np.maximum.accumulate(np.where(self.reasons == 0, self.objectives[:, 0], -np.inf))


@dataclass(eq=False)
class Purse:
    """`n` evaluations to spend, and what they were spent on; a phenotype is paid for once."""

    n: int
    settings: EvolutionSettings
    evaluate: Evaluate
    merits: dict[bytes, float] = field(default_factory=dict)
    parts: list[Tried] = field(default_factory=list)

    @property
    def left(self) -> int:
        """Return how many evaluations are left."""
        return self.n - len(self.merits)

    def spend(self, genomes: Rows) -> Rows:
        """Return the first objective (n,) of `genomes`: -inf where infeasible, NaN where no evaluation was left."""
        phenotypes = express(genomes, self.settings.language)
        keys = [key.tobytes() for key in phenotype_keys(phenotypes)]
        new = list(dict.fromkeys(key for key in keys if key not in self.merits))[: self.left]
        rows = np.array([keys.index(key) for key in new], dtype=np.int64)
        if len(rows):
            found = admit(
                self.evaluate(phenotypes[rows]),
                n_rows=len(rows),
                n_objectives=len(self.settings.objectives),
                constraints=self.settings.constraints,
            )
            self.parts.append(Tried(genomes[rows], found.objectives, found.reasons, found.measures))
            merits = np.where(found.reasons == 0, found.objectives[:, 0], -np.inf)
            self.merits.update(zip(new, merits.tolist(), strict=True))
        return np.array([self.merits.get(key, np.nan) for key in keys])

    def tried(self) -> Tried:
        """Return all that was tried."""
        names = ("genomes", "objectives", "reasons", "measures")
        return Tried(**{name: np.concatenate([getattr(part, name) for part in self.parts]) for name in names})


def random_search(config: JobConfig, market: Market, *, n: int) -> Tried:
    """Return `n` distinct strategies drawn by the founders' law, fewer only if there are no more."""
    purse = _purse(config, market, n)
    n_barren = 0
    for genomes in _founders(config.seed, purse.settings):
        before = purse.left
        purse.spend(genomes)
        n_barren = n_barren + 1 if purse.left == before else 0
        if purse.left == 0 or n_barren == BARREN:
            break
    return purse.tried()


def hill_climbing(config: JobConfig, market: Market, *, n: int, width: int = WIDTH, patience: int = PATIENCE) -> Tried:
    """Return `n` distinct strategies met while climbing, fewer only if there are no more.

    Args:
        config: the job; the objective climbed is its first.
        market: what is traded.
        n: evaluations to spend.
        width: mutants of which the best is taken if it is better.
        patience: mutants on end without a better one, after which the next founder is climbed from.
    """
    purse = _purse(config, market, n)
    starts = (row for brood in _founders(config.seed, purse.settings) for row in brood)
    n_barren = 0
    for climb, start in enumerate(starts):
        before = purse.left
        _climb(start, purse, _mutants(config.seed, climb, purse.settings), width=width, patience=patience)
        n_barren = n_barren + 1 if purse.left == before else 0
        if purse.left == 0 or n_barren == BARREN:
            break
    return purse.tried()


SEARCHES: Final[dict[str, Callable[..., Tried]]] = {"random": random_search, "hill climbing": hill_climbing}
"""What evolution is compared with, by name: (config, market, n=...) -> `Tried`."""


def _purse(config: JobConfig, market: Market, n: int) -> Purse:
    config = settled(with_columns(config, market.shards))
    breeding = breeding_of(config, market.bars_per_year, market.n_folds)
    return Purse(n, breeding.settings, CellEvaluation(breeding, local_evaluator(config, market)))


def _founders(seed: int, settings: EvolutionSettings) -> Iterator[Rows]:
    """The founders (population_size, N_GENES) of island after island, without end."""
    return (found_brood(Place(seed, island, 0), settings).genomes for island in count())


Mutants = Callable[[Rows, int, int], Rows]


def _mutants(seed: int, climb: int, settings: EvolutionSettings) -> Mutants:
    """A function from a genome (N_GENES,), a step and a width to mutants (width, N_GENES), new ones for every step."""

    def mutants(genome: Rows, step: int, width: int) -> Rows:
        key = Place(seed, climb, 1 + step).key(Purpose.MUTATION)
        numbers = np.arange(width)
        return mutated(np.tile(genome, (width, 1)), key, numbers, np.zeros_like(numbers), settings.language)

    return mutants


def _climb(genome: Rows, purse: Purse, mutants: Mutants, *, width: int, patience: int) -> None:
    """Climb from a genome (N_GENES,) until so many mutants on end were no better, or the purse is empty."""
    merit, n_worse = purse.spend(genome[np.newaxis])[0], 0
    for step in count():
        if purse.left == 0 or n_worse >= patience:
            return
        offered = mutants(genome, step, width)
        merits = purse.spend(offered)
        best = int(np.argmax(np.where(np.isnan(merits), -np.inf, merits)))
        if merits[best] > merit:
            genome, merit, n_worse = offered[best], merits[best], 0
        else:
            n_worse += width
