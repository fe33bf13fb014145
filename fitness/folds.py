"""Where a shard is cut: walk-forward folds to evolve on, a validation stretch to choose on, a lockbox to be judged on.

    | warm-up | fold 0 | embargo | fold 1 | ... | fold k-1 | embargo | validation | embargo | lockbox |

The warm-up is read by indicators and never traded. The folds are of equal length and fill the evolution stretch; the
few bars that do not divide evenly join the warm-up. The lockbox ends at the last bar. An embargo is a gap that no
window trades, so that a figure of one window can't leak into the next by the overlap of what it looks at.
"""

import math
from dataclasses import dataclass

from strategies.errors import ConfigError, DataError

MINIMUM_BARS = 60


@dataclass(frozen=True)
class Window:
    """Bars `start` to `stop` (exclusive) of a shard, traded from flat to flat."""

    name: str
    start: int
    stop: int

    @property
    def n_bars(self) -> int:
        """Number of bars in the window."""
        return self.stop - self.start


@dataclass(frozen=True)
class Split:
    """The windows of one shard, in the order of time."""

    folds: tuple[Window, ...]
    validation: Window
    lockbox: Window

    @property
    def in_sample(self) -> Window:
        """The whole evolution stretch as one window, from the first fold's start to the last one's stop."""
        return Window("in_sample", self.folds[0].start, self.folds[-1].stop)


@dataclass(frozen=True)
class _Lengths:
    fold: int
    validation: int
    lockbox: int

    def shortest(self) -> int:
        return min(self.fold, self.validation, self.lockbox)


def split(
    n_bars: int,
    *,
    folds: int,
    validation: float,
    lockbox: float,
    embargo: int,
    warm_up: int,
    shard: str = "this shard",
) -> Split:
    """Cut a shard of `n_bars` into folds, validation and lockbox.

    Args:
        n_bars: bars of the shard.
        folds: number of walk-forward folds, 1 or more.
        validation: share of the bars after the warm-up that the validation stretch gets, between 0 and 1.
        lockbox: likewise for the lockbox.
        embargo: bars between neighbouring windows that none of them trades.
        warm_up: bars before the first fold that only feed indicators.
        shard: name of the shard, for the error text.

    Raises:
        ConfigError: a setting that no shard could satisfy.
        DataError: a window would have fewer than `MINIMUM_BARS` bars.
    """
    _check_settings(folds=folds, validation=validation, lockbox=lockbox, embargo=embargo, warm_up=warm_up)

    cut = _lengths(n_bars - warm_up, folds=folds, validation=validation, lockbox=lockbox, embargo=embargo)
    if cut.shortest() < MINIMUM_BARS:
        needed = warm_up + _fewest_usable(folds=folds, validation=validation, lockbox=lockbox, embargo=embargo)
        raise DataError(
            f"every fold, the validation stretch and the lockbox need at least {MINIMUM_BARS} bars each, but {shard} "
            f"has {n_bars} bars where {needed} are needed (warm-up {warm_up}, {folds} folds of {max(cut.fold, 0)}, "
            f"validation {max(cut.validation, 0)}, lockbox {max(cut.lockbox, 0)}, embargo {embargo}). "
            "Import more bars, leave this shard out, or lower `folds`, `warm_up` or `embargo`."
        )
    return _windows(n_bars, cut, n_folds=folds, embargo=embargo)


def _fewest_usable(*, folds: int, validation: float, lockbox: float, embargo: int) -> int:
    """Fewest bars after the warm-up that fill every window."""
    evolution = folds * MINIMUM_BARS + (folds + 1) * embargo
    shares = (MINIMUM_BARS / validation, MINIMUM_BARS / lockbox, evolution / (1.0 - validation - lockbox))
    n_usable = math.floor(max(shares)) - 2
    while True:
        cut = _lengths(n_usable, folds=folds, validation=validation, lockbox=lockbox, embargo=embargo)
        if cut.shortest() >= MINIMUM_BARS:
            return n_usable
        n_usable += 1


def _lengths(n_usable: int, *, folds: int, validation: float, lockbox: float, embargo: int) -> _Lengths:
    """Bars of each fold, of the validation stretch and of the lockbox; negative where nothing is left."""
    n_validation = math.floor(validation * n_usable)
    n_lockbox = math.floor(lockbox * n_usable)
    n_evolution = math.floor((1.0 - validation - lockbox) * n_usable) - (folds + 1) * embargo
    return _Lengths(n_evolution // folds, n_validation, n_lockbox)


def _windows(n_bars: int, cut: _Lengths, *, n_folds: int, embargo: int) -> Split:
    """Lay the windows out from the end of the shard backwards."""
    last = Window("lockbox", n_bars - cut.lockbox, n_bars)
    stop = last.start - embargo
    middle = Window("validation", stop - cut.validation, stop)
    stride = cut.fold + embargo
    first = middle.start - n_folds * stride
    starts = (first + index * stride for index in range(n_folds))
    folds = tuple(Window(f"fold {index}", start, start + cut.fold) for index, start in enumerate(starts))
    return Split(folds, middle, last)


def _check_settings(*, folds: int, validation: float, lockbox: float, embargo: int, warm_up: int) -> None:
    if folds < 1:
        raise ConfigError(f"`folds` must be at least 1, but was {folds}. Four is a good start.")
    for name, bars in (("embargo", embargo), ("warm_up", warm_up)):
        if bars < 0:
            raise ConfigError(f"`{name}` must be 0 bars or more, but was {bars}.")
    for name, share in (("validation", validation), ("lockbox", lockbox)):
        if not 0.0 < share < 1.0:
            raise ConfigError(f"`{name}` must be a share of the bars between 0 and 1, but was {share}. Try 0.2.")
    if validation + lockbox >= 1.0:
        raise ConfigError(
            f"`validation` and `lockbox` together must leave bars to evolve on, but were {validation} and {lockbox}, "
            f"which is {validation + lockbox:g} of them all. Try 0.2 and 0.2."
        )
