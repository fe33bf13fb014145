"""The gates between a candidate and an elite: what each one asks, and how a candidate stood at it.

Two steps, so that the lockbox is read only for those that passed everything else: `pre_lockbox_gates` for each
candidate, then, for all readers together, `lockbox_gates` (lockbox.py). Every gate is reported, also when an earlier
one failed and when it is switched off. A figure that is not defined never passes.

Gates judge timing: returns beyond what holding the strategy's own mean exposure earned (excess.py), so that being
long in a rising market is no skill. All returns are pooled: one account that trades all shards with equal weight. A new
gate is a function and a line in `GATES`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fitness.battery import Finding
from fitness.measures import measure
from fitness.pooled import Pool, pool_tally
from fitness.regime_means import RegimeMean
from fitness.statistics import deflated_sharpe, luck_sharpe, minimum_track_record, moments
from fitness.tried import Tried


@dataclass(frozen=True)
class Thresholds:
    """What a candidate must reach; None switches a gate off, which is reported all the same.

    Attributes:
        min_trades: fewest trades in sample, over all shards.
        max_drawdown: deepest fall in sample that is allowed, a fraction.
        dsr: least deflated Sharpe ratio in sample, a probability.
        validation_sharpe: annual Sharpe ratio on the validation bars that must be exceeded, raw and beyond holding.
        spa: highest p-value of the job's best against all that was tried.
        pbo: highest probability of overfitting of choosing by the in-sample Sharpe ratio.
        regimes: least share of the market's regimes in which nothing is lost beyond holding.
        stability: least share of its Sharpe ratio that a strategy keeps when its numbers are moved a little.
        battery: whether every finding of the bias battery must pass.
        lockbox_alpha: chance to let through any candidate without skill at the lockbox.
    """

    min_trades: int = 30
    max_drawdown: float | None = 0.5
    dsr: float | None = 0.95
    validation_sharpe: float | None = 0.0
    spa: float | None = 0.05
    pbo: float | None = 0.5
    regimes: float | None = 0.5
    stability: float | None = 0.5
    battery: bool = True
    lockbox_alpha: float = 0.05


@dataclass(frozen=True, eq=False)
class Evidence:
    """All that is known of a candidate before its lockbox is read.

    Attributes:
        in_sample: pooled returns of the folds, as they were.
        in_sample_beyond: the same beyond the benchmark.
        validation: pooled returns of the validation stretch, as they were.
        validation_beyond: the same beyond the benchmark.
        n_trades: in sample, over all shards.
        tried: what was tried to find it.
        regimes: mean returns beyond the benchmark, in sample, one for each regime that lasted.
        stability: share of its Sharpe ratio that it keeps; NaN where it is not known.
        battery: findings of the bias battery.
        is_timing: whether the benchmark is the strategy's own mean exposure; else it is cash, and nothing is beyond it.
    """

    in_sample: Pool
    in_sample_beyond: Pool
    validation: Pool
    validation_beyond: Pool
    n_trades: int
    tried: Tried
    regimes: tuple[RegimeMean, ...] = ()
    stability: float = math.nan
    battery: tuple[Finding, ...] = ()
    is_timing: bool = True


@dataclass(frozen=True)
class GateReport:
    """How a candidate stood at one gate; `explanation` names value and threshold in a plain sentence.

    A gate that is switched off has a threshold of NaN, and has passed.
    """

    name: str
    value: float
    threshold: float
    passed: bool
    explanation: str


def pre_lockbox_gates(evidence: Evidence, thresholds: Thresholds) -> tuple[GateReport, ...]:
    """A report of every gate that comes before the lockbox, in the order of `GATES`.

    Raises:
        UsageError: fewer than one trial, or a negative variance of trials.
    """
    return tuple(gate(evidence, thresholds) for gate in GATES.values())


def passed_all(reports: Sequence[GateReport]) -> bool:
    """Whether there are reports and each of them passed."""
    return bool(reports) and all(report.passed for report in reports)


def annual_sharpe(series: Pool) -> float:
    """Annual Sharpe ratio of pooled returns; NaN where it is not defined."""
    return moments(series.returns).sharpe * math.sqrt(series.bars_per_year)


def minimum_track_years(series: Pool, benchmark: float = 0.0) -> float:
    """Years after which this Sharpe ratio would beat a per-bar `benchmark` at 95 %; infinite if it does not beat it."""
    known = moments(series.returns)
    bars = minimum_track_record(sharpe=known.sharpe, benchmark=benchmark, skew=known.skew, kurtosis=known.kurtosis)
    return bars / series.bars_per_year


def deflated(series: Pool, *, n_trials: int, trial_variance: float) -> float:
    """Deflated Sharpe ratio of pooled returns, a probability; NaN where it is not defined.

    Raises:
        UsageError: fewer than one trial, or a negative variance.
    """
    known = moments(series.returns)
    return deflated_sharpe(
        sharpe=known.sharpe,
        n=known.n,
        n_trials=n_trials,
        trial_variance=trial_variance,
        skew=known.skew,
        kurtosis=known.kurtosis,
    )


def _trades(evidence: Evidence, thresholds: Thresholds) -> GateReport:
    needed = thresholds.min_trades
    text = f"{counted(evidence.n_trades, 'trade')} in sample; at least {needed} are needed to judge by"
    return report("trades", float(evidence.n_trades), needed, passed=evidence.n_trades >= needed, text=text)


def _drawdown(evidence: Evidence, thresholds: Thresholds) -> GateReport:
    returns, limit = evidence.in_sample.returns, thresholds.max_drawdown
    tally = pool_tally(returns)
    value = float(measure("max_drawdown", tally, evidence.in_sample.bars_per_year)) if returns.size else math.nan
    fell = f"{value:.1%}" if math.isfinite(value) else "not defined"
    text = f"The deepest fall in sample was {fell}"
    text += "" if limit is None else f"; at most {limit:.1%} is allowed"
    return report("max_drawdown", value, limit, passed=limit is None or value <= limit, text=text)


def _deflated(evidence: Evidence, thresholds: Thresholds) -> GateReport:
    tried, series, least = evidence.tried, evidence.in_sample_beyond, thresholds.dsr
    variance, yearly = tried.variance, math.sqrt(series.bars_per_year)
    value = deflated(series, n_trials=tried.n, trial_variance=variance)
    luck = luck_sharpe(n_trials=tried.n, trial_variance=variance)
    text = (
        f"Of {tried.text()} the best would show a Sharpe of {shown(luck * yearly, 2)} a year by luck alone"
        f"{_against(evidence)}; this one's {shown(annual_sharpe(series), 2)} beats that with probability "
        f"{shown(value, 4)} (deflated Sharpe ratio)"
    )
    text += "" if least is None else f", and {least:g} is needed"
    if math.isfinite(tried.n_effective):
        alike = deflated(series, n_trials=max(1, round(tried.n_effective)), trial_variance=variance)
        text += f". Were they only {tried.n_effective:.0f} independent ones, it would be {shown(alike, 4)}"
    years = minimum_track_years(series, luck)
    text += f". To beat that luck at 95 % takes {years:.1f} years of such returns" if math.isfinite(years) else ""
    return report("dsr", value, least, passed=least is None or value >= least, text=text)


def _validation(evidence: Evidence, thresholds: Thresholds) -> GateReport:
    raw, least = annual_sharpe(evidence.validation), thresholds.validation_sharpe
    value, text = raw, f"The Sharpe on the validation bars, which evolution never saw, was {shown(raw, 2)} a year"
    if evidence.is_timing:
        beyond = annual_sharpe(evidence.validation_beyond)
        value = min(raw, beyond) if math.isfinite(raw) and math.isfinite(beyond) else math.nan
        text += f", and {shown(beyond, 2)} beyond holding its mean exposure"
    if least is not None:
        text += f"; more than {least:g} is needed" + (" of both" if evidence.is_timing else "")
    return report("validation_sharpe", value, least, passed=least is None or value > least, text=text)


def _spa(evidence: Evidence, thresholds: Thresholds) -> GateReport:
    tried, most = evidence.tried, thresholds.spa
    text = (
        f"The best of {counted(tried.n_sampled, 'way')} of trading that this job tried would look as good with "
        f"probability {shown(tried.spa_p, 3)} if none of them had any skill (Hansen's SPA{_against(evidence)}; one "
        "figure for the job)"
    )
    text += "" if most is None else f"; at most {most:g} is allowed"
    return report("spa", tried.spa_p, most, passed=most is None or tried.spa_p <= most, text=text)


def _pbo(evidence: Evidence, thresholds: Thresholds) -> GateReport:
    tried, most = evidence.tried, thresholds.pbo
    text = (
        f"In {shown(100.0 * tried.pbo, 0)} % of the ways to cut the folds in two halves, the best of the one half was "
        "no better than the middle in the other (probability of back-test overfitting; one figure for the job)"
    )
    text += "" if most is None else f"; at most {100.0 * most:.0f} % is allowed"
    return report("pbo", tried.pbo, most, passed=most is None or tried.pbo <= most, text=text)


def _regimes(evidence: Evidence, thresholds: Thresholds) -> GateReport:
    least, known = thresholds.regimes, evidence.regimes
    lost = [one.name for one in known if not one.mean >= 0.0]
    value = (len(known) - len(lost)) / len(known) if known else math.nan
    text = f"It lost nothing{_against(evidence)} in {len(known) - len(lost)} of {counted(len(known), 'market regime')}"
    text += f" (it lost in {', '.join(lost)})" if lost else ""
    text += "" if least is None else f"; a share of at least {least:g} is needed"
    return report("regimes", value, least, passed=least is None or value >= least, text=text)


def _stability(evidence: Evidence, thresholds: Thresholds) -> GateReport:
    value, least = evidence.stability, thresholds.stability
    text = f"With its numbers moved a little it keeps {shown(100.0 * value, 0)} % of its Sharpe"
    text += "" if least is None else f"; at least {100.0 * least:.0f} % is needed"
    return report("stability", value, least, passed=least is None or value >= least, text=text)


def _battery(evidence: Evidence, thresholds: Thresholds) -> GateReport:
    failed = [one.name.replace("_", " ") for one in evidence.battery if not one.passed]
    n = len(evidence.battery)
    text = f"{n - len(failed)} of {counted(n, 'test')} of the bias battery passed"
    text += f" (not: {', '.join(failed)})" if failed else ""
    text += "; all must" if thresholds.battery else ""
    value = float(n - len(failed)) if n else math.nan
    passed = not thresholds.battery or not failed
    return report("battery", value, float(n) if thresholds.battery else None, passed=passed, text=text)


GATES: Final[Mapping[str, Callable[[Evidence, Thresholds], GateReport]]] = {
    "trades": _trades,
    "max_drawdown": _drawdown,
    "dsr": _deflated,
    "validation_sharpe": _validation,
    "spa": _spa,
    "pbo": _pbo,
    "regimes": _regimes,
    "stability": _stability,
    "battery": _battery,
}
"""The gates before the lockbox, in their order."""


def report(name: str, value: float, threshold: float | None, *, passed: bool, text: str) -> GateReport:
    """A report; a value that is NaN or infinite does not pass, whatever the comparison said. None is switched off."""
    if threshold is None:
        return GateReport(name, float(value), math.nan, True, f"{text}. This gate is switched off.")
    sound = math.isfinite(value)
    ending = "." if sound else ". A figure that is not defined does not pass."
    return GateReport(name, float(value), float(threshold), bool(passed) and sound, text + ending)


def shown(value: float, digits: int) -> str:
    """A figure in a sentence."""
    return f"{value:.{digits}f}" if math.isfinite(value) else "not defined"


def counted(n: int, noun: str) -> str:
    """A number and what it counts, as `2 trades`."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def _against(evidence: Evidence) -> str:
    return " beyond holding its mean exposure" if evidence.is_timing else ""
