"""Random genomes: the founders that no template made."""

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from strategies.catalogue import catalogue
from strategies.codec import Rows
from strategies.genes import COLUMN, CONDITION_BLOCKS, GENES, MAX_LAG, N_GENES, GeneKind

_PRICE_WEIGHT: Final = 8.0
_ON: Final = {"entry": 0.5, "exit": 0.5}
_NEGATED: Final = 0.1
_LAGGED: Final = 0.2
_DIRECTION: Final = (0.45, 0.2, 0.35)


@cache
def _kind_weights() -> NDArray[np.float64]:
    """Return (n_kinds,) probabilities: functions alike, so one of three outputs counts a third; bare prices oftener."""
    functions = [kind.function for kind in catalogue()]
    weights = np.array([1.0 / functions.count(name) for name in functions])
    weights[0] = _PRICE_WEIGHT
    scaled: NDArray[np.float64] = weights / weights.sum()
    return scaled


def random_genomes(n: int, rng: np.random.Generator) -> Rows:
    """Return `n` random genomes (n, N_GENES) inside the gene bounds, every draw from `rng`."""
    genomes = np.empty((n, N_GENES))
    for index, gene in enumerate(GENES):
        if gene.kind is GeneKind.UNIT:
            genomes[:, index] = rng.random(n)
        else:
            genomes[:, index] = rng.integers(int(gene.low), int(gene.high), n, endpoint=True)
    for block in CONDITION_BLOCKS:
        genomes[:, COLUMN[f"{block}.on"]] = rng.random(n) < _ON[block.split(".")[0]]
        genomes[:, COLUMN[f"{block}.negate"]] = rng.random(n) < _NEGATED
        for side in ("left", "right"):
            genomes[:, COLUMN[f"{block}.{side}.kind"]] = rng.choice(len(catalogue()), n, p=_kind_weights())
            lagged = rng.random(n) < _LAGGED
            lag = np.minimum(rng.geometric(0.3, n), MAX_LAG)
            genomes[:, COLUMN[f"{block}.{side}.lag"]] = np.where(lagged, lag, 0)
    genomes[:, COLUMN["risk.direction"]] = rng.choice(len(_DIRECTION), n, p=_DIRECTION)
    return genomes
