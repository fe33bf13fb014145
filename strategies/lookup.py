"""The catalogue as arrays, so that whole populations are decoded at once. Cached, read-only."""

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from strategies.catalogue import catalogue
from strategies.operand_kind import CLOSE, SOURCES, Group, group_on, level_range_on

__all__ = ["CLOSE", "MAX_PARAMETERS", "N_SOURCES", "Lookup", "lookup"]

MAX_PARAMETERS: Final = 3
N_SOURCES: Final = len(SOURCES)


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
    source_of = [range(N_SOURCES) if kind.takes_source else [CLOSE] * N_SOURCES for kind in kinds]
    pairs = [(kind, source) for kind, sources in zip(kinds, source_of, strict=True) for source in sources]
    spans = [level_range_on(kind, source) or (np.nan, np.nan) for kind, source in pairs]
    numbers: dict[Group, int] = {}
    group = np.array([numbers.setdefault(group_on(kind, source), len(numbers)) for kind, source in pairs])
    is_named = np.array([kind.takes_source or source == CLOSE for kind in kinds for source in range(N_SOURCES)])
    fits = (group[:, None] == group[None, :]) & is_named
    arrays = Lookup(
        takes_source=np.array([kind.takes_source for kind in kinds]),
        grid=grid,
        grid_size=size,
        level_low=np.array([low for low, _ in spans]),
        level_high=np.array([high for _, high in spans]),
        fits=fits,
        fit_start=np.concatenate([[0], np.cumsum(fits.sum(axis=1))]).astype(np.int64),
        fit_pairs=np.nonzero(fits)[1].astype(np.int64),
    )
    for array in vars(arrays).values():
        array.flags.writeable = False
    return arrays
