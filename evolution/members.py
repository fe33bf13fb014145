"""Strategies that may be parents or live on: one row each, of a state or of births."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evolution.pedigree import Births
from evolution.population import State


class Members(NamedTuple):
    """Strategies that may be parents or live on.

    Attributes:
        genomes: (n, N_GENES).
        families: (n,) birth id of the founder or newcomer each descends from.
        species: (n,) codes of `strategies.species.SPECIES`.
        objectives: (n, m), all maximised, NaN where the reason is not 0.
        reasons: (n,) codes, 0 is fine.
        keys: (n, 2) phenotype keys.
        birth_ids: (n,).
    """

    genomes: NDArray[np.float64]
    families: NDArray[np.int64]
    species: NDArray[np.int8]
    objectives: NDArray[np.float64]
    reasons: NDArray[np.int16]
    keys: NDArray[np.uint64]
    birth_ids: NDArray[np.int64]

    @classmethod
    def of_state(cls, state: State) -> "Members":
        """Return the population of a state."""
        fitness = (state.objectives, state.reasons, state.keys)
        return cls(state.genomes, state.families, state.species, *fitness, state.birth_ids)

    @classmethod
    def of_births(cls, births: Births) -> "Members":
        """Return those who were born."""
        fitness = (births.objectives, births.reason, births.key)
        return cls(births.genome, births.family, births.species, *fitness, births.birth_id)

    def followed_by(self, births: Births) -> "Members":
        """Return these members and then those who were born."""
        if not len(births):
            return self
        pairs: list[Any] = list(zip(self, Members.of_births(births), strict=True))
        return Members(*(np.concatenate(pair) for pair in pairs))

    def take(self, rows: NDArray[Any]) -> "Members":
        """Return the members of `rows`, an index or a mask."""
        every: list[Any] = list(self)
        return Members(*(array[rows] for array in every))
