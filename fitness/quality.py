"""How good accepted bars are: warnings, and one score from 1 (nothing found) down to 0.

`quality = product over the kinds of defect of max(0, 1 - weight * share)`, where `share` is the defective part of the
bars (for missing bars: of the bars expected) and the weights are `WEIGHTS`. One more defect never raises the score.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from fitness.calendars import bars_per_year, choose_calendar, coverage
from fitness.checks import PRICES, SHOWN_ROWS, Finding, rows_of

EXTREME_RETURN = 0.5
STALE_BARS = 5
WEIGHTS: dict[str, float] = {
    "missing bars": 1.0,
    "bars off session": 1.0,
    "extreme returns": 10.0,
    "stale bars": 2.0,
    "flat bars": 0.5,
    "no volume": 0.5,
    "mended bars": 1.0,
}
"""Kinds of defect and how heavily a share of them counts. One extreme return weighs as much as ten missing bars."""


@dataclass(frozen=True)
class Judgement:
    """What `judge` makes of bars without errors.

    Attributes:
        quality: score from 0 to 1.
        calendar: the calendar they were compared with.
        calendar_reason: why that one.
        bars_per_year: by timeframe and calendar.
        findings: warnings and notes.
        defects: number of defective bars of each kind, kinds without any left out.
    """

    quality: float
    calendar: str
    calendar_reason: str
    bars_per_year: float
    findings: tuple[Finding, ...]
    defects: dict[str, int]


def judge(frame: pl.DataFrame, timeframe: str, calendar: str | None = None, *, n_mended: int = 0) -> Judgement:
    """Warnings and score of bars that `check_bars` accepted.

    Args:
        frame: checked bars, sorted, no nulls.
        timeframe: their timeframe.
        calendar: None chooses by the look of the timestamps and says why.
        n_mended: bars that were changed on the way in.

    Raises:
        DataError: unknown timeframe or calendar, or a calendar that does not reach so far.
    """
    stamps = frame["timestamp"].cast(pl.Int64).to_numpy()
    name, reason = choose_calendar(stamps, timeframe) if calendar is None else (calendar, f"{calendar}, as named")
    per_year = bars_per_year(timeframe, name)
    found = [
        Finding(
            "note",
            "calendar",
            None,
            None,
            "",
            f"gaps and bars a year by the calendar {reason}",
            "name another if it is not theirs",
        )
    ]
    missing, n_expected = _against_calendar(frame, stamps, timeframe, name, found)
    defects = {**missing, **_in_prices(frame, found), "mended bars": n_mended}
    if n_mended:
        message = f"{n_mended} bars had open or close outside low and high; the range was widened to hold them"
        found.append(Finding("warning", "mended bars", None, None, "", message, "mend the source", count=n_mended))
    shares = {k: n / (n_expected if k == "missing bars" else frame.height) for k, n in defects.items() if n}
    kept = {kind: n for kind, n in defects.items() if n}
    return Judgement(quality_of(shares), name, reason, per_year, tuple(found), kept)


def quality_of(shares: Mapping[str, float]) -> float:
    """The score of the shares of defects: 1 for none, never higher for more.

    >>> quality_of({}), quality_of({"missing bars": 0.25}), quality_of({"extreme returns": 0.2})
    (1.0, 0.75, 0.0)
    """
    score = 1.0
    for kind, weight in WEIGHTS.items():
        score *= max(0.0, 1.0 - weight * shares.get(kind, 0.0))
    return score


def _against_calendar(
    frame: pl.DataFrame, stamps: np.ndarray, timeframe: str, calendar: str, found: list[Finding]
) -> tuple[dict[str, int], int]:
    fit = coverage(stamps, timeframe, calendar)
    mend = "fetch them, or name the calendar and timeframe that the bars really have"
    template = _warning("missing bars", "timestamp", "", mend)
    for row, n_bars in zip(fit.gap_rows[:SHOWN_ROWS].tolist(), fit.gap_bars[:SHOWN_ROWS].tolist(), strict=True):
        message = f"{n_bars} {timeframe} bars that {calendar} expects are missing after {frame['timestamp'][row]}"
        found.append(replace(template, row=row + 1, message=message, count=n_bars))
    rest = int(fit.gap_bars[SHOWN_ROWS:].sum())
    if rest:
        message = f"{rest} more bars are missing, in {fit.gap_bars.size - SHOWN_ROWS} gaps"
        found.append(replace(template, message=message, count=rest))
    off = np.zeros(frame.height, dtype=np.bool_)
    off[fit.off_session] = True
    message = f"this bar lies outside every session of {calendar}"
    mend = "check the time zone, or name the calendar that the bars really keep"
    found += rows_of(pl.Series(off), frame["timestamp"], _warning("bars off session", "timestamp", message, mend))
    n_missing = int(fit.gap_bars.sum())
    return {"missing bars": n_missing, "bars off session": int(off.sum())}, max(fit.n_expected, n_missing, 1)


def _in_prices(frame: pl.DataFrame, found: list[Finding]) -> dict[str, int]:
    change = frame["close"] / frame["close"].shift(1) - 1.0
    unchanged = pl.all_horizontal(pl.col(name) == pl.col(name).shift(1) for name in PRICES).fill_null(value=False)
    stale = frame.select((unchanged & (pl.len().over(unchanged.rle_id()) >= STALE_BARS)).alias("stale"))["stale"]
    flat = (frame["high"] == frame["low"]) & (frame["open"] == frame["close"])
    rules = (
        (
            "extreme returns",
            change.abs() > EXTREME_RETURN,
            change,
            "close",
            f"the close moved by more than {EXTREME_RETURN:.0%} in one bar",
            "look for a split or a bad tick",
        ),
        (
            "stale bars",
            stale,
            frame["close"],
            None,
            f"{STALE_BARS} bars or more in a row repeat the bar before",
            "look for a feed that stood still",
        ),
        ("flat bars", flat, frame["close"], None, "open, high, low and close are equal", "prefer a coarser timeframe"),
        ("no volume", frame["volume"] == 0, None, "volume", "nothing was traded", "volume operands mean little here"),
    )
    for rule, mask, values, column, message, mend in rules:
        found += rows_of(mask, values, _warning(rule, column, message, mend), shown=3)
    return {rule: int(mask.sum()) for rule, mask, *_ in rules}


def _warning(rule: str, column: str | None, message: str, mend: str) -> Finding:
    return Finding("warning", rule, None, column, "", message, mend)
