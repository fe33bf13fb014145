"""Scales: what a number per bar is measured in, and so what it may be compared with.

A scale is found by dimensional analysis, not declared: multiply all prices, or all volumes, and see by what power the
value follows; add to all prices and see whether it moves with them. An RSI follows neither (degree 0), an SMA follows
prices and moves with them (a level), a MACD follows prices but doesn't move with them (a difference).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Natural bounds, tightest first. A value that keeps within one of these on every probe and comes near both ends has it.
DECLARED_RANGES = ((0.0, 1.0), (-1.0, 1.0), (-100.0, 0.0), (0.0, 100.0), (-100.0, 100.0))
_NEAR = 0.1  # of the width: how near both ends
_TIDY = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
_SKEWED = 0.6  # a range whose short arm is below this share of its long arm isn't centred on zero
_OFFSET = 0.25  # a range that starts above this share of its far end doesn't begin at zero
_TAIL = 0.005  # share of the probed values that a measured range leaves out at each end


@dataclass(frozen=True)
class Scale:
    """How a value follows its inputs.

    Attributes:
        price_degree: `d` where prices times `c` give the value times `c**d`; 0 for a number without price.
        volume_degree: The same for volumes.
        located: Whether the value moves along when its input is shifted (a level: SMA, SAR) or not (a difference:
            MACD, ATR). False where both degrees are 0.
    """

    price_degree: float
    volume_degree: float
    located: bool

    @property
    def dimensionless(self) -> bool:
        """Whether neither prices nor volumes scale the value."""
        return self.price_degree == 0.0 and self.volume_degree == 0.0


def degree(plain: NDArray[np.float64], scaled: NDArray[np.float64], *, factor: float) -> float | None:
    """The power of `factor` by which a column follows its inputs, in halves; None where there is no such power.

    Args:
        plain: The column, `(n_bars,)`, finite.
        scaled: The same bars' column after the inputs were multiplied, `(n_bars,)`, finite.
        factor: What they were multiplied by.
    """
    used = np.abs(plain) > 1e-12 * max(float(np.max(np.abs(plain), initial=0.0)), 1e-300)
    if not used.any():
        return 0.0 if not scaled.any() else None
    ratio = float(np.median(np.abs(scaled[used] / plain[used])))
    if not 0.0 < ratio < math.inf:
        return None
    found = round(2.0 * math.log(ratio) / math.log(factor)) / 2.0 + 0.0
    return found if agree(scaled, plain * factor**found) else None


def agree(left: NDArray[np.float64], right: NDArray[np.float64], *, tolerance: float = 1e-8) -> bool:
    """Whether two finite columns are equal within a share of the larger one's largest value."""
    largest = max(float(np.max(np.abs(left), initial=0.0)), float(np.max(np.abs(right), initial=0.0)))
    return bool(np.max(np.abs(left - right), initial=0.0) <= tolerance * largest)


def declared_range(columns: Sequence[NDArray[np.float64]]) -> tuple[float, float] | None:
    """The natural bounds that the columns keep and reach, or None."""
    low = min(float(column.min()) for column in columns)
    high = max(float(column.max()) for column in columns)
    for bottom, top in DECLARED_RANGES:
        slack, near = 1e-9 * (top - bottom), _NEAR * (top - bottom)
        if bottom - slack <= low <= bottom + near and top - near <= high <= top + slack:
            return bottom, top
    return None


def measured_range(columns: Sequence[NDArray[np.float64]], *, centred: bool) -> tuple[float, float]:
    """A tidy range about nearly all of the probed values, so coarse that no CPU's last bit can move it.

    Args:
        columns: Finite values, together at least one.
        centred: Whether a range with both signs has zero in its middle, as that of a difference has to.
    """
    values = np.concatenate(list(columns))
    low, high = (float(edge) for edge in np.quantile(values, [_TAIL, 1.0 - _TAIL]))
    if high <= low:
        low, high = low - 0.5, high + 0.5
    if low < 0.0 < high:
        if centred or min(-low, high) >= _SKEWED * max(-low, high):
            edge = tidy_above(max(-low, high))
            return -edge, edge
    elif low >= 0.0 and low <= _OFFSET * high:
        return 0.0, tidy_above(high)
    elif high <= 0.0 and -high <= _OFFSET * -low:
        return -tidy_above(-low), 0.0
    step = tidy_above((high - low) / 20.0)
    return _multiple(math.floor(low / step + 1e-9), step), _multiple(math.ceil(high / step - 1e-9), step)


def tidy_above(value: float) -> float:
    """The least of 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8 times a power of ten that is not below a positive number."""
    exponent = math.floor(math.log10(value))
    head = next(head for head in _TIDY if head * (1.0 + 1e-9) >= value / 10.0**exponent)
    return float(f"{head}e{exponent}")


def _multiple(count: int, step: float) -> float:
    return float(f"{count * step:.6g}") + 0.0
