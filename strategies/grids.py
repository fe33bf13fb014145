"""Grids: the values that each evolvable parameter of a TA-Lib function may take.

TA-Lib's Python door does not tell the bounds of a parameter, so they are found by asking it with one bar and seeing
which values it refuses.
"""

import functools
from itertools import dropwhile

import numpy as np

from strategies import indicators
from strategies.indicators import INTEGER, REAL, Indicator, Setting
from strategies.operand_kind import Parameter

# Every whole number up to a month and a half of trading days, then those that traders use: weeks, months, quarters,
# years, Fibonacci numbers, round figures.
PERIODS = (
    *range(2, 31), 32, 34, 35, 40, 42, 45, 48, 50, 55, 60, 63, 65, 70, 75, 80, 85, 89, 90, 100, 110, 120, 125, 126, 130,
    140, 144, 150, 160, 175, 180, 189, 200, 210, 220, 240, 250, 252,
)  # fmt: skip
COUNTS = tuple(range(1, 31))  # whole numbers that are no period, such as the bars on each side of a fractal
DEVIATIONS = (*(tenth / 10.0 for tenth in range(5, 41)), 4.5, 5.0, 6.0)  # multiples of a deviation or a range
MULTIPLES = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 5.0)  # of a default with no bounds to go by
PENETRATIONS = tuple(tenth / 10.0 for tenth in range(1, 10))  # of one candle's body into another, in patterns
_LEAST_DEVIATION = 0.5  # an unbounded real default from here on is such a multiple; below, it is a rate
_FAR = 1e6
_N_STEPS = 20


@functools.cache
def parameter(indicator: Indicator, place: int) -> Parameter | None:
    """The evolvable parameter at a place of a function's call, or None where it stays at TA-Lib's default.

    A type of moving average stays, for it is a choice among functions that are operands themselves; so does a real
    parameter whose default is 0 and that has no bounds, for nothing says how large its values are.
    """
    setting = indicator.settings[place]
    if setting.kind == INTEGER:
        grid = _accepted(indicator, place, [float(value) for value in _whole_numbers(setting)])
    elif setting.kind == REAL:
        grid = _real_numbers(indicator, place)
    else:
        return None
    return Parameter(setting.name, setting.default, grid, setting.kind == INTEGER) if grid else None


def _whole_numbers(setting: Setting) -> tuple[int, ...]:
    values = PERIODS if "period" in setting.name else COUNTS
    return tuple(sorted({*values, int(setting.default)}))


def _real_numbers(indicator: Indicator, place: int) -> tuple[float, ...]:
    default = indicator.settings[place].default
    if indicator.settings[place].name == "penetration":
        values: tuple[float, ...] = PENETRATIONS
    elif not _accepts(indicator, place, _FAR):
        values = _between(_edge(indicator, place, -_FAR), _edge(indicator, place, _FAR))
    elif default >= _LEAST_DEVIATION:
        values = DEVIATIONS
    elif default > 0.0:
        values = tuple(float(f"{default * multiple:.6g}") for multiple in MULTIPLES)
    else:
        return ()
    return _accepted(indicator, place, sorted({*values, default}))


def _between(low: float, high: float) -> tuple[float, ...]:
    """Round steps, about twenty, over a closed range."""
    step = 10.0 ** round(float(np.log10((high - low) / _N_STEPS)))
    step = min((step * share for share in (0.5, 1.0, 2.0)), key=lambda each: abs((high - low) / each - _N_STEPS))
    counts = range(int(np.ceil(low / step - 1e-9)), int(np.floor(high / step + 1e-9)) + 1)
    return tuple(float(f"{count * step:.6g}") for count in counts)


def _edge(indicator: Indicator, place: int, far: float) -> float:
    """The accepted value furthest from the default towards `far`, to six digits."""
    inside, outside = indicator.settings[place].default, far
    if _accepts(indicator, place, far):
        return far
    for _ in range(60):
        middle = (inside + outside) / 2.0
        inside, outside = (middle, outside) if _accepts(indicator, place, middle) else (inside, middle)
    return float(f"{inside:.6g}") + 0.0


def _accepted(indicator: Indicator, place: int, values: list[float]) -> tuple[float, ...]:
    """The values less those at both ends that TA-Lib refuses: what it takes of one parameter is an interval."""
    refused = dropwhile(lambda value: not _accepts(indicator, place, value), values)
    return tuple(dropwhile(lambda value: not _accepts(indicator, place, value), reversed(list(refused))))[::-1]


def _accepts(indicator: Indicator, place: int, value: float) -> bool:
    values = [*indicator.defaults[:place], value, *indicator.defaults[place + 1 :]]
    return indicators.accepts(indicator.name, values)
