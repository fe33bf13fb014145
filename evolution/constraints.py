"""What a strategy must keep to, as bounds on its recorded measures, and how far it is outside of them.

Constraint domination (Deb, Pratap, Agarwal, Meyarivan 2002, after Deb 2000): whoever keeps all bounds is better than
whoever does not; of two that do not, the one that is less far outside.
"""

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fitness.objectives import MEASURE_COLUMNS
from strategies.errors import ConfigError, UsageError

Floats = NDArray[np.float64]

_LEAST: Final = 5e-324  # whoever is outside is so by more than 0, also where the division rounds to it


@dataclass(frozen=True)
class Constraint:
    """Bounds of one measure.

    Attributes:
        name: of the measure, in `fitness.objectives.MEASURE_COLUMNS`.
        minimum, maximum: what is still allowed, in the units of the measure; None is no bound.
    """

    name: str
    minimum: float | None = None
    maximum: float | None = None

    def __post_init__(self) -> None:
        """Check name and bounds.

        Raises:
            ConfigError: no such measure, no bound, one that is not finite, or no room between both.
        """
        if self.name not in MEASURE_COLUMNS:
            near = difflib.get_close_matches(str(self.name), MEASURE_COLUMNS, n=2, cutoff=0.4)
            hint = f"did you mean {' or '.join(near)}? " if near else ""
            raise ConfigError(
                f"a constraint must be on one of {', '.join(MEASURE_COLUMNS)}, but was on {self.name!r} "
                f"(evolution: constraints): {hint}correct the name."
            )
        where = f"(evolution: constraints: {self.name})"
        bounds = [bound for bound in (self.minimum, self.maximum) if bound is not None]
        if not bounds:
            raise ConfigError(f"a constraint must have `min`, `max` or both, but had neither {where}. Give one.")
        for bound in bounds:
            if isinstance(bound, bool) or not isinstance(bound, int | float) or not math.isfinite(bound):
                raise ConfigError(f"a bound must be a finite number, but was {bound!r} {where}. Correct it.")
        if len(bounds) == 2 and bounds[0] > bounds[1]:
            raise ConfigError(f"`min` must not be above `max`, but was {bounds[0]} to {bounds[1]} {where}. Swap them.")


def violations(measures: Floats, constraints: Sequence[Constraint]) -> Floats:
    """Return (n,) how far outside of all `constraints` strategies are together: 0 inside, else above 0.

    What a measure lacks to a bound is divided by the size of the bound, or by 1 where the bound is 0, and added up. A
    measure that is NaN keeps to nothing: inf.

    Args:
        measures: (n, k), the first columns are `MEASURE_COLUMNS`.
        constraints: any number.

    Raises:
        UsageError: too few columns.

    >>> rows = np.zeros((2, len(MEASURE_COLUMNS)))
    >>> rows[:, MEASURE_COLUMNS.index("max_drawdown")] = 0.25, 0.75
    >>> violations(rows, [Constraint("max_drawdown", maximum=0.5)]).tolist()
    [0.0, 0.5]
    """
    if measures.ndim != 2 or measures.shape[1] < len(MEASURE_COLUMNS):
        raise UsageError(
            f"`measures` must be (n, {len(MEASURE_COLUMNS)} or more), but was {measures.shape} (constraints). "
            "Give the measures of births."
        )
    total = np.zeros(len(measures))
    for constraint in constraints:
        values = measures[:, MEASURE_COLUMNS.index(constraint.name)]
        if constraint.minimum is not None:
            total += _lack(-constraint.minimum, -values)
        if constraint.maximum is not None:
            total += _lack(constraint.maximum, values)
    return total


def _lack(highest: float, values: Floats) -> Floats:
    """Return (n,) by which share of the size of `highest` the `values` (n,) are above it; inf where they are NaN."""
    with np.errstate(over="ignore"):
        shares = (values - highest) / (abs(highest) or 1.0)
    return np.where(values <= highest, 0.0, np.where(np.isnan(values), np.inf, np.maximum(shares, _LEAST)))
