"""What `studbook backtest` shows people: measures side by side, signals, attribution, regimes."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.table import Table

from cluster.report.numbers import NOTHING, figure
from cluster.tables import plain_table

if TYPE_CHECKING:
    from cluster.backtest import Backtest, Comparison
    from fitness.attribution import Attribution
    from fitness.by_regime import Tables
    from fitness.lessons import Lesson
    from fitness.signals import Signal


def comparison_table(found: "Comparison") -> Table:
    """Return every measure of every strategy beside buy and hold; those that the first one asks for come first."""
    from cluster.backtest import measures_of
    from fitness.measures import MEASURES

    columns = [one.measures() for one in found.backtests]
    hold = measures_of(found.benchmark)
    table = plain_table("Measure", *column_names(found.backtests), "Buy and hold", numeric_from=1)
    for name in columns[0]:
        cells = [figure(name, column[name]) for column in (*columns, hold)]
        table.add_row(MEASURES[name].title, *cells)
    return table


def column_names(backtests: Sequence["Backtest"]) -> list[str]:
    """Return a name for each, told apart by the beginning of the id where names are equal."""
    if len(backtests) == 1:
        return ["Strategy"]
    names = [name[:8] if (name := one.contender.strategy.name) == one.contender.id else name for one in backtests]
    return [
        f"{name} {one.contender.id[:6]}" if names.count(name) > 1 else name
        for name, one in zip(names, backtests, strict=True)
    ]


def signal_table(found: "Comparison") -> Table:
    """Return the signal of each strategy, one a row."""
    table = plain_table("At the next open", "", "Most", "From", "Stop", "Target", "Risk", "Expected a trade", "Trades",
                        numeric_from=2)  # fmt: skip
    for name, one in zip(column_names(found.backtests), found.backtests, strict=True):
        if one.signal is not None:
            table.add_row(name if len(found.backtests) > 1 else one.contender.strategy.name, *_signal_cells(one.signal))
    return table


def _signal_cells(signal: "Signal") -> list[str]:
    words = " ".join(word for word in (signal.action, signal.side) if word)
    if signal.action == "none":
        return [words, *[NOTHING] * 5, _expected(signal), str(signal.n_trades)]
    prices = [NOTHING if value is None else f"{value:,.6g}" for value in (signal.stop_price, signal.target_price)]
    most, risk = f"{signal.max_position:.0%}", f"{signal.risk_score:.2f}"
    return [words, most, f"{signal.price:,.6g}", *prices, risk, _expected(signal), str(signal.n_trades)]


def _expected(signal: "Signal") -> str:
    if signal.expected_return is None:
        return NOTHING
    if signal.interval is None:
        return f"{signal.expected_return:+.2%}, no interval"
    low, high = signal.interval
    return f"{signal.expected_return:+.2%} ({low:+.2%} to {high:+.2%})"


def attribution_table(found: "Attribution", *, title: str) -> Table:
    """Return what each member contributed, the most useful first."""
    table = plain_table("Member", "", "Return", "Sharpe", "Drawdown", "Trades", numeric_from=2, title=title)
    for one in found.contributions:
        if one.difference is None:
            table.add_row(one.kind, f"{one.text} ({one.note})")
        else:
            table.add_row(one.kind, one.text, *difference_cells(one.difference))
    return table


def lessons_table(found: "Sequence[Lesson]", *, title: str) -> Table:
    """Return what each learner goes by: hits, confidence and the features that it would miss."""
    table = plain_table("Learner", "", "Predictions", "Right", "Confidence", "Goes by", numeric_from=2, title=title)
    for one in found:
        shares = ", ".join(f"{name} {share:.0%}" for name, share in one.importances if share > 0.0)
        right, sure = (NOTHING if value != value else f"{value:.1%}" for value in (one.hit_rate, one.confidence))
        table.add_row(str(one.slot), one.text, f"{one.n_predictions:,}", right, sure, shares or NOTHING)
    return table


def difference_cells(difference: Mapping[str, float]) -> list[str]:
    """Return the differences of return, Sharpe, drawdown and trades as signed text; a dash where undefined."""
    shares = [_signed(difference[name], "%") for name in ("total_return", "max_drawdown")]
    return [shares[0], _signed(difference["sharpe"], ""), shares[1], _signed(difference["n_trades"], "count")]


def _signed(value: float | None, unit: str) -> str:
    if value is None or value != value:
        return NOTHING
    return f"{100 * value:+.1f} %" if unit == "%" else f"{value:+,.0f}" if unit == "count" else f"{value:+.2f}"


def regime_table(regimes: "Tables", *, title: str) -> Table:
    """Return every measure in each regime: of trend, then of volatility, beside the whole."""
    from fitness.measures import MEASURES

    rows = [(name, row) for kind in regimes.values() for name, row in kind.items()]
    table = plain_table("Measure", *(name for name, _ in rows), numeric_from=1, title=title)
    table.add_row("Share of bars", *(figure("exposure", row["share"]) for _, row in rows))
    for name, measure in MEASURES.items():
        table.add_row(measure.title, *(figure(name, row["measures"][name]) for _, row in rows))
    return table
