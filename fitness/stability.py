"""How a strategy's neighbours do: every numeric gene one small step up and one down, all in one batch.

A rule that has found something works about as well with a period of 19 or 21 as with 20; one that was fitted to noise
stands on a lone peak. What the figure can't tell: a plateau is no proof (drift is a plateau too, and so is a stop that
is never reached), a neighbour differs in one gene alone, so a ridge that runs across two looks narrow, and genes that
are choices (which operand, which side) have no neighbours.

Source: Pardo 2008, "The evaluation and optimization of trading strategies", 2nd ed., ch. 10 and 11: of the optimisation
space a robust set of parameters is one whose neighbours are nearly as good.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fitness.battery.subject import Subject, pooled
from fitness.pooled import Segment, pooled_sharpes
from strategies.catalogue import catalogue
from strategies.codec import express
from strategies.encoding import encode, strategy_of
from strategies.genes import COLUMN, GENES, N_GENES, GeneKind
from strategies.language import everything

Float64 = NDArray[np.float64]

_STEPS: Final = np.array([1.01 * 0.5 / 512 * 2.0**power for power in range(10)])
"""Of a gene in [0, 1], rising by 2: the first that changes a value in the middle of its place lands in the next."""
_SWITCHES: Final = ("risk.time_stop", "risk.cooldown", "risk.breaker", "edge", "trust")
"""Genes that switch something off at 0: on or off is no small step."""
_WITHOUT_SAY: Final = ("risk.size",)
"""What multiplies all returns changes no Sharpe ratio to speak of."""


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The strategies one small step away.

    Attributes:
        phenotypes: `(n, N_GENES)`, distinct, and none is the strategy itself.
        genes: of each, the column of the gene that differs.
        steps: of each, -1 for a step down, 1 for one up.
    """

    phenotypes: Float64
    genes: tuple[int, ...]
    steps: tuple[int, ...]


@dataclass(frozen=True)
class GeneStability:
    """What steps of one gene leave: Sharpe ratios a year, NaN where there is no such step or it never trades."""

    gene: str
    down: float
    up: float


@dataclass(frozen=True)
class Stability:
    """How the neighbours of a strategy do.

    Attributes:
        n: neighbours.
        n_alike: of these, those that have the Sharpe ratio of the strategy itself, to the bit: the step changed nothing
            in these bars. They say nothing and are left out of the figures below, unless all are such.
        own: Sharpe ratio a year of the strategy, all windows and shards as one account; NaN where it never trades.
        share_kept: median over the neighbours of their Sharpe ratio over its own, not below 0: near 1 on a plateau,
            near 0 on a lone peak. NaN without neighbours, and where its own is not above 0.
        median_sharpe: of the neighbours, a year; one that never trades earns nothing and counts as 0.
        worst: the lowest of them.
        genes: by gene, in the order of the gene table.
    """

    n: int
    n_alike: int
    own: float
    share_kept: float
    median_sharpe: float
    worst: float
    genes: tuple[GeneStability, ...]


def stability(subject: Subject) -> Stability:
    """How the neighbours of a strategy do on the same bars, at the same costs.

    Raises:
        StrategyError: a number of the strategy lies on no grid of the gene table, so that it has no neighbours.
    """
    found = neighbours(subject.phenotype)
    segments = [Segment(*each) for each in zip(subject.shards, subject.windows, subject.banks, strict=True)]
    rows = np.concatenate([subject.phenotype[np.newaxis], found.phenotypes])
    yearly = math.sqrt(pooled(subject.runs).bars_per_year)
    sharpes = pooled_sharpes(rows, segments, subject.costs) * yearly
    return summarised(float(sharpes[0]), sharpes[1:], found.genes, found.steps)


def summarised(own: float, sharpes: Float64, genes: Sequence[int], steps: Sequence[int]) -> Stability:
    """The figures of neighbours with these Sharpe ratios `(n,)`, gene columns and steps; `own` is the strategy's."""
    table: dict[int, dict[int, float]] = {}
    for gene, step, sharpe in zip(genes, steps, sharpes.tolist(), strict=True):
        table.setdefault(gene, {})[step] = sharpe
    rows = [
        GeneStability(GENES[gene].name, each.get(-1, math.nan), each.get(1, math.nan))
        for gene, each in sorted(table.items())
    ]
    alike = sharpes == own
    counted = np.nan_to_num(sharpes if alike.all() else sharpes[~alike], nan=0.0)
    median = float(np.median(counted)) if counted.size else math.nan
    return Stability(
        n=sharpes.size,
        n_alike=int(alike.sum()),
        own=own,
        share_kept=max(median / own, 0.0) if own > 0.0 and counted.size else math.nan,
        median_sharpe=median,
        worst=float(counted.min()) if counted.size else math.nan,
        genes=tuple(rows),
    )


def neighbours(phenotype: Float64) -> Neighbours:
    """The strategies one step away from a phenotype row `(N_GENES,)` in each numeric gene that has a say.

    Those are periods and other parameters, lags, levels, distances of stops, targets and trails, time stops, cooldowns,
    breakers, and of learners horizons, settings, edges and trusts. A step is one place on the gene's grid. The size is
    none: it multiplies all returns alike.

    Raises:
        StrategyError: a number that lies on no grid of the gene table.
    """
    own = np.asarray(phenotype, dtype=np.float64)
    genome = encode(strategy_of(own))
    tries = [(gene, step) for gene in _numeric() for step in (-1, 1)]
    changes = np.array([[_step_of(gene, step, size) for size in _STEPS] for gene, step in tries])
    genomes = np.repeat(genome[np.newaxis], changes.size, axis=0)
    columns = np.repeat([gene for gene, _ in tries], _STEPS.size)
    genomes[np.arange(columns.size), columns] += changes.reshape(-1)
    reached = express(genomes, everything()).reshape(len(tries), _STEPS.size, N_GENES)
    differs = (reached != own).any(axis=2)
    found: dict[bytes, tuple[int, int, Float64]] = {}
    for (gene, step), rows, changed in zip(tries, reached, differs, strict=True):
        if changed.any():
            row = rows[int(np.argmax(changed))]
            if _is_step(own, row, gene):
                found.setdefault(row.tobytes(), (gene, step, row))
    kept = list(found.values())
    phenotypes = np.stack([row for *_, row in kept]) if kept else np.empty((0, N_GENES))
    return Neighbours(phenotypes, tuple(gene for gene, *_ in kept), tuple(step for _, step, _ in kept))


def _numeric() -> list[int]:
    """Columns of the genes whose neighbouring values are near in meaning."""
    return [
        column
        for name, column in COLUMN.items()
        if name not in _WITHOUT_SAY and (GENES[column].kind is GeneKind.UNIT or name.endswith(".lag"))
    ]


def _step_of(gene: int, step: int, size: float) -> float:
    return float(step) if GENES[gene].kind is GeneKind.INTEGER else step * float(size)


def _is_step(own: Float64, other: Float64, gene: int) -> bool:
    """Whether the rows differ by a small step of one gene, and not by what it switches or names."""
    name = GENES[gene].name
    if name.startswith(_SWITCHES) or name.endswith(_SWITCHES):
        return bool(own[gene] != 0.0 and other[gene] != 0.0)
    if name.endswith(".p0"):  # of the operand that reads a learner it names which
        return catalogue()[int(own[COLUMN[name.removesuffix(".p0") + ".kind"]])].family != "learner"
    return True
