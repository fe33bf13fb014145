"""How to compute an input of an exported model: plain JSON values that travel in its metadata."""

from typing import Any

from strategies import indicators
from strategies.catalogue import catalogue, kind_index
from strategies.operand_columns import all_values
from strategies.operand_kind import PATTERN
from strategies.strategy import Learner, Operand, Strategy

_TALIB = ("indicator", PATTERN)


def described(operand: Operand, strategy: Strategy) -> dict[str, Any]:
    """Return how an operand is computed: by whom, from which columns, with which parameters, on which timeframe.

    `by` is "bars" (a column of them), "TA-Lib", "Studbook" (`strategies.features`) or "learner". Every column is
    float64, NaN before its first value and where there is none; `timeframe` counts rungs above the bars' own, whose
    bars are seen after their end alone.
    """
    kind = catalogue()[kind_index(operand.kind)]
    common: dict[str, Any] = {"operand": operand.kind, "timeframe": operand.timeframe, "lag": operand.lag}
    if kind.family == "learner":
        slot = int(operand.parameters[0])
        says = operand.kind.rpartition(".")[2]
        return {**common, "by": "learner", "slot": slot, "output": says, **_learner(strategy.learners[slot], strategy)}
    source = operand.source or "close"
    if kind.function == "PRICE":
        return {**common, "by": "bars", "column": source}
    values = all_values(kind, operand.parameters)
    if kind.family not in _TALIB:
        names = [parameter.name for parameter in kind.parameters]
        parameters = dict(zip(names, operand.parameters, strict=True))
        return {**common, "by": "Studbook", "function": kind.function, "parameters": parameters, "output": kind.output}
    entry = indicators.indicator(kind.function)
    inputs = [source if kind.takes_source and name != indicators.PERIODS_INPUT else name for name in entry.inputs]
    return {
        **common,
        "by": "TA-Lib",
        "function": kind.function,
        "inputs": inputs,
        "parameters": dict(zip((setting.name for setting in entry.settings), values, strict=True)),
        "output": kind.output,
        "then": _then(kind.family == PATTERN, kind.is_index),
    }


def _then(is_pattern: bool, is_index: bool) -> str:
    """What is done to TA-Lib's output."""
    if is_pattern:
        return "sign"
    return "bar - value" if is_index else ""


def _learner(learner: Learner, strategy: Strategy) -> dict[str, Any]:
    """What a learner is and reads."""
    return {
        "algorithm": learner.algorithm,
        "target": learner.target,
        "horizon": learner.horizon,
        "hyper": list(learner.hyper),
        "features": [described(feature, strategy) for feature in learner.features],
    }
