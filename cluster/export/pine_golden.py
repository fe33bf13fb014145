"""What the four signals are on bars that anybody has: the proof that an exported script carries with it.

Ours are those of the kernel, not of the script: whoever runs the script on the same bars can compare.
"""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fitness.bank import FeatureBank
from fitness.played import decisions_of
from fitness.samples import sample
from fitness.shard import Shard
from fitness.shards import shard_of
from strategies.encoding import phenotype_of
from strategies.operand_json import pair_of
from strategies.operands import column
from strategies.strategy import Operand, Strategy

SYMBOL: Final = "IBM"
N_BARS: Final = 600
N_SHOWN: Final = 12
MICROSECONDS: Final = 1_000_000


@cache
def golden_bars() -> Shard:
    """Return the first bars of a sample that ships with Studbook (public domain, adjusted for splits and dividends)."""
    return shard_of(sample(SYMBOL)[:N_BARS], SYMBOL, "1d", bars_per_year=252.0)


@cache
def _bank() -> FeatureBank:
    return FeatureBank(golden_bars())


def golden_signals(strategy: Strategy) -> NDArray[np.bool_]:
    """Return long entry, long exit, short entry and short exit on the golden bars, `(4, n_bars)`, by the kernel.

    Raises:
        StrategyError: an operand can't be computed.
    """
    return decisions_of(phenotype_of(strategy), _bank()).stacked()


def checksum(signals: NDArray[np.bool_]) -> str:
    """Return the first 16 hex digits of the SHA-256 of one line a bar, oldest first, of four digits 0 or 1 each."""
    text = "".join("".join(str(int(value)) for value in bar) + "\n" for bar in signals.T)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def golden_lines(strategy: Strategy, operands: dict[Operand, str]) -> list[str]:
    """Return the comment lines: what the bars are, counts, the checksum, and the last bars with a signal.

    Args:
        strategy: whose signals.
        operands: the name in the script of each operand that is shown with its values.
    """
    shard, signals = golden_bars(), golden_signals(strategy)
    span = f"{_date(shard, 0)} to {_date(shard, N_BARS - 1)}"
    counts = ", ".join(f"{int(row.sum())}" for row in signals)
    lines = [
        "GOLDEN SIGNALS of Studbook's own kernel, to compare with",
        f"bars: sample {SYMBOL}, daily, {span}, {N_BARS} bars, hash {shard.content_hash[:16]} (`studbook data sample`)",
        f"true: long entry, long exit, short entry, short exit at {counts} bars",
        f"checksum: {checksum(signals)} (SHA-256 of four digits and a newline a bar, oldest first, 16 hex digits)",
    ]
    values = {name: _values(operand) for operand, name in operands.items()}
    lines.append("date | open high low close volume | signals | " + " ".join(values))
    changes = np.flatnonzero(np.any(signals, axis=0))
    shown = changes[-N_SHOWN:] if changes.size else np.arange(N_BARS)[-N_SHOWN:]
    for t in sorted({*shown.tolist(), N_BARS - 1}):
        bar = " ".join(repr(float(getattr(shard, one)[t])) for one in ("open", "high", "low", "close", "volume"))
        said = "".join(str(int(value)) for value in signals[:, t])
        lines.append(f"{_date(shard, t)} | {bar} | {said} | {' '.join(_shown(each[t]) for each in values.values())}")
    return lines


def _values(operand: Operand) -> NDArray[np.float64]:
    kind, source = pair_of(operand)
    return column(kind, source, replace(operand, lag=0).parameters, golden_bars())


def _shown(value: float) -> str:
    return repr(float(value)) if np.isfinite(value) else "na"


def _date(shard: Shard, t: int) -> str:
    return datetime.fromtimestamp(int(shard.timestamps[t]) / MICROSECONDS, UTC).date().isoformat()
