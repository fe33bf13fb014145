"""Any strategy on one shard: its decisions as masks, its risk as the kernel's row, and what came of them.

What evolution scored is played by its phenotype, code by its decisions: the same kernel, so the same market for both.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fitness.bank import FeatureBank
from fitness.bits import pack, unpack
from fitness.costs import Costs, SizeKind
from fitness.evaluate import check_windows, risk_rows, scale_of, sound_masks
from fitness.folds import Window
from fitness.shard import Shard
from fitness.simulation import simulate_one
from fitness.trace import Trace, trace, trace_of
from strategies.contract import AnyStrategy, Decisions
from strategies.contract_checks import checked_decisions
from strategies.encoding import phenotype_of
from strategies.genes import COLUMN
from strategies.learner_encoding import learner_slots

Float64 = NDArray[np.float64]
_SIZE_KIND: Final = COLUMN["risk.size_kind"]


@dataclass(frozen=True, eq=False)
class Play:
    """What the kernel is given of a strategy on a shard.

    Attributes:
        masks: `(4, n_bars)` bool, in the order of `contract.ROLES`.
        risk: `(N_RISK,)`.
        scale: `(n_bars,)` what a size that depends on the bar is multiplied with; None for other sizes.
    """

    masks: NDArray[np.bool_]
    risk: Float64
    scale: Float64 | None = None


def phenotype_or_none(strategy: AnyStrategy) -> Float64 | None:
    """The phenotype `(N_GENES,)` of a strategy of the grammar, None for one that is written by hand."""
    found: Float64 | None = getattr(strategy, "phenotype", None)
    return found


def decisions_of(phenotype: Float64, bank: FeatureBank) -> Decisions:
    """The decisions of one phenotype row `(N_GENES,)` on the bank's shard.

    Raises:
        StrategyError: an operand can't be computed on this shard.
    """
    masks = unpack(sound_masks(phenotype, bank), bank.shard.n_bars)
    return Decisions(masks[0], masks[1], masks[2], masks[3], strength=_strength(phenotype, bank))


def _strength(phenotype: Float64, bank: FeatureBank) -> Float64 | None:
    """How sure the learners are `(n_bars,)`, 0 where they say nothing; None where the size is not by confidence."""
    if phenotype[_SIZE_KIND] != SizeKind.CONFIDENCE:
        return None
    scale = scale_of(phenotype, bank)
    assert scale is not None
    return np.where(np.isnan(scale), 0.0, scale)


def learners_confidence(strategy: AnyStrategy, bank: FeatureBank) -> Float64 | None:
    """How sure the learners of a strategy are `(n_bars,)`, NaN where they say nothing; None without learners.

    It is what a size by confidence is multiplied by, whatever the strategy's own size: the mean, by their votes.
    """
    phenotype = phenotype_or_none(strategy)
    if phenotype is None or not any(phenotype[slot.start] for slot in learner_slots()):
        return None
    asked = phenotype.copy()
    asked[_SIZE_KIND] = SizeKind.CONFIDENCE
    return scale_of(asked, bank)


def play_of(strategy: AnyStrategy, shard: Shard, bank: FeatureBank) -> Play:
    """What the kernel is given of a strategy on a shard.

    Raises:
        StrategyError: it can't decide on this shard, or breaks the contract.
        DataError: the shard lacks a column that it must have.
    """
    phenotype = phenotype_or_none(strategy)
    if phenotype is not None:
        decisions, scale = decisions_of(phenotype, bank), scale_of(phenotype, bank)
        return Play(decisions.stacked(), risk_rows(phenotype.reshape(1, -1))[0], scale)
    decisions = checked_decisions(strategy, shard)
    plan = phenotype_of(strategy.risk.carrier())
    scale = decisions.strength if plan[_SIZE_KIND] == SizeKind.CONFIDENCE else scale_of(plan, bank)
    return Play(decisions.stacked(), risk_rows(plan.reshape(1, -1))[0], scale)


def trace_any(strategy: AnyStrategy, shard: Shard, window: Window, costs: Costs, bank: FeatureBank) -> Trace:
    """What any strategy does in `window`; indicators and states warm up on the bars before it.

    Raises:
        StrategyError: it can't decide on this shard, or breaks the contract.
        DataError: the window lies outside the shard, or the shard lacks a column.
    """
    check_windows([window], shard)
    phenotype = phenotype_or_none(strategy)
    if phenotype is not None:
        return trace(phenotype, shard, window, costs, bank)
    play = play_of(strategy, shard, bank)
    found = simulate_one(
        bars=shard,
        atr=bank.atr(),
        masks=pack(play.masks),
        window=(window.start, window.stop),
        risk=play.risk,
        costs=costs,
        scale=play.scale,
    )
    return trace_of(found, shard, window, costs)
