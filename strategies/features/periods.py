"""Parameters that features have in common."""

from strategies.grids import PERIODS
from strategies.operand_kind import Parameter


def period(default: int, *, least: int = 2, most: int = 252, name: str = "timeperiod") -> Parameter:
    """A number of bars, from the periods that TA-Lib's functions evolve too."""
    grid = tuple(float(value) for value in PERIODS if least <= value <= most)
    return Parameter(name, float(default), grid, integer=True)
