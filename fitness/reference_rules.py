"""What a strategy wants at each bar, in plain Python: the readable twin of masks, votes and gates.

Slow on purpose: a condition is read bar by bar, votes are counted one by one. Read it to know what a rule says; the
tests run it against the compiled bits. Columns are those of `strategies.operands`, predictions those of
`strategies.learners`: they have references of their own.

**Votes.** The entry of a side is decided where the votes for it are at least `needed`: each condition that is true
gives its weight, each learner whose score is beyond its edge on that side, and whose confidence is above its trust if
it has any, gives its own. With `net`, the weights of the learners that vote for the other side are subtracted; with
`veto`, one such learner forbids the entry. **Gates** then forbid entries in other regimes. An exit is decided by
conditions alone. The short side of a strategy that trades both has every condition and gate turned upside down, and
learners vote for a short entry below minus their edge. A strategy that only goes short has its conditions and gates
as they are written.
"""

import math
import operator
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fitness.gate_conditions import GATES, defaults
from fitness.shard import Shard
from strategies.catalogue import PERCENT_OF_CLOSE, SOURCES, catalogue, kind_index, level_unit_of
from strategies.encoding import phenotype_of, strategy_of
from strategies.learners.running import Learned, learn
from strategies.mirrors import mirror
from strategies.operands import column
from strategies.strategy import Condition, Learner, Operand, Rule, Strategy

Values = list[float]
Truth = list[bool]


def wanted(strategy: Strategy, shard: Shard) -> NDArray[np.bool_]:
    """What `strategy` wants at the close of each bar, `(4, n_bars)`: long entry, long exit, short entry, short exit.

    Raises:
        StrategyError: an operand can't be computed on these bars.
    """
    said = [learnt(learner, shard) for learner in strategy.learners]
    side = -1 if strategy.direction == "short" else 1
    own = [entry_truth(strategy, shard, said, side), rule_truth(strategy.exit, shard, said)]
    never = [[False] * shard.n_bars] * 2
    if strategy.direction == "long":
        return np.array([*own, *never])
    if strategy.direction == "short":
        return np.array([*never, *own])
    turned = strategy_of(mirror(phenotype_of(strategy)[None])[0])
    return np.array([*own, entry_truth(turned, shard, said, side=-1), rule_truth(turned.exit, shard, said)])


def learnt(learner: Learner, shard: Shard) -> Learned:
    """What a learner of a strategy says on these bars."""
    features = np.array([values_of(feature, shard, ()) for feature in learner.features])
    columns = features.T if learner.features else np.empty((shard.n_bars, 0))
    return learn(learner.algorithm, learner.target, learner.horizon, learner.hyper, columns, shard)


def entry_truth(strategy: Strategy, shard: Shard, said: Sequence[Learned], side: int) -> Truth:
    """Where the entry rule of a strategy, its gates included, decides to enter."""
    truths = [condition_truth(condition, shard, said) for condition in strategy.entry.conditions]
    gates = [condition_truth(gate, shard, said) for gate in gates_of(strategy)]
    out = []
    for t in range(shard.n_bars):
        votes = sum(c.weight for c, truth in zip(strategy.entry.conditions, truths, strict=True) if truth[t])
        against = 0
        for learner, words in zip(strategy.learners, said, strict=True):
            votes += learner.weight * _votes(learner, words, t, side)
            against += learner.weight * _votes(learner, words, t, -side)
        if strategy.conflict == "net":
            votes -= against
        vetoed = strategy.conflict == "veto" and against > 0
        out.append(votes >= strategy.entry.needed and not vetoed and all(gate[t] for gate in gates))
    return out


def _votes(learner: Learner, said: Learned, t: int, side: int) -> bool:
    """Whether a learner votes for a side at bar `t`; a comparison with NaN is false."""
    trusted = learner.trust == 0.0 or bool(said.confidence[t] > learner.trust)
    return bool(side * said.score[t] > learner.edge) and trusted


def gates_of(strategy: Strategy) -> list[Condition]:
    """The conditions that the gates of a strategy stand for."""
    names = [name for name in (strategy.gate.trend, strategy.gate.volatility) if name != "any"]
    found = [GATES[name] for name in names]
    return [Condition(Operand(kind, None, defaults(kind)), sign, level=level) for kind, sign, level in found]


def rule_truth(rule: Rule, shard: Shard, said: Sequence[Learned]) -> Truth:
    """Where a rule of conditions alone is true."""
    if not rule.conditions:
        return [False] * shard.n_bars
    truths = [condition_truth(condition, shard, said) for condition in rule.conditions]
    weights = [condition.weight for condition in rule.conditions]
    return [
        sum(weight for weight, truth in zip(weights, truths, strict=True) if truth[t]) >= rule.needed
        for t in range(shard.n_bars)
    ]


def condition_truth(condition: Condition, shard: Shard, said: Sequence[Learned]) -> Truth:
    """Where a condition is true; nowhere that a value it needs is missing."""
    x, y = values_of(condition.left, shard, said), _right_side(condition, shard, said)
    compare = operator.gt if condition.comparator in (">", "crosses above") else operator.lt
    truth = []
    for t in range(shard.n_bars):
        needed, says = [x[t], y[t]], compare(x[t], y[t])
        if condition.comparator.startswith("crosses"):
            before = (x[t - 1], y[t - 1]) if t else (math.nan, math.nan)
            needed += before
            says = says and not compare(*before)
        truth.append(not any(map(math.isnan, needed)) and says is not condition.negate)
    return truth


def _right_side(condition: Condition, shard: Shard, said: Sequence[Learned]) -> Values:
    if condition.right is not None:
        return values_of(condition.right, shard, said)
    level = condition.level or 0.0
    source = SOURCES.index(condition.left.source or "close")
    if level_unit_of(kind_index(condition.left.kind), source) == PERCENT_OF_CLOSE:
        return [level * (float(close) / 100.0) for close in shard.close]
    return [level] * shard.n_bars


def values_of(operand: Operand, shard: Shard, said: Sequence[Learned]) -> Values:
    """The values of an operand, NaN before the first."""
    kind = kind_index(operand.kind)
    if catalogue()[kind].family == "learner":
        words = said[int(operand.parameters[0])]
        values = words.score if operand.kind.endswith(".score") else words.confidence
    else:
        source = SOURCES.index(operand.source or "close")
        values = column(kind, source, operand.parameters, shard, operand.timeframe)
    return [float(values[t - operand.lag]) if t >= operand.lag else math.nan for t in range(shard.n_bars)]
