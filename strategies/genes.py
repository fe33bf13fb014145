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
from strategies.lookup import MAX_PARAMETERS

N_ENTRY: Final = 4
N_EXIT: Final = 2
MAX_LAG: Final = 20

LEVEL_STEPS: Final = 250

COMPARATORS: Final = (">", "<", "crosses above", "crosses below")
DIRECTIONS: Final = ("long", "short", "both")
DISTANCE_KINDS: Final = ("none", "atr", "percent")
SIZE_KINDS: Final = ("fixed", "risk")
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
SIZES: Final = {0: _steps(0.1, 1.0, 0.05), 1: _steps(0.0025, 0.05, 0.0025)}  # fraction of equity; fraction at risk


def _operand(prefix: str, module: str, block: str) -> list[Gene]:
    return [
        Gene(f"{prefix}.kind", GeneKind.CATEGORY, 0, len(catalogue()) - 1, module, block),
        Gene(f"{prefix}.source", GeneKind.CATEGORY, 0, len(SOURCES) - 1, module, block),
        *(Gene(f"{prefix}.p{slot}", GeneKind.UNIT, 0, 1, module, block) for slot in range(MAX_PARAMETERS)),
        Gene(f"{prefix}.lag", GeneKind.INTEGER, 0, MAX_LAG, module, block),
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
    )
    return [Gene(f"risk.{name}", kind, low, high, "risk", "risk") for name, kind, low, high in rows]


def _table() -> tuple[Gene, ...]:
    genes: list[Gene] = []
    for module, count in (("entry", N_ENTRY), ("exit", N_EXIT)):
        for number in range(count):
            genes += _condition(module, number)
        genes.append(Gene(f"{module}.needed", GeneKind.INTEGER, 1, count, module, f"{module}.logic"))
    return tuple(genes + _risk())


GENES: Final = _table()
N_GENES: Final = len(GENES)
COLUMN: Final = {gene.name: index for index, gene in enumerate(GENES)}
MODULES: Final = ("entry", "exit", "risk")
BLOCKS: Final = tuple(dict.fromkeys(gene.block for gene in GENES))
BLOCK_COLUMNS: Final = {
    block: tuple(index for index, gene in enumerate(GENES) if gene.block == block) for block in BLOCKS
}
CONDITION_BLOCKS: Final = tuple(block for block in BLOCKS if f"{block}.on" in COLUMN)
CONDITION_FIELDS: Final = tuple(GENES[index].name.removeprefix("entry.0.") for index in BLOCK_COLUMNS["entry.0"])
FIELD: Final = {name: index for index, name in enumerate(CONDITION_FIELDS)}


@functools.cache
def fingerprint() -> str:
    """Return 16 hex digits that change when a genome would be read otherwise: genes, grids or operands changed."""
    parts = [repr(GENES), repr(TIME_STOPS), repr(COOLDOWNS), repr(DISTANCES), repr(SIZES), repr(LEVEL_STEPS)]
    parts += [repr(kind) for kind in catalogue()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
