"""What the gates of a strategy stand for: each choice is one condition on a regime, as the gene table names them."""

from typing import Final

import numpy as np

from strategies.catalogue import catalogue, kind_index
from strategies.codec import LEFT, Rows
from strategies.genes import COMPARATORS, FIELD, GATE_TRENDS, GATE_VOLATILITIES
from strategies.operand_encoding import operand_values
from strategies.strategy import Operand

GATES: Final = {  # operand, comparator, level; `any` is no condition
    "bull": ("REGIME.trend", ">", 0.5),
    "bear": ("REGIME.trend", "<", -0.5),
    "not bull": ("REGIME.trend", "<", 0.5),
    "not bear": ("REGIME.trend", ">", -0.5),
    "sideways": ("REGIME.sideways", ">", 0.5),
    "not sideways": ("REGIME.sideways", "<", -0.5),
    "high": ("REGIME.volatility", ">", 0.5),
    "low": ("REGIME.volatility", "<", -0.5),
}


def gate_blocks() -> Rows:
    """Condition blocks `(n_gates, n_choices, n_fields)` of trend and volatility, in the order of the gene table.

    Those of `any` and the padding are all 0.
    """
    choices = (GATE_TRENDS, GATE_VOLATILITIES)
    blocks = np.zeros((len(choices), max(len(names) for names in choices), len(FIELD)))
    for gate, names in enumerate(choices):
        for place, name in enumerate(names[1:], start=1):
            kind, comparator, level = GATES[name]
            block = blocks[gate, place]
            block[FIELD["on"]] = block[FIELD["against"]] = block[FIELD["weight"]] = 1.0
            block[LEFT] = operand_values(Operand(kind, None, defaults(kind)))
            block[FIELD["comparator"]], block[FIELD["level"]] = COMPARATORS.index(comparator), level
    return blocks


def defaults(kind: str) -> tuple[float, ...]:
    """The default of each parameter of a kind."""
    return tuple(parameter.default for parameter in catalogue()[kind_index(kind)].parameters)
