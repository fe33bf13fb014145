"""Which parent each gene of a child comes from: homologous genes are exchanged, in modules, blocks and single genes.

Three quarters of the crossovers exchange blocks, half of them each; of those that stay some are mixed gene by gene.
The others exchange whole modules.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from evolution.deap_bridge import exchanged, stretches
from evolution.philox import uniforms
from evolution.sayable import sayable_blocks
from strategies.genes import BLOCK_COLUMNS, BLOCKS, GENES, MODULES, N_GENES
from strategies.language import DEFAULT, Language

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

MODULE_SWAPS: Final = 0.25  # share of crossovers that exchange whole modules; the others exchange blocks
SWAP: Final = 0.5  # chance that a module or block is taken from the other parent
MIX: Final = 0.3  # chance that a block that stays is mixed gene by gene instead
STRETCH: Final = 0.5  # chance that a mixed block of three genes or more exchanges a stretch of them, not single ones
GENE_SWAP: Final = 0.5  # chance of each of these single genes

N_NUMBERS: Final = 1 + 2 * len(BLOCKS)  # which of both kinds; each block or module; whether each block is mixed

_STARTS: Final = np.array([BLOCK_COLUMNS[name][0] for name in BLOCKS])
_SIZES: Final = np.array([len(BLOCK_COLUMNS[name]) for name in BLOCKS])
_WIDTH: Final = int(_SIZES.max())
_BLOCK_OF_GENE: Final = np.array([BLOCKS.index(gene.block) for gene in GENES])
_MODULE_OF_BLOCK: Final = np.array([MODULES.index(GENES[start].module) for start in _STARTS])


def origins(numbers: Floats, key: int, indices: Integers, language: Language = DEFAULT) -> Booleans:
    """Return (n, N_GENES) whether each gene of n children comes from the second parent.

    What `language` has no use for comes from the first. A child takes its `numbers` (n, N_NUMBERS) and, for block b if
    it is mixed, those of part `1 + b` of the stream of its index (n,) under `key`.
    """
    by_module, sayable = numbers[:, :1] < MODULE_SWAPS, sayable_blocks(language)
    used = np.where(by_module, np.arange(len(BLOCKS)) < len(MODULES), sayable)
    swapped = np.zeros(used.shape, dtype=np.bool_)
    swapped[used] = exchanged(numbers[:, 1 : 1 + len(BLOCKS)][used], SWAP)
    swapped = np.where(by_module, swapped[:, _MODULE_OF_BLOCK], swapped) & sayable
    out = swapped.take(_BLOCK_OF_GENE, axis=1)  # in C order, unlike indexing: `_mix` writes into its flat view
    mixed = ~by_module & sayable & ~swapped & (numbers[:, 1 + len(BLOCKS) :] < MIX)
    _mix(out, key, indices, *np.nonzero(mixed))
    return out


def _mix(out: Booleans, key: int, indices: Integers, rows: Integers, blocks: Integers) -> None:
    """Write into `out` the origins of the genes of mixed blocks, given by row and block (m,): some are exchanged."""
    sizes, places = _SIZES[blocks], np.arange(_WIDTH)
    numbers = uniforms(key, 1 + _WIDTH, indices=indices[rows], parts=blocks + 1)
    stretched = (sizes > 2) & (numbers[:, 0] < STRETCH)
    inside = places < sizes[:, np.newaxis]
    single = inside & ~stretched[:, np.newaxis]
    swapped = np.zeros(inside.shape, dtype=np.bool_)
    swapped[single] = exchanged(numbers[:, 1:][single], GENE_SWAP)
    swapped[stretched] = stretches(sizes[stretched], numbers[stretched, 1:3], _WIDTH)
    genes = (rows * N_GENES + _STARTS[blocks])[:, np.newaxis] + places
    out.reshape(-1)[genes[inside]] = swapped[inside]
