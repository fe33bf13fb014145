"""A whole evolution in one call, in memory: islands, epochs and migrants in their order, with the births of a job.

`found` and `advance` breed one island; here all of them are, one after the other, as a job has its workers do it. Who
needs a journal, many machines or the gates runs a job (`cluster`); who wants to look into evolution begins here.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from evolution.admission import Evaluate
from evolution.advance import Advance, advance, found
from evolution.figures import GenerationStats
from evolution.islands import Emigrants, emigrants, sources
from evolution.pedigree import Births, concat
from evolution.population import State
from evolution.settings import EvolutionSettings
from fitness.evaluator import Evaluator
from strategies.errors import UsageError

Progress = Callable[[State, tuple[GenerationStats, ...]], None]
"""Told each epoch of each island: its state after it, and the figures of its generations."""


@dataclass(frozen=True, eq=False)
class Evolved:
    """What an evolution came to.

    Attributes:
        states: the last state of each island.
        births: of all islands, by birth id; a closed pedigree.
        stats: of each island, the figures of each generation.
    """

    states: tuple[State, ...]
    births: Births
    stats: tuple[tuple[GenerationStats, ...], ...]


def evolve(settings: EvolutionSettings, evaluate: Evaluate, *, seed: int, progress: Progress | None = None) -> Evolved:
    """Return the evolution of all islands; the same arguments give the same births, to the byte.

    Args:
        settings: of evolution, the islands and their migration included.
        evaluate: what tells the fitness of phenotypes `(n, N_GENES)`, as `fitness.evaluator.Evaluator` does.
        seed: of every draw.
        progress: told each epoch.

    Raises:
        UsageError: an `Evaluator` is to fill an archive, or to serve lexicase.
        ConfigError: a seed or a number of generations out of range.
        StudbookError: `evaluate` returned arrays of another shape than it was asked for.
    """
    if isinstance(evaluate, Evaluator) and (settings.archive is not None or settings.parents == "lexicase"):
        raise UsageError(
            "An `Evaluator` must be given settings without an archive and without lexicase, which need more than it "
            f"measures, but was given archive {settings.archive!r:.60} and parents {settings.parents!r}. Run a job."
        )
    islands = range(settings.n_islands)
    parts: list[list[Advance]] = [[found(seed, island, settings, evaluate)] for island in islands]
    sent: dict[tuple[int, int], Emigrants] = {}
    for epoch, first in enumerate(range(0, settings.generations, settings.epoch_generations)):
        length = min(settings.epoch_generations, settings.generations - first)
        for island in islands:
            senders = sources(epoch, island, settings.n_islands, settings.topology, settings.migration_lag, seed)
            arrivals = [sent[sender] for sender in senders]
            bred = advance(parts[island][-1].state, evaluate, settings, length, arrivals)
            parts[island].append(bred)
            sent[island, epoch] = emigrants(bred.state, settings.n_migrants, settings.topology)
            if progress is not None:
                progress(bred.state, bred.stats)
    everyone = concat([one.births for part in parts for one in part])
    return Evolved(
        states=tuple(part[-1].state for part in parts),
        births=everyone.take(np.argsort(everyone.birth_id, kind="stable")),
        stats=tuple(tuple(figures for one in part for figures in one.stats) for part in parts),
    )
