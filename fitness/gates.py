"""The gates between a candidate and an elite, and the verdict on a whole job.

Two steps, so that the lockbox is read only for those that passed everything else: `pre_lockbox_gates`, then, for these,
`lockbox_gate`. Every gate is reported, also when an earlier one failed. A figure that is not defined never passes. All
judge the pooled returns of a segment: one account that trades all shards with equal weight (pooled.py).
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from fitness.measures import measure
from fitness.pooled import Pool, pool_tally
from fitness.statistics import deflated_sharpe, luck_sharpe, moments, probabilistic_sharpe
from strategies.errors import UsageError


@dataclass(frozen=True)
class Thresholds:
    """What a candidate must reach.

    Attributes:
        min_trades: fewest trades in sample, over all shards.
        max_drawdown: deepest fall in sample that is allowed, a fraction.
        dsr: least deflated Sharpe ratio in sample, a probability.
        validation_sharpe: annual Sharpe ratio on the validation bars that must be exceeded.
        lockbox_alpha: chance to let through any candidate without skill at the lockbox.
    """

    min_trades: int = 30
    max_drawdown: float = 0.5
    dsr: float = 0.95
    validation_sharpe: float = 0.0
    lockbox_alpha: float = 0.05


@dataclass(frozen=True)
class GateReport:
    """How a candidate stood at one gate; `explanation` names value and threshold in a plain sentence."""

    name: str
    value: float
    threshold: float
    passed: bool
    explanation: str


def pre_lockbox_gates(
    *,
    in_sample: Pool,
    validation: Pool,
    n_trades: int,
    n_trials: int,
    trial_variance: float,
    thresholds: Thresholds,
) -> tuple[GateReport, ...]:
    """The gates that come before the lockbox: trades, drawdown, deflated Sharpe ratio, validation Sharpe ratio.

    Args:
        in_sample: pooled returns of the folds.
        validation: pooled returns of the validation stretch.
        n_trades: trades in sample, over all shards.
        n_trials: every strategy that the job ever tried.
        trial_variance: variance of the per-bar pooled Sharpe ratios of generation 0 (`pooled.trial_variance`).
        thresholds: what must be reached.

    Raises:
        UsageError: `n_trials` is below 1, or the variance is negative.
    """
    return (
        _trades_gate(n_trades, thresholds),
        _drawdown_gate(in_sample, thresholds),
        _deflated_gate(in_sample, n_trials, trial_variance, thresholds),
        _validation_gate(validation, thresholds),
    )


def lockbox_gate(lockbox: Pool, *, n_candidates: int, thresholds: Thresholds) -> GateReport:
    """The last gate: the probability that the true Sharpe ratio on the lockbox is above 0.

    The more candidates read the lockbox, the surer each must be: 1 - alpha / n_candidates, so that the chance to let
    through any one without skill stays at alpha or below (Bonferroni).

    Raises:
        UsageError: `n_candidates` is below 1.
    """
    if n_candidates < 1:
        raise UsageError(f"`n_candidates` must be at least 1, but was {n_candidates}. Count all that read the lockbox.")
    threshold = 1.0 - thresholds.lockbox_alpha / n_candidates
    known = moments(lockbox.returns)
    value = probabilistic_sharpe(sharpe=known.sharpe, n=known.n, skew=known.skew, kurtosis=known.kurtosis)
    readers = "1 candidate" if n_candidates == 1 else f"{n_candidates} candidates"
    text = (
        f"The lockbox, which neither evolution nor choice ever saw, was read by {readers}: the probability that the "
        f"true Sharpe ratio there is above 0 must be at least {threshold:.4f} (1 - {thresholds.lockbox_alpha:g}/"
        f"{n_candidates}, surer the more candidates read it), and was {_shown(value, 4)}"
    )
    if math.isfinite(value):
        text += f" (Sharpe {known.sharpe * math.sqrt(lockbox.bars_per_year):.2f} a year over {known.n} bars)"
    return _report("lockbox", value, threshold, passed=value >= threshold, text=text)


def passed_all(reports: Sequence[GateReport]) -> bool:
    """Whether there are reports and each of them passed."""
    return bool(reports) and all(report.passed for report in reports)


def annual_sharpe(series: Pool) -> float:
    """Annual Sharpe ratio of pooled returns; NaN where it is not defined."""
    return moments(series.returns).sharpe * math.sqrt(series.bars_per_year)


def verdict(
    *,
    n_trials: int,
    best_sharpe: float,
    trial_variance: float,
    bars_per_year: float,
    reports: Sequence[Sequence[GateReport]],
) -> str:
    """One plain sentence or two on a job: what passed, and what luck alone would have given.

    Args:
        n_trials: every strategy that the job ever tried.
        best_sharpe: highest annual Sharpe ratio in sample, pooled; NaN if no strategy has one.
        trial_variance: as in `pre_lockbox_gates`.
        bars_per_year: of the pool.
        reports: the gate reports of each candidate.
    """
    if n_trials < 1:
        return "Nothing passed: no strategy was tried."
    n_passed = sum(passed_all(each) for each in reports)
    tried = f"{n_trials:,} strategies tried" if n_trials > 1 else "1 strategy tried"
    if n_passed:
        opening = f"{n_passed} of {_counted(len(reports), 'candidate')} passed every gate; the best of {tried}"
    else:
        opening = f"Nothing passed: the best of {tried}"
    if not math.isfinite(best_sharpe):
        return f"{opening} has no in-sample Sharpe at all: none ever traded enough."
    sentence = f"{opening} has an in-sample Sharpe of {best_sharpe:.2f}"
    if not math.isfinite(trial_variance):
        return f"{sentence}; what luck alone would give is not known."
    luck = luck_sharpe(n_trials=n_trials, trial_variance=trial_variance) * math.sqrt(bars_per_year)
    sentence += f", where luck alone would give {luck:.2f}."
    failures = _commonest_failure(reports)
    if not n_passed and best_sharpe > luck and failures:
        sentence += f" {failures}"
    return sentence


def _commonest_failure(reports: Sequence[Sequence[GateReport]]) -> str:
    """The gate at which most candidates failed, as a sentence; empty if none did."""
    failed = Counter(report.name for each in reports for report in each if not report.passed)
    if not failed:
        return ""
    name, count = failed.most_common(1)[0]
    return f"The gate that refused most was {name!r}: {count} of {_counted(len(reports), 'candidate')}."


def _trades_gate(n_trades: int, thresholds: Thresholds) -> GateReport:
    text = f"{_counted(n_trades, 'trade')} in sample; at least {thresholds.min_trades} are needed to judge by"
    passed = n_trades >= thresholds.min_trades
    return _report("trades", float(n_trades), float(thresholds.min_trades), passed=passed, text=text)


def _drawdown_gate(in_sample: Pool, thresholds: Thresholds) -> GateReport:
    tally = pool_tally(in_sample.returns)
    value = float(measure("max_drawdown", tally, in_sample.bars_per_year)) if in_sample.returns.size else math.nan
    shown = f"{value:.1%}" if math.isfinite(value) else "not defined"
    text = f"The deepest fall in sample was {shown}; at most {thresholds.max_drawdown:.1%} is allowed"
    passed = value <= thresholds.max_drawdown
    return _report("max_drawdown", value, thresholds.max_drawdown, passed=passed, text=text)


def _deflated_gate(in_sample: Pool, n_trials: int, trial_variance: float, thresholds: Thresholds) -> GateReport:
    known = moments(in_sample.returns)
    value = deflated_sharpe(
        sharpe=known.sharpe,
        n=known.n,
        n_trials=n_trials,
        trial_variance=trial_variance,
        skew=known.skew,
        kurtosis=known.kurtosis,
    )
    yearly = math.sqrt(in_sample.bars_per_year)
    luck = luck_sharpe(n_trials=n_trials, trial_variance=trial_variance) * yearly
    text = (
        f"Of {n_trials:,} strategies tried the best would show a Sharpe of {_shown(luck, 2)} a year by luck alone; "
        f"this one's {_shown(known.sharpe * yearly, 2)} beats that with probability {_shown(value, 4)} (deflated "
        f"Sharpe ratio), and {thresholds.dsr:g} is needed"
    )
    return _report("dsr", value, thresholds.dsr, passed=value >= thresholds.dsr, text=text)


def _validation_gate(validation: Pool, thresholds: Thresholds) -> GateReport:
    value = annual_sharpe(validation)
    text = (
        f"The Sharpe on the validation bars, which evolution never saw, was {_shown(value, 2)} a year; more than "
        f"{thresholds.validation_sharpe:g} is needed"
    )
    passed = value > thresholds.validation_sharpe
    return _report("validation_sharpe", value, thresholds.validation_sharpe, passed=passed, text=text)


def _report(name: str, value: float, threshold: float, *, passed: bool, text: str) -> GateReport:
    """A report; a value that is NaN or infinite does not pass, whatever the comparison said."""
    sound = math.isfinite(value)
    ending = "." if sound else ". A figure that is not defined does not pass."
    return GateReport(name, value, threshold, passed and sound, text + ending)


def _shown(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "not defined"


def _counted(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"
