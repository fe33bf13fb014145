"""Random genomes, gene by gene: the law of the founders that no template made, and of blocks that mutation redraws."""

from functools import cache
from itertools import accumulate
from typing import Final

import numpy as np
from numpy.typing import NDArray

from strategies.catalogue import catalogue
from strategies.codec import Rows
from strategies.genes import CONDITION_BLOCKS, GENES, MAX_LAG, N_GENES, Gene, GeneKind

_PRICE_WEIGHT: Final = 8.0
_ON: Final = {"entry": 0.5, "exit": 0.5}
_NEGATED: Final = 0.1
_LAGGED: Final = 0.2
_NEXT_LAG: Final = 0.7  # the chance of a lag over that of the lag before it
_DIRECTION: Final = (0.45, 0.2, 0.35)


@cache
def quantiles() -> tuple[tuple[float, ...] | None, ...]:
    """Return for each gene how a fraction `u` of [0, 1) becomes its value: None means that it is `u` itself.

    Else the value is the number of entries of the tuple, which ascends, that are not above `u`:
    `bisect.bisect_right(entries, u)`. So each gene takes one fraction, and any gene can be drawn alone.
    """
    return tuple(None if gene.kind is GeneKind.UNIT else _entries(gene) for gene in GENES)


def _entries(gene: Gene) -> tuple[float, ...]:
    """Return as many zeros as the low bound, then the cumulative chances of all values but the last."""
    chances = _chances(gene)
    sums = list(accumulate(chances))
    return (0.0,) * int(gene.low) + tuple(part / sums[-1] for part in sums[:-1])


def _chances(gene: Gene) -> list[float]:
    """Return how likely each value of a whole gene is beside the others, from the low bound to the high one."""
    name = gene.name.removeprefix(f"{gene.block}.")
    if gene.block in CONDITION_BLOCKS:
        if name in ("on", "negate"):
            share = _ON[gene.module] if name == "on" else _NEGATED
            return [1.0 - share, share]
        if name.endswith(".kind"):
            return _kind_weights()
        if name.endswith(".lag"):
            steps = accumulate([1.0 - _NEXT_LAG] + [_NEXT_LAG] * (MAX_LAG - 2), lambda chance, next_: chance * next_)
            nearer = [_LAGGED * step for step in steps]
            return [1.0 - _LAGGED, *nearer, _LAGGED - sum(nearer)]  # what would lie beyond is at the longest lag
    if gene.name == "risk.direction":
        return list(_DIRECTION)
    return [1.0] * (int(gene.high) - int(gene.low) + 1)


def _kind_weights() -> list[float]:
    """Return weights (n_kinds,): functions alike, so one of three outputs counts a third; bare prices oftener."""
    functions = [kind.function for kind in catalogue()]
    return [_PRICE_WEIGHT, *(1.0 / functions.count(name) for name in functions[1:])]


def random_genomes(n: int, rng: np.random.Generator) -> Rows:
    """Return `n` random genomes (n, N_GENES) inside the gene bounds, from n x N_GENES fractions that `rng` draws."""
    genomes: NDArray[np.float64] = rng.random((n, N_GENES))
    for column, entries in enumerate(quantiles()):
        if entries is not None:
            genomes[:, column] = np.searchsorted(entries, genomes[:, column], side="right")
    return genomes
