"""The last gate: one test over all that read the lockbox, and the verdict on a whole job.

Several candidates read the same bars, so one of them may look good by luck: StepM (Romano and Wolf 2005) holds the
chance of letting any one without skill through at alpha for the family, with the stationary bootstrap, which keeps how
the candidates move together. It judges returns beyond the benchmark; besides, what is promoted must have earned
something as it stands.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fitness.gates import GateReport, annual_sharpe, counted, passed_all, report, shown
from fitness.pooled import Pool
from fitness.statistics import common_block, luck_sharpe, step_m
from fitness.tried import Tried
from strategies.errors import UsageError

N_RESAMPLES = 2000
_MOST_VALUES = 50_000_000  # draws kept at once: 400 MB
_LEAST_TAIL = 20  # resamples beyond alpha that a p-value needs to be one


@dataclass(frozen=True, eq=False)
class Reading:
    """What one candidate did in the lockbox: its pooled returns, and the same beyond the benchmark."""

    returns: Pool
    beyond: Pool


def lockbox_gates(readings: Sequence[Reading], *, alpha: float, seed: int, is_timing: bool = True) -> list[GateReport]:
    """How each reader of the lockbox stood: its p-value, adjusted for the family, and its Sharpe ratio as it is.

    Args:
        readings: of all that read the lockbox, on the same bars.
        alpha: chance to let any one without skill through, for the family.
        seed: of the resamples.
        is_timing: whether "beyond" means beyond the strategy's own mean exposure.

    Raises:
        UsageError: no reader, readers on different bars, or an alpha out of range.
    """
    if not readings:
        raise UsageError("`readings` must hold at least one reader, but was empty. A shut lockbox needs no gate.")
    lengths = {one.beyond.returns.size for one in readings}
    if len(lengths) > 1:
        raise UsageError(f"all must read the same bars, but had {sorted(lengths)}. Give the whole lockbox of each.")
    returns = np.stack([one.beyond.returns for one in readings])
    block = common_block(returns)
    n_resamples = resamples(returns.shape[1], alpha)
    found = step_m(returns, alpha=alpha, block=block, n_resamples=n_resamples, seed=seed)
    return [
        _report(one, float(p), alpha=alpha, n_readers=len(readings), block=block, is_timing=is_timing)
        for one, p in zip(readings, found.adjusted_p, strict=True)
    ]


def _report(reading: Reading, p: float, *, alpha: float, n_readers: int, block: float, is_timing: bool) -> GateReport:
    sharpe, beyond = annual_sharpe(reading.returns), annual_sharpe(reading.beyond)
    value = p if math.isfinite(beyond) else math.nan
    against = " beyond holding its mean exposure" if is_timing else ""
    text = (
        "The lockbox, which neither evolution nor choice ever saw, was read by "
        f"{counted(n_readers, 'candidate')}: the chance that one without skill among so many looks this good{against} "
        f"must be at most {alpha:g}, and was {shown(value, 4)} (StepM, stationary bootstrap with blocks of {block:.1f} "
        f"bars); and its Sharpe there must be above 0 as it stands, and was {shown(sharpe, 2)} a year over "
        f"{counted(reading.returns.returns.size, 'bar')}"
    )
    text += f" ({shown(beyond, 2)}{against})" if is_timing else ""
    return report("lockbox", value, alpha, passed=value <= alpha and sharpe > 0.0, text=text)


def resamples(n_bars: int, alpha: float = 1.0) -> int:
    """How many resamples of so many bars: 2,000 unless memory is short, and enough for a p-value of `alpha`.

    >>> resamples(500), resamples(500, 0.001), resamples(1_000_000)
    (2000, 20000, 200)
    """
    return max(min(N_RESAMPLES, max(200, _MOST_VALUES // max(n_bars, 1))), math.ceil(_LEAST_TAIL / alpha))


def verdict(
    *, tried: Tried | None, best_sharpe: float, bars_per_year: float, reports: Sequence[Sequence[GateReport]]
) -> str:
    """One plain sentence or two on a job: what passed, and what luck alone would have given.

    Args:
        tried: what was tried; None if nothing was.
        best_sharpe: highest annual Sharpe ratio in sample of a candidate, beyond the benchmark; NaN if none has one.
        bars_per_year: of the pool.
        reports: the gate reports of each candidate.
    """
    if tried is None:
        return "Nothing passed: no strategy was tried."
    n_passed = sum(passed_all(each) for each in reports)
    ways = tried.text()
    if n_passed:
        opening = f"{n_passed} of {counted(len(reports), 'candidate')} passed every gate; the best of {ways}"
    else:
        opening = f"Nothing passed: the best of {ways}"
    if not math.isfinite(best_sharpe):
        return f"{opening} has no in-sample Sharpe at all: none ever traded enough."
    sentence = f"{opening} has an in-sample Sharpe of {best_sharpe:.2f}"
    if not math.isfinite(tried.variance):
        return f"{sentence}; what luck alone would give is not known."
    luck = luck_sharpe(n_trials=tried.n, trial_variance=tried.variance) * math.sqrt(bars_per_year)
    sentence += f", where luck alone would give {luck:.2f}."
    failures = _commonest_failure(reports)
    if not n_passed and best_sharpe > luck and failures:
        sentence += f" {failures}"
    return sentence


def _commonest_failure(reports: Sequence[Sequence[GateReport]]) -> str:
    """The gate at which most candidates failed, as a sentence; empty if none did."""
    failed = Counter(one.name for each in reports for one in each if not one.passed)
    if not failed:
        return ""
    name, count = failed.most_common(1)[0]
    return f"The gate that refused most was {name!r}: {count} of {counted(len(reports), 'candidate')}."
