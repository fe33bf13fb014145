"""What decoding must know, as arrays for compiled code: the gene table's bounds, the catalogue, every grid."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from strategies.genes import (
    BREAKERS,
    COLUMN,
    COOLDOWNS,
    DISTANCES,
    EDGES,
    GENES,
    REARMS,
    SIZES,
    TIME_STOPS,
    TRUSTS,
    GeneKind,
)
from strategies.language import DEFAULT, Language
from strategies.learners.table import ALGORITHMS, HORIZONS, N_HYPER
from strategies.lookup import lookup

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

Grids = Mapping[int, Sequence[float]]


class Tables(NamedTuple):
    """What decoding must know.

    Attributes:
        low, high, whole: (N_GENES,) bounds of each gene, and whether it is a whole number.
        takes_source to fit_pairs: see `lookup.Lookup`.
        risk_columns: (n, 2) the genes that are read as a place on one grid of several, and the column of the gene that
            says on which, or -1 where it is the first.
        risk_grids: (n, n_kinds, longest) values, padded with 0.
        risk_sizes: (n, n_kinds) how many values each grid has; 0 where the gene says nothing.
        hyper: (n_algorithms, N_HYPER, longest) values of the hyper-parameters, padded with 0.
        hyper_size: (n_algorithms, N_HYPER) how many each has; 0 where an algorithm has no such one.
        uses_features: (n_algorithms,).
        horizons, edges, trusts: (n,) values.
        timeframes: rungs that the language has above the bars.
        learns: whether the language has learners.
    """

    low: Floats
    high: Floats
    whole: Booleans
    takes_source: Booleans
    said: Integers
    said_feature: Integers
    is_learner: Booleans
    grid: Floats
    grid_size: Integers
    level_low: Floats
    level_high: Floats
    level_steps: Integers
    level_only: Booleans
    fits: Booleans
    fit_start: Integers
    fit_pairs: Integers
    risk_columns: Integers
    risk_grids: Floats
    risk_sizes: Integers
    hyper: Floats
    hyper_size: Integers
    uses_features: Booleans
    horizons: Floats
    edges: Floats
    trusts: Floats
    timeframes: float
    learns: bool


@cache
def tables(language: Language = DEFAULT) -> Tables:
    """Return the tables of this gene table and catalogue in a language, read-only."""
    by_kind: dict[str, Grids] = {
        **DISTANCES,
        "time_stop": {0: TIME_STOPS},
        "cooldown": {0: COOLDOWNS},
        "size": SIZES,
        "breaker": {0: BREAKERS},
        "rearm": {0: REARMS},
    }
    risk_grids, risk_sizes = _padded(list(by_kind.values()))
    hyper, hyper_size = _padded([{i: h.grid for i, h in enumerate(found.hyper)} for found in ALGORITHMS.values()])
    arrays = Tables(
        low=np.array([gene.low for gene in GENES], dtype=np.float64),
        high=np.array([gene.high for gene in GENES], dtype=np.float64),
        whole=np.array([gene.kind is not GeneKind.UNIT for gene in GENES]),
        **vars(lookup(language)),
        risk_columns=np.array([[COLUMN[f"risk.{name}"], COLUMN.get(f"risk.{name}_kind", -1)] for name in by_kind]),
        risk_grids=risk_grids,
        risk_sizes=risk_sizes,
        hyper=hyper,
        hyper_size=hyper_size,
        uses_features=np.array([found.uses_features for found in ALGORITHMS.values()]),
        horizons=np.array(HORIZONS),
        edges=np.array(EDGES),
        trusts=np.array(TRUSTS),
        timeframes=float(language.timeframes),
        learns=language.learners,
    )
    assert hyper.shape[1] <= N_HYPER
    for array in arrays:
        if isinstance(array, np.ndarray):
            array.flags.writeable = False
    return arrays


def _padded(rows: Sequence[Grids]) -> tuple[Floats, Integers]:
    """Grids by row and code as one array (n, n_codes, longest), padded with 0, and the size of each (n, n_codes)."""
    n_codes = 1 + max(code for grids in rows for code in grids)
    longest = max(len(grid) for grids in rows for grid in grids.values())
    values, sizes = np.zeros((len(rows), n_codes, longest)), np.zeros((len(rows), n_codes), dtype=np.int64)
    for row, grids in enumerate(rows):
        for code, grid in grids.items():
            values[row, code, : len(grid)] = grid
            sizes[row, code] = len(grid)
    return values, sizes
