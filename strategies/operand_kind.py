"""A kind of operand, as the catalogue lists it: what it is computed by, measured in and compared with."""

from collections.abc import Mapping
from dataclasses import dataclass

from strategies.scales import Scale

SOURCES = ("open", "high", "low", "close", "volume")
CLOSE, VOLUME = SOURCES.index("close"), SOURCES.index("volume")
PERCENT_OF_CLOSE = "% of close"

WINDOW, FADING, ENDLESS = "window", "fading", "endless"
LEVEL, DIFFERENCE, OTHERWISE = "level", "difference", "otherwise"
NUMBER = "number"
LEVEL_ONLY = "level only"
"""Peers of what makes sense beside a constant alone: flags and whole numbers, such as a pattern or the weekday."""
LEVEL_STEPS = 250
"""Steps of a range of levels; a kind that has fewer is a flag or counts something, and is `LEVEL_ONLY`."""

PATTERN = "pattern"
FLAG_LEVELS = (-0.5, 0.5)
"""Level range of a flag that is -1, 0 or 1: above the one or below the other it is told apart from 0."""


@dataclass(frozen=True)
class Parameter:
    """An evolvable parameter: TA-Lib's name and default, and its values in ascending order, the default among them."""

    name: str
    default: float
    grid: tuple[float, ...]
    integer: bool


@dataclass(frozen=True)
class OperandKind:
    """One kind of operand.

    Attributes:
        name: "RSI", or "MACD.macdsignal" where the function has several outputs.
        function: TA-Lib's name of the function, "PRICE", the name of a feature, or "LEARNER".
        output: Which of its outputs; of a pattern, its sign.
        takes_source: Whether a source gene chooses the bar column it reads.
        parameters: Those that evolve, at most three, in the order of the call.
        scale: Its scale where it reads prices; `scale_on` has it for any source.
        level_range: Range of a constant level it may be compared with, None where none makes sense.
        level_unit: "" or "% of close": what `level_range` is counted in.
        volume_range: `level_range` where its source is the volume.
        peers: Name of the group whose members may be compared, besides having the same scale; `LEVEL_ONLY` where
            nothing may but a constant level.
        memory: "window", "fading" or "endless"; see `operands.warm_up`.
        is_index: TA-Lib gives the index of a bar, which is turned into bars since.
        defaults: TA-Lib's default of every parameter, evolved or not, in the order of the call.
        places: Place of each of `parameters` in `defaults`.
        family: "price", "indicator", "pattern", "structure", "calendar", "regime", "extra" or "learner".
        level_steps: Steps from one end of `level_range` to the other; 1 for a flag, whose levels are its ends.
        requires: Names of the extra columns that bars must have.
        intraday: It says the same, or nothing, at every bar of a day and longer.
    """

    name: str
    function: str
    output: int
    takes_source: bool
    parameters: tuple[Parameter, ...]
    scale: Scale
    level_range: tuple[float, float] | None
    level_unit: str
    volume_range: tuple[float, float] | None
    peers: str
    memory: str
    is_index: bool
    defaults: tuple[float, ...]
    places: tuple[int, ...]
    family: str
    level_steps: int = LEVEL_STEPS
    requires: tuple[str, ...] = ()
    intraday: bool = False


PRICE = OperandKind(
    name="PRICE",
    function="PRICE",
    output=0,
    takes_source=True,
    parameters=(),
    scale=Scale(1.0, 0.0, True),
    level_range=None,
    level_unit="",
    volume_range=None,
    peers=LEVEL,
    memory=WINDOW,
    is_index=False,
    defaults=(),
    places=(),
    family="price",
)


@dataclass(frozen=True)
class Mirror:
    """The index of the kind that a kind becomes upside down, and whether its value turns round."""

    kind: int
    flips: bool


@dataclass(frozen=True)
class Discovery:
    """What is known of the installed TA-Lib.

    Attributes:
        kinds: Every kind of operand: PRICE, then TA-Lib's by function name and output.
        put_aside: Why a function is no operand, by its name, or "FUNCTION.output" where others of it are.
        mirrors: Of each of `kinds`, in their order.
    """

    kinds: tuple[OperandKind, ...]
    put_aside: Mapping[str, str]
    mirrors: tuple[Mirror, ...]


Group = tuple[Scale, str, tuple[float, float] | None]


def scale_on(kind: OperandKind, source: int) -> Scale:
    """The scale of a kind that reads a source: on the volume, a price's degree becomes a volume's."""
    scale = kind.scale
    if kind.takes_source and source == VOLUME:
        return Scale(scale.volume_degree, scale.price_degree, scale.located)
    return scale


def level_range_on(kind: OperandKind, source: int) -> tuple[float, float] | None:
    """Lowest and highest constant level that a kind may be compared with where it reads a source, or None."""
    return kind.volume_range if kind.takes_source and source == VOLUME else kind.level_range


def group_on(kind: OperandKind, source: int) -> Group:
    """What all that may be compared with a kind on a source have in common, and nothing else has."""
    return scale_on(kind, source), kind.peers, level_range_on(kind, source) if kind.peers == NUMBER else None
