"""What a strategy is made of, for the question what spreads: the operands it reads, and how it learns."""

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from strategies.catalogue import catalogue
from strategies.genes import COLUMN, CONDITION_BLOCKS, N_LEARNERS
from strategies.learners.table import ALGORITHMS, MAX_FEATURES

LEARNS_BY: Final = "learns by "


@cache
def trait_names() -> tuple[str, ...]:
    """Return every trait by number: names of operands in the catalogue, then `learns by` and an algorithm."""
    return (*(kind.name for kind in catalogue()), *(f"{LEARNS_BY}{name}" for name in ALGORITHMS))


def traits(phenotypes: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the traits of phenotypes (n, N_GENES): (k, 2) pairs of row and number, by row and number, each once.

    Operands that a condition reads or a learner learns from, and the algorithms of the learners.
    """
    slots = []
    for block in CONDITION_BLOCKS:
        on = phenotypes[:, COLUMN[f"{block}.on"]] > 0.0
        both = on & (phenotypes[:, COLUMN[f"{block}.against"]] == 0.0)
        slots += [(COLUMN[f"{block}.left.kind"], on, 0), (COLUMN[f"{block}.right.kind"], both, 0)]
    for number in range(N_LEARNERS):
        on = phenotypes[:, COLUMN[f"learner.{number}.on"]] > 0.0
        slots.append((COLUMN[f"learner.{number}.algorithm"], on, len(catalogue())))
        for feature in range(MAX_FEATURES):
            part = f"learner.{number}.f{feature}"
            slots.append((COLUMN[f"{part}.kind"], on & (phenotypes[:, COLUMN[f"{part}.on"]] > 0.0), 0))
    pairs = [
        np.stack([rows, phenotypes[rows, column].astype(np.int64) + offset], axis=1)
        for column, where, offset in slots
        for rows in [np.flatnonzero(where)]
    ]
    return np.unique(np.concatenate(pairs), axis=0)
