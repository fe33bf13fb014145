"""Import: every bad input has its own clear error and leaves nothing; every good form gives the same bars."""

import datetime as dt
import gzip
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from fitness.checks import BarsRefusedError
from fitness.columns import match_columns
from fitness.importing import ImportReport, check_store, import_file
from fitness.shards import load_shard, shard_path
from fitness.source_file import read_source
from strategies.errors import DataError

HEADER = "Date,Open,High,Low,Close,Volume"
ROWS = ["2020-01-02,10,12,9,11,100", "2020-01-03,11,13,10,12,200", "2020-01-04,12,14,11,13,300"]
GOOD = "\n".join([HEADER, *ROWS]) + "\n"
UTC = dt.UTC


def put(folder: Path, content: str | bytes, name: str = "bars.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def bring(
    folder: Path, content: str | bytes, timeframe: str = "1d", name: str = "bars.csv", **more: Any
) -> ImportReport:
    more.setdefault("calendar", "24/7")
    return import_file(put(folder, content, name), folder / "store", "X", timeframe, **more)


def parquet(frame: pl.DataFrame) -> bytes:
    stream = io.BytesIO()
    frame.write_parquet(stream)
    return stream.getvalue()


def typed() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "timestamp": [dt.datetime(2020, 1, day, tzinfo=UTC) for day in (2, 3, 4)],
            "open": [10.0, 11, 12], "high": [12.0, 13, 14], "low": [9.0, 10, 11], "close": [11.0, 12, 13],
            "volume": [100, 200, 300],
        }
    )  # fmt: skip


def nothing_written(folder: Path) -> bool:
    return not (folder / "store").exists()


def test_a_good_file_becomes_a_shard_and_a_report(tmp_path: Path) -> None:
    report = bring(tmp_path, GOOD)
    shard = load_shard(tmp_path / "store", "X", "1d")
    assert shard.frame().equals(typed().cast({"volume": pl.Float64}))
    assert report.shard.content_hash == shard.content_hash
    assert (report.shard.n_bars, report.shard.quality, report.shard.source) == (3, 1.0, "bars.csv")
    assert (report.shard.calendar, report.shard.bars_per_year, report.replaced) == ("24/7", 365.0, False)
    assert "bars.csv -> X 1d: 3 bars from 2020-01-02" in report.text()
    assert bring(tmp_path, GOOD).replaced
    assert report.to_dict()["defects"] == {}


GOOD_FORMS = {
    "as it is": GOOD,
    "CRLF": GOOD.replace("\n", "\r\n"),
    "byte order mark": "\ufeff" + GOOD,
    "no newline at the end": GOOD.rstrip(),
    "blank lines around": "\n\n" + GOOD + "\n\n",
    "semicolons": GOOD.replace(",", ";"),
    "tabs": GOOD.replace(",", "\t"),
    "blanks": GOOD.replace(",", " , "),
    "quotes": "\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in GOOD.splitlines()),
    "short names": GOOD.replace(HEADER, "t,o,h,l,c,v").replace("t,", "ts,", 1),
    "upper case": GOOD.replace(HEADER, HEADER.upper()),
    "other order": "\n".join(",".join(reversed(line.split(","))) for line in GOOD.splitlines()),
    "pandas index": GOOD.replace("Date", ""),
    "MetaTrader": GOOD.replace(HEADER, "<DATE>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>"),
    "adjusted close": "\n".join(f"{line},{'Adj Close' if k == 0 else 1}" for k, line in enumerate(GOOD.splitlines())),
    "compact dates": GOOD.replace("2020-01-0", "2020010"),
    "slashes": GOOD.replace("2020-01-0", "2020/1/"),
    "US dates": "\n".join([HEADER, *(f"1/{row[9]}/2020{row[10:]}" for row in ROWS)]),
    "midnights": "\n".join([HEADER, *(f"{row[:10]}T00:00:00Z{row[10:]}" for row in ROWS)]),
    "decimals and exponents": GOOD.replace(",11,", ",1.1e1,").replace(",9,", ",+9.000,"),
}


@pytest.mark.parametrize("form", GOOD_FORMS)
def test_every_usual_form_of_csv_gives_the_same_bars(tmp_path: Path, form: str) -> None:
    wanted = bring(tmp_path, GOOD).shard.content_hash
    assert bring(tmp_path, GOOD_FORMS[form]).shard.content_hash == wanted


def test_gzip_and_parquet_give_the_same_bars(tmp_path: Path) -> None:
    wanted = bring(tmp_path, GOOD).shard.content_hash
    assert bring(tmp_path, gzip.compress(GOOD.encode()), name="bars.csv.gz").shard.content_hash == wanted
    for frame in (
        typed(),
        typed().cast({"timestamp": pl.Datetime("ns", "UTC"), "open": pl.Float32, "volume": pl.UInt16}),
        typed().with_columns(pl.col("timestamp").dt.date()),
        typed().with_columns(pl.col("timestamp").cast(pl.Int64) // 1_000_000),
        typed().with_columns(pl.col("timestamp").dt.strftime("%Y-%m-%d")),
        typed().cast({"close": pl.String, "high": pl.Decimal(10, 2)}),
        typed().rename(str.upper),
    ):
        assert bring(tmp_path, parquet(frame), name="bars.parquet").shard.content_hash == wanted
    assert bring(tmp_path, parquet(typed()), name="no_suffix").shard.content_hash == wanted


def edit(row: int, old: str, new: str) -> str:
    rows = list(ROWS)
    rows[row - 1] = rows[row - 1].replace(old, new, 1)
    return "\n".join([HEADER, *rows]) + "\n"


BAD_ROWS = {
    "NaN": (edit(2, ",12,", ",nan,"), 2, "close", "numbers must be finite, but was nan"),
    "infinity": (edit(2, ",13,", ",inf,"), 2, "high", "numbers must be finite, but was inf"),
    "zero": (edit(1, ",9,", ",0,"), 1, "low", "prices must be positive, but was 0.0"),
    "negative price": (edit(3, ",11,", ",-11,"), 3, "low", "prices must be positive, but was -11.0"),
    "negative volume": (edit(3, "300", "-300"), 3, "volume", "volume must not be negative, but was -300.0"),
    "high below low": (edit(2, ",13,", ",9,"), 2, "high", "high must not be below low, but was 9.0 with low 10.0"),
    "open outside": (edit(2, ",11,", ",14,"), 2, "open", "open must lie between low and high, but was 14.0 with high"),
    "close outside": (edit(2, ",12,", ",9,"), 2, "close", "close must lie between low and high, but was 9.0 with low"),
    "duplicate": (edit(2, "-03", "-02"), 2, "timestamp", "a timestamp may appear only once, but was 2020-01-02"),
    "unsorted": (edit(3, "-04", "-01"), 3, "timestamp", "timestamps must ascend, but was 2020-01-01"),
    "text": (edit(2, ",12,", ",twelve,"), 2, "close", "a number must be readable, but was twelve"),
    "empty cell": (edit(2, ",12,", ",,"), 2, "close", "every bar needs a number here, but was empty"),
    "short row": (edit(2, ",12,200", ""), 2, "volume", "every bar needs a number here, but was empty"),
    "bad date": (edit(2, "2020-01-03", "someday"), 2, "timestamp", "a timestamp must be readable, but was someday"),
    "no date": (edit(2, "2020-01-03", ""), 2, "timestamp", "every bar needs a timestamp here, but was empty"),
    "blank line inside": (edit(2, "2020", "\n2020"), 2, "open", "every bar needs a number here, but was empty"),
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_bad_rows_are_named_and_nothing_is_written(tmp_path: Path, case: str) -> None:
    content, row, column, message = BAD_ROWS[case]
    said = re.escape(f"row {row} (line {row + 1}), column '{column}': {message}")
    with pytest.raises(BarsRefusedError, match=said) as caught:
        bring(tmp_path, content)
    assert str(tmp_path / "bars.csv") in str(caught.value)
    assert nothing_written(tmp_path)


def test_one_row_is_too_few(tmp_path: Path) -> None:
    with pytest.raises(BarsRefusedError, match="a shard needs at least 2 bars, but was 1; give more history"):
        bring(tmp_path, "\n".join([HEADER, ROWS[0]]))
    assert nothing_written(tmp_path)


TRUE = pl.lit(value=True)
BAD_FILES = {
    "empty": ("", r"bars\.csv is empty \(0 bytes\)"),
    "blanks only": ("  \n \n", r"bars\.csv is empty"),
    "header only": (HEADER + "\n", r"has a header and no rows"),
    "unknown column": (parquet(typed().with_columns(wolume=1)), r"unknown column 'wolume' \(did you mean 'volume'"),
    "missing column": (GOOD.replace(",Volume", ",Turnover"), r"has no 'volume' \(unknown there: 'Turnover'\); it has"),
    "misspelt column": (GOOD.replace("Close", "Clsoe"), r"no 'close' \(unknown there: 'Clsoe' \(did you mean 'close'"),
    "no header": ("\n".join(ROWS), r"has no 'timestamp', 'open'.*the first line must be a header"),
    "same column twice": (GOOD.replace("Open", "Close"), r"column names must differ, but .* repeats 'Close'"),
    "two columns for one": (GOOD.replace("Open", "c"), r"has 'c' and 'Close' for 'close'; say which with column_map"),
    "too many fields": (GOOD + "2020-01-05,1,2,3,4,5,6\n", r"line 5, has 7 instead of 6"),
    "quote without end": (GOOD + '"2020-01-05,1\n', r"a CSV must be readable, but .*bars\.csv"),
    "not text": (b"\x89PNG\r\n\x1a\n\x00\xff", r"a CSV must be UTF-8 text, but .*byte 0 is 0x89"),
    "UTF-16": (GOOD.encode("utf-16"), r"a CSV must be UTF-8 text, but .*byte 0 is 0xff"),
    "cut gzip": (gzip.compress(GOOD.encode())[:-9], r"a gzipped file must be whole, but"),
    "cut Parquet": (parquet(typed())[:-20], r"must begin and end with PAR1 and hold its footer"),
    "Parquet footer gone": (parquet(typed())[:40] + b"PAR1", r"must begin and end with PAR1 and hold its footer"),
    "Parquet without rows": (parquet(typed().clear()), r"has no rows"),
    "wrong type": (parquet(typed().with_columns(close=TRUE)), r"column 'close' must hold numbers, but in .* Boolean"),
    "wrong time type": (parquet(typed().with_columns(timestamp=TRUE)), r"timestamps must be text, .* is Boolean"),
    "nested type": (parquet(typed().with_columns(volume=pl.concat_list("open"))), r"column 'volume' must hold numbers"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_files_are_named_and_nothing_is_written(tmp_path: Path, case: str) -> None:
    content, message = BAD_FILES[case]
    with pytest.raises(DataError, match=message):
        bring(tmp_path, content)
    assert nothing_written(tmp_path)


def test_a_file_that_is_not_there_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a file to import must exist, but .*nowhere\.csv does not"):
        import_file(tmp_path / "nowhere.csv", tmp_path / "store", "X", "1d")
    with pytest.raises(DataError, match=r"import takes one file, but .* is a folder"):
        import_file(tmp_path, tmp_path / "store", "X", "1d")


def test_unknown_columns_are_refused_named_mapped_or_left_out(tmp_path: Path) -> None:
    content = "\n".join(f"{line},{'Dividends' if k == 0 else 0}" for k, line in enumerate(GOOD.splitlines()))
    with pytest.raises(
        DataError,
        match=r"has the unknown column 'Dividends'; rename, map with column_map \(`--column THEIRS=OURS`\), or leave",
    ):
        bring(tmp_path, content)
    report = bring(tmp_path, content, extra="ignore")
    assert [f.column for f in report.findings if f.rule == "column left out"] == ["Dividends"]
    near = content.replace("Dividends", "Volumes")
    with pytest.raises(DataError, match=r"the unknown column 'Volumes' \(did you mean 'volume'\?\)"):
        bring(tmp_path, near)
    mapped = bring(tmp_path, near, column_map={"Volumes": "volume"}, extra="ignore")
    assert load_shard(tmp_path / "store", "X", "1d").volume.tolist() == [0.0, 0.0, 0.0]
    assert mapped.shard.n_bars == 3


def test_an_adjusted_close_is_left_out_and_said(tmp_path: Path) -> None:
    report = bring(tmp_path, GOOD_FORMS["adjusted close"])
    assert [f.text() for f in report.findings if f.column == "Adj Close"] == [
        "column 'Adj Close': this column is not used; nothing need be done"
    ]


@pytest.mark.parametrize(
    ("column_map", "message"),
    [
        ({"Clsoe": "close"}, r"'Clsoe' is not in f \(did you mean 'Close'\?\)"),
        ({"Close": "clsoe"}, r"'Close' leads to 'clsoe' \(did you mean 'close'\?\)"),
        ({"Close": "close", "Open": "close"}, "'Close' and 'Open' both lead to 'close'"),
    ],
)
def test_a_wrong_column_map_is_refused(column_map: dict[str, str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        match_columns(HEADER.split(","), "f", column_map=column_map)


def test_wrong_arguments_are_refused_before_the_file_is_read(tmp_path: Path) -> None:
    for more, message in (
        ({"symbol": "../x"}, "a symbol must be"),
        ({"timeframe": "1x"}, "timeframe must be one of"),
        ({"calendar": "NYSEE"}, "calendar must be 24/7, 24/5 or a name"),
        ({"timezone": "New York"}, "`timezone` must be an IANA name"),
    ):
        with pytest.raises(DataError, match=message):
            import_file(tmp_path / "nowhere.csv", tmp_path / "store", **{"symbol": "X", "timeframe": "1d", **more})
    with pytest.raises(DataError, match="`extra` must be 'error' or 'ignore', but was 'drop'"):
        bring(tmp_path, GOOD, extra="drop")


def test_all_errors_are_collected(tmp_path: Path) -> None:
    rows = [f"2020-01-02 {k // 60:02}:{k % 60:02},10,12,9,-1,100" for k in range(300)]
    with pytest.raises(BarsRefusedError, match=r"\(300 x negative price\)") as caught:
        bring(tmp_path, "\n".join([HEADER, *rows]), "1m")
    assert sum(f.count for f in caught.value.findings) == 300
    assert str(caught.value).count("\n") == 21
    assert str(caught.value).endswith("... and 280 more")
    assert caught.value.findings[0].line == 2


def test_line_numbers_hold_with_blank_lines_and_quoted_newlines(tmp_path: Path) -> None:
    content = f'\n\n{HEADER},Note\n{ROWS[0]},"two\nlines"\n{ROWS[1]},x\n{ROWS[2].replace(",13,", ",-13,")},y\n'
    with pytest.raises(BarsRefusedError, match=r"row 3 \(line 7\), column 'close'"):
        bring(tmp_path, content, extra="ignore")
    assert read_source(tmp_path / "bars.csv").lines() == [4, 6, 7]


def test_gaps_are_warnings_that_lower_the_quality(tmp_path: Path) -> None:
    report = bring(tmp_path, "\n".join([HEADER, ROWS[0], ROWS[2]]))
    assert report.shard.quality == pytest.approx(2 / 3)
    assert report.defects == {"missing bars": 1}
    warning = next(f for f in report.findings if f.severity == "warning")
    assert (warning.row, warning.line, warning.count) == (1, 2, 1)


def test_the_choice_of_calendar_is_said(tmp_path: Path) -> None:
    report = bring(tmp_path, GOOD, calendar=None)
    assert (report.shard.calendar, report.calendar_reason) == ("24/7", "24/7, because 33% of the days are weekend days")


def test_a_failing_disk_leaves_the_old_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bring(tmp_path, GOOD)
    path = shard_path(tmp_path / "store", "X", "1d")
    before = path.read_bytes()
    source = put(tmp_path, GOOD.replace(",100", ",101"))

    def fail(*_args: object) -> None:
        raise OSError(5, "Input/output error")

    for fault in ("os.fsync", "pathlib.Path.replace"):
        with monkeypatch.context() as patch:
            patch.setattr(fault, fail)
            with pytest.raises(DataError, match=r"Input/output error.*what was there before is untouched"):
                import_file(source, tmp_path / "store", "X", "1d", calendar="24/7")
        assert path.read_bytes() == before
        assert [p.name for p in path.parent.iterdir()] == ["bars.parquet"]


def test_check_tells_of_every_shard(tmp_path: Path) -> None:
    bring(tmp_path, GOOD)
    root = tmp_path / "store"
    import_file(put(tmp_path, "\n".join([HEADER, ROWS[0], ROWS[2]])), root, "GAP", "1d", calendar="24/7")
    import_file(put(tmp_path, GOOD), root, "HURT", "1d", calendar="24/7")
    hurt = shard_path(root, "HURT", "1d")
    hurt.write_bytes(hurt.read_bytes()[:-1])
    found = {report.shard.symbol: report for report in check_store(root)}
    assert [(s, r.passed) for s, r in found.items()] == [("GAP", True), ("HURT", False), ("X", True)]
    assert found["GAP"].quality == pytest.approx(2 / 3)
    assert [f.rule for f in found["GAP"].findings if f.severity == "warning"] == ["missing bars"]
    assert "HURT" in found["HURT"].shard.problem
    assert found["HURT"].to_dict()["quality"] == 0.0
    with pytest.raises(DataError, match="a data store must hold shards"):
        check_store(tmp_path / "nowhere")


def test_a_decoder_that_dies_is_an_error_with_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fitness.source_file._CHILD", "import os; os.abort()")
    with pytest.raises(DataError, match=r"must be undamaged, but .* is not \(the decoder died with code -6\)"):
        bring(tmp_path, parquet(typed()), name="bars.parquet")
    assert nothing_written(tmp_path)


def test_real_files_of_another_library(tmp_path: Path) -> None:
    import importlib.util

    spec = importlib.util.find_spec("backtesting")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent / "test"
    goog = import_file(folder / "GOOG.csv", tmp_path, "GOOG", "1d")
    assert (goog.shard.n_bars, goog.shard.calendar, goog.shard.quality) == (2148, "XNYS", 1.0)
    euro = import_file(folder / "EURUSD.csv", tmp_path, "EURUSD", "1h")
    assert (euro.shard.n_bars, euro.shard.calendar) == (5000, "24/5")
    assert 0.9 < euro.shard.quality < 1.0
    assert np.all(np.diff(load_shard(tmp_path, "EURUSD", "1h").timestamps) > 0)
    with pytest.raises(BarsRefusedError, match="24 hours apart at the nearest; name the timeframe"):
        import_file(folder / "GOOG.csv", tmp_path, "GOOG", "1h")
