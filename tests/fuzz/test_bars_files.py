"""Bars from outside: a shard that loads and obeys every rule, or a `DataError` that names the file.

Promise: bad bars never become fitness.
"""

import datetime as dt
import gzip
import io
import json
import random

import numpy as np
import polars as pl
import pytest

from fitness import source_file
from fitness.importing import import_file
from fitness.shard_file import encode
from fitness.shards import load_shard, shard_path
from strategies.errors import DataError
from tests.fuzz.law import hold
from tests.fuzz.mutations import damaged_bytes, damaged_tree

pytestmark = pytest.mark.chaos
HEADER = ["Date", "Open", "High", "Low", "Close", "Volume"]
START = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
BAD_CELLS = (
    *("", " ", "nan", "NaN", "inf", "-inf", "-1", "0", "-0.0", "1e308", "1e-308", "1e400", "abc", "1,5", '"', "None"),
    *("2020-02-30", "0000-00-00", "9999-12-31", "1577836800", "-1", "2020-01-01T00:00:00+05:30", "01/02/2020", "🦄"),
    *("9" * 400, "0x10", "1_000", "\x00", "=1+1", "2020-01-02 03:04:05.678", "1677-01-01", "2262-04-12"),
)


def good_rows(n, rng):
    price, rows = 100.0, []
    for day in range(n):
        price *= 1 + rng.uniform(-0.02, 0.02)
        low, high = price * 0.99, price * 1.01
        rows.append(
            [(START + dt.timedelta(days=day)).date().isoformat(), price, high, low, price, rng.randint(0, 9999)]
        )
    return rows


def bad_csv(rng):
    """A CSV of good bars with up to three things wrong: NaN, infinite, zero, negative, duplicate, unsorted, ragged."""
    rows = good_rows(rng.choice((1, 2, 3, 12)), rng)
    header = list(HEADER)
    for _ in range(rng.randint(0, 3)):
        what, at = rng.random(), rng.randrange(len(rows))
        if what < 0.5:
            rows[at][rng.randrange(6)] = rng.choice(BAD_CELLS)
        elif what < 0.6:
            rows.insert(rng.randrange(len(rows)), list(rows[at]))
        elif what < 0.7:
            rng.shuffle(rows)
        elif what < 0.8:
            rows[at] = rows[at][: rng.randint(0, 5)] + [1] * rng.randint(0, 3)
            rows[at] += [1] * (rng.random() < 0.5) * (6 - len(rows[at]))
        elif what < 0.9:
            header[rng.randrange(6)] = rng.choice(("Date", "Open", "x", "", "../x", "Bid", "volume"))
        else:
            rows = rows[:at]
        rows = [row if row else [""] for row in rows] or [[""] * 6]
        rows = [row + [""] * (6 - len(row)) if len(row) < 6 and rng.random() < 0.5 else row for row in rows]
        if any(len(row) < 6 for row in rows):
            break
    text = "\n".join(rng.choice((",", ";")).join(map(str, row)) for row in (header, *rows)) + "\n"
    content = text.encode("utf-8", "replace")
    return damaged_bytes(rng, content) if rng.random() < 0.2 else content


def obeys(shard):
    """Every rule of bars, counted here again: what is in a shard may be traded on."""
    prices = np.stack([shard.open, shard.high, shard.low, shard.close])
    assert len(shard.timestamps) >= 2
    assert (np.diff(shard.timestamps) > 0).all()
    assert np.isfinite(prices).all()
    assert (prices > 0).all()
    assert (prices.max(axis=0) == shard.high).all()
    assert (prices.min(axis=0) == shard.low).all()
    assert np.isfinite(shard.volume).all()
    assert (shard.volume >= 0).all()


@pytest.mark.parametrize("zone", [None, "America/New_York"])
def test_a_csv_with_anything_wrong_is_a_right_shard_or_refused_by_name(amount, tmp_path, zone):
    path, root = tmp_path / "bars.csv", tmp_path / "store"

    def load(content):
        path.write_bytes(content)
        try:
            import_file(path, root, "X", "1d", "24/7", timezone=zone, extra="ignore")
        finally:
            written = root.exists() and shard_path(root, "X", "1d").is_file()
        obeys(load_shard(root, "X", "1d"))
        assert written
        shard_path(root, "X", "1d").unlink()

    found = hold(bad_csv, load, n=amount(200, 50_000), errors=DataError, named="bars.csv", seed=2 + (zone is None))
    assert min(found.values()) > 0


def frame_of(rng, n=12):
    rows = good_rows(n, rng)
    table = pl.DataFrame(rows, schema=["timestamp", "open", "high", "low", "close", "volume"], orient="row")
    stamp = pl.col("timestamp").str.to_datetime("%Y-%m-%d", time_unit="us", time_zone="UTC")
    return table.with_columns(stamp, pl.col("volume").cast(pl.Float64))


def bad_frame(rng):
    """Bars in a frame, wrong in a value, a type, an order, a column or their number."""
    frame = frame_of(rng)
    column = rng.choice(frame.columns[1:])
    what = rng.randrange(9)
    if what == 0:
        values = frame[column].to_list()
        values[rng.randrange(12)] = rng.choice((None, float("nan"), float("inf"), 0.0, -1.0, 1e308, 5e-324))
        return frame.with_columns(pl.Series(column, values, dtype=pl.Float64))
    return (
        frame.sample(fraction=1.0, shuffle=True, seed=rng.randrange(99)),
        frame.drop(column),
        frame.with_columns(pl.col(column).cast(rng.choice((pl.Float32, pl.Int64, pl.String)))),
        frame.with_columns(pl.col("timestamp").dt.replace_time_zone(rng.choice((None, "Asia/Tokyo")))),
        frame.head(rng.choice((0, 1))),
        pl.concat([frame, frame.tail(1)]),
        frame.rename({column: column.upper()}),
        frame.with_columns(pl.lit(rng.choice((None, 1.0, "x"))).alias(rng.choice(("bid", "ask_size", "other")))),
    )[what - 1]


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    """What the metadata of a whole shard say."""
    from fitness.shards import write_shard

    root = tmp_path_factory.mktemp("known")
    path = write_shard(frame_of(random.Random(1)), root, "X", "1d", calendar="24/7")
    return json.loads(pl.read_parquet_metadata(io.BytesIO(path.read_bytes()))["studbook"])


def test_a_shard_file_with_anything_wrong_is_a_right_shard_or_refused_by_name(amount, known, tmp_path):
    """The seal finds damage; bars, columns and metadata are judged again even where the seal fits what is wrong."""
    path = shard_path(tmp_path, "X", "1d")
    path.parent.mkdir(parents=True)

    def case(rng):
        from fitness.shards import content_hash

        frame, facts = (bad_frame(rng) if rng.random() < 0.5 else frame_of(rng)), dict(known)
        if rng.random() < 0.6:
            facts = damaged_tree(rng, facts)
        elif set(frame.columns) >= {"timestamp", "open", "high", "low", "close", "volume"} and rng.random() < 0.9:
            try:
                facts["content_hash"] = content_hash(frame, "X", "1d")
            except Exception:  # noqa: BLE001 - bars that have no hash keep the wrong one
                facts["content_hash"] = "0" * 64
        data = encode(frame, json.loads(json.dumps(facts, default=str)))
        return damaged_bytes(rng, data) if rng.random() < 0.2 else data

    def load(content):
        path.write_bytes(content)
        obeys(load_shard(tmp_path, "X", "1d"))

    found = hold(case, load, n=amount(600, 50_000), errors=DataError, named="X", seed=4)
    assert min(found.values()) > 0


def test_a_foreign_parquet_file_with_any_damage_is_a_right_shard_or_refused_by_name(amount, tmp_path):
    """Each is decoded in a child process, which may die of it."""
    path, root, stream = tmp_path / "bars.parquet", tmp_path / "store", io.BytesIO()
    frame_of(random.Random(3)).write_parquet(stream)

    def load(content):
        path.write_bytes(content)
        import_file(path, root, "X", "1d", "24/7", extra="ignore")
        obeys(load_shard(root, "X", "1d"))

    def case(rng):
        return damaged_bytes(rng, stream.getvalue())

    found = hold(case, load, n=amount(8, 2_000), errors=DataError, named="bars.parquet", seed=5)
    assert found["refused"] > 0


def test_a_gzip_bomb_is_refused_before_it_fills_the_memory(tmp_path, monkeypatch):
    path = tmp_path / "bars.csv.gz"
    path.write_bytes(gzip.compress(b"0" * (1 << 22)))
    monkeypatch.setattr(source_file, "MAX_BYTES", 1 << 20)
    with pytest.raises(DataError, match=r"at most 1,048,576 bytes, but .*bars\.csv\.gz has more; import it in parts"):
        import_file(path, tmp_path, "X", "1d")
    path.write_bytes(b"0" * ((1 << 20) + 1))
    with pytest.raises(DataError, match=r"at most 1,048,576 bytes, but .*bars\.csv\.gz has more"):
        import_file(path, tmp_path, "X", "1d")
