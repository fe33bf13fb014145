"""How many bars a strategy must have seen before its decisions no longer depend on where its bars begin."""

import math
from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fitness.gate_conditions import gate_blocks
from fitness.shard import Shard
from strategies.catalogue import catalogue, kind_index
from strategies.encoding import condition_of, strategy_of
from strategies.genes import COLUMN, FIELD
from strategies.higher_bars import higher_bars
from strategies.operands import warm_up
from strategies.strategy import Operand, Strategy

Float64 = NDArray[np.float64]

MOST: Final = 0.75
"""Of the history, where no length of it is enough."""


def history_needed(phenotype: Float64, shard: Shard, available: int) -> int:
    """Bars of history that the strategy of a phenotype row `(N_GENES,)` must have on a shard, at most `available`.

    The longest warm-up of its operands, lags and higher timeframes included. An operand that needs more than there is
    counts for most of what is available, `MOST`, and so does a learner.
    """
    strategy, most = strategy_of(phenotype), math.floor(MOST * available)
    needs = [_bars_of(operand, shard) + operand.lag + 1 for operand in _operands(strategy, phenotype)]
    return max([most if need > available else need for need in needs] + [most if strategy.learners else 0])


def _bars_of(operand: Operand, shard: Shard) -> int:
    kind = kind_index(operand.kind)
    own = warm_up(kind, operand.parameters)
    return higher_bars(shard, operand.timeframe).bars_before(own) if operand.timeframe else own


def _operands(strategy: Strategy, phenotype: Float64) -> Iterator[Operand]:
    """Every operand that is read from bars: of conditions, features and gates."""
    conditions = [*strategy.entry.conditions, *strategy.exit.conditions]
    blocks = gate_blocks()
    for gate, name in enumerate(("gate.trend", "gate.volatility")):
        block = blocks[gate, int(phenotype[COLUMN[name]])]
        if block[FIELD["on"]]:
            conditions.append(condition_of(block))
    sides = [side for one in conditions for side in (one.left, one.right) if side is not None]
    features = [feature for learner in strategy.learners for feature in learner.features]
    for operand in (*sides, *features):
        if catalogue()[kind_index(operand.kind)].family != "learner":
            yield operand
