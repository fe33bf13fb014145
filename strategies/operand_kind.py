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
        function: TA-Lib's name of the function, or "PRICE".
        output: Which of its outputs.
        takes_source: Whether a source gene chooses the bar column it reads.
        parameters: Those that evolve, at most three, in the order of the call.
        scale: Its scale where it reads prices; `scale_on` has it for any source.
        level_range: Range of a constant level it may be compared with, None where none makes sense.
        level_unit: "" or "% of close": what `level_range` is counted in.
        volume_range: `level_range` where its source is the volume.
        peers: Name of the group whose members may be compared, besides having the same scale.
        memory: "window", "fading" or "endless"; see `operands.warm_up`.
        is_index: TA-Lib gives the index of a bar, which is turned into bars since.
        defaults: TA-Lib's default of every parameter, evolved or not, in the order of the call.
        places: Place of each of `parameters` in `defaults`.
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
