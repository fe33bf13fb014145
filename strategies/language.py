"""The language of a job: what its strategies may say. The gene table is always whole; a language leaves parts unsaid.

A genome that says what its language lacks is bent to what it has when it is decoded (`codec.express`), so every genome
is valid in every language, and a job without learners never computes one.
"""

import difflib
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from strategies.catalogue import catalogue
from strategies.errors import ConfigError
from strategies.extra_columns import EXTRA_COLUMNS
from strategies.operand_kind import OperandKind

MAX_TIMEFRAME: Final = 2
"""Rungs above the timeframe of the bars."""


@dataclass(frozen=True)
class Language:
    """What strategies may say.

    Attributes:
        learners: whether they may learn.
        patterns: whether they may read candlestick patterns.
        timeframes: how many rungs above their own timeframe they may read, 0 to `MAX_TIMEFRAME`.
        columns: names of the extra columns that all bars have; operands that need others are not said.
        intraday: whether bars are shorter than a day; where they aren't, the clock says the same at each of them.
    """

    learners: bool = True
    patterns: bool = True
    timeframes: int = MAX_TIMEFRAME
    columns: tuple[str, ...] = ()
    intraday: bool = True

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ConfigError: `timeframes` out of its range, or a column that no operand reads.
        """
        whole = isinstance(self.timeframes, int) and not isinstance(self.timeframes, bool)
        if not whole or not 0 <= self.timeframes <= MAX_TIMEFRAME:
            raise ConfigError(
                f"`timeframes` must be a whole number from 0 to {MAX_TIMEFRAME}, but was {self.timeframes!r} "
                "(language). 0 keeps to the bars as they are."
            )
        for name in self.columns:
            if name not in EXTRA_COLUMNS:
                near = difflib.get_close_matches(name, EXTRA_COLUMNS, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"There are {', '.join(EXTRA_COLUMNS)}."
                raise ConfigError(f"`columns` must be extra columns of bars, but had {name!r} (language); {hint}")
        object.__setattr__(self, "columns", tuple(sorted(set(self.columns))))

    def says(self, kind: OperandKind) -> bool:
        """Whether operands of this kind may be read."""
        if kind.family == "learner":
            return self.learners
        if kind.family == "pattern":
            return self.patterns
        if kind.intraday and not self.intraday:
            return False
        return set(kind.requires) <= set(self.columns)


DEFAULT: Final = Language()


@cache
def everything() -> Language:
    """The language that leaves nothing unsaid, whatever columns it takes."""
    return Language(columns=tuple({name for kind in catalogue() for name in kind.requires}))


@cache
def said_kinds(language: Language, features: bool = False) -> NDArray[np.int64]:
    """The kind that each kind of the catalogue is read as, `(n_kinds,)`, read-only: itself where it may be said.

    Args:
        language: of the job.
        features: of a learner's features, which may be anything but learners.
    """
    kinds = catalogue()
    said = [i for i, kind in enumerate(kinds) if language.says(kind) and not (features and kind.family == "learner")]
    table = np.array([index if index in set(said) else said[index % len(said)] for index in range(len(kinds))])
    table.flags.writeable = False
    return table
