"""What bars must satisfy before anyone may count on them: the rules, and findings that say row, column, value and mend.

Pure: `check_bars` looks at a frame and returns what it found. An error refuses the bars; a warning (quality.py) lowers
their quality score. Only the frame's own content is judged here, so that a stored shard can be judged again at each
load without a trading calendar.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

import polars as pl

from fitness.extra_columns import broken_rules, extra_names
from fitness.timeframes import DAY_US, HOUR_US, MONDAY_US, WEEK_US, timeframe_us
from strategies.errors import DataError

PRICES = ("open", "high", "low", "close")
VALUES = (*PRICES, "volume")
COLUMNS = ("timestamp", *VALUES)
SCHEMA: dict[str, pl.DataType] = {
    "timestamp": pl.Datetime("us", "UTC"),
    **dict.fromkeys(VALUES, pl.Float64()),
}
OHLC_TOLERANCE = 1e-9
"""Relative excess of open or close over high, or under low, that passes as rounding of the source."""
PRICE_RANGE = (1e-12, 1e12)
"""Prices outside overflow or vanish in sums of squares; no instrument trades there."""
FAR_DAYS = 500_000
"""Days from 1970 beyond which a datetime is shown as the number it is stored as."""
SPARSE_BARS = 20
"""From so many bars on, bars that are all farther apart than two timeframes are of another timeframe."""
SHOWN_ROWS = 20
"""Findings kept with their row for each rule; the rest is counted."""
SHOWN_LINES = 20
"""Findings printed in an error text; the rest is counted."""
SHOWN_CHARACTERS = 200
"""Of a value in such a text; its length is told where that is more."""

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """One thing found in bars.

    Attributes:
        severity: `error` refuses the bars, `warning` lowers their quality, `note` only tells.
        rule: short name of the rule, such as `negative price`.
        row: first data row is 1; None when it concerns the whole.
        column: name of the column; None when it concerns the bar or the whole.
        value: the value met, as text; empty when there is none.
        message: what was found.
        mend: what to do.
        line: line of the file, for CSV.
        count: rows this finding stands for (more than 1 in the line that closes a long list).
    """

    severity: Severity
    rule: str
    row: int | None
    column: str | None
    value: str
    message: str
    mend: str
    line: int | None = None
    count: int = 1

    def text(self) -> str:
        """One line: where, what, value, mend."""
        line = f" (line {self.line})" if self.line is not None else ""
        row = f"row {self.row}{line}" if self.row is not None else ""
        where = ", ".join(part for part in (row, f"column {self.column!r}" if self.column else "") if part)
        value = f", but was {_shortened(self.value)}" if self.value else ""
        return f"{where + ': ' if where else ''}{self.message}{value}; {self.mend}"


def _shortened(value: str) -> str:
    """A cell that fits on a terminal: a whole line can be one where the file has another separator."""
    return value if len(value) <= SHOWN_CHARACTERS else f"{value[:SHOWN_CHARACTERS]}... ({len(value):,} characters)"


class BarsRefusedError(DataError):
    """Bars that break a rule. `findings` holds all that was found, errors and warnings."""

    findings: tuple[Finding, ...] = ()

    @classmethod
    def of(cls, findings: Sequence[Finding], where: str) -> "BarsRefusedError":
        """The error whose text counts every finding by rule and shows the first ones."""
        errors = [finding for finding in findings if finding.severity == "error"]
        errors.sort(key=lambda finding: math.inf if finding.row is None else finding.row)
        counts: dict[str, int] = {}
        for finding in errors:
            counts[finding.rule] = counts.get(finding.rule, 0) + finding.count
        tally = ", ".join(f"{n} x {rule}" for rule, n in counts.items())
        lines = "".join(f"\n  {finding.text()}" for finding in errors[:SHOWN_LINES])
        hidden = sum(finding.count for finding in errors[SHOWN_LINES:])
        more = f"\n  ... and {hidden} more" if hidden else ""
        error = cls(f"bars must keep the rules of market data, but {where} breaks them ({tally}):{lines}{more}")
        error.findings = tuple(findings)
        return error


def check_bars(
    frame: pl.DataFrame,
    where: str,
    timeframe: str | None = None,
    *,
    cells: Mapping[str, pl.Series] = MappingProxyType({}),
) -> list[Finding]:
    """Every broken rule of these bars, in the order of the rules and, within a rule, of the rows.

    Each rule gives at most `SHOWN_ROWS` findings with a row, and one more that counts the rest.

    Args:
        frame: columns `timestamp` (datetime, UTC) and `open` to `volume` (float), nulls allowed and found, and
            extra columns, where null and NaN are a missing value.
        where: name of the source for the message of a `DataError`.
        timeframe: when given, bars too near to each other, or all too far, are found too.
        cells: what the cells of a column held before they were read, (n_bars,) each: a null in the frame whose cell
            was not null could not be read, and is reported as such with the cell's value.

    Raises:
        DataError: a column is missing or has another type, so that no rule can be read.
    """
    _require_schema(frame, where)
    if frame.height < 2:
        return [_too_short(frame.height)]
    found = [*_time_findings(frame, timeframe, cells), *_value_findings(frame, cells), *_range_findings(frame)]
    return found + _extra_findings(frame, cells)


def refuse_errors(findings: Iterable[Finding], where: str) -> None:
    """Nothing, if no finding is an error.

    Raises:
        BarsRefusedError: at least one is.
    """
    found = list(findings)
    if any(finding.severity == "error" for finding in found):
        raise BarsRefusedError.of(found, where)


def rows_of(mask: pl.Series, values: pl.Series | None, template: Finding, *, shown: int = SHOWN_ROWS) -> list[Finding]:
    """Findings like `template` for the rows where `mask` is true, the first `shown` of them one by one.

    Args:
        mask: (n_bars,) boolean; null counts as false.
        values: (n_bars,) what to show as the value; None shows none.
        template: gives all but row, value and count.
        shown: how many are listed before the rest is counted in one.
    """
    rows = mask.fill_null(value=False).arg_true().to_list()
    found = [
        replace(template, row=row + 1, value="" if values is None else _as_text(values, row)) for row in rows[:shown]
    ]
    if len(rows) > shown:
        rest = len(rows) - shown
        found.append(replace(template, value="", message=f"{template.message}: {rest} more rows", count=rest))
    return found


def days_since_epoch(column: pl.Series) -> pl.Series:
    """Whole days since 1970 of a column of dates or datetimes, read off the stored numbers.

    Polars panics when it calculates with datetimes far from today, or hands them to Python: look here first.
    """
    per_day = {"ms": DAY_US // 1000, "us": DAY_US, "ns": DAY_US * 1000}
    return column.to_physical() // (per_day[column.dtype.time_unit] if isinstance(column.dtype, pl.Datetime) else 1)


def _as_text(values: pl.Series, row: int) -> str:
    cell = values.slice(row, 1)
    far = cell.dtype.is_temporal() and (days_since_epoch(cell).abs() > FAR_DAYS).any()
    value = (cell.to_physical() if far else cell)[0]
    return "empty" if value is None else str(value)


def _require_schema(frame: pl.DataFrame, where: str) -> None:
    for name, wanted in {**SCHEMA, **dict.fromkeys(extra_names(frame.columns), pl.Float64())}.items():
        if name not in frame.columns:
            raise DataError(
                f"bars need the columns {', '.join(COLUMNS)}, but {name!r} is missing in {where}, "
                f"which has {', '.join(frame.columns) or 'none'}; add it."
            )
        if frame.schema[name] != wanted:
            raise DataError(
                f"column {name!r} of bars must be {wanted}, but was {frame.schema[name]} in {where}; convert it first."
            )


def _error(rule: str, column: str | None, message: str, mend: str) -> Finding:
    return Finding("error", rule, None, column, "", message, mend)


def _too_short(n_bars: int) -> Finding:
    return replace(
        _error("too few bars", None, "a shard needs at least 2 bars", "give more history"), value=str(n_bars)
    )


def _null_findings(values: pl.Series, name: str, cells: Mapping[str, pl.Series]) -> list[Finding]:
    """Empty cells, and cells that could not be read as what the column should hold."""
    source = cells.get(name, values)
    what, forms = (
        ("number", "write 1234.5") if name != "timestamp" else ("timestamp", "use ISO 8601, such as 2020-01-31")
    )
    empty = _error(f"missing {what}", name, f"every bar needs a {what} here", "fill it in or remove the row")
    garbled = _error(f"unreadable {what}", name, f"a {what} must be readable", forms)
    return [
        *rows_of(values.is_null() & source.is_null(), values, empty),
        *rows_of(values.is_null() & source.is_not_null(), source, garbled),
    ]


def _time_findings(frame: pl.DataFrame, timeframe: str | None, cells: Mapping[str, pl.Series]) -> list[Finding]:
    times = frame["timestamp"]
    found = _null_findings(times, "timestamp", cells)
    repeated = ~times.is_first_distinct() & times.is_not_null()
    twice = _error(
        "duplicate timestamp",
        "timestamp",
        "a timestamp may appear only once",
        "keep one of the bars, or name a finer timeframe",
    )
    found += rows_of(repeated, times, twice)
    back = _error("unsorted timestamp", "timestamp", "timestamps must ascend", "sort the rows by time")
    found += rows_of(times < times.forward_fill().shift(1), times, back)
    if timeframe is not None and not found:
        found += _spacing_findings(times, timeframe)
    return found


def _spacing_findings(times: pl.Series, timeframe: str) -> list[Finding]:
    """Bars nearer than one timeframe, or never nearer than two: the timeframe that was named is not theirs."""
    length = timeframe_us(timeframe)
    stamps = times.cast(pl.Int64)
    if length == WEEK_US:  # vendors stamp a week by its first session, so two stamps may be six days apart
        stamps = (stamps - MONDAY_US) // length * length
    spacing = stamps - stamps.shift(1)
    mend = "name the timeframe that the bars really have"
    near = _error("overlapping bars", "timestamp", f"bars of {timeframe} must be at least {timeframe} apart", mend)
    found = rows_of(spacing < length, times, near)
    nearest = min(spacing.drop_nulls().to_list())
    if len(times) >= SPARSE_BARS and nearest > 2 * length:
        message = f"some bars of {timeframe} must be nearer than two of it"
        wide = _error("sparse bars", "timestamp", message, mend)
        found.append(replace(wide, value=f"{nearest / HOUR_US:g} hours apart at the nearest"))
    return found


def _value_findings(frame: pl.DataFrame, cells: Mapping[str, pl.Series]) -> list[Finding]:
    found: list[Finding] = []
    for name in VALUES:
        values = frame[name]
        finite = values.is_finite()
        found += _null_findings(values, name, cells)
        rules = [
            (~finite, "not finite", "numbers must be finite", "mend the source or remove the row"),
            *(_volume_rules(values, finite) if name == "volume" else _price_rules(values, finite)),
        ]
        for mask, rule, message, mend in rules:
            found += rows_of(mask, values, _error(rule, name, message, mend))
    return found


_Rules = list[tuple[pl.Series, str, str, str]]


def _volume_rules(values: pl.Series, finite: pl.Series) -> _Rules:
    return [(finite & (values < 0), "negative volume", "volume must not be negative", "mend the source")]


def _price_rules(values: pl.Series, finite: pl.Series) -> _Rules:
    low, high = PRICE_RANGE
    absurd = finite & ((values > high) | ((values > 0) & (values < low)))
    positive = "prices must be positive"
    return [
        (values == 0, "zero price", positive, "fill in the price or remove the row"),
        (
            finite & (values < 0),
            "negative price",
            positive,
            "mend the source; back-adjusted series need ratio adjustment",
        ),
        (absurd, "absurd price", f"prices must lie between {low:g} and {high:g}", "mend the source or change its unit"),
    ]


def _range_findings(frame: pl.DataFrame) -> list[Finding]:
    """High below low, and open or close outside, judged where all four are finite and positive (else already found)."""
    positive = [(pl.col(name).is_finite() & (pl.col(name) > 0)).fill_null(value=False) for name in PRICES]
    sound = frame.select(pl.all_horizontal(positive).alias("sound"))["sound"]
    high, low = frame["high"], frame["low"]
    crossed = sound & (high < low)
    swapped = _error("high below low", "high", "high must not be below low", "mend the source or swap the columns")
    found = rows_of(crossed, _pairs(frame, "high", "low"), swapped)
    for name in ("open", "close"):
        above = frame[name] > high * (1 + OHLC_TOLERANCE)
        below = frame[name] < low * (1 - OHLC_TOLERANCE)
        for mask, side, edge in ((above, "above", "high"), (below, "below", "low")):
            template = _error(f"{name} {side} {edge}", name, f"{name} must lie between low and high", "mend the source")
            found += rows_of(sound & ~crossed & mask, _pairs(frame, name, edge), template)
    return found


def _extra_findings(frame: pl.DataFrame, cells: Mapping[str, pl.Series]) -> list[Finding]:
    found: list[Finding] = []
    for name in extra_names(frame.columns):
        unreadable = frame[name].is_null() & cells.get(name, frame[name]).is_not_null()
        template = _error(
            "unreadable number", name, "a number must be readable", "write 1234.5 or leave the cell empty"
        )
        found += rows_of(unreadable, cells.get(name), template)
    for name, mask, rule, message, mend in broken_rules(frame):
        found += rows_of(mask, frame[name], _error(rule, name, message, mend))
    return found


def _pairs(frame: pl.DataFrame, left: str, right: str) -> pl.Series:
    """Text such as `101.0 with high 100.0`, for messages."""
    return frame.select(pl.format("{} with {} {}", left, pl.lit(right), right).alias("text"))["text"]
