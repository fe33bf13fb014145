"""Which strategies are refined in a generation, in which batches, and what is known of each before the next batch."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evolution.keys import Place, Purpose
from evolution.refining import RefineSettings, proposals
from strategies.language import Language

Floats = NDArray[np.float64]
_MASK = (1 << 128) - 1


@dataclass(frozen=True)
class History:
    """What was proposed for one parent so far: batches of genomes (k, N_GENES) and values (k,), NaN if infeasible."""

    batches: tuple[tuple[Floats, Floats], ...] = ()

    def followed_by(self, genomes: Floats, values: Floats) -> "History":
        """Return the history with one batch more."""
        return History((*self.batches, (genomes, values)))


@dataclass(frozen=True, eq=False)
class Refined:
    """A parent that is being refined: its row in the pool, its birth, genome and value, and its history."""

    row: int
    birth_id: int
    genome: Floats
    value: float
    history: History = History()

    def next_batch(self, place: Place, settings: RefineSettings, language: Language) -> Floats:
        """Return the next genomes (batch, N_GENES) that are to be tried for it."""
        return proposals(
            self.genome,
            self.value,
            self.history.batches,
            n=settings.batch,
            key=refine_key(place, self.birth_id),
            settings=settings,
            language=language,
        )


def is_due(generation: int, settings: RefineSettings) -> bool:
    """Return whether the best are refined in this generation."""
    return settings.every > 0 and generation % settings.every == 0


def refine_key(place: Place, birth_id: int) -> int:
    """Return the 128-bit key of all that is drawn to refine one birth in one generation."""
    return place.key(Purpose.REFINING) ^ ((birth_id * 0x9E3779B97F4A7C15F39CC0605CEDC835) & _MASK)
