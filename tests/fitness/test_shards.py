"""The store gives back what was put in, whole and unchanged, or says by name what is wrong."""

import io
import pickle
import random
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fitness.checks import BarsRefusedError
from fitness.files import atomic_write_bytes
from fitness.shards import (
    Shard,
    content_hash,
    describe_shard,
    list_shards,
    load_shard,
    scan_bars,
    shard_of,
    shard_path,
    write_shard,
)
from fitness.timeframes import HOUR_US
from strategies.errors import DataError

START_US = 1_577_836_800_000_000  # 2020-01-01


def bars(n_bars: int = 50, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    prices = np.sort(100 + rng.random((n_bars, 4)), axis=1)
    stamps = pl.Series(START_US + np.arange(n_bars, dtype=np.int64) * HOUR_US).cast(pl.Datetime("us", "UTC"))
    return pl.DataFrame(
        {
            "timestamp": stamps, "open": prices[:, 1], "high": prices[:, 3], "low": prices[:, 0],
            "close": prices[:, 2], "volume": rng.integers(1, 9, n_bars).astype(float),
        }
    )  # fmt: skip


def stored(root: Path, symbol: str = "X", frame: pl.DataFrame | None = None) -> Path:
    return write_shard(bars() if frame is None else frame, root, symbol, "1h", calendar="24/7", source="test")


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    stored(tmp_path)
    shard = load_shard(tmp_path, "X", "1h")
    assert shard.frame().equals(bars())
    assert (shard.symbol, shard.timeframe, shard.n_bars) == ("X", "1h", 50)
    assert (shard.bars_per_year, shard.quality) == (8760.0, 1.0)
    assert shard.timestamps[0] == START_US


def test_arrays_are_ready_for_kernels_also_after_pickling(tmp_path: Path) -> None:
    stored(tmp_path)
    shard = load_shard(tmp_path, "X", "1h")
    for one in (shard, pickle.loads(pickle.dumps(shard, protocol=5))):
        assert one.timestamps.dtype == np.int64
        for values in (one.open, one.high, one.low, one.close, one.volume):
            assert values.dtype == np.float64
            assert values.flags.c_contiguous
            with pytest.raises(ValueError, match="read-only"):
                values[0] = 1.0
        assert one.content_hash == shard.content_hash
        assert np.array_equal(one.close, shard.close)


def test_a_shard_does_not_freeze_the_arrays_it_was_made_of() -> None:
    close = np.array([1.0, 2.0])
    stamps = np.array([0, 1], dtype=np.int64)
    Shard("X", "1h", stamps, close, close, close, close, close, 1.0, "", 1.0)
    close[0] = 3.0


@pytest.mark.parametrize(
    ("start", "end", "n_bars"),
    [
        (None, None, 50),
        ("2020-01-01T10:00:00", None, 40),
        (None, "2020-01-01T10:00:00Z", 10),
        ("2020-01-01T05:00:00+02:00", "2020-01-01T05:00:00", 2),
        ("2020-01-02", "2020-01-03", 24),
    ],
)
def test_a_stretch_of_time_holds_its_start_and_not_its_end(
    tmp_path: Path, start: str | None, end: str | None, n_bars: int
) -> None:
    stored(tmp_path)
    shard = load_shard(tmp_path, "X", "1h", start, end)
    assert shard.n_bars == n_bars
    whole = load_shard(tmp_path, "X", "1h")
    assert (shard.content_hash == whole.content_hash) == (n_bars == 50)


def test_an_empty_stretch_and_a_wrong_date_are_refused(tmp_path: Path) -> None:
    stored(tmp_path)
    with pytest.raises(DataError, match="at least 2 bars, but was 0"):
        load_shard(tmp_path, "X", "1h", "2030-01-01")
    with pytest.raises(DataError, match="must be ISO 8601, such as 2010-01-31, but was 'soon'"):
        load_shard(tmp_path, "X", "1h", "soon")


def test_the_hash_is_of_the_values_and_not_of_the_file(tmp_path: Path) -> None:
    frame = bars()
    known = content_hash(frame, "X", "1h")
    for compression in ("zstd", "snappy", "uncompressed"):
        stream = io.BytesIO()
        frame.rechunk().write_parquet(stream, compression=compression, row_group_size=7)
        assert content_hash(pl.read_parquet(io.BytesIO(stream.getvalue())), "X", "1h") == known
    assert content_hash(pl.concat([frame.head(9), frame.tail(41)], rechunk=False), "X", "1h") == known
    negative = frame.with_columns(volume=pl.lit(-0.0))
    assert content_hash(negative, "X", "1h") == content_hash(frame.with_columns(volume=pl.lit(0.0)), "X", "1h")


@given(st.integers(0, 49), st.sampled_from(["timestamp", "open", "high", "low", "close", "volume"]))
@settings(max_examples=30, deadline=None)
def test_the_hash_sees_the_last_bit_of_any_value(row: int, column: str) -> None:
    frame = bars()
    values = frame[column].to_physical().to_numpy().copy()
    values.view(np.int64)[row] ^= 1
    changed = frame.with_columns(pl.Series(column, values).cast(frame.schema[column]))
    assert content_hash(changed, "X", "1h") != content_hash(frame, "X", "1h")


def test_the_hash_knows_symbol_and_timeframe() -> None:
    hashes = {content_hash(bars(), s, t) for s, t in (("X", "1h"), ("Y", "1h"), ("X", "1d"), ("X1", "h"))}
    assert len(hashes) == 4


def test_writing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    first = stored(tmp_path / "a").read_bytes()
    assert stored(tmp_path / "b").read_bytes() == first


def test_any_flipped_bit_is_found_by_name(tmp_path: Path) -> None:
    path = stored(tmp_path)
    data = path.read_bytes()
    rng = random.Random(3)
    for position in {*rng.sample(range(len(data)), 150), *range(len(data) - 12, len(data))}:
        damaged = bytearray(data)
        damaged[position] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"undamaged, but .*symbol=X.*bars\.parquet is not: its? .*import it again"):
            load_shard(tmp_path, "X", "1h")
        assert "is not: it" in describe_shard(path).problem


def test_a_file_cut_anywhere_is_found_by_name(tmp_path: Path) -> None:
    path = stored(tmp_path)
    data = path.read_bytes()
    for length in [0, 1, 4, 11, *range(12, len(data), 97), len(data) - 1]:
        path.write_bytes(data[:length])
        with pytest.raises(DataError, match=r"bars\.parquet is not: it"):
            load_shard(tmp_path, "X", "1h")
    path.write_bytes(data + b"\0")
    with pytest.raises(DataError, match="do not have the hash they were stored with"):
        load_shard(tmp_path, "X", "1h")


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    path = stored(tmp_path)
    bars().write_parquet(path)
    with pytest.raises(DataError, match="it has no seal of Studbook; import it again"):
        load_shard(tmp_path, "X", "1h")


def test_a_file_in_the_place_of_another_is_refused(tmp_path: Path) -> None:
    path = shard_path(tmp_path, "Y", "1h")
    atomic_write_bytes(path, stored(tmp_path).read_bytes())
    with pytest.raises(DataError, match="it holds X 1h"):
        load_shard(tmp_path, "Y", "1h")


def test_a_second_file_in_a_partition_is_refused(tmp_path: Path) -> None:
    path = stored(tmp_path)
    bars().write_parquet(path.with_name("more.parquet"))
    with pytest.raises(DataError, match=r"must hold one file, bars\.parquet, but .* also holds more\.parquet"):
        load_shard(tmp_path, "X", "1h")


def test_a_missing_shard_names_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the store has no shard"):
        load_shard(tmp_path, "Z", "1h")
    stored(tmp_path)
    with pytest.raises(DataError, match=r"symbol=Z.* does not; the store has X 1h\. Import it"):
        load_shard(tmp_path, "Z", "1h")


@pytest.mark.parametrize("symbol", ["", "..", ".", "a/b", "../x", "a\\b", "x y", "a=b", "é", "a" * 65, ".a", "a\n"])
def test_unsafe_symbols_are_refused(tmp_path: Path, symbol: str) -> None:
    with pytest.raises(DataError, match=r"a symbol must be 1 to 64 letters, digits and \. _ -"):
        load_shard(tmp_path, symbol, "1h")
    with pytest.raises(DataError, match="a symbol must be"):
        stored(tmp_path, symbol)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("symbol", ["BRK.B", "EUR_USD", "BTC-USD", "1e5", "600000", "_x"])
def test_safe_symbols_come_back_as_text(tmp_path: Path, symbol: str) -> None:
    stored(tmp_path, symbol)
    assert [info.symbol for info in list_shards(tmp_path)] == [symbol]
    assert scan_bars(tmp_path).select("symbol").unique().collect()["symbol"].to_list() == [symbol]


def test_bad_bars_never_reach_the_disk(tmp_path: Path) -> None:
    with pytest.raises(BarsRefusedError, match=r"test breaks them \(1 x negative price\)"):
        stored(tmp_path, frame=bars().with_columns(low=pl.when(pl.col("low").rank() == 1).then(-1.0).otherwise("low")))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fault", ["os.fsync", "pathlib.Path.replace"])
def test_a_failing_disk_leaves_the_old_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    path = stored(tmp_path)
    before = path.read_bytes()

    def fail(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fault, fail)
    with pytest.raises(DataError, match=r"writing .*bars\.parquet failed .*No space left.*untouched"):
        stored(tmp_path, frame=bars(seed=1))
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["bars.parquet"]


def test_list_gives_what_is_known_and_what_is_wrong(tmp_path: Path) -> None:
    stored(tmp_path, "B")
    stored(tmp_path, "A", bars()[::2])
    shard_path(tmp_path, "A", "5m").parent.mkdir(parents=True)
    shard_path(tmp_path, "A", "5m").write_bytes(b"rubbish")
    found = list_shards(tmp_path)
    assert [(i.symbol, i.timeframe, i.n_bars, bool(i.problem)) for i in found] == [
        ("A", "5m", 0, True), ("A", "1h", 25, False), ("B", "1h", 50, False),
    ]  # fmt: skip
    assert (found[2].first, found[2].calendar, found[2].source) == ("2020-01-01T00:00:00+00:00", "24/7", "test")
    assert found[1].quality < found[2].quality == 1.0
    assert found[2].content_hash == load_shard(tmp_path, "B", "1h").content_hash


def test_a_store_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    for call in (list_shards, scan_bars):
        with pytest.raises(DataError, match=r"must hold shards .* holds none; run `studbook data sample`"):
            call(tmp_path / "nowhere")


def test_a_left_over_temporary_file_is_not_a_shard(tmp_path: Path) -> None:
    path = stored(tmp_path)
    path.with_name(".bars.parquet.1.abcd.tmp").write_bytes(b"half")
    assert len(list_shards(tmp_path)) == 1
    assert load_shard(tmp_path, "X", "1h").n_bars == 50


def test_scan_reads_lazily_by_partition_column_and_row(tmp_path: Path) -> None:
    stored(tmp_path, "A")
    stored(tmp_path, "B", bars(seed=1))
    wanted = scan_bars(tmp_path).filter(pl.col("symbol") == "B", pl.col("close") > 0).select("close")
    assert wanted.collect()["close"].to_list() == bars(seed=1)["close"].to_list()
    plan = wanted.explain()
    assert "symbol=B" in plan
    assert "symbol=A" not in plan
    assert "SELECTION" in plan


def test_shard_of_judges_too() -> None:
    with pytest.raises(BarsRefusedError, match="unsorted"):
        shard_of(bars().reverse(), "X", "1h", bars_per_year=1.0)
    with pytest.raises(DataError, match="timeframe must be one of"):
        shard_of(bars(), "X", "1x", bars_per_year=1.0)
