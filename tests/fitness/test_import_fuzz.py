"""Whatever the bytes, an import ends in a shard that loads or in a `DataError`, and never in half a shard."""

import datetime as dt
import io
import random
from pathlib import Path

import polars as pl
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fitness.importing import import_file
from fitness.shards import load_shard, shard_path
from strategies.errors import DataError

HEADER = "Date,Open,High,Low,Close,Volume"
GOOD = f"{HEADER}\n2020-01-02,10,12,9,11,100\n2020-01-03,11,13,10,12,200\n2020-01-04,12,14,11,13,300\n"


def survives(folder: Path, content: bytes, name: str) -> None:
    """Only a `DataError`, and then nothing is written; or a shard that loads."""
    root, path = folder / "fuzz", folder / name
    path.write_bytes(content)
    try:
        import_file(path, root, "X", "1d", calendar="24/7", extra="ignore")
    except DataError:
        assert not root.exists()
        return
    load_shard(root, "X", "1d")
    shard_path(root, "X", "1d").unlink()
    for made in (root / "symbol=X" / "timeframe=1d", root / "symbol=X", root):
        made.rmdir()


FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(st.binary(max_size=200))
@example(b"PAR1")
@example(b"\x1f\x8b")
@example(b",,,\n")
@FUZZ
def test_random_bytes_never_give_a_traceback(tmp_path: Path, content: bytes) -> None:
    survives(tmp_path, content, "bars.csv")


CELLS = st.one_of(
    st.text(max_size=6), st.sampled_from(["", "1", "2.5", "nan", "-1", "1e400", "2020-01-02", '"', "\n", "1577923200"])
)


@given(st.lists(st.lists(CELLS, min_size=4, max_size=7), max_size=5))
@FUZZ
def test_random_cells_never_give_a_traceback(tmp_path: Path, rows: list[list[str]]) -> None:
    survives(tmp_path, "\n".join([HEADER, *(",".join(row) for row in rows)]).encode("utf-8", "replace"), "bars.csv")


@given(st.data())
@FUZZ
def test_a_good_csv_with_changed_bytes_never_gives_a_traceback(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(GOOD.encode())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    survives(tmp_path, bytes(content), "bars.csv")


def test_a_damaged_parquet_file_never_gives_a_traceback(tmp_path: Path) -> None:
    """Each goes through the child process; a few here, thousands were run by hand (see source_file.py)."""
    stream = io.BytesIO()
    days = [dt.datetime(2020, 1, day, tzinfo=dt.UTC) for day in (2, 3, 4)]
    pl.DataFrame({"date": days, "o": 2.0, "h": 3.0, "l": 1.0, "c": 2.0, "v": [1, 2, 3]}).write_parquet(stream)
    content = stream.getvalue()
    rng = random.Random(5)
    for _ in range(4):
        damaged = bytearray(content)
        damaged[rng.randrange(4, len(content) - 8)] ^= 1 << rng.randrange(8)
        survives(tmp_path, bytes(damaged), "bars.parquet")
