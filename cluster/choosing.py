"""Who of the last populations is judged: the best by Pareto front, and no two that trade alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evolution.pedigree import generation_of
from evolution.population import State
from evolution.selection import feasible, pareto_ranks
from fitness.correlation import KEPT, correlation, redundant
from strategies.codec import express
from strategies.encoding import strategy_of
from strategies.language import DEFAULT, Language
from strategies.strategy import Strategy

TWINS: Final = 0.95
"""Correlation of in-sample returns above which a candidate says nothing that a better one doesn't."""
REACH: Final = 10
"""How far down the order candidates are looked for, in multiples of their number."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """A strategy of a last population: its phenotype (N_GENES,), its birth, and its objectives by name."""

    strategy: Strategy
    phenotype: NDArray[np.float64]
    birth_id: int
    family: int
    objectives: dict[str, float]


def choose(states: Sequence[State], objectives: Sequence[str], n: int, language: Language = DEFAULT) -> list[Candidate]:
    """Return at most `n` strategies of the last populations: by Pareto front, then by the first objective.

    Genomes are read in `language`.

    Strategies of equal objectives trade alike, whatever a rule that never fires says in them; one stands for all.
    """
    fit = [feasible(state.objectives, state.reasons) for state in states]
    values, ids, families, genomes = (
        np.concatenate([getattr(state, name)[rows] for state, rows in zip(states, fit, strict=True)])
        for name in ("objectives", "birth_ids", "families", "genomes")
    )
    by_age = np.lexsort((ids, generation_of(ids)))  # the oldest birth stands for all that trade alike
    distinct = by_age[np.unique(values[by_age], axis=0, return_index=True)[1]]
    order = np.lexsort((ids[distinct], -values[distinct, 0], pareto_ranks(values[distinct])))
    rows = distinct[order][:n]
    return [
        Candidate(
            strategy=strategy_of(phenotype),
            phenotype=phenotype,
            birth_id=int(ids[row]),
            family=int(families[row]),
            objectives=dict(zip(objectives, values[row].tolist(), strict=True)),
        )
        for row, phenotype in zip(rows, express(genomes[rows], language), strict=True)
    ]


def different(returns: NDArray[np.float64], n: int) -> list[int]:
    """Return the places of at most `n` strategies that do not trade alike, of returns (m, n_bars), the best first.

    Ten near-twins would read the lockbox as ten, and stand and fall together. So one that correlates above 0.95 with a
    better one that was taken is passed over; if too few are left, those passed over fill up, the best first.
    """
    order = -np.arange(len(returns), dtype=np.float64)
    places = redundant(correlation(returns), order, TWINS)
    kept = [place for place, better in enumerate(places) if better == KEPT][:n]
    others = [place for place in range(len(returns)) if place not in kept]
    return sorted([*kept, *others[: n - len(kept)]])
