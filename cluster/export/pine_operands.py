"""Operands as Pine expressions, and by name what Pine can't express of a strategy."""

from typing import Final

from cluster.export.pine_kinds import EXPRESSIONS
from strategies import indicators
from strategies.catalogue import catalogue, kind_index
from strategies.errors import StrategyError
from strategies.operand_columns import all_values
from strategies.strategy import Operand, Strategy
from strategies.wording import operand_text

SIZES: Final = ("fixed", "risk")
LEAST_PERIOD: Final = 2
"""TA-Lib's functions of one bar are other functions: their smoothing is switched off."""
_LEAST: Final = {"STOCHRSI.fastk": 5, "STOCHRSI.fastd": 5}
"""Among fewer values of an RSI, those that are equal but for rounding decide between 0 and 100."""


def beyond(strategy: Strategy) -> list[str]:
    """Return the parts of a strategy that Pine can't express exactly, by name; each once."""
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
            elif operand is not None and not expressible(operand):
                parts.append(f"{operand_text(operand)}, which has no exact twin in Pine")
    if strategy.size.kind not in SIZES:
        parts.append(f"a size by {strategy.size.kind}")
    return list(dict.fromkeys(parts))


def expressible(operand: Operand) -> bool:
    """Whether Pine computes it as we do."""
    if operand.kind == "PRICE":
        return True
    kind = catalogue()[kind_index(operand.kind)]
    periods = [value for one, value in zip(kind.parameters, operand.parameters, strict=True) if one.integer]
    least = _LEAST.get(operand.kind, LEAST_PERIOD)
    return operand.kind in EXPRESSIONS and min(periods, default=LEAST_PERIOD) >= least


def expression_of(operand: Operand) -> str:
    """Return the expression of an operand's values, lag left out; na before TA-Lib's first value.

    Raises:
        StrategyError: TA-Lib, as installed here, does not take the parameters.
    """
    source = operand.source or "close"
    if operand.kind == "PRICE":
        return source
    kind = catalogue()[kind_index(operand.kind)]
    values = all_values(kind, operand.parameters)
    if not indicators.accepts(kind.function, values):
        raise StrategyError(
            f"An operand must be one that TA-Lib computes to be exported, but was {operand_text(operand)}. "
            "Export as JSON instead."
        )
    template = EXPRESSIONS[operand.kind]
    template = template if isinstance(template, str) else template(values)
    real = indicators.indicator(kind.function).are_real
    numbers = [repr(value) if is_real else str(round(value)) for value, is_real in zip(values, real, strict=True)]
    first = indicators.lookback(kind.function, values)
    return f"f_from({first}, {template.format(*numbers, x=source)})"
