"""From genomes to phenotypes, compiled: one genome a microsecond. `codec` says what a phenotype is.

Kernels trust their arguments. Tables come in as arguments, never as constants, for a compiled function outlives a
change of TA-Lib.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from strategies.genes import (
    BLOCK_COLUMNS,
    COLUMN,
    COOLDOWNS,
    DISTANCES,
    FIELD,
    GENES,
    LEVEL_STEPS,
    MAX_LAG,
    N_ENTRY,
    N_EXIT,
    SIZES,
    TIME_STOPS,
    GeneKind,
)
from strategies.lookup import CLOSE, MAX_PARAMETERS, N_SOURCES, lookup
from strategies.numba_start import load_numba

load_numba()

Floats = NDArray[np.float64]

_ON, _NEGATE, _COMPARATOR = FIELD["on"], FIELD["negate"], FIELD["comparator"]
_AGAINST, _LEVEL, _N_FIELDS = FIELD["against"], FIELD["level"], len(FIELD)
_LEFT, _RIGHT = FIELD["left.kind"], FIELD["right.kind"]
_SOURCE, _PARAMETER, _LAG = (FIELD[f"left.{name}"] - _LEFT for name in ("source", "p0", "lag"))
_ENTRY, _EXIT = BLOCK_COLUMNS["entry.0"][0], BLOCK_COLUMNS["exit.0"][0]
_ENTRY_NEEDED, _EXIT_NEEDED = COLUMN["entry.needed"], COLUMN["exit.needed"]
_DIRECTION = COLUMN["risk.direction"]
_DECIMALS = 1e8  # levels are rounded to eight


class Tables(NamedTuple):
    """What decoding must know: the gene table's bounds, the catalogue's `Lookup`, and the grids of risk.

    Attributes:
        low, high, whole: (N_GENES,) bounds of each gene, and whether it is a whole number.
        takes_source, grid, grid_size, level_low, level_high, fits, fit_start, fit_pairs: see `lookup.Lookup`.
        risk_columns: (n, 2) the genes that are read as a place on one grid of three, and the column of the gene that
            says on which, or -1 where it is the first.
        risk_grids: (n, 3, longest) values, padded with 0.
        risk_sizes: (n, 3) how many values each grid has; 0 where the gene says nothing.
    """

    low: Floats
    high: Floats
    whole: NDArray[np.bool_]
    takes_source: NDArray[np.bool_]
    grid: Floats
    grid_size: NDArray[np.int64]
    level_low: Floats
    level_high: Floats
    fits: NDArray[np.bool_]
    fit_start: NDArray[np.int64]
    fit_pairs: NDArray[np.int64]
    risk_columns: NDArray[np.int64]
    risk_grids: Floats
    risk_sizes: NDArray[np.int64]


@cache
def tables() -> Tables:
    """Return the tables of this gene table and catalogue, read-only."""
    by_kind = {**DISTANCES, "time_stop": {0: TIME_STOPS}, "cooldown": {0: COOLDOWNS}, "size": SIZES}
    longest = max(len(grid) for grids in by_kind.values() for grid in grids.values())
    risk_grids, risk_sizes = np.zeros((len(by_kind), 3, longest)), np.zeros((len(by_kind), 3), dtype=np.int64)
    for row, grids in enumerate(by_kind.values()):
        for code, grid in grids.items():
            risk_grids[row, code, : len(grid)] = grid
            risk_sizes[row, code] = len(grid)
    arrays = Tables(
        low=np.array([gene.low for gene in GENES], dtype=np.float64),
        high=np.array([gene.high for gene in GENES], dtype=np.float64),
        whole=np.array([gene.kind is not GeneKind.UNIT for gene in GENES]),
        **vars(lookup()),
        risk_columns=np.array([[COLUMN[f"risk.{name}"], COLUMN.get(f"risk.{name}_kind", -1)] for name in by_kind]),
        risk_grids=risk_grids,
        risk_sizes=risk_sizes,
    )
    for array in arrays:
        array.flags.writeable = False
    return arrays


@njit(cache=True, nogil=True, error_model="numpy")
def bound_nb(genomes: Floats, tables: Tables, out: Floats) -> None:
    """Fill `out` (n, N_GENES) with `genomes` inside the bounds; NaN becomes the low bound, whole genes whole."""
    for row in range(genomes.shape[0]):
        for column in range(genomes.shape[1]):
            value = genomes[row, column]
            if not value >= tables.low[column]:  # also NaN
                value = tables.low[column]
            elif value > tables.high[column]:
                value = tables.high[column]
            if tables.whole[column]:
                value = np.rint(value)
            out[row, column] = value + 0.0  # makes -0.0 plain


@njit(cache=True, nogil=True, error_model="numpy")
def express_nb(genomes: Floats, tables: Tables, out: Floats) -> None:
    """Fill `out` (n, N_GENES), all 0, with the phenotypes of `genomes` that are inside the bounds."""
    for row in range(genomes.shape[0]):
        for rule in range(2):
            first, count, needed = (_ENTRY, N_ENTRY, _ENTRY_NEEDED) if rule == 0 else (_EXIT, N_EXIT, _EXIT_NEEDED)
            n_on = 0
            for number in range(count):
                block = first + number * _N_FIELDS
                if genomes[row, block + _ON] > 0.0:
                    _condition_nb(genomes, row, block, tables, out, first + n_on * _N_FIELDS)
                    n_on += 1
            if n_on == 0 and rule == 0:  # an entry rule has at least one condition
                _condition_nb(genomes, row, first, tables, out, first)
                n_on = 1
            out[row, needed] = min(genomes[row, needed], float(n_on))
        out[row, _DIRECTION] = genomes[row, _DIRECTION]
        for number in range(tables.risk_columns.shape[0]):
            column, kind_column = tables.risk_columns[number, 0], tables.risk_columns[number, 1]
            kind = 0
            if kind_column >= 0:
                kind = int(genomes[row, kind_column])
                out[row, kind_column] = genomes[row, kind_column]
            size = tables.risk_sizes[number, kind]
            if size > 0:
                out[row, column] = tables.risk_grids[number, kind, _place_nb(genomes[row, column], size)]


@njit(inline="always")
def _condition_nb(genomes: Floats, row: int, block: int, tables: Tables, out: Floats, to: int) -> None:
    """Write the condition of the genes from column `block` on to the columns from `to` on."""
    out[row, to + _ON] = 1.0
    out[row, to + _NEGATE] = genomes[row, block + _NEGATE]
    out[row, to + _COMPARATOR] = genomes[row, block + _COMPARATOR]
    kind, source = int(genomes[row, block + _LEFT]), int(genomes[row, block + _LEFT + _SOURCE])
    left = kind * N_SOURCES + (source if tables.takes_source[kind] else CLOSE)
    _operand_nb(genomes, row, block + _LEFT, left, tables, out, to + _LEFT)
    low, high = tables.level_low[left], tables.level_high[left]
    if genomes[row, block + _AGAINST] > 0.0 and not np.isnan(low):
        step = min(np.floor(genomes[row, block + _LEVEL] * (LEVEL_STEPS + 1)), float(LEVEL_STEPS))
        out[row, to + _AGAINST] = 1.0
        out[row, to + _LEVEL] = np.rint((low + (high - low) * step / LEVEL_STEPS) * _DECIMALS) / _DECIMALS + 0.0
    else:
        kind, source = int(genomes[row, block + _RIGHT]), int(genomes[row, block + _RIGHT + _SOURCE])
        pair = kind * N_SOURCES + (source if tables.takes_source[kind] else CLOSE)
        if not tables.fits[left, pair]:  # another that may be compared with the left one
            start, stop = tables.fit_start[left], tables.fit_start[left + 1]
            pair = tables.fit_pairs[start + pair % (stop - start)]
        _operand_nb(genomes, row, block + _RIGHT, pair, tables, out, to + _RIGHT)
        same = True
        for offset in range(_LAG + 1):
            same &= out[row, to + _LEFT + offset] == out[row, to + _RIGHT + offset]
        if same:  # never compare a value with itself: look a bar back instead
            out[row, to + _RIGHT + _LAG] += 1.0 if out[row, to + _LEFT + _LAG] < MAX_LAG else -1.0


@njit(inline="always")
def _operand_nb(genomes: Floats, row: int, at: int, pair: int, tables: Tables, out: Floats, to: int) -> None:
    """Write the operand of a pair of kind and source: these, three parameters, lag."""
    kind = pair // N_SOURCES
    out[row, to], out[row, to + _SOURCE] = float(kind), float(pair % N_SOURCES)
    for slot in range(MAX_PARAMETERS):
        size = tables.grid_size[kind, slot]
        if size > 0:
            place = _place_nb(genomes[row, at + _PARAMETER + slot], size)
            out[row, to + _PARAMETER + slot] = tables.grid[kind, slot, place]
    out[row, to + _LAG] = genomes[row, at + _LAG]


@njit(inline="always")
def _place_nb(fraction: float, size: int) -> int:
    """Return the place of a fraction of [0, 1] among `size` values, 1 being the last one's."""
    return min(int(fraction * size), size - 1)
