"""The space of behaviours, cut into cells: a grid, or a centroidal Voronoi tessellation. ribs says which cell is whose.

A grid cuts every dimension into equal parts; a tessellation has as many cells as one likes in any number of dimensions.
Cells are the same on every machine, to the last bit, because births may depend on them.
"""

import difflib
import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NoReturn

import numpy as np
from numpy.typing import NDArray

from evolution.checking import check_whole
from evolution.keys import MAX_SEED
from fitness.behaviour import BEHAVIOURS, positions
from strategies.errors import ConfigError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

KINDS: Final = ("grid", "cvt")
MAX_CELLS: Final = 100_000
MAX_CENTRES: Final = 10_000

_LATTICE: Final = 2.0**20
_SAMPLES: Final = 20_000
_SAMPLES_A_CELL: Final = 20
_LLOYD_STEPS: Final = 20


@dataclass(frozen=True, kw_only=True)
class ArchiveSettings:
    """How behaviours are cut into cells.

    Attributes:
        kind: "grid" or "cvt".
        dimensions: names of `BEHAVIOURS` that are told apart, all different.
        cells: parts of each dimension `(d,)` of a grid, or the number of cells of a tessellation.
        seed: of the tessellation; a grid needs none.
        floor: first objective at or below which a strategy is worth nothing to the QD score.
    """

    kind: Literal["grid", "cvt"] = "grid"
    dimensions: tuple[str, ...] = ("holding", "exposure", "market_correlation")
    cells: tuple[int, ...] | int = (8, 5, 8)
    seed: int = 0
    floor: float = 0.0

    def __post_init__(self) -> None:
        """Check every setting.

        Raises:
            ConfigError: a setting out of its range, named with the range, its value and what to do.
        """
        object.__setattr__(self, "dimensions", tuple(self.dimensions))
        if self.kind not in KINDS:
            _refuse("kind", f"one of {', '.join(KINDS)}", self.kind, "Choose one of these.")
        _check_dimensions(self.dimensions)
        if self.kind == "grid":
            parts = tuple(self.cells) if isinstance(self.cells, Sequence) else ()
            if len(parts) != len(self.dimensions):
                rule = f"as many numbers as there are dimensions, {len(self.dimensions)}, for a grid"
                _refuse("cells", rule, self.cells, "Give the parts of each dimension.")
            for part in parts:
                check_whole("cells", part, 1, MAX_CELLS)
            check_whole("cells, multiplied,", math.prod(parts), 2, MAX_CELLS)
            object.__setattr__(self, "cells", parts)
        elif isinstance(self.cells, int):
            check_whole("cells", self.cells, 2, MAX_CENTRES)
        else:
            _refuse("cells", "one number for a tessellation", self.cells, "Give the number of cells.")
        check_whole("seed", self.seed, 0, MAX_SEED)
        if isinstance(self.floor, bool) or not isinstance(self.floor, int | float) or not math.isfinite(self.floor):
            _refuse("floor", "a finite number", self.floor, "0 is what earns nothing.")

    @property
    def n_cells(self) -> int:
        """Cells in all, filled or not."""
        return self.cells if isinstance(self.cells, int) else math.prod(self.cells)


def has_cell(behaviours: Floats, settings: ArchiveSettings) -> NDArray[np.bool_]:
    """Return which of the behaviours (n, N_BEHAVIOURS) have a cell: those finite in the dimensions of the archive."""
    return np.asarray(np.isfinite(behaviours[:, _columns_of(settings)]).all(axis=1))


def cells_of(behaviours: Floats, settings: ArchiveSettings) -> Integers:
    """Return the cell (n,) of behaviours (n, N_BEHAVIOURS), finite in the dimensions of the archive.

    What lies outside the span of a behaviour counts as at its end.
    """
    places = positions(behaviours)[:, _columns_of(settings)]
    if settings.kind == "cvt":
        places = _snapped(places)
    return np.asarray(_ribs_archive(settings).index_of(places), dtype=np.int64)


def centroids(settings: ArchiveSettings) -> Floats:
    """Return the centres (cells, d) of a tessellation: places from 0 to 1 in each dimension, the same for a seed.

    Lloyd's k-means on uniform samples, from the first of them. Samples and centres lie on a lattice on which squared
    distances have no rounding, so that every machine finds the same nearest centre.

    Source: Vassiliades, Chatzilygeroudis and Mouret 2018, "Using centroidal Voronoi tessellations to scale up the
    multidimensional archive of phenotypic elites algorithm", IEEE Transactions on Evolutionary Computation 22(4),
    algorithm 1; Lloyd 1982, "Least squares quantization in PCM", IEEE Transactions on Information Theory 28(2).
    """
    n_centres, d = settings.n_cells, len(settings.dimensions)
    rng = np.random.Generator(np.random.Philox(settings.seed))
    samples = _snapped(rng.random((max(_SAMPLES, _SAMPLES_A_CELL * n_centres), d)))
    centres = samples[:n_centres]
    for _ in range(_LLOYD_STEPS):
        nearest = _tessellation(centres).index_of(samples)
        counts = np.bincount(nearest, minlength=n_centres)
        sums = np.stack([np.bincount(nearest, column, n_centres) for column in samples.T], axis=1)
        moved = _snapped(sums / np.maximum(counts, 1)[:, np.newaxis])
        centres = np.where(counts[:, np.newaxis] > 0, moved, centres)  # a centre with no sample stays where it is
    return centres


def _snapped(places: Floats) -> Floats:
    """Places from 0 to 1 on a lattice so coarse that sums of squared differences fit a float without rounding."""
    return np.asarray(np.rint(places * _LATTICE) / _LATTICE)


@functools.lru_cache(maxsize=8)
def _ribs_archive(settings: ArchiveSettings) -> Any:
    """What finds the cell of a place; nothing is ever added to it."""
    if settings.kind == "cvt":
        return _tessellation(centroids(settings))
    from ribs.archives import GridArchive  # two seconds, with scikit-learn and pandas: only where archives are kept

    return GridArchive(solution_dim=1, dims=settings.cells, ranges=[(0.0, 1.0)] * len(settings.dimensions))


def _tessellation(centres: Floats) -> Any:
    from ribs.archives import CVTArchive

    return CVTArchive(solution_dim=1, centroids=centres, ranges=[(0.0, 1.0)] * centres.shape[1])


def _columns_of(settings: ArchiveSettings) -> list[int]:
    return [BEHAVIOURS.index(name) for name in settings.dimensions]


def _check_dimensions(dimensions: Sequence[str]) -> None:
    if not dimensions or len(set(dimensions)) < len(dimensions):
        _refuse("dimensions", "one behaviour or more, all different", dimensions, f"There are {', '.join(BEHAVIOURS)}.")
    for name in dimensions:
        if name not in BEHAVIOURS:
            close = difflib.get_close_matches(name, BEHAVIOURS, 1)
            mend = f"Did you mean {close[0]!r}?" if close else "Choose some of these."
            _refuse("dimensions", f"of {', '.join(BEHAVIOURS)}", name, mend)


def _refuse(name: str, rule: str, was: object, mend: str) -> NoReturn:
    raise ConfigError(f"`{name}` must be {rule}, but was {was!r} (evolution: archive). {mend}")
