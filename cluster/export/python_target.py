"""Strategies as one Python file that needs NumPy and TA-Lib and nothing else, and gives the same signals bit for bit.

The file computes when the rules enter and leave. Orders (stop, target, trailing stop, size) are in it as data, with the
fill rules in words: whoever trades them fills as their platform does.
"""

import pprint
import textwrap
from collections.abc import Mapping
from typing import Any, Final

from strategies import indicators
from strategies.catalogue import PERCENT_OF_CLOSE, OperandKind, catalogue, kind_index, level_unit_of
from strategies.encoding import phenotype_of, strategy_of
from strategies.errors import StrategyError
from strategies.indicators import PERIODS_INPUT
from strategies.mirrors import mirror
from strategies.operand_json import pair_of
from strategies.operand_kind import PATTERN
from strategies.strategy import Condition, Operand, Rule, Strategy
from strategies.wording import condition_text, operand_text

_HEAD: Final = '''"""Strategy {id}, exported by Studbook.

{text}

`signals(open, high, low, close, volume)` takes five equally long float64 arrays, oldest bar first, and returns four
boolean arrays by name. A signal at bar t uses bars up to and including t and is meant to be filled at the open of
t + 1. Where a value is missing (an indicator's warm-up) a condition is false. Needs NumPy and TA-Lib.
{note}"""

import numpy as np
import talib

STRATEGY_ID = "{id}"

# Stop, target and trailing stop: multiples of ATR(14) at the signal's bar, or per cent of the entry fill.
RISK = {risk}


def operand(function, inputs, parameters, output, lookback, lag):
    """One output of a TA-Lib function; NaN in its lookback and wherever it is not finite."""
    n_bars = inputs[0].size
    try:
        result = function(*inputs, *parameters)
    except Exception as refusal:  # TA-Lib raises a bare Exception for parameters that it refuses
        if type(refusal) is not Exception:
            raise
        return np.full(n_bars, np.nan)
    column = np.array(result[output] if isinstance(result, tuple) else result, dtype=np.float64)
    column[:lookback] = np.nan
    column[~np.isfinite(column)] = np.nan
    return back(column, lag)


def back(column, lag):
    """The column as it was `lag` bars ago."""
    return column if lag == 0 else np.concatenate([np.full(min(lag, column.size), np.nan), column[:-lag]])


def bars_since(column, lag):
    """How many bars ago the bar lies whose index the column gives."""
    return back(np.arange(column.size, dtype=np.float64) - column, lag)


def holds(left, comparator, right, negate):
    """Where a condition is true; never where a value that it needs is missing."""
    known = ~(np.isnan(left) | np.isnan(right))
    truth = left > right if comparator in (">", "crosses above") else left < right
    if comparator.startswith("crosses"):
        other = left <= right if comparator == "crosses above" else left >= right
        truth = truth & np.concatenate([[False], other[:-1]])
        known = known & np.concatenate([[False], known[:-1]])
    return known & ~truth if negate else known & truth


def at_least(needed, votes, n_bars):
    """Where the weights of the conditions that are true add up to `needed`; a rule without conditions never is."""
    if not votes:
        return np.zeros(n_bars, dtype=bool)
    return np.sum([weight * condition for weight, condition in votes], axis=0) >= needed


def signals(open, high, low, close, volume):
    """Entry and exit signals of both sides, each an (n_bars,) boolean array."""
    open, high, low, close, volume = (
        np.ascontiguousarray(column, dtype=np.float64) for column in (open, high, low, close, volume)
    )
    nothing = np.zeros(close.size, dtype=bool)
'''
_TALIB_FAMILIES: Final = ("price", "indicator", PATTERN)
_SIZES: Final = ("fixed", "risk")
_RISK: Final = ("direction", "stop", "target", "trail", "time_stop", "cooldown", "size")
_RETURN: Final = """    return {
        "long_entry": long_entry,
        "long_exit": long_exit,
        "short_entry": short_entry,
        "short_exit": short_exit,
    }
"""


def python_text(strategy: Strategy, record: Mapping[str, Any] | None) -> str:
    """Return the source of the stand-alone file.

    Raises:
        StrategyError: the strategy says what the file can't compute (learners, gates, higher timeframes, features of
            our own, sizes and breakers that depend on the account), or TA-Lib, as installed here, can't compute an
            operand with its parameters.
    """
    beyond = _beyond(strategy)
    if beyond:
        raise StrategyError(
            f"A strategy must need NumPy and TA-Lib alone to be exported as Python, but has {', '.join(beyond)} "
            f"({strategy.id}). Export as JSON or Markdown instead."
        )
    risk = {name: value for name, value in strategy.to_dict().items() if name in _RISK}
    note = (
        ""
        if record is None or record.get("passed")
        else "\nIt did NOT pass Studbook's gates: an example, no finding.\n"
    )
    head = _HEAD.format(id=strategy.id, text=_wrapped(strategy.text()), note=note, risk=_literal(risk))
    sides = {"long": strategy, "short": None} if strategy.direction != "short" else {"long": None, "short": strategy}
    if strategy.direction == "both":
        sides["short"] = strategy_of(mirror(phenotype_of(strategy)[None, :])[0])
    lines: list[str] = []
    for side, rules in sides.items():
        for which in ("entry", "exit"):
            rule = None if rules is None else getattr(rules, which)
            lines += _rule_lines(f"{side}_{which}", rule)
    return head + "\n".join(lines) + "\n" + _RETURN


def _beyond(strategy: Strategy) -> list[str]:
    """The parts of a strategy that the file can't express, by name; each once."""
    parts = [f"the learner {learner.algorithm}" for learner in strategy.learners]
    parts += [
        f"a gate on {name} ({value})"
        for name, value in (("trend", strategy.gate.trend), ("volatility", strategy.gate.volatility))
        if value != "any"
    ]
    for condition in (*strategy.entry.conditions, *strategy.exit.conditions):
        for operand in (condition.left, condition.right):
            if operand is not None and operand.timeframe:
                parts.append(f"{operand_text(operand)} on a higher timeframe")
            elif operand is not None and catalogue()[kind_index(operand.kind)].family not in _TALIB_FAMILIES:
                parts.append(f"{operand_text(operand)}, which TA-Lib does not have")
    if strategy.size.kind not in _SIZES:
        parts.append(f"a size by {strategy.size.kind}")
    if strategy.breaker is not None:
        parts.append("a drawdown breaker")
    return list(dict.fromkeys(parts))


def _rule_lines(name: str, rule: Rule | None) -> list[str]:
    """The statements that compute one of the four signals."""
    if rule is None or not rule.conditions:
        return [f"    {name} = nothing"]
    lines = [f"    {name} = at_least(", f"        {rule.needed},", "        ["]
    for condition in rule.conditions:
        lines += [f"            # {condition_text(condition)}", *_condition_lines(condition)]
    return [*lines, "        ],", "        close.size,", "    )"]


def _condition_lines(condition: Condition) -> list[str]:
    right = _level(condition) if condition.right is None else _operand(condition.right)
    return [
        "            (",
        f"                {condition.weight},",
        "                holds(",
        f"                    {_operand(condition.left)},",
        f"                    {condition.comparator!r},",
        f"                    {right},",
        f"                    {condition.negate},",
        "                ),",
        "            ),",
    ]


def _level(condition: Condition) -> str:
    """A level as a column: a plain number, or a multiple of one per cent of the close."""
    if level_unit_of(*pair_of(condition.left)) == PERCENT_OF_CLOSE:
        return f"{condition.level!r} * (close / 100.0)"
    return f"np.full(close.size, {float(condition.level or 0.0)!r})"


def _operand(operand: Operand) -> str:
    """The expression that computes an operand, lag included."""
    kind = catalogue()[kind_index(operand.kind)]
    source = operand.source or "close"
    if kind.function == "PRICE":
        return f"back({source}, {operand.lag})"
    values = list(kind.defaults)
    for place, value in zip(kind.places, operand.parameters, strict=True):
        values[place] = value
    arguments = _arguments(kind, values)
    inputs = ", ".join(_inputs(kind, source))
    lookback = _lookback(kind, arguments)
    call = f"operand(talib.{kind.function}, ({inputs},), {arguments!r}, {kind.output}, {lookback}"
    if kind.family == PATTERN:
        return f"np.sign({call}, {operand.lag}))"
    return f"bars_since({call}, 0), {operand.lag})" if kind.is_index else f"{call}, {operand.lag})"


def _arguments(kind: OperandKind, values: list[float]) -> tuple[float, ...]:
    """The parameters as TA-Lib wants them typed."""
    settings = indicators.indicators()[kind.function].settings
    pairs = zip(settings, values, strict=True)
    return tuple(float(value) if item.kind == indicators.REAL else round(value) for item, value in pairs)


def _inputs(kind: OperandKind, source: str) -> list[str]:
    """The arrays that TA-Lib is called with, as expressions."""
    names = indicators.indicators()[kind.function].inputs
    if not kind.takes_source:
        return list(names)
    return [f"talib.{indicators.PERIODS_FUNCTION}({source})" if name == PERIODS_INPUT else source for name in names]


def _lookback(kind: OperandKind, arguments: tuple[float, ...]) -> int:
    try:
        return indicators.lookback(kind.function, arguments)
    except Exception as refusal:
        if type(refusal) is not Exception:
            raise
        raise StrategyError(
            f"An operand must be one that TA-Lib computes to be exported as Python, but was {kind.name} with "
            f"{arguments}: {refusal}. Export as JSON instead."
        ) from refusal


def _literal(value: object) -> str:
    """Plain JSON values as a Python literal."""
    return pprint.pformat(value, width=100, sort_dicts=False)


def _wrapped(text: str) -> str:
    return "\n".join(textwrap.wrap(text.replace("\\", "/").replace('"""', "'''"), 110))
