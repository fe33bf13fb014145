"""A feature: an operand of our own making, declared rather than discovered.

TA-Lib's functions are probed for what they are measured in; ours say it themselves, and the contract kit
(tests/strategies/test_features.py) holds them to it: scale, range, memory and mirror are checked on invented bars.
"""

from collections.abc import Callable
from dataclasses import dataclass

from strategies.indicators import Bars, Column
from strategies.operand_kind import LEVEL_STEPS, NUMBER, WINDOW, Parameter
from strategies.scales import Scale

Compute = Callable[[Bars, tuple[float, ...]], tuple[Column, ...]]
"""Bars and a value for each parameter to the outputs, each `(n_bars,)` float64, NaN where there is no value."""


@dataclass(frozen=True)
class Output:
    """One output of a feature, an operand kind of its own.

    Attributes:
        name: of the output; the kind is called "FEATURE.name", or "FEATURE" where there is one output only.
        scale: what it is measured in.
        level_range: range of a constant level it may be compared with, None where none makes sense.
        level_steps: how many steps that range is cut into: 1 for a flag, natural steps for whole numbers; with fewer
            than `LEVEL_STEPS` it is compared with levels alone, whatever its peers.
        level_unit: "" or "% of close".
        peers: group whose members may be compared, besides having the same scale; see `operand_kind`.
        mirror: name of the output that it becomes when prices are turned upside down; itself where empty.
        flips: whether its value turns round then.
    """

    name: str
    scale: Scale
    level_range: tuple[float, float] | None
    level_steps: int = LEVEL_STEPS
    level_unit: str = ""
    peers: str = NUMBER
    mirror: str = ""
    flips: bool = False


@dataclass(frozen=True)
class Feature:
    """A function of our own from bars to columns.

    Attributes:
        name: as TA-Lib's are, in capitals.
        family: "structure", "calendar", "regime" or "extra".
        outputs: at least one.
        parameters: at most three, all evolvable.
        compute: how; takes the bars and a value for each parameter.
        memory: "window", "fading" or "endless"; see `operands.warm_up`.
        warm_up: bars at the start that have no value, or one that depends on where the bars begin, by parameter values.
        requires: extra columns that the bars must have.
        intraday: it says the same, or nothing, at every bar of a day and longer.
    """

    name: str
    family: str
    outputs: tuple[Output, ...]
    parameters: tuple[Parameter, ...]
    compute: Compute
    warm_up: Callable[[tuple[float, ...]], int]
    memory: str = WINDOW
    requires: tuple[str, ...] = ()
    intraday: bool = False
