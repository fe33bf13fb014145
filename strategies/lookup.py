"""The catalogue as arrays, so that whole populations are decoded at once. Cached, read-only."""

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from strategies.catalogue import SOURCES, catalogue, compatible, level_range_of

MAX_PARAMETERS: Final = 3
N_SOURCES: Final = len(SOURCES)
CLOSE: Final = SOURCES.index("close")


@dataclass(frozen=True, eq=False)
class Lookup:
    """What decoding must know of every operand kind; a pair is `kind * N_SOURCES + source`.

    Attributes:
        takes_source: (n_kinds,) bool.
        grid: (n_kinds, MAX_PARAMETERS, longest) parameter values, padded with 0.
        grid_size: (n_kinds, MAX_PARAMETERS) values on each grid, 0 where the kind has no such parameter.
        level_low: (n_pairs,) low end of constant levels, NaN where none is allowed.
        level_high: (n_pairs,) high end.
        fits: (n_pairs, n_pairs) bool, whether the two may be compared.
        fit_start: (n_pairs + 1,) where the compatible pairs of each pair begin in `fit_pairs`.
        fit_pairs: the compatible pairs of pair i are `fit_pairs[fit_start[i] : fit_start[i + 1]]`.
    """

    takes_source: NDArray[np.bool_]
    grid: NDArray[np.float64]
    grid_size: NDArray[np.int64]
    level_low: NDArray[np.float64]
    level_high: NDArray[np.float64]
    fits: NDArray[np.bool_]
    fit_start: NDArray[np.int64]
    fit_pairs: NDArray[np.int64]


@cache
def lookup() -> Lookup:
    """Return the arrays of the catalogue."""
    kinds = catalogue()
    longest = max((len(p.grid) for kind in kinds for p in kind.parameters), default=1)
    grid = np.zeros((len(kinds), MAX_PARAMETERS, longest))
    size = np.zeros((len(kinds), MAX_PARAMETERS), dtype=np.int64)
    for index, kind in enumerate(kinds):
        for slot, parameter in enumerate(kind.parameters):
            grid[index, slot, : len(parameter.grid)] = parameter.grid
            size[index, slot] = len(parameter.grid)
    low, high, partners = [], [], []
    for pair in range(len(kinds) * N_SOURCES):
        kind_at, source = divmod(pair, N_SOURCES)
        source = source if kinds[kind_at].takes_source else CLOSE
        span = level_range_of(kind_at, source)
        low.append(np.nan if span is None else span[0])
        high.append(np.nan if span is None else span[1])
        rows = compatible(kind_at, source)
        partners.append(rows[:, 0] * N_SOURCES + rows[:, 1])
    fits = np.zeros((len(partners), len(partners)), dtype=np.bool_)
    for pair, others in enumerate(partners):
        fits[pair, others] = True
    arrays = Lookup(
        takes_source=np.array([kind.takes_source for kind in kinds]),
        grid=grid,
        grid_size=size,
        level_low=np.array(low),
        level_high=np.array(high),
        fits=fits,
        fit_start=np.concatenate([[0], np.cumsum([len(others) for others in partners])]).astype(np.int64),
        fit_pairs=np.concatenate(partners).astype(np.int64),
    )
    for array in vars(arrays).values():
        array.flags.writeable = False
    return arrays
