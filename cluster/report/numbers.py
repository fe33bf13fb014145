"""Figures as people read them: one way to write each measure, for the terminal and for the page alike."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from cluster.health import IslandHealth
    from cluster.view import JobView

NOTHING: Final = "-"
NOT_READ: Final = "not read"
PERCENT: Final = frozenset(
    {"total_return", "cagr", "max_drawdown", "exposure", "win_rate", "expectancy", "volatility", "worst_trade"}
)
SIGNED: Final = frozenset({"sharpe", "sortino", "calmar", "total_return", "cagr", "expectancy", "skew", "worst_trade"})
WHOLE: Final = frozenset({"n_trades", "n_bars"})
TITLES: Final = {
    "sharpe": "Sharpe",
    "cagr": "CAGR",
    "max_drawdown": "Max drawdown",
    "n_trades": "Trades",
    "total_return": "Total return",
    "sortino": "Sortino",
    "calmar": "Calmar",
    "exposure": "Exposure",
    "turnover": "Turnover",
    "win_rate": "Win rate",
    "profit_factor": "Profit factor",
    "expectancy": "Expectancy",
    "skew": "Skew",
    "kurtosis": "Kurtosis",
}
HEADLINE: Final = ("sharpe", "cagr", "max_drawdown", "n_trades")
SEGMENTS: Final = {"in_sample": "In sample", "validation": "Validation", "lockbox": "Lockbox"}


def figure(measure: str, value: object) -> str:
    """Return `value` of `measure` as text: percentages, two decimals, whole counts; a dash where undefined.

    >>> figure("cagr", 0.0423), figure("sharpe", 0.5), figure("n_trades", 31.0), figure("sharpe", None)
    ('+4.2 %', '+0.50', '31', '-')
    """
    number = as_number(value)
    if number is None:
        return NOTHING
    sign = "+" if measure in SIGNED else ""
    if measure in WHOLE:
        return f"{number:,.0f}"
    if measure in PERCENT:
        return f"{100 * number:{sign}.{0 if abs(number) >= 10 else 1}f} %"
    return f"{number:{sign}.2f}"


def as_number(value: object) -> float | None:
    """Return `value` as a finite float, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # a whole number beyond all floats
        return None


def segment_figure(record: Mapping[str, Any], segment: str, measure: str) -> str:
    """Return one figure of a candidate record; a lockbox that was not read says so."""
    values = record.get(segment)
    if values is None:
        return NOT_READ if segment == "lockbox" else NOTHING
    return figure(measure, values.get(measure))


def threshold_figure(value: object) -> str:
    """Return a gate's value or threshold in up to four significant digits.

    >>> threshold_figure(0.95), threshold_figure(30.0), threshold_figure(None)
    ('0.95', '30', '-')
    """
    number = as_number(value)
    return NOTHING if number is None else f"{number:,.4g}"


def duration(seconds: object) -> str:
    """Return a duration in the two largest units.

    >>> duration(5.21), duration(75), duration(7322)
    ('5.2 s', '1 min 15 s', '2 h 2 min')
    """
    number = as_number(seconds)
    if number is None:
        return NOTHING
    if number < 60:
        return f"{number:.1f} s"
    minutes, rest = divmod(round(number), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """Return a count with its noun.

    >>> count(1, "elite"), count(1200, "strategy", "strategies")
    ('1 elite', '1,200 strategies')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def gates_passed(record: Mapping[str, Any]) -> str:
    """Return how many gates a candidate passed, as `4/5`."""
    gates = record.get("gates") or []
    return f"{sum(bool(gate['passed']) for gate in gates)}/{len(gates)}"


def gate_value(record: Mapping[str, Any], name: str) -> float | None:
    """Return the value that the gate `name` measured on a candidate, None if there is no such gate or value."""
    for gate in record.get("gates") or []:
        if gate["name"] == name:
            return as_number(gate["value"])
    return None


def deflated_sharpe(record: Mapping[str, Any]) -> float:
    """Return a candidate's deflated Sharpe ratio, -1 where it has none."""
    value = gate_value(record, "dsr")
    return -1.0 if value is None else value


def by_merit(records: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return candidate records, elites first, then by deflated Sharpe ratio."""
    return sorted(records, key=lambda record: (not record["passed"], -deflated_sharpe(record)))


def failed_gates(record: Mapping[str, Any]) -> list[str]:
    """Return the names of the gates that a candidate failed, in their order."""
    return [str(gate["name"]) for gate in record.get("gates") or [] if not gate["passed"]]


def tried_note(view: "JobView") -> str:
    """Return where a job's trials come from: how many it bred, and in how many jobs, if there were earlier ones."""
    n_jobs = ((view.chosen or {}).get("trials") or {}).get("n_jobs", 1)
    return f"{view.n_births:,} bred" + (f", with {count(n_jobs - 1, 'earlier job')}" if n_jobs > 1 else "")


def island_cells(island: "IslandHealth") -> tuple[str, ...]:
    """Return an island's figures, for a row of a table.

    Number, generation, best, validation, generations since its best improved, diversity, its trend, births a second,
    evaluated a second, share of waiting, losses, strategies put aside, host.
    """
    return (
        str(island.island),
        str(max(island.generation, 0)),
        _formed(island.best, ".2f"),
        _formed(island.validation, ".2f"),
        _formed(island.since_best, "d"),
        _formed(island.diversity, ".3f"),
        _formed(island.diversity_change, "+.3f"),
        _formed(island.births_per_s, ",.1f"),
        _formed(island.evaluated_per_s, ",.1f"),
        _formed(island.waiting_share, ".0%"),
        str(island.n_repairs or NOTHING),
        str(island.n_quarantined or NOTHING),
        island.host or NOTHING,
    )


def _formed(value: float | None, form: str) -> str:
    return NOTHING if value is None else format(value, form)
