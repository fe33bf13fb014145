"""Extra columns of bars: order book, trades, funding, open interest, liquidations; how they are judged and kept.

They are optional and may have gaps: a feed often begins later than the bars, and funding is settled every few hours. A
missing value is NaN, and an operand that would read it has no value there (strategies/features/extra.py). What is
there must be sound, by the same severity as prices: one broken value refuses the bars.
"""

from collections.abc import Iterable, Mapping

import polars as pl

from strategies.extra_columns import EXTRA_COLUMNS, SUMMED

QUOTES = ("ask", "bid")
SIGNED = ("funding_rate",)
FUNDING_RANGE = (-1.0, 1.0)
"""A fraction of the position; outside, the rate is in per cent or worse."""
SHARE_TOLERANCE = 1e-9
"""Relative excess of bought volume over volume that passes as rounding of the source."""

Broken = tuple[str, pl.Series, str, str, str]
"""A broken rule: column, rows `(n_bars,)`, short name of the rule, the rule, what to do."""


def extra_names(columns: Iterable[str]) -> list[str]:
    """Those of `EXTRA_COLUMNS` among these names, sorted."""
    return sorted(EXTRA_COLUMNS.keys() & set(columns))


def with_missing(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with a missing extra value as NaN, whether it was null or NaN."""
    return frame.with_columns(pl.col(name).fill_null(float("nan")) for name in extra_names(frame.columns))


def how_coarser(columns: Iterable[str]) -> list[pl.Expr]:
    """How a coarser bar gets its extra columns: sums of what adds up, and of the others the value of its last bar.

    A sum with a missing part is missing, and so is a last value that is missing: nothing is filled in.
    """
    return [pl.col(name).sum() if name in SUMMED else pl.col(name).last() for name in extra_names(columns)]


def broken_rules(frame: pl.DataFrame) -> list[Broken]:
    """What is wrong with the extra columns of a frame with `volume`, by column; missing values (null, NaN) are not."""
    found: list[Broken] = []
    names = extra_names(frame.columns)
    values = {name: frame[name].fill_nan(None) for name in (*names, "volume")}
    for name in names:
        finite = values[name].is_finite()
        found.append((name, ~finite, "not finite", "numbers must be finite", "mend the source or leave the cell empty"))
        mask, rule, message, mend = _range_rule(name, values[name])
        found.append((name, finite & mask, rule, message, mend))
    if {"ask", "bid"} <= values.keys():
        crossed = values["bid"] > values["ask"]
        found.append(
            ("bid", crossed, "bid above ask", "bid must not be above ask", "mend the source or swap the columns")
        )
    if "buy_volume" in values:
        excess = values["buy_volume"] > values["volume"] * (1.0 + SHARE_TOLERANCE)
        rule = "bought volume must not be above volume"
        found.append(("buy_volume", excess, "more bought than traded", rule, "give both in the same unit"))
    return found


def _range_rule(name: str, values: pl.Series) -> tuple[pl.Series, str, str, str]:
    if name in SIGNED:
        low, high = FUNDING_RANGE
        rule = f"{name} must be a fraction from {low:g} to {high:g}"
        return (values < low) | (values > high), f"absurd {name}", rule, "give 0.0001 for 0.01 %"
    if name in QUOTES:
        return values <= 0.0, f"no price as {name}", f"{name} must be positive", "leave the cell empty instead"
    return values < 0.0, f"negative {name}", f"{name} must not be negative", "mend the source"


def missing_counts(frame: pl.DataFrame) -> Mapping[str, int]:
    """How many values each extra column lacks; columns without a gap are left out."""
    counts = {name: int((frame[name].is_null() | frame[name].is_nan()).sum()) for name in extra_names(frame.columns)}
    return {name: count for name, count in counts.items() if count}
