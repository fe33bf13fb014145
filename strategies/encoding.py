"""Strategies to phenotypes and genomes, and phenotypes back to strategies, one at a time.

`strategy_of(phenotype_of(s)) == s` for every valid strategy; `express(encode(s)) == phenotype_of(s)` for every
strategy whose numbers lie on the grids of the gene table, and `encode` refuses the others by name.
"""

from collections.abc import Sequence
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from strategies.catalogue import SOURCES, catalogue, kind_index, level_range_of
from strategies.codec import LEFT, RIGHT, Rows
from strategies.errors import StrategyError
from strategies.genes import (
    BLOCK_COLUMNS,
    COLUMN,
    COMPARATORS,
    COOLDOWNS,
    DIRECTIONS,
    DISTANCE_KINDS,
    DISTANCES,
    FIELD,
    LEVEL_STEPS,
    N_ENTRY,
    N_EXIT,
    N_GENES,
    SIZE_KINDS,
    SIZES,
    TIME_STOPS,
)
from strategies.strategy import Condition, Distance, Operand, Rule, Size, Strategy
from strategies.strategy_json import pair_of


def strategy_of(phenotype: Rows) -> Strategy:
    """Return the strategy of one canonical phenotype row (N_GENES,)."""
    risk = {name: float(phenotype[index]) for name, index in COLUMN.items() if name.startswith("risk.")}
    return Strategy(
        direction=DIRECTIONS[int(risk["risk.direction"])],
        entry=_rule_of(phenotype, "entry", N_ENTRY),
        exit=_rule_of(phenotype, "exit", N_EXIT),
        stop=_distance_of(risk["risk.stop_kind"], risk["risk.stop"]),
        target=_distance_of(risk["risk.target_kind"], risk["risk.target"]),
        trail=_distance_of(risk["risk.trail_kind"], risk["risk.trail"]),
        time_stop=int(risk["risk.time_stop"]),
        cooldown=int(risk["risk.cooldown"]),
        size=Size(SIZE_KINDS[int(risk["risk.size_kind"])], risk["risk.size"]),
    )


def _distance_of(kind: float, value: float) -> Distance | None:
    return Distance(DISTANCE_KINDS[int(kind)], value) if kind else None


def _rule_of(row: Rows, module: str, count: int) -> Rule:
    blocks = [row[list(BLOCK_COLUMNS[f"{module}.{number}"])] for number in range(count)]
    conditions = tuple(condition_of(block) for block in blocks if block[FIELD["on"]])
    return Rule(conditions, int(row[COLUMN[f"{module}.needed"]]))


def condition_of(block: Rows) -> Condition:
    """Return the condition of one phenotype condition block."""
    level = bool(block[FIELD["against"]])
    return Condition(
        left=_operand_of(block[LEFT]),
        comparator=COMPARATORS[int(block[FIELD["comparator"]])],
        right=None if level else _operand_of(block[RIGHT]),
        level=float(block[FIELD["level"]]) if level else None,
        negate=bool(block[FIELD["negate"]]),
    )


def _operand_of(values: Rows) -> Operand:
    kind = catalogue()[int(values[0])]
    parameters = tuple(float(value) for value in values[2 : 2 + len(kind.parameters)])
    return Operand(kind.name, SOURCES[int(values[1])] if kind.takes_source else None, parameters, int(values[5]))


def phenotype_of(strategy: Strategy) -> Rows:
    """Return the canonical phenotype row (N_GENES,) of a strategy; its numbers need not lie on any grid."""
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
    return row + 0.0


def _block(condition: Condition) -> Rows:
    block = np.zeros(len(FIELD))
    block[FIELD["on"]] = 1
    block[FIELD["negate"]] = condition.negate
    block[FIELD["comparator"]] = COMPARATORS.index(condition.comparator)
    block[LEFT] = _values(condition.left)
    if condition.right is not None:
        block[RIGHT] = _values(condition.right)
    else:
        block[FIELD["against"]] = 1
        block[FIELD["level"]] = condition.level
    return block


def _values(operand: Operand) -> list[float]:
    padding = [0.0] * (3 - len(operand.parameters))
    return [*pair_of(operand), *operand.parameters, *padding, operand.lag]


def encode(strategy: Strategy) -> NDArray[np.float64]:
    """Return a genome (N_GENES,) that expresses exactly `strategy`; silent genes are 0.

    Raises:
        StrategyError: no stop, or a number that lies on no grid of the gene table (the nearest are named).
    """
    if strategy.stop is None:
        raise StrategyError("A genome must have a stop, but the strategy has none. Add a stop to breed from it.")
    genome = phenotype_of(strategy)
    for module, rule in (("entry", strategy.entry), ("exit", strategy.exit)):
        genome[COLUMN[f"{module}.needed"]] = max(rule.needed, 1)
        for number, condition in enumerate(rule.conditions):
            _encode_condition(condition, genome, f"{module}.{number}")
    for name, distance in (("stop", strategy.stop), ("target", strategy.target), ("trail", strategy.trail)):
        if distance is not None:
            grid = DISTANCES[name][DISTANCE_KINDS.index(distance.kind)]
            genome[COLUMN[f"risk.{name}"]] = _fraction(distance.value, grid, name)
    genome[COLUMN["risk.time_stop"]] = _fraction(strategy.time_stop, TIME_STOPS, "time_stop")
    genome[COLUMN["risk.cooldown"]] = _fraction(strategy.cooldown, COOLDOWNS, "cooldown")
    grid = SIZES[SIZE_KINDS.index(strategy.size.kind)]
    genome[COLUMN["risk.size"]] = _fraction(strategy.size.value, grid, "size")
    return genome


def _encode_condition(condition: Condition, genome: Rows, block: str) -> None:
    for side, operand in (("left", condition.left), ("right", condition.right)):
        if operand is None:
            continue
        for slot, parameter in enumerate(catalogue()[kind_index(operand.kind)].parameters):
            place = f"{operand.kind}.{parameter.name}"
            genome[COLUMN[f"{block}.{side}.p{slot}"]] = _fraction(operand.parameters[slot], parameter.grid, place)
    if condition.level is not None:
        span = level_range_of(*pair_of(condition.left))
        if span is None:
            _refuse(condition.level, (), f"level of {condition.left.kind}")
        low, high = span
        grid = tuple(float(np.round(low + (high - low) * step / LEVEL_STEPS, 8)) for step in range(LEVEL_STEPS + 1))
        genome[COLUMN[f"{block}.level"]] = _fraction(condition.level, grid, f"level of {condition.left.kind}")


def _fraction(value: float, grid: Sequence[float], place: str) -> float:
    if value not in grid:
        _refuse(value, grid, place)
    return (grid.index(value) + 0.5) / len(grid)


def _refuse(value: float, grid: Sequence[float], place: str) -> NoReturn:
    near = ", ".join(f"{number:g}" for number in sorted(sorted(set(grid), key=lambda at: abs(at - value))[:2]))
    raise StrategyError(
        f"{place} must lie on the gene table's grid to be bred, but was {value:g}. Nearest: {near or 'none'}."
    )
