"""Genomes to phenotypes, whole populations at once.

A phenotype row has the genome's columns in natural units and is canonical: conditions that are off are gone and the
rest moved up, learners that nobody asks are gone, genes that say nothing are 0. Two rows are equal if and only if their
strategies are. Every genome, also one out of bounds or NaN, decodes to a valid strategy: what does not fit, or what the
language of the job does not say, is bent to something that does.

The work is compiled. Numba is imported when it is first asked for, so a strategy can be read without it.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from strategies.genes import FIELD, N_GENES, OPERAND_FIELDS
from strategies.language import DEFAULT, Language
from strategies.views import frozen

Rows = NDArray[np.float64]
LEFT: Final = [FIELD[f"left.{name}"] for name in OPERAND_FIELDS]
RIGHT: Final = [FIELD[f"right.{name}"] for name in OPERAND_FIELDS]


def bounded(genomes: NDArray[Any]) -> Rows:
    """Return a copy of `genomes` (n, N_GENES) inside the gene bounds; NaN becomes the low bound."""
    from strategies.expression import bound_nb
    from strategies.expression_tables import tables

    rows = frozen(genomes, np.float64).reshape(-1, N_GENES)
    out = np.empty(rows.shape)
    bound_nb(rows, tables(), out)
    return out


def express(genomes: NDArray[Any], language: Language = DEFAULT) -> Rows:
    """Return the phenotypes (n, N_GENES) of `genomes` (n, N_GENES), canonical and always valid in `language`."""
    from strategies.expression import express_nb
    from strategies.expression_tables import tables

    rows = bounded(genomes)
    out = np.zeros(rows.shape)
    express_nb(frozen(rows, np.float64), tables(language), out)
    return out


def phenotype_keys(phenotypes: Rows) -> NDArray[np.uint64]:
    """Return a 128-bit key (n, 2) of each phenotype row (n, N_GENES): equal rows, equal keys.

    The key is the BLAKE2b digest, as two little-endian words, of a bit map of the genes that are not 0 (bit `c & 63`
    of word `c >> 6`) and then these genes as float64, all little-endian: a third of the row, and as unmistakable.
    """
    from strategies.blake2b import sparse_digests_nb

    rows = frozen(frozen(phenotypes, np.float64).view(np.uint64), np.uint64)
    keys = np.empty((len(rows), 2), dtype=np.uint64)
    sparse_digests_nb(rows, keys)
    return keys
