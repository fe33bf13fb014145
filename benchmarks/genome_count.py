"""What becomes of genomes on a shard: played over the folds, and why those that never trade do not. For `census`."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitness.bank import FeatureBank
from fitness.bits import unpack
from fitness.costs import Costs
from fitness.evaluate import evaluate, role_masks
from fitness.folds import Window, split
from fitness.samples import sample, widen
from fitness.shard import Shard
from fitness.shards import shard_of
from fitness.tally import Tally
from strategies.catalogue import catalogue
from strategies.codec import express
from strategies.genes import BLOCK_COLUMNS, COLUMN, COMPARATORS, CONDITION_BLOCKS, FIELD, N_GENES, N_LEARNERS
from strategies.language import Language

Rows = NDArray[np.float64]
Flags = NDArray[np.bool_]

COSTS = Costs(fee=0.0005, slippage=0.0)
DAILY = Language(intraday=False)
"""What a job on daily bars may say."""
ENOUGH = 5
"""Trades a fold from which on a fitness says something."""
CAUSES = (
    "operand fails", "gate never open", "a condition is never true", "learners never say so", "never all at once",
    "wants to, never fills", "fewer than 1 trade a fold", "fewer than 5 trades a fold", "always in", "sound",
)  # fmt: skip
_BATCH = 500


@dataclass(frozen=True, eq=False)
class Counted:
    """What became of `n` genomes on one shard.

    Attributes:
        phenotypes: `(n, N_GENES)`.
        valid: `(n,)` whether every operand could be computed.
        trades: `(n, n_folds)`.
        held: `(n,)` share of the bars in a position.
        wants: `(n,)` bars of the folds at which a side may be entered.
        undone: `(n,)` share of these at which the exit of the same side is true as well; NaN without any.
        both: `(n,)` share of these at which the other side may be entered too.
        decisions: `(n,)` a number for what is wanted at each bar of the folds, the same where all of it is the same.
        behaviour: `(n,)` likewise for the tallies of all folds.
        cause: `(n,)` place in `CAUSES`.
    """

    phenotypes: Rows
    valid: Flags
    trades: Rows
    held: Rows
    wants: Rows
    undone: Rows
    both: Rows
    decisions: NDArray[np.int64]
    behaviour: NDArray[np.int64]
    cause: NDArray[np.int64]


def shard(symbol: str) -> Shard:
    """A bundled series as a shard."""
    frame, _ = widen(sample(symbol))
    return shard_of(frame, symbol, "1d", bars_per_year=252.0)


def folds_of(bars: Shard) -> tuple[Window, ...]:
    """The folds that evolution sees, as a job cuts them by default."""
    return split(bars.n_bars, folds=4, validation=0.2, lockbox=0.2, embargo=5, warm_up=252).folds


def count(genomes: Rows, bars: Shard) -> Counted:
    """What becomes of genomes `(n, N_GENES)` on a shard."""
    phenotypes, windows, bank = express(genomes, DAILY), folds_of(bars), FeatureBank(bars)
    tallies = np.concatenate([evaluate(part, bars, windows, COSTS, bank) for part in _parts(phenotypes)])
    inside = np.zeros(bars.n_bars, dtype=bool)
    for window in windows:
        inside[window.start : window.stop] = True
    wishes = [_wishes(part, bank, inside) for part in _parts(phenotypes)]
    wants, undone, both, wanted = (np.concatenate(found) for found in zip(*wishes, strict=True))
    valid = np.isfinite(tallies).all(axis=(1, 2))
    trades = np.where(valid[:, None], tallies[:, :, Tally.N_TRADES], 0.0)
    held = np.where(valid, tallies[:, :, Tally.BARS_HELD].sum(axis=1) / tallies[:, :, Tally.N_BARS].sum(axis=1), 0.0)
    cause = _causes(phenotypes, bank, inside, valid=valid, trades=trades, held=held, wants=wants)
    return Counted(phenotypes, valid, trades, held, wants, undone, both, numbered(wanted), numbered(tallies), cause)


def numbered(rows: NDArray[Any]) -> NDArray[np.int64]:
    """A number for each row `(n, ...)`, the same where rows are equal in every bit: `(n,)`."""
    known: dict[bytes, int] = {}
    return np.array([known.setdefault(row.tobytes(), len(known)) for row in rows])


def _parts(rows: Rows) -> list[Rows]:
    return [rows[start : start + _BATCH] for start in range(0, len(rows), _BATCH)]


def _wishes(part: Rows, bank: FeatureBank, inside: Flags) -> tuple[Rows, Rows, Rows, NDArray[np.uint8]]:
    """Bars of entry, the shares of them that the exit undoes and that the other side contradicts, and all masks."""
    found = role_masks(part, bank)
    n_entry, n_undone, n_both = np.zeros((3, len(part)))
    wanted = np.empty((len(part), -(-4 * bank.shard.n_bars // 8)), dtype=np.uint8)
    for number, rows in enumerate(found.rows):
        long, leave, short, cover = unpack(found.masks[rows], bank.shard.n_bars) & inside
        wanted[number] = np.packbits([long, leave, short, cover])
        n_entry[number] = (long | short).sum()
        n_undone[number] = (long & leave).sum() + (short & cover).sum()
        n_both[number] = (long & short).sum()
    with np.errstate(invalid="ignore"):
        return n_entry, n_undone / n_entry, n_both / n_entry, wanted


def _causes(
    phenotypes: Rows, bank: FeatureBank, inside: Flags, *, valid: Flags, trades: Rows, held: Rows, wants: Rows
) -> NDArray[np.int64]:
    """The first question that each genome fails, as a place in `CAUSES`."""
    n_folds = trades.shape[1]
    n_trades = trades.sum(axis=1)
    cause = np.full(len(phenotypes), CAUSES.index("sound"))
    cause[held > 0.98] = CAUSES.index("always in")
    cause[n_trades < ENOUGH * n_folds] = CAUSES.index("fewer than 5 trades a fold")
    cause[n_trades < n_folds] = CAUSES.index("fewer than 1 trade a fold")
    cause[n_trades == 0] = CAUSES.index("wants to, never fills")
    for row in np.flatnonzero(valid & (wants == 0)):
        cause[row] = CAUSES.index(_why_never(phenotypes[row], bank, inside))
    cause[~valid] = CAUSES.index("operand fails")
    return cause


def _why_never(phenotype: Rows, bank: FeatureBank, inside: Flags) -> str:
    """Why nothing is ever entered: what is needed for it is taken away, part by part."""
    ungated = phenotype.copy()
    ungated[[COLUMN["gate.trend"], COLUMN["gate.volatility"]]] = 0.0
    if _enters(ungated, bank, inside):
        return "gate never open"
    ungated[COLUMN["fusion.conflict"]] = 0.0
    voters = [f"entry.{number}" for number in range(4) if ungated[COLUMN[f"entry.{number}.on"]]]
    silent = [block for block in voters if not _enters(single(ungated, block), bank, inside)]
    if any(ungated[COLUMN[f"learner.{n}.weight"]] > 0 for n in range(N_LEARNERS)):
        return "a condition is never true" if silent else "learners never say so"
    return "a condition is never true" if silent else "never all at once"


def _enters(phenotype: Rows, bank: FeatureBank, inside: Flags) -> bool:
    return bool(_wishes(phenotype[None], bank, inside)[0][0] > 0)


def single(phenotype: Rows, block: str) -> Rows:
    """The phenotype whose entry is one condition of another, learners listened to but without a vote."""
    alone = np.zeros(N_GENES)
    alone[list(BLOCK_COLUMNS["entry.0"])] = phenotype[list(BLOCK_COLUMNS[block])]
    alone[COLUMN["entry.0.weight"]] = alone[COLUMN["entry.needed"]] = 1.0
    alone[COLUMN["risk.stop_kind"]], alone[COLUMN["risk.stop"]] = 1.0, 3.0
    alone[COLUMN["risk.size"]] = 1.0
    first = COLUMN["learner.0.on"]
    last = COLUMN["gate.trend"]
    alone[first:last] = phenotype[first:last]
    for number in range(N_LEARNERS):
        alone[COLUMN[f"learner.{number}.weight"]] = 0.0
    return alone


@dataclass(frozen=True, eq=False)
class Conditions:
    """Conditions looked at one by one: `(m,)` each.

    Attributes:
        family: of the left operand.
        kind: its name.
        form: "level" or "operand", with the comparator.
        share: of the bars of the folds at which it is true; NaN where it can't be computed.
        depth: where a level stands in its range, 0 to 1; NaN against an operand.
    """

    family: NDArray[np.str_]
    kind: NDArray[np.str_]
    form: NDArray[np.str_]
    share: Rows
    depth: Rows


def conditions_of(phenotypes: Rows, bars: Shard) -> Conditions:
    """Each condition of phenotypes `(n, N_GENES)`, how often it is true in the folds of a shard."""
    bank, kinds = FeatureBank(bars), catalogue()
    inside = np.zeros(bars.n_bars, dtype=bool)
    for window in folds_of(bars):
        inside[window.start : window.stop] = True
    rows, blocks = [], []
    for block in CONDITION_BLOCKS:
        for phenotype in phenotypes[phenotypes[:, COLUMN[f"{block}.on"]] > 0]:
            rows.append(single(phenotype, block))
            blocks.append(phenotype[list(BLOCK_COLUMNS[block])])
    shares = []
    for part in _parts(np.array(rows)):
        found = role_masks(part, bank)
        true = unpack(found.masks[found.rows[:, 0]], bars.n_bars)[:, inside].mean(axis=1)
        shares.append(np.where(found.sound, true, np.nan))
    table = np.array(blocks)
    left = [kinds[int(index)] for index in table[:, FIELD["left.kind"]]]
    against = table[:, FIELD["against"]] > 0
    words = [("not " if row[FIELD["negate"]] else "") + COMPARATORS[int(row[FIELD["comparator"]])] for row in table]
    spans = [kind.level_range or (0.0, 1.0) for kind in left]
    depth = [(row[FIELD["level"]] - low) / (high - low) for row, (low, high) in zip(table, spans, strict=True)]
    return Conditions(
        family=np.array([kind.family for kind in left]),
        kind=np.array([kind.name for kind in left]),
        form=np.array(
            [f"{'level' if level else 'operand'} {word}" for level, word in zip(against, words, strict=True)]
        ),
        share=np.concatenate(shares),
        depth=np.where(against, depth, np.nan),
    )
