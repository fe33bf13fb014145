"""Strategies to phenotypes and genomes, and phenotypes back to strategies, one at a time.

`strategy_of(phenotype_of(s)) == s` for every valid strategy; `express(encode(s)) == phenotype_of(s)` for every
strategy whose numbers lie on the grids of the gene table, and `encode` refuses the others by name.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from strategies.catalogue import catalogue, level_range_of
from strategies.codec import LEFT, RIGHT, Rows
from strategies.errors import StrategyError
from strategies.genes import (
    BLOCK_COLUMNS,
    BREAKERS,
    COLUMN,
    COMPARATORS,
    CONDITION_BLOCKS,
    CONFLICTS,
    COOLDOWNS,
    DIRECTIONS,
    DISTANCE_KINDS,
    DISTANCES,
    FIELD,
    GATE_TRENDS,
    GATE_VOLATILITIES,
    GENES,
    MAX_NEEDED,
    N_ENTRY,
    N_EXIT,
    N_GENES,
    N_LEARNERS,
    OPERAND_FIELDS,
    REARMS,
    SIZE_KINDS,
    SIZES,
    TIME_STOPS,
)
from strategies.learner_encoding import learner_genes, learner_of, learner_phenotype, learner_slots
from strategies.learners.table import MAX_FEATURES
from strategies.operand_encoding import fraction, operand_genes, operand_of, operand_values, refuse
from strategies.operand_json import pair_of
from strategies.strategy import Breaker, Condition, Distance, Gate, Rule, Size, Strategy

_RISK: Final = {name: index for name, index in COLUMN.items() if name.startswith("risk.")}
_BLOCKS: Final = {  # by rule, where each condition stands
    module: [
        slice(BLOCK_COLUMNS[block][0], BLOCK_COLUMNS[block][-1] + 1) for block in CONDITION_BLOCKS if module in block
    ]
    for module in ("entry", "exit")
}


def strategy_of(phenotype: Rows) -> Strategy:
    """Return the strategy of one canonical phenotype row (N_GENES,)."""
    risk = {name: float(phenotype[index]) for name, index in _RISK.items()}
    return Strategy(
        direction=DIRECTIONS[int(risk["risk.direction"])],
        entry=_rule_of(phenotype, "entry"),
        exit=_rule_of(phenotype, "exit"),
        stop=_distance_of(risk["risk.stop_kind"], risk["risk.stop"]),
        target=_distance_of(risk["risk.target_kind"], risk["risk.target"]),
        trail=_distance_of(risk["risk.trail_kind"], risk["risk.trail"]),
        time_stop=int(risk["risk.time_stop"]),
        cooldown=int(risk["risk.cooldown"]),
        size=Size(SIZE_KINDS[int(risk["risk.size_kind"])], risk["risk.size"]),
        learners=tuple(learner_of(phenotype[slot]) for slot in learner_slots() if phenotype[slot][0]),
        conflict=CONFLICTS[int(phenotype[COLUMN["fusion.conflict"]])],
        gate=Gate(
            GATE_TRENDS[int(phenotype[COLUMN["gate.trend"]])],
            GATE_VOLATILITIES[int(phenotype[COLUMN["gate.volatility"]])],
        ),
        breaker=Breaker(risk["risk.breaker"], int(risk["risk.rearm"])) if risk["risk.breaker"] else None,
    )


def _distance_of(kind: float, value: float) -> Distance | None:
    return Distance(DISTANCE_KINDS[int(kind)], value) if kind else None


def _rule_of(row: Rows, module: str) -> Rule:
    blocks = [row[place] for place in _BLOCKS[module]]
    conditions = tuple(condition_of(block) for block in blocks if block[FIELD["on"]])
    return Rule(conditions, int(row[COLUMN[f"{module}.needed"]]))


def condition_of(block: Rows) -> Condition:
    """Return the condition of one phenotype condition block."""
    level = bool(block[FIELD["against"]])
    return Condition(
        left=operand_of(block[LEFT]),
        comparator=COMPARATORS[int(block[FIELD["comparator"]])],
        right=None if level else operand_of(block[RIGHT]),
        level=float(block[FIELD["level"]]) if level else None,
        negate=bool(block[FIELD["negate"]]),
        weight=int(block[FIELD["weight"]]),
    )


def phenotype_of(strategy: Strategy) -> Rows:
    """Return the canonical phenotype row (N_GENES,) of a strategy; its numbers need not lie on any grid.

    Raises:
        StrategyError: more conditions, learners or features than the gene table has places for.
    """
    _check_room(strategy)
    row = np.zeros(N_GENES)
    for module, rule in (("entry", strategy.entry), ("exit", strategy.exit)):
        for number, condition in enumerate(rule.conditions):
            row[list(BLOCK_COLUMNS[f"{module}.{number}"])] = _block(condition)
        row[COLUMN[f"{module}.needed"]] = rule.needed
    row[COLUMN["risk.direction"]] = DIRECTIONS.index(strategy.direction)
    for name, distance in (("stop", strategy.stop), ("target", strategy.target), ("trail", strategy.trail)):
        if distance is not None:
            row[COLUMN[f"risk.{name}_kind"]] = DISTANCE_KINDS.index(distance.kind)
            row[COLUMN[f"risk.{name}"]] = distance.value
    row[COLUMN["risk.time_stop"]] = strategy.time_stop
    row[COLUMN["risk.cooldown"]] = strategy.cooldown
    row[COLUMN["risk.size_kind"]] = SIZE_KINDS.index(strategy.size.kind)
    row[COLUMN["risk.size"]] = strategy.size.value
    if strategy.breaker is not None:
        row[COLUMN["risk.breaker"]] = strategy.breaker.drawdown
        row[COLUMN["risk.rearm"]] = strategy.breaker.rearm
    for slot, learner in zip(learner_slots(), strategy.learners, strict=False):
        row[slot] = learner_phenotype(learner)
    row[COLUMN["fusion.conflict"]] = CONFLICTS.index(strategy.conflict)
    row[COLUMN["gate.trend"]] = GATE_TRENDS.index(strategy.gate.trend)
    row[COLUMN["gate.volatility"]] = GATE_VOLATILITIES.index(strategy.gate.volatility)
    return row + 0.0


def _check_room(strategy: Strategy) -> None:
    counts = [
        ("conditions of entry", len(strategy.entry.conditions), N_ENTRY),
        ("conditions of exit", len(strategy.exit.conditions), N_EXIT),
        ("learners", len(strategy.learners), N_LEARNERS),
        *((f"features of learner {n}", len(one.features), MAX_FEATURES) for n, one in enumerate(strategy.learners)),
    ]
    for what, count, most in counts:
        if count > most:
            raise StrategyError(f"A strategy must have at most {most} {what}, but has {count}. Leave some out.")


def _block(condition: Condition) -> Rows:
    block = np.zeros(len(FIELD))
    block[FIELD["on"]] = 1
    block[FIELD["negate"]] = condition.negate
    block[FIELD["comparator"]] = COMPARATORS.index(condition.comparator)
    block[FIELD["weight"]] = condition.weight
    block[LEFT] = operand_values(condition.left)
    if condition.right is not None:
        block[RIGHT] = operand_values(condition.right)
    else:
        block[FIELD["against"]] = 1
        block[FIELD["level"]] = condition.level
    return block


def encode(strategy: Strategy) -> NDArray[np.float64]:
    """Return a genome (N_GENES,) that expresses exactly `strategy`; silent genes are at their low bound.

    Raises:
        StrategyError: no stop, or a number that lies on no grid of the gene table (the nearest are named).
    """
    if strategy.stop is None:
        raise StrategyError("A genome must have a stop, but the strategy has none. Add a stop to breed from it.")
    genome = phenotype_of(strategy)
    for module, rule in (("entry", strategy.entry), ("exit", strategy.exit)):
        if rule.needed > MAX_NEEDED:
            refuse(rule.needed, tuple(range(1, MAX_NEEDED + 1)), f"{module}.needed")
        genome[COLUMN[f"{module}.needed"]] = max(rule.needed, 1)
        for number, condition in enumerate(rule.conditions):
            _encode_condition(condition, genome, f"{module}.{number}")
    for name, distance in (("stop", strategy.stop), ("target", strategy.target), ("trail", strategy.trail)):
        if distance is not None:
            grid = DISTANCES[name][DISTANCE_KINDS.index(distance.kind)]
            genome[COLUMN[f"risk.{name}"]] = fraction(distance.value, grid, name)
    genome[COLUMN["risk.time_stop"]] = fraction(strategy.time_stop, TIME_STOPS, "time_stop")
    genome[COLUMN["risk.cooldown"]] = fraction(strategy.cooldown, COOLDOWNS, "cooldown")
    grid = SIZES[SIZE_KINDS.index(strategy.size.kind)]
    genome[COLUMN["risk.size"]] = fraction(strategy.size.value, grid, "size")
    drawdown, rearm = (strategy.breaker.drawdown, strategy.breaker.rearm) if strategy.breaker else (0.0, REARMS[0])
    genome[COLUMN["risk.breaker"]] = fraction(drawdown, BREAKERS, "breaker.drawdown")
    genome[COLUMN["risk.rearm"]] = fraction(rearm, REARMS, "breaker.rearm")
    for slot, learner in zip(learner_slots(), strategy.learners, strict=False):
        genome[slot] = learner_genes(learner)
    return np.maximum(genome, [gene.low for gene in GENES])


def _encode_condition(condition: Condition, genome: Rows, block: str) -> None:
    places = {name: COLUMN[f"{block}.{name}"] for name in ("left.kind", "right.kind", "level")}
    for side, operand in (("left.kind", condition.left), ("right.kind", condition.right)):
        if operand is not None:
            genome[places[side] : places[side] + len(OPERAND_FIELDS)] = operand_genes(operand)
    if condition.level is not None:
        pair = pair_of(condition.left)
        span, steps = level_range_of(*pair), catalogue()[pair[0]].level_steps
        if span is None:
            refuse(condition.level, (), f"level of {condition.left.kind}")
        low, high = span
        said = range(steps + 1)
        if steps == 1:  # a flag is up or down; the comparator says which
            said = range(1, 2) if condition.comparator in (">", "crosses above") else range(1)
        grid = tuple(float(np.round(low + (high - low) * step / steps, 8)) for step in said)
        genome[places["level"]] = fraction(condition.level, grid, f"level of {condition.left.kind}")
