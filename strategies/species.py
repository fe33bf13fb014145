"""The species of a strategy: by what its rules really use, not by where it came from."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from strategies.catalogue import catalogue
from strategies.genes import BLOCK_COLUMNS, COLUMN, CONDITION_BLOCKS, FIELD, N_LEARNERS

SPECIES: Final = ("ta", "ml", "hybrid")
TA, ML, HYBRID = range(len(SPECIES))


def species_of(phenotypes: NDArray[np.float64]) -> NDArray[np.int8]:
    """The species of phenotypes `(n, N_GENES)`: `(n,)` places in `SPECIES`.

    `ta` uses no learner; `ml` learns, and no condition of its rules reads anything but a learner; `hybrid` does both.
    Gates, stops and the features of a learner do not count as rules.
    """
    learns = np.zeros(len(phenotypes), dtype=np.bool_)
    for number in range(N_LEARNERS):
        learns |= phenotypes[:, COLUMN[f"learner.{number}.on"]] > 0.0
    is_learner = np.array([kind.family == "learner" for kind in catalogue()])
    reads_bars = np.zeros(len(phenotypes), dtype=np.bool_)
    for block in CONDITION_BLOCKS:
        genes = phenotypes[:, list(BLOCK_COLUMNS[block])]
        left, right = genes[:, FIELD["left.kind"]].astype(np.int64), genes[:, FIELD["right.kind"]].astype(np.int64)
        other = ~is_learner[left] | ((genes[:, FIELD["against"]] == 0.0) & ~is_learner[right])
        reads_bars |= (genes[:, FIELD["on"]] > 0.0) & other
    return np.where(learns, np.where(reads_bars, HYBRID, ML), TA).astype(np.int8)
