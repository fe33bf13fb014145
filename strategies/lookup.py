"""The catalogue as arrays, so that whole populations are decoded at once. Cached, read-only."""

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from strategies.catalogue import catalogue
from strategies.language import DEFAULT, Language, said_kinds
from strategies.operand_kind import CLOSE, LEVEL_STEPS, SOURCES, Group, group_on, level_range_on

__all__ = ["CLOSE", "LEVEL_STEPS", "MAX_PARAMETERS", "N_SOURCES", "Lookup", "lookup"]

MAX_PARAMETERS: Final = 3
N_SOURCES: Final = len(SOURCES)


@dataclass(frozen=True, eq=False)
class Lookup:
    """What decoding must know of every operand kind; a pair is `kind * N_SOURCES + source`.

    Attributes:
        takes_source: (n_kinds,) bool.
        said: (n_kinds,) the kind that each is read as: itself, if the language has it.
        said_feature: (n_kinds,) the same for the features of learners.
        is_learner: (n_kinds,) bool, whether its first parameter is the slot of a learner.
        grid: (n_kinds, MAX_PARAMETERS, longest) parameter values, padded with 0.
        grid_size: (n_kinds, MAX_PARAMETERS) values on each grid, 0 where the kind has no such parameter.
        level_low: (n_pairs,) low end of constant levels, NaN where none is allowed.
        level_high: (n_pairs,) high end.
        level_steps: (n_pairs,) how many steps lie between them.
        level_only: (n_pairs,) bool, whether it may be compared with nothing else.
        fits: (n_pairs, n_pairs) bool, whether the two may be compared, as far as the language has them.
        fit_start: (n_pairs + 1,) where the compatible pairs of each pair begin in `fit_pairs`.
        fit_pairs: the compatible pairs of pair i are `fit_pairs[fit_start[i] : fit_start[i + 1]]`.
    """

    takes_source: NDArray[np.bool_]
    said: NDArray[np.int64]
    said_feature: NDArray[np.int64]
    is_learner: NDArray[np.bool_]
    grid: NDArray[np.float64]
    grid_size: NDArray[np.int64]
    level_low: NDArray[np.float64]
    level_high: NDArray[np.float64]
    level_steps: NDArray[np.int64]
    level_only: NDArray[np.bool_]
    fits: NDArray[np.bool_]
    fit_start: NDArray[np.int64]
    fit_pairs: NDArray[np.int64]


@cache
def lookup(language: Language = DEFAULT) -> Lookup:
    """Return the arrays of the catalogue in a language."""
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
    steps = np.array([kind.level_steps for kind, _ in pairs], dtype=np.int64)
    fits = _fits(language)
    arrays = Lookup(
        takes_source=np.array([kind.takes_source for kind in kinds]),
        said=said_kinds(language),
        said_feature=said_kinds(language, features=True),
        is_learner=np.array([kind.family == "learner" for kind in kinds]),
        grid=grid,
        grid_size=size,
        level_low=np.array([low for low, _ in spans]),
        level_high=np.array([high for _, high in spans]),
        level_steps=steps,
        level_only=steps < LEVEL_STEPS,
        fits=fits,
        fit_start=np.concatenate([[0], np.cumsum(fits.sum(axis=1))]).astype(np.int64),
        fit_pairs=np.nonzero(fits)[1].astype(np.int64),
    )
    for array in vars(arrays).values():
        array.flags.writeable = False
    return arrays


def _fits(language: Language) -> NDArray[np.bool_]:
    """(n_pairs, n_pairs) bool: of one group, both said by the language; a learner's output fits learners' alone."""
    numbers: dict[tuple[Group, bool], int] = {}
    group, named = [], []
    for kind in catalogue():
        for source in range(N_SOURCES):
            common = group_on(kind, source if kind.takes_source else CLOSE), kind.family == "learner"
            group.append(numbers.setdefault(common, len(numbers)))
            named.append((kind.takes_source or source == CLOSE) and language.says(kind))
    return (np.array(group)[:, None] == np.array(group)[None, :]) & np.array(named)
