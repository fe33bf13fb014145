"""Rules as Python text: the expressions that compute operands, conditions and votes in an exported file."""

from typing import Final

from strategies import indicators
from strategies.catalogue import PERCENT_OF_CLOSE, OperandKind, catalogue, kind_index, level_unit_of
from strategies.errors import StrategyError
from strategies.indicators import PERIODS_INPUT
from strategies.operand_columns import all_values
from strategies.operand_json import pair_of
from strategies.operand_kind import PATTERN
from strategies.strategy import Condition, Operand
from strategies.wording import condition_text

TALIB_FAMILIES: Final = ("price", "indicator", PATTERN)


def function_of(operand: Operand) -> OperandKind:
    """Return the entry of the catalogue that an operand is of."""
    return catalogue()[kind_index(operand.kind)]


def vote_lines(condition: Condition) -> list[str]:
    """Return the lines of one vote, `(weight, truth),`, below a comment that says it in words."""
    right = _level(condition) if condition.right is None else operand_text(condition.right)
    return [
        f"            # {condition_text(condition)}",
        "            (",
        f"                {condition.weight},",
        "                holds(",
        f"                    {operand_text(condition.left)},",
        f"                    {condition.comparator!r},",
        f"                    {right},",
        f"                    {condition.negate},",
        "                ),",
        "            ),",
    ]


def truth_text(condition: Condition) -> str:
    """Return the expression of where a condition is true, on one line."""
    right = _level(condition) if condition.right is None else operand_text(condition.right)
    return f"holds({operand_text(condition.left)}, {condition.comparator!r}, {right}, {condition.negate})"


def _level(condition: Condition) -> str:
    """A level as a column: a plain number, or a multiple of one per cent of the close."""
    if level_unit_of(*pair_of(condition.left)) == PERCENT_OF_CLOSE:
        return f"{condition.level!r} * (bars.close / 100.0)"
    return f"np.full(bars.close.size, {float(condition.level or 0.0)!r})"


def operand_text(operand: Operand) -> str:
    """Return the expression that computes an operand, timeframe and lag included."""
    kind = function_of(operand)
    if kind.family == "learner":
        values = f"said[{int(operand.parameters[0])}].{operand.kind.rpartition('.')[2]}"
    elif operand.timeframe:
        bars = f"higher[{operand.timeframe}]"
        values = f"{bars}.seen({_values(operand, kind, bars)})"
    else:
        values = _values(operand, kind, "bars")
    return f"back({values}, {operand.lag})" if operand.lag else values


def _values(operand: Operand, kind: OperandKind, bars: str) -> str:
    """The expression of the values on `bars`, without lag."""
    source = operand.source or "close"
    if kind.function == "PRICE":
        return f"{bars}.{source}"
    if kind.family not in TALIB_FAMILIES:
        return f"finite({feature_name(kind)}({bars}, {all_values(kind, operand.parameters)!r})[{kind.output}])"
    values = list(all_values(kind, operand.parameters))
    arguments = _arguments(kind, values)
    inputs = ", ".join(_inputs(kind, source, bars))
    call = f"operand(talib.{kind.function}, ({inputs},), {arguments!r}, {kind.output}, {_lookback(kind, arguments)})"
    if kind.family == PATTERN:
        return f"np.sign({call})"
    return f"bars_since({call})" if kind.is_index else call


def feature_name(kind: OperandKind) -> str:
    """Return what the function of one of our own features is called in the exported file."""
    return f"feature_{kind.function.lower()}"


def _arguments(kind: OperandKind, values: list[float]) -> tuple[float, ...]:
    """The parameters as TA-Lib wants them typed."""
    settings = indicators.indicators()[kind.function].settings
    pairs = zip(settings, values, strict=True)
    return tuple(float(value) if item.kind == indicators.REAL else round(value) for item, value in pairs)


def _inputs(kind: OperandKind, source: str, bars: str) -> list[str]:
    """The arrays that TA-Lib is called with, as expressions."""
    price = f"{bars}.{source}"
    names = indicators.indicators()[kind.function].inputs
    if not kind.takes_source:
        return [f"{bars}.{name}" for name in names]
    return [f"talib.{indicators.PERIODS_FUNCTION}({price})" if name == PERIODS_INPUT else price for name in names]


def _lookback(kind: OperandKind, arguments: tuple[float, ...]) -> int:
    try:
        return indicators.lookback(kind.function, arguments)
    except Exception as refusal:
        if type(refusal) is not Exception:
            raise
        raise StrategyError(
            f"An operand must be one that TA-Lib computes to be exported, but was {kind.name} with {arguments}: "
            f"{refusal}. Export as JSON instead."
        ) from refusal
