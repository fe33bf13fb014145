"""What the best of N would make by chance, as a table: for the N of this job and for others."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from cluster.report.equity import POOL, read_equity
from cluster.report.markup import Html, element, joined, table
from cluster.report.numbers import NOTHING, as_number, figure, gate_value
from fitness.statistics import expected_maximum

if TYPE_CHECKING:
    from cluster.view import JobView

POWERS: Final = range(8)
"""Tens of tries that have a row."""
SURE: Final = 7.0
"""Standard errors beyond which a probability has too few digits left to be turned back into them."""
SMALL: Final = 0.0001
_NORMAL: Final = NormalDist()


@dataclass(frozen=True)
class Luck:
    """What luck is like in a job.

    Attributes:
        deviation: of the Sharpe ratios a year of strategies without skill.
        n_trials: what was tried on these bars.
        n_effective: independent ones among them; None where not known.
        best: the highest Sharpe ratio a year among the candidates, as gates judged it; None without one.
        error: standard error of that Sharpe ratio a year; None where it is not known.
        volatility: a year, of the returns of that candidate; None likewise.
    """

    deviation: float
    n_trials: int
    n_effective: int | None
    best: float | None
    error: float | None
    volatility: float | None

    def sharpe(self, n: int) -> float:
        """Return the Sharpe ratio a year that the best of `n` would show without any skill."""
        return self.deviation * expected_maximum(n)

    def survival(self, n: int) -> float | None:
        """Return the deflated Sharpe ratio of the best, had `n` been tried; None where it is not known."""
        if self.best is None or self.error is None:
            return None
        return _NORMAL.cdf((self.best - self.sharpe(n)) / self.error)


def luck_of(view: "JobView") -> Luck | None:
    """Return what luck is like in a job; None where no candidates were judged, or nothing is known of luck."""
    variance = as_number((view.chosen or {}).get("trial_variance"))
    if variance is None or variance <= 0 or view.n_trials < 2:
        return None
    effective = ((view.chosen or {}).get("effective") or {}).get("n_clusters")
    deviation = math.sqrt(variance * pooled_rate(view))
    record = max(view.candidates, key=lambda one: judged_sharpe(one) or -math.inf, default=None)
    best = None if record is None else judged_sharpe(record)
    luck = Luck(deviation, view.n_trials, effective, best, None, None)
    if record is None or best is None:
        return luck
    is_cash = view.config.gates.benchmark == "cash"  # else the Sharpe ratio is of other returns than the volatility
    volatility = as_number(record["in_sample"].get("volatility")) if is_cash else None
    return Luck(deviation, view.n_trials, effective, best, _error(luck, gate_value(record, "dsr")), volatility)


def judged_sharpe(record: Mapping[str, Any]) -> float | None:
    """Return the in-sample Sharpe ratio a year that gates judged: beyond holding where a job asks for that."""
    beyond = (record.get("sharpe_beyond") or {}).get("in_sample")
    return as_number(record["in_sample"].get("sharpe") if beyond is None else beyond)


def pooled_rate(view: "JobView") -> float:
    """Return the bars a year of all shards as one account, in sample.

    Where the shards differ in it, a bar counts as the shortest time that any of them gives it, as in `fitness.pooled`;
    the bars are those of the first candidate with an equity file, without one those of the shortest timeframe count.
    """
    rates: dict[str, float] = {}
    for shard in view.shards:
        rates[shard["symbol"]] = max(rates.get(shard["symbol"], 0.0), float(shard["bars_per_year"]))
    highest = max(rates.values())
    if len({shard["bars_per_year"] for shard in view.shards}) == 1:
        return highest
    for record in view.candidates:
        frame = read_equity(view.run_dir, record["id"])
        if frame is not None:
            bars = frame.filter((pl.col("segment") == "in_sample") & (pl.col("symbol") != POOL))
            fastest = bars.with_columns(rate=pl.col("symbol").replace_strict(rates, default=highest))
            years = fastest.group_by("timestamp").agg(pl.col("rate").max()).select((1.0 / pl.col("rate")).sum()).item()
            return float(bars["timestamp"].n_unique()) / float(years)
    return highest


def luck_table(luck: Luck) -> Html:
    """Return the table: a row for each power of ten, for the job's own number, and for the effective one."""
    own = {luck.n_trials: "tried on these bars"}
    if luck.n_effective is not None and luck.n_effective >= 1 and luck.n_effective != luck.n_trials:
        own[luck.n_effective] = "effective number of them"
    rows = [_row(luck, n, own.get(n, "")) for n in sorted({*(10**power for power in POWERS), *own})]
    head = ["Tries: N", "Best of N by luck: Sharpe a year", "That is, in return a year", "Found: Sharpe a year",
            "Deflated Sharpe, had N been tried"]  # fmt: skip
    return table(head, rows, caption=_caption(luck))


def _row(luck: Luck, n: int, note: str) -> list[str]:
    by_luck = luck.sharpe(n)
    earned = NOTHING if luck.volatility is None else figure("cagr", by_luck * luck.volatility)
    survival = luck.survival(n)
    shown = NOTHING if survival is None else f"{survival:.4f}" if survival >= SMALL else f"below {SMALL}"
    name = joined(element("strong", f"{n:,}"), " ", element("small", note)) if note else f"{n:,}"
    return [name, f"{by_luck:.2f}", earned, figure("sharpe", luck.best), shown]


def _caption(luck: Luck) -> str:
    text = f"Strategies without skill differ by {luck.deviation:.3f} in their Sharpe a year."
    if luck.volatility is not None:
        text += f" Returns are at the {100 * luck.volatility:.1f} % volatility of this job's best."
    return text


def _error(luck: Luck, survival: float | None) -> float | None:
    """The standard error of the best's Sharpe ratio, from its deflated Sharpe ratio at the N of the job.

    That is Phi((best - luck) / error), so the error follows from it, but at the ends, where Phi has no digits left.
    """
    if luck.best is None or survival is None or not 0.0 < survival < 1.0:
        return None
    distance, errors = luck.best - luck.sharpe(luck.n_trials), _NORMAL.inv_cdf(survival)
    if abs(errors) > SURE or abs(errors) < 1e-6:
        return None
    error = distance / errors
    return error if error > 0.0 else None
