"""The gene table: every gene of a genome, declared once.

A genome is one row of `N_GENES` float64 numbers. Its phenotype (see `codec.express`) is a row of the same columns in
natural units: a period in bars, a level in RSI points. Genes come in blocks, one block a rule condition or the risk
settings, and blocks in modules; crossover exchanges blocks of the same name between parents (homologous crossover).
"""

import functools
import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from strategies.catalogue import SOURCES, catalogue
from strategies.language import MAX_TIMEFRAME
from strategies.learners.table import ALGORITHMS, HORIZONS, MAX_FEATURES, N_HYPER, TARGETS
from strategies.lookup import MAX_PARAMETERS

N_ENTRY: Final = 4
N_EXIT: Final = 2
N_LEARNERS: Final = 2
MAX_LAG: Final = 20
MAX_WEIGHT: Final = 3
MAX_NEEDED: Final = 8

COMPARATORS: Final = (">", "<", "crosses above", "crosses below")
DIRECTIONS: Final = ("long", "short", "both")
CONFLICTS: Final = ("votes", "net", "veto")
GATE_TRENDS: Final = ("any", "bull", "bear", "sideways", "not bull", "not bear", "not sideways")
GATE_VOLATILITIES: Final = ("any", "high", "low")
DISTANCE_KINDS: Final = ("none", "atr", "percent")
SIZE_KINDS: Final = ("fixed", "risk", "volatility", "confidence", "kelly")
STOP_ATR_PERIOD: Final = 14


class GeneKind(StrEnum):
    """How a gene varies: what mutation may do to it and how its value is read."""

    BOOLEAN = "boolean"  # 0 or 1
    CATEGORY = "category"  # a whole number whose neighbours mean nothing
    INTEGER = "integer"  # a whole number whose neighbours are near in meaning
    UNIT = "unit"  # a fraction of [0, 1] that is read as a place on a grid of values


@dataclass(frozen=True)
class Gene:
    """One column of the genome. `low` and `high` are inclusive bounds."""

    name: str
    kind: GeneKind
    low: float
    high: float
    module: str
    block: str


def _steps(start: float, stop: float, step: float) -> tuple[float, ...]:
    return tuple(round(start + index * step, 6) for index in range(round((stop - start) / step) + 1))


# A value that stands several times on a grid is drawn that much oftener: 0 switches a time stop or cooldown off.
TIME_STOPS: Final = (0.0,) * 16 + tuple(
    float(bars)
    for bars in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 18, 20, 25, 30, 40, 50, 60, 80, 100, 120, 150, 200, 250)
)
COOLDOWNS: Final = (0.0,) * 9 + tuple(float(bars) for bars in (1, 2, 3, 4, 5, 8, 10, 15, 20))
DISTANCES: Final = {  # by gene and distance kind: multiples of ATR, or per cent of the fill price
    "stop": {1: _steps(0.5, 8.0, 0.1), 2: _steps(0.5, 20.0, 0.25)},
    "target": {1: _steps(0.5, 15.0, 0.1), 2: _steps(0.5, 40.0, 0.25)},
    "trail": {1: _steps(0.5, 10.0, 0.1), 2: _steps(0.5, 25.0, 0.25)},
}
SIZES: Final = {
    0: _steps(0.1, 1.0, 0.05),  # fraction of equity
    1: _steps(0.0025, 0.05, 0.0025),  # fraction at risk
    2: _steps(0.05, 0.5, 0.05),  # volatility a year
    3: _steps(0.1, 1.0, 0.05),  # fraction of equity at full confidence
    4: _steps(0.1, 1.0, 0.1),  # multiple of Kelly's fraction
}
BREAKERS: Final = (0.0,) * 10 + _steps(0.05, 0.5, 0.05)  # drawdown that halts trading
REARMS: Final = (5.0, 10.0, 20.0, 40.0, 60.0, 120.0, 250.0)  # bars until it trades again
# The least |score|, and the least confidence, that is a vote.
EDGES: Final = (0.0,) * 8 + (0.02,) * 4 + (0.05,) * 4 + (0.1,) * 3 + (0.15,) * 2 + (0.2, 0.25, 0.3, 0.4)
TRUSTS: Final = (0.0,) * 21 + (0.01, 0.02, 0.05, 0.08, 0.1, 0.15, 0.2)

OPERAND_FIELDS: Final = ("kind", "source", *(f"p{slot}" for slot in range(MAX_PARAMETERS)), "lag", "timeframe")


def _operand(prefix: str, module: str, block: str) -> list[Gene]:
    return [
        Gene(f"{prefix}.kind", GeneKind.CATEGORY, 0, len(catalogue()) - 1, module, block),
        Gene(f"{prefix}.source", GeneKind.CATEGORY, 0, len(SOURCES) - 1, module, block),
        *(Gene(f"{prefix}.p{slot}", GeneKind.UNIT, 0, 1, module, block) for slot in range(MAX_PARAMETERS)),
        Gene(f"{prefix}.lag", GeneKind.INTEGER, 0, MAX_LAG, module, block),
        Gene(f"{prefix}.timeframe", GeneKind.INTEGER, 0, MAX_TIMEFRAME, module, block),
    ]


def _condition(module: str, number: int) -> list[Gene]:
    block = f"{module}.{number}"
    return [
        Gene(f"{block}.on", GeneKind.BOOLEAN, 0, 1, module, block),
        Gene(f"{block}.negate", GeneKind.BOOLEAN, 0, 1, module, block),
        *_operand(f"{block}.left", module, block),
        Gene(f"{block}.comparator", GeneKind.CATEGORY, 0, len(COMPARATORS) - 1, module, block),
        Gene(f"{block}.against", GeneKind.BOOLEAN, 0, 1, module, block),
        *_operand(f"{block}.right", module, block),
        Gene(f"{block}.level", GeneKind.UNIT, 0, 1, module, block),
        Gene(f"{block}.weight", GeneKind.INTEGER, 1, MAX_WEIGHT, module, block),
    ]


def _learner(number: int) -> list[Gene]:
    """How it votes, then what it is: from `algorithm` on, all that its predictions depend on."""
    block = f"learner.{number}"
    genes = [
        Gene(f"{block}.on", GeneKind.BOOLEAN, 0, 1, "learner", block),
        Gene(f"{block}.weight", GeneKind.INTEGER, 1, MAX_WEIGHT, "learner", block),
        Gene(f"{block}.edge", GeneKind.UNIT, 0, 1, "learner", block),
        Gene(f"{block}.trust", GeneKind.UNIT, 0, 1, "learner", block),
        Gene(f"{block}.algorithm", GeneKind.CATEGORY, 0, len(ALGORITHMS) - 1, "learner", block),
        Gene(f"{block}.target", GeneKind.CATEGORY, 0, len(TARGETS) - 1, "learner", block),
        Gene(f"{block}.horizon", GeneKind.UNIT, 0, 1, "learner", block),
        *(Gene(f"{block}.h{slot}", GeneKind.UNIT, 0, 1, "learner", block) for slot in range(N_HYPER)),
    ]
    for feature in range(MAX_FEATURES):
        part = f"{block}.f{feature}"
        genes += [Gene(f"{part}.on", GeneKind.BOOLEAN, 0, 1, "learner", part), *_operand(part, "learner", part)]
    return genes


def _gate() -> list[Gene]:
    return [
        Gene("gate.trend", GeneKind.CATEGORY, 0, len(GATE_TRENDS) - 1, "gate", "gate"),
        Gene("gate.volatility", GeneKind.CATEGORY, 0, len(GATE_VOLATILITIES) - 1, "gate", "gate"),
    ]


def _risk() -> list[Gene]:
    rows: tuple[tuple[str, GeneKind, float, float], ...] = (
        ("direction", GeneKind.CATEGORY, 0, len(DIRECTIONS) - 1),
        ("stop_kind", GeneKind.CATEGORY, 1, 2),  # never "none": no evolved strategy is without a stop
        ("stop", GeneKind.UNIT, 0, 1),
        ("target_kind", GeneKind.CATEGORY, 0, 2),
        ("target", GeneKind.UNIT, 0, 1),
        ("trail_kind", GeneKind.CATEGORY, 0, 2),
        ("trail", GeneKind.UNIT, 0, 1),
        ("time_stop", GeneKind.UNIT, 0, 1),
        ("cooldown", GeneKind.UNIT, 0, 1),
        ("size_kind", GeneKind.CATEGORY, 0, len(SIZE_KINDS) - 1),
        ("size", GeneKind.UNIT, 0, 1),
        ("breaker", GeneKind.UNIT, 0, 1),
        ("rearm", GeneKind.UNIT, 0, 1),
    )
    return [Gene(f"risk.{name}", kind, low, high, "risk", "risk") for name, kind, low, high in rows]


def _table() -> tuple[Gene, ...]:
    genes: list[Gene] = []
    for module, count in (("entry", N_ENTRY), ("exit", N_EXIT)):
        for number in range(count):
            genes += _condition(module, number)
        genes.append(Gene(f"{module}.needed", GeneKind.INTEGER, 1, MAX_NEEDED, module, f"{module}.logic"))
    genes.append(Gene("fusion.conflict", GeneKind.CATEGORY, 0, len(CONFLICTS) - 1, "learner", "fusion"))
    for number in range(N_LEARNERS):
        genes += _learner(number)
    return tuple(genes + _gate() + _risk())


GENES: Final = _table()
N_GENES: Final = len(GENES)
COLUMN: Final = {gene.name: index for index, gene in enumerate(GENES)}
MODULES: Final = ("entry", "exit", "learner", "gate", "risk")
BLOCKS: Final = tuple(dict.fromkeys(gene.block for gene in GENES))
BLOCK_COLUMNS: Final = {
    block: tuple(index for index, gene in enumerate(GENES) if gene.block == block) for block in BLOCKS
}
CONDITION_BLOCKS: Final = tuple(block for block in BLOCKS if f"{block}.comparator" in COLUMN)
CONDITION_FIELDS: Final = tuple(GENES[index].name.removeprefix("entry.0.") for index in BLOCK_COLUMNS["entry.0"])
FIELD: Final = {name: index for index, name in enumerate(CONDITION_FIELDS)}


@functools.cache
def fingerprint() -> str:
    """Return 16 hex digits that change when a genome would be read otherwise: genes, grids or operands changed."""
    grids = (TIME_STOPS, COOLDOWNS, DISTANCES, SIZES, BREAKERS, REARMS, EDGES, TRUSTS, HORIZONS)
    names = (COMPARATORS, DIRECTIONS, CONFLICTS, GATE_TRENDS, GATE_VOLATILITIES, DISTANCE_KINDS, SIZE_KINDS)
    parts = [repr(GENES), repr(grids), repr(names), repr(TARGETS), repr(dict(ALGORITHMS))]
    parts += [repr(kind) for kind in catalogue()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
