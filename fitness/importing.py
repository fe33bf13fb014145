"""Import of foreign files into a store, and the check of a store: read, judge, then write whole or not at all."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from fitness.calendars import check_calendar
from fitness.checks import COLUMNS, VALUES, Finding, check_bars, refuse_errors
from fitness.columns import match_columns
from fitness.extra_columns import extra_names, missing_counts
from fitness.instants import check_timezone, read_instants
from fitness.quality import judge
from fitness.shards import ShardInfo, describe_shard, list_shards, load_shard, shard_path, write_judged
from fitness.source_file import SourceFile, read_source
from fitness.timeframes import DAY_US, timeframe_us
from strategies.errors import DataError


@dataclass(frozen=True)
class ImportReport:
    """What came of an import.

    Attributes:
        shard: the shard as stored.
        source: name of the file.
        calendar_reason: why its gaps were judged by that calendar.
        findings: warnings and notes; there are no errors, or there would be no report.
        defects: number of defective bars of each kind.
        replaced: whether an older shard of that name was replaced.
    """

    shard: ShardInfo
    source: str
    calendar_reason: str
    findings: tuple[Finding, ...]
    defects: Mapping[str, int]
    replaced: bool

    def to_dict(self) -> dict[str, object]:
        """The report as JSON values."""
        return {
            "shard": info_dict(self.shard),
            "source": self.source,
            "calendar_reason": self.calendar_reason,
            "findings": [dataclasses.asdict(finding) for finding in self.findings],
            "defects": dict(self.defects),
            "replaced": self.replaced,
        }

    def text(self) -> str:
        """The report in lines."""
        shard = self.shard
        head = (
            f"{self.source} -> {shard.symbol} {shard.timeframe}: {shard.n_bars} bars from {shard.first} to "
            f"{shard.last}, quality {shard.quality:.4f}, {shard.bars_per_year:g} bars a year"
            f"{', replaces an older shard' if self.replaced else ''}"
        )
        head += f", with {', '.join(shard.extra)}" if shard.extra else ""
        return "\n".join([head, *(f"  {finding.severity}: {finding.text()}" for finding in self.findings)])


@dataclass(frozen=True)
class ShardReport:
    """What the check of one stored shard says.

    Attributes:
        shard: as its metadata tell, `problem` filled in when it can't be used.
        quality: the lower of the stored one and that of today's rules; 0 for a shard that can't be used.
        findings: warnings and notes.
    """

    shard: ShardInfo
    quality: float
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether the shard can be loaded."""
        return not self.shard.problem

    def to_dict(self) -> dict[str, object]:
        """The report as JSON values."""
        findings = [dataclasses.asdict(finding) for finding in self.findings]
        return {"shard": info_dict(self.shard), "quality": self.quality, "passed": self.passed, "findings": findings}


def info_dict(info: ShardInfo) -> dict[str, object]:
    """A shard's info as JSON values; an unknown number is None."""
    values = dataclasses.asdict(info)
    known = not math.isnan(info.bars_per_year)
    return {**values, "path": str(info.path), "bars_per_year": info.bars_per_year if known else None}


def import_file(
    path: Path,
    root: Path,
    symbol: str,
    timeframe: str,
    calendar: str | None = None,
    column_map: Mapping[str, str] | None = None,
    *,
    timezone: str | None = None,
    extra: str = "error",
) -> ImportReport:
    """Read a CSV or Parquet file of bars, judge it, and put it into the store as one shard.

    Bars of a day or longer are stamped midnight UTC of their own date; shorter ones keep their instant.

    Args:
        path: the file.
        root: folder of the store, made if missing.
        symbol: name of the shard.
        timeframe: that of the bars.
        calendar: trading calendar for gaps and bars a year; None chooses one and the report says why.
        column_map: the file's column name -> ours, for names that are no known alias.
        timezone: zone of timestamps that name none, and the one whose dates daily bars carry; None is UTC.
        extra: `error` refuses unknown columns, `ignore` leaves them out and notes it.

    Raises:
        BarsRefusedError: bars break a rule; all findings are in it, nothing was written.
        DataError: anything else that keeps the file out, such as a missing file or an unknown column.
    """
    target = shard_path(root, symbol, timeframe)
    check_timezone(timezone)
    if calendar is not None:
        check_calendar(calendar)
    source = read_source(Path(path))
    matched, left_out = match_columns(source.table.columns, str(path), column_map=column_map, extra=extra)
    cells = source.table.select(**{ours: pl.col(theirs) for ours, theirs in matched.items()}).select(
        *COLUMNS, *extra_names(matched)
    )
    daily = timeframe_us(timeframe) >= DAY_US
    frame = _typed(cells, str(path), timezone=timezone, dates=daily)
    findings = _with_lines(check_bars(frame, str(path), timeframe, cells=cells.to_dict()), source)
    refuse_errors(findings, str(path))
    judgement = judge(frame, timeframe, calendar)
    notes = [*_notes(source, left_out), *_gaps(frame)]
    replaced = target.exists()
    write_judged(frame, root, symbol, timeframe, judgement=judgement, source=source.name)
    return ImportReport(
        shard=replace(describe_shard(target), note="replaced" if replaced else "written"),
        source=source.name,
        calendar_reason=judgement.calendar_reason,
        findings=tuple(_with_lines([*findings, *judgement.findings, *notes], source)),
        defects=judgement.defects,
        replaced=replaced,
    )


def check_store(root: Path) -> list[ShardReport]:
    """Every shard of a store loaded and judged again, damaged ones with their problem.

    Raises:
        DataError: the folder does not exist.
    """
    return [_check_shard(root, info) for info in list_shards(root)]


def _check_shard(root: Path, info: ShardInfo) -> ShardReport:
    if info.problem:
        return ShardReport(info, 0.0, ())
    try:
        shard = load_shard(root, info.symbol, info.timeframe)
        judgement = judge(shard.frame(), info.timeframe, info.calendar)
    except DataError as error:
        return ShardReport(replace(info, problem=str(error)), 0.0, ())
    return ShardReport(info, min(shard.quality, judgement.quality), judgement.findings)


def _typed(cells: pl.DataFrame, where: str, *, timezone: str | None, dates: bool) -> pl.DataFrame:
    """Timestamps and numbers; a cell that can't be read is null."""
    stamps = read_instants(cells["timestamp"], timezone=timezone, dates=dates).alias("timestamp")
    return pl.DataFrame([stamps, *(_numbers(cells[name], where) for name in (*VALUES, *extra_names(cells.columns)))])


def _numbers(column: pl.Series, where: str) -> pl.Series:
    if column.dtype != pl.String and not column.dtype.is_numeric() and column.dtype != pl.Null:
        raise DataError(
            f"column {column.name!r} must hold numbers, but in {where} its type is {column.dtype}; convert it first."
        )
    return column.cast(pl.Float64, strict=False)


def _with_lines(findings: list[Finding], source: SourceFile) -> list[Finding]:
    if all(finding.row is None for finding in findings):
        return findings
    lines = source.lines()
    if not lines:
        return findings
    return [f if f.row is None else replace(f, line=lines[f.row - 1]) for f in findings]


def _notes(source: SourceFile, left_out: list[str]) -> list[Finding]:
    notes = [
        Finding("note", "column left out", None, name, "", "this column is not used", "nothing need be done")
        for name in left_out
    ]
    if source.n_blank_end:
        message = f"{source.n_blank_end} empty lines at the end were left out"
        notes.append(Finding("note", "blank lines", None, None, "", message, "nothing need be done"))
    return notes


def _gaps(frame: pl.DataFrame) -> list[Finding]:
    """What is missing in the extra columns: it is said, and not filled in."""
    why = "an operand that would read one has no value at that bar, and its condition is false"
    return [
        Finding(
            "note", "missing values", None, name, "", f"{count} of {frame.height} values are missing", why, count=count
        )
        for name, count in missing_counts(frame).items()
    ]
