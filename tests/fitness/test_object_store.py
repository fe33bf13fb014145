"""A store of shards at a URL is the store that a folder is: same bytes, same checks, same errors; tested on real S3.

What an object store can do besides, it may do at any moment: be away, refuse, break off in the middle of an answer or
of an upload. That is a ClusterError (exit code 4), never half a shard, and never a DataError that blames the bars.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cluster.cli import app
from cluster.driver import run_job
from cluster.run_folder import BIRTHS_FILE
from fitness.copying import copy_store
from fitness.importing import check_store
from fitness.object_store import ObjectPath, place_of
from fitness.samples import random_walk
from fitness.shards import describe_shard, list_shards, load_shard, scan_bars, shard_path, write_shard
from strategies.errors import ClusterError, ConfigError, DataError
from tests.fitness.object_server import SECRET, Proxy, object_server

URL = "s3://bars/daily"


@pytest.fixture(scope="module")
def server() -> Iterator[Proxy]:
    with object_server("bars") as proxy:
        yield proxy


@pytest.fixture
def proxy(server: Proxy) -> Iterator[Proxy]:
    """The proxy, whole before and after; the bucket is empty before."""
    server.heal()
    system = place_of("s3://bars").system  # type: ignore[union-attr]
    for key in system.find("bars"):
        system.rm_file(key)
    yield server
    server.heal()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store on disk with three shards. Read only."""
    root = tmp_path_factory.mktemp("folder")
    for seed, symbol in enumerate(("A", "B", "C")):
        write_shard(random_walk(seed, 400), root, symbol, "1d", calendar="24/5", source="test")
    return root


def studbook(*words: object) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words])


def put(proxy: Proxy, key: str, data: bytes) -> None:
    place = place_of(f"s3://bars/{key}")
    assert isinstance(place, ObjectPath)
    place.write_bytes(data)


# The same store


def test_a_store_at_a_url_is_the_store_that_a_folder_is(proxy: Proxy, folder: Path) -> None:
    written = write_shard(random_walk(0, 400), URL, "A", "1d", calendar="24/5", source="test")
    assert str(written) == f"{URL}/symbol=A/timeframe=1d/bars.parquet"
    assert written.read_bytes() == shard_path(folder, "A", "1d").read_bytes()
    mine, theirs = load_shard(URL, "A", "1d", "1999-06-01"), load_shard(folder, "A", "1d", "1999-06-01")
    assert (mine.content_hash, mine.quality, mine.bars_per_year) == (theirs.content_hash, 1.0, theirs.bars_per_year)
    assert mine.frame().equals(theirs.frame())
    assert scan_bars(URL).collect().equals(scan_bars(folder).filter(symbol="A").collect())
    (checked,) = check_store(Path(URL))
    assert checked.passed


@pytest.mark.parametrize("root", [URL, f"{URL}/", Path(URL), Path(f"{URL}/")], ids=repr)
def test_a_url_that_went_through_a_path_is_the_url(proxy: Proxy, folder: Path, root: str | Path) -> None:
    copy_store(folder, URL, symbols=["B"])
    assert [str(info.path) for info in list_shards(root)] == [f"{URL}/symbol=B/timeframe=1d/bars.parquet"]
    assert load_shard(root, "B", "1d").n_bars == 400
    assert place_of(root) == place_of(URL)


def test_other_objects_in_the_store_are_left_alone(proxy: Proxy, folder: Path) -> None:
    copy_store(folder, URL)
    for key in ("daily/readme", "daily/symbol=A/bars.parquet", "daily/x/symbol=A/timeframe=1d/bars.parquet"):
        put(proxy, key, b"other")
    assert [info.symbol for info in list_shards(URL)] == ["A", "B", "C"]
    put(proxy, "daily/symbol=A/timeframe=1d/more.parquet", b"other")
    with pytest.raises(DataError, match=r"s3://bars/daily/symbol=A/timeframe=1d also holds more\.parquet"):
        load_shard(URL, "A", "1d")


def test_a_job_reads_a_url_as_it_reads_a_folder(
    proxy: Proxy, tiny_job: Callable[..., Any], bars_root: Path, tmp_path: Path
) -> None:
    copy_store(bars_root, URL)
    views = [
        run_job(tiny_job(data={"root": root}, evolution={"generations": 2}), root=tmp_path, job_id=name)
        for name, root in (("disk", str(bars_root)), ("url", URL))
    ]
    disk, url = ((view.run_dir / BIRTHS_FILE).read_bytes() for view in views)
    assert disk == url
    for path in views[1].run_dir.rglob("*"):
        assert path.is_dir() or SECRET.encode() not in path.read_bytes()


# What is wrong with the store


def test_a_missing_shard_names_those_that_are_there(proxy: Proxy, folder: Path) -> None:
    copy_store(folder, URL, symbols=["A", "C"])
    with pytest.raises(DataError, match=r"s3://bars/daily/symbol=X/\S+ does not; the store has A 1d, C 1d"):
        load_shard(URL, "X", "1d")


@pytest.mark.parametrize("root", ["s3://bars/empty", "s3://no-such-bucket/daily"])
def test_a_store_without_shards_is_none(proxy: Proxy, root: str) -> None:
    for call in (list_shards, scan_bars):
        with pytest.raises(DataError, match=f"{root} holds none"):
            call(root)
    with pytest.raises(DataError, match="the store has no shard"):
        load_shard(root, "A", "1d")


def test_nothing_is_written_where_there_is_no_bucket(proxy: Proxy, folder: Path) -> None:
    with pytest.raises(DataError, match="make the bucket"):
        copy_store(folder, "s3://no-such-bucket/daily")


@pytest.mark.parametrize("length", [0, 1, 500, 5_000, -1], ids="bytes {}".format)
def test_a_truncated_object_is_refused_by_name(proxy: Proxy, folder: Path, length: int) -> None:
    data = shard_path(folder, "A", "1d").read_bytes()
    put(proxy, "daily/symbol=A/timeframe=1d/bars.parquet", data[:length])
    with pytest.raises(DataError, match=r"undamaged, but s3://bars/daily/symbol=A/\S+ is not"):
        load_shard(URL, "A", "1d")
    assert "is not: it" in describe_shard(shard_path(URL, "A", "1d")).problem


def test_a_flipped_bit_in_an_object_is_seen(proxy: Proxy, folder: Path) -> None:
    data = bytearray(shard_path(folder, "A", "1d").read_bytes())
    for place in range(0, len(data), len(data) // 20):
        data[place] ^= 1
        put(proxy, "daily/symbol=A/timeframe=1d/bars.parquet", bytes(data))
        assert describe_shard(shard_path(URL, "A", "1d")).problem
        data[place] ^= 1


# Copies


def test_a_copy_there_and_back_is_the_same_bytes(proxy: Proxy, folder: Path, tmp_path: Path) -> None:
    assert [info.note for info in copy_store(folder, URL)] == ["written"] * 3
    assert [info.note for info in copy_store(URL, tmp_path, symbols=["A", "C"])] == ["written"] * 2
    for symbol in ("A", "C"):
        assert shard_path(tmp_path, symbol, "1d").read_bytes() == shard_path(folder, symbol, "1d").read_bytes()
    assert [info.note for info in copy_store(folder, URL)] == ["kept"] * 3


def test_a_copy_changes_nothing_that_is_there_unless_told(proxy: Proxy, folder: Path) -> None:
    write_shard(random_walk(9, 300), URL, "B", "1d", calendar="24/5", source="other")
    with pytest.raises(DataError, match="holds other bars for B 1d; nothing was written"):
        copy_store(folder, URL)
    assert [info.symbol for info in list_shards(URL)] == ["B"]
    assert load_shard(URL, "B", "1d").n_bars == 300
    assert [info.note for info in copy_store(folder, URL, overwrite=True)] == ["written", "replaced", "written"]
    assert load_shard(URL, "B", "1d").n_bars == 400


def test_what_is_damaged_or_missing_is_not_copied(proxy: Proxy, folder: Path, tmp_path: Path) -> None:
    copy_store(folder, tmp_path)
    hurt = shard_path(tmp_path, "B", "1d")
    hurt.write_bytes(hurt.read_bytes()[:-1])  # type: ignore[union-attr]
    with pytest.raises(DataError, match="1 of 3 shards can't be copied; nothing was written"):
        copy_store(tmp_path, URL)
    with pytest.raises(DataError, match="has no X; it has A, B, C"):
        copy_store(tmp_path, URL, symbols=["A", "X"])
    assert not place_of(URL).is_dir()


def test_a_copy_that_breaks_off_is_finished_by_the_next(proxy: Proxy, folder: Path) -> None:
    n_bytes = len(shard_path(folder, "A", "1d").read_bytes())
    proxy.die_after(up=2.3 * n_bytes)  # requests and all, in the second shard
    with pytest.raises(ClusterError, match="must answer"):
        copy_store(folder, URL)
    proxy.heal()
    there = list_shards(URL)
    assert [info.problem for info in there] == [""] * len(there)
    notes = [info.note for info in copy_store(folder, URL)]
    assert notes == ["kept"] * len(there) + ["written"] * (3 - len(there))
    assert 0 < len(there) < 3


def test_the_commands_take_a_url(proxy: Proxy, folder: Path) -> None:
    copied = json.loads(studbook("data", "copy", folder, URL, "--symbol", "A", "--json").stdout)
    assert (copied["root"], copied["shards"][0]["note"]) == (URL, "written")
    listed = json.loads(studbook("data", "list", "--root", URL, "--json").stdout)
    assert listed["shards"][0]["path"] == f"{URL}/symbol=A/timeframe=1d/bars.parquet"
    assert json.loads(studbook("data", "check", "--root", URL, "--json").stdout)["sound"] is True
    put(proxy, "daily/symbol=A/timeframe=1d/bars.parquet", b"rubbish")
    assert studbook("data", "check", "--root", URL).exit_code == 3
    assert studbook("data", "copy", URL, folder / "x").exit_code == 3


# What is wrong with the server


def test_a_server_that_is_away_is_not_the_fault_of_the_bars(
    proxy: Proxy, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        for call in (lambda: load_shard(URL, "A", "1d"), lambda: copy_store(folder, URL)):
            with pytest.raises(ClusterError, match="must answer and let us in, but s3://bars/daily"):
                call()
        found = studbook("data", "list", "--root", URL, "--json")
    assert found.exit_code == 4
    assert "AWS_ENDPOINT_URL" in json.loads(found.stdout)["error"]["message"]


@pytest.mark.parametrize(("status", "code"), [("403 Forbidden", "AccessDenied"), ("500 Oh", "InternalError")])
def test_a_server_that_refuses_is_told_as_such(proxy: Proxy, status: str, code: str) -> None:
    proxy.refuse(status, code)
    with pytest.raises(ClusterError, match="let us in, but s3://bars/daily") as caught:
        list_shards(URL)
    assert SECRET not in str(caught.value)
    with pytest.raises(ClusterError, match="let us in, but s3://bars/daily"):
        load_shard(URL, "A", "1d")


@pytest.mark.parametrize("n_bytes", [0, 400, 3_000])
def test_a_server_that_dies_in_the_middle_gives_no_half_shard(proxy: Proxy, folder: Path, n_bytes: int) -> None:
    copy_store(folder, URL, symbols=["A"])
    path = shard_path(URL, "A", "1d")
    whole = path.read_bytes()
    assert len(whole) > 10_000
    proxy.die_after(down=n_bytes)
    with pytest.raises(ClusterError, match=r"must answer and let us in, but s3://bars/daily/symbol=A/\S+ did not"):
        path.read_bytes()
    proxy.heal()
    assert path.read_bytes() == whole


@pytest.mark.parametrize("n_bytes", [300, 12_000])
def test_an_upload_that_breaks_off_leaves_the_old_object(proxy: Proxy, folder: Path, n_bytes: int) -> None:
    old = write_shard(random_walk(9, 300), URL, "A", "1d", calendar="24/5", source="old").read_bytes()
    proxy.die_after(up=n_bytes)
    with pytest.raises(ClusterError, match=r"did not"):
        write_shard(random_walk(0, 400), URL, "A", "1d", calendar="24/5", source="new")
    proxy.heal()
    assert shard_path(URL, "A", "1d").read_bytes() == old
    assert load_shard(URL, "A", "1d").n_bars == 300


# What a URL may be


@pytest.mark.parametrize("url", ["s3://key:hush@bars/x", "s3://bars/x?secret=hush", "s3://bars/x#hush"])
def test_credentials_in_a_url_are_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ConfigError, match="must hold a bucket and a prefix alone") as caught:
        place_of(url)
    assert "hush" not in str(caught.value)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("url", ["s3://", "s3:///x", "s3://bars//x", "s3://bars/../x", "s3://bars/."])
def test_a_url_without_a_bucket_or_with_steps_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="must be scheme://bucket/prefix, but was"):
        place_of(url) if url != "s3:///x" else place_of("s3:")


def test_an_unknown_scheme_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(ConfigError, match=r"one of s3://, gs://, .* but was 'ftp://bars/x'"):
        place_of("ftp://bars/x")


def test_a_missing_package_is_named() -> None:
    """There is no gcsfs among our pins."""
    with pytest.raises(ConfigError, match=r"through the package gcsfs, but it is missing .*`pip install gcsfs`"):
        place_of("gs://bars/x")


@pytest.mark.parametrize("folder_name", ["data", "/mnt/data", "c:/bars", "a b/c", ".", "s3/bars"])
def test_a_folder_is_a_folder(folder_name: str) -> None:
    assert place_of(folder_name) == Path(folder_name)
