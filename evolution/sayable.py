"""What of the gene table a language has a use for: crossover, mutation and figures leave out what says nothing."""

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from strategies.genes import BLOCK_COLUMNS, BLOCKS, COLUMN, GENES, N_GENES
from strategies.language import Language

LEARNER: Final = "learner"


@cache
def sayable_blocks(language: Language) -> NDArray[np.bool_]:
    """Return (n_blocks,), read-only, whether the genes of a block may ever say something in `language`."""
    modules = [GENES[BLOCK_COLUMNS[block][0]].module for block in BLOCKS]
    return _fixed([module != LEARNER or language.learners for module in modules])


@cache
def sayable_genes(language: Language) -> NDArray[np.bool_]:
    """Return (N_GENES,), read-only, the same of every gene."""
    said = np.zeros(N_GENES, dtype=np.bool_)
    for block, sayable in zip(BLOCKS, sayable_blocks(language).tolist(), strict=True):
        said[list(BLOCK_COLUMNS[block])] = sayable
    return _fixed(said)


def switches_of(block: str) -> tuple[int, int]:
    """Return the columns of the two genes that must be on for a block to have a say, -1 where there is none.

    A feature of a learner has its own and that of the learner: "learner.0.f1" says nothing where "learner.0" is off.
    """
    return COLUMN.get(f"{block}.on", -1), COLUMN.get(f"{block.rpartition('.')[0]}.on", -1)


def _fixed(values: object) -> NDArray[np.bool_]:
    array = np.array(values, dtype=np.bool_)
    array.flags.writeable = False
    return array
