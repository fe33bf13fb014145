"""Pressure against early convergence: one more column to be maximised beside the objectives, in ranking alone.

Without it the descendants of the first good founder take over. With it a strategy also lives on because its line is
young, or because it behaves like no other.
"""

import difflib
from collections.abc import Callable
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from strategies.errors import ConfigError, UsageError
from strategies.numba_start import load_numba
from strategies.views import frozen

load_numba()

Floats = NDArray[np.float64]

NEIGHBOURS: Final = 15  # as Lehman and Stanley
FARTHEST: Final = 20.0  # deviations from the median; beyond it one wild figure would be all that novelty sees


def pressure(name: str, *, ages: Floats, descriptors: Floats) -> Floats | None:
    """Return (n,) what is to be maximised beside the objectives, always finite; None for "none".

    Args:
        name: in `PRESSURES`.
        ages: (n,) generations since the founder of each strategy's line was born.
        descriptors: (n, d) what each does, see `novelty`.

    Raises:
        ConfigError: no such pressure, or novelty without descriptors.
        UsageError: ages and descriptors of other numbers of strategies.
    """
    check_pressure(name)
    if ages.ndim != 1 or descriptors.ndim != 2 or len(ages) != len(descriptors):
        raise UsageError(
            f"`ages` must be (n,) and `descriptors` (n, d), but were {ages.shape} and {descriptors.shape} (pressure). "
            "Give both of the same strategies."
        )
    return PRESSURES[name](ages, descriptors)


def check_pressure(name: str) -> None:
    """Raise a `ConfigError` unless `name` is in `PRESSURES`."""
    if name not in PRESSURES:
        near = difflib.get_close_matches(name, PRESSURES, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]}? " if near else ""
        raise ConfigError(
            f"`pressure` must be one of {', '.join(PRESSURES)}, but was {name!r} (evolution): {hint}correct the name."
        )


def youth(ages: Floats) -> Floats:
    """Return minus `ages` (n,). An age that is not finite counts as the oldest that is, or as 0 without any.

    Source: Schmidt and Lipson 2011, "Age-fitness Pareto optimization".
    """
    known = np.isfinite(ages)
    oldest = float(ages[known].max()) if known.any() else 0.0
    return 0.0 - np.where(known, ages, oldest)


def novelty(descriptors: Floats) -> Floats:
    """Return (n,) the mean distance of each strategy to its 15 nearest others, or to all if there are fewer; 0 alone.

    Each of `descriptors` (n, d) is standardised first, see `standardised`. The result does not depend on the order of
    rows.

    Source: Lehman and Stanley 2011, "Abandoning objectives: evolution through the search for novelty alone", eq. 1.

    Raises:
        ConfigError: there are no descriptors.
    """
    if descriptors.shape[1] == 0:
        raise ConfigError(
            "`pressure: novelty` must have descriptors of behaviour, but there were none (evolution). "
            "Enable `archive`, or choose another pressure."
        )
    out = np.zeros(len(descriptors))
    by_column = frozen(standardised(descriptors).T, np.float64)
    novelty_nb(by_column, min(NEIGHBOURS, len(descriptors) - 1), out)
    return out


def standardised(descriptors: Floats) -> Floats:
    """Return `descriptors` (n, d) less their medians, in median absolute deviations, cut at 20 of them.

    Where more than half of the rows are equal, the deviation is the median of those that are not 0; a descriptor that
    is the same for all is 0. What is not finite is unknown, and 0 too: nobody is new for what could not be measured.
    """
    out = np.zeros(descriptors.shape)
    for column, values in enumerate(descriptors.T):
        known = np.isfinite(values)
        if not known.any():
            continue
        with np.errstate(over="ignore"):
            off = values[known] - np.median(values[known])
            sizes = np.abs(off)
            width = np.median(sizes) or np.median(sizes[sizes > 0.0]) if sizes.any() else 1.0
            out[known, column] = np.clip(off / width, -FARTHEST, FARTHEST)
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def novelty_nb(by_column: Floats, k: int, out: Floats) -> None:
    """Fill `out` (n,), all 0, with the mean distance of the points `by_column` (d, n) to their `k` nearest others.

    The squares are kept in ascending order and added up in it, so equal sets of distances have equal means. Distances
    from a point are made a column at a time, which a compiler turns into several at once.
    """
    n_columns, n = by_column.shape
    if k < 1:
        return
    squares, nearest = np.empty(n), np.empty(k)
    for row in range(n):
        squares[:] = 0.0
        for column in range(n_columns):
            own = by_column[column, row]
            for other in range(n):
                off = by_column[column, other] - own
                squares[other] += off * off
        squares[row] = np.inf  # nobody is its own neighbour
        nearest[:] = np.inf
        for other in range(n):
            square = squares[other]
            if square < nearest[k - 1]:
                at = k - 1
                while at > 0 and nearest[at - 1] > square:
                    nearest[at] = nearest[at - 1]
                    at -= 1
                nearest[at] = square
        total = 0.0
        for at in range(k):
            total += np.sqrt(nearest[at])
        out[row] = total / k


PRESSURES: Final[dict[str, Callable[[Floats, Floats], Floats | None]]] = {
    "none": lambda _ages, _descriptors: None,
    "age": lambda ages, _descriptors: youth(ages),
    "novelty": lambda _ages, descriptors: novelty(descriptors),
}
"""What a job may set as `pressure`, by name: a function of ages (n,) and descriptors (n, d)."""
