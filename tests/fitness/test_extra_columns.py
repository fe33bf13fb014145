"""Extra columns: what a source brings is kept to the bit or refused by name; gaps are told; other hashes stay."""

import hashlib
import pickle
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fitness.bank import FeatureBank
from fitness.bits import unpack
from fitness.checks import BarsRefusedError
from fitness.columns import match_columns
from fitness.costs import Costs
from fitness.evaluate import evaluate, role_masks
from fitness.extra_columns import extra_names
from fitness.folds import Window
from fitness.importing import check_store, import_file
from fitness.shard import VALUES, Shard
from fitness.shards import content_hash, describe_shard, load_shard, scan_bars, shard_of, shard_path, write_shard
from fitness.timeframes import HOUR_US, derive
from strategies.codec import express
from strategies.encoding import encode, phenotype_of, strategy_of
from strategies.errors import DataError
from strategies.extra_columns import EXTRA_COLUMNS, SUMMED
from strategies.features.extra import EXTRA
from strategies.language import Language
from strategies.strategy import Condition, Distance, Operand, Rule, Strategy

START_US = 1_577_836_800_000_000  # 2020-01-01
COLUMNS = tuple(EXTRA_COLUMNS)


def bars(n_bars: int = 50, seed: int = 0, names: tuple[str, ...] = COLUMNS) -> pl.DataFrame:
    """Sound hourly bars; every fifth value of each extra column is missing, as NaN."""
    rng = np.random.default_rng(seed)
    prices = np.sort(100 + rng.random((n_bars, 4)), axis=1)
    stamps = pl.Series(START_US + np.arange(n_bars, dtype=np.int64) * HOUR_US).cast(pl.Datetime("us", "UTC"))
    volume = rng.integers(1, 9, n_bars).astype(float)
    extra = {name: rng.integers(0, 99, n_bars).astype(float) for name in COLUMNS}
    extra |= {"bid": prices[:, 2] - 0.5, "ask": prices[:, 2] + 0.5, "buy_volume": volume / 2}
    extra["funding_rate"] = rng.normal(0.0, 1e-4, n_bars)
    for name in names:
        extra[name][rng.permutation(n_bars)[::5]] = np.nan
    return pl.DataFrame(
        {
            "timestamp": stamps, "open": prices[:, 1], "high": prices[:, 3], "low": prices[:, 0],
            "close": prices[:, 2], "volume": volume, **{name: extra[name] for name in names},
        }
    )  # fmt: skip


def stored(root: Path, frame: pl.DataFrame) -> Shard:
    write_shard(frame, root, "X", "1h", calendar="24/7", source="test")
    return load_shard(root, "X", "1h")


def put(folder: Path, frame: pl.DataFrame, name: str = "bars.csv") -> Path:
    path = folder / name
    if name.endswith(".csv"):
        frame.fill_nan(None).write_csv(path)
    else:
        frame.write_parquet(path)
    return path


def bring(folder: Path, frame: pl.DataFrame, name: str = "bars.csv", **more: object):
    return import_file(put(folder, frame, name), folder / "store", "X", "1h", calendar="24/7", **more)


def test_what_goes_in_comes_out_missing_values_as_nan(tmp_path: Path) -> None:
    shard = stored(tmp_path, bars())
    assert tuple(shard.extra) == COLUMNS
    for name in COLUMNS:
        np.testing.assert_array_equal(shard.extra[name], bars()[name].to_numpy())
    nulls = bars().with_columns(pl.col(COLUMNS).fill_nan(None))
    assert stored(tmp_path, nulls).content_hash == shard.content_hash
    assert describe_shard(shard_path(tmp_path, "X", "1h")).extra == COLUMNS
    assert shard.frame().equals(bars())


def test_columns_are_ready_for_kernels_also_after_pickling() -> None:
    shard = shard_of(bars(), "X", "1h", bars_per_year=1.0)
    for one in (shard, pickle.loads(pickle.dumps(shard, protocol=5))):
        assert list(one.extra) == sorted(one.extra)
        for name, values in one.extra.items():
            assert (values.dtype, values.shape, values.flags.c_contiguous) == (np.float64, (50,), True)
            np.testing.assert_array_equal(values, shard.extra[name])
            with pytest.raises(ValueError, match="read-only"):
                values[0] = 1.0
        with pytest.raises(TypeError, match="does not support item assignment"):
            one.extra["bid"] = one.close  # type: ignore[index]


def test_a_shard_without_them_has_the_hash_and_the_bytes_it_always_had(tmp_path: Path) -> None:
    frame = bars(names=())
    digest = hashlib.sha256(b"studbook.shard/1\nX\n1h\n50\n")
    digest.update(frame["timestamp"].cast(pl.Int64).to_numpy().astype("<i8").tobytes())
    for name in VALUES:
        digest.update(frame[name].to_numpy().astype("<f8").tobytes())
    shard = stored(tmp_path, frame)
    assert shard.content_hash == digest.hexdigest()
    assert dict(shard.extra) == {}
    assert describe_shard(shard_path(tmp_path, "X", "1h")).extra == ()
    assert b'"extra"' not in shard_path(tmp_path, "X", "1h").read_bytes()


@given(st.integers(0, 49), st.sampled_from(COLUMNS))
@settings(max_examples=30, deadline=None)
def test_the_hash_sees_names_gaps_and_the_last_bit_of_any_value(row: int, column: str) -> None:
    frame = bars(names=(column,))
    known = content_hash(frame, "X", "1h")
    values = frame[column].to_numpy().copy()
    values.view(np.int64)[row] ^= 1
    same = np.isnan(frame[column].to_numpy()[row])  # another bit pattern of NaN is still a missing value
    assert (content_hash(frame.with_columns(pl.Series(column, values)), "X", "1h") == known) == same
    values[row] = np.nan
    assert (content_hash(frame.with_columns(pl.Series(column, values)), "X", "1h") == known) == same
    other = COLUMNS[COLUMNS.index(column) - 1]
    assert content_hash(frame.rename({column: other}), "X", "1h") != known
    assert content_hash(frame.drop(column), "X", "1h") != known


def test_the_head_is_the_shard_that_would_be_loaded_if_time_had_ended_there() -> None:
    whole = shard_of(bars(), "X", "1h", bars_per_year=1.0)
    early = shard_of(bars().head(20), "X", "1h", bars_per_year=1.0)
    assert whole.head(20).content_hash == early.content_hash
    for name in COLUMNS:
        np.testing.assert_array_equal(whole.head(20).extra[name], early.extra[name])
    assert whole.head(50) is whole


@pytest.mark.parametrize("target", ["4h", "1d"])
def test_a_coarser_bar_has_sums_and_last_values_and_invents_nothing(target: str) -> None:
    fine = bars(48)
    made = derive(fine.with_columns(pl.col("bid").fill_nan(None)), "1h", target)
    size = {"4h": 4, "1d": 24}[target]
    for name in COLUMNS:
        parts = fine[name].to_numpy().reshape(-1, size)
        wanted = [float(sum(part)) for part in parts] if name in SUMMED else parts[:, -1]
        np.testing.assert_array_equal(made[name].to_numpy(), wanted)
    assert derive(fine.drop(COLUMNS), "1h", target).equals(made.drop(COLUMNS))
    shard_of(made, "X", target, bars_per_year=1.0)


@pytest.mark.parametrize("name", ["bars.csv", "bars.parquet"])
def test_import_takes_them_and_tells_their_gaps(tmp_path: Path, name: str) -> None:
    report = bring(tmp_path, bars(), name)
    shard = load_shard(tmp_path / "store", "X", "1h")
    assert shard.content_hash == content_hash(bars(), "X", "1h")
    assert report.shard.extra == COLUMNS
    assert "a year, with ask, ask_size, bid," in report.text()
    gaps = [finding for finding in report.findings if finding.rule == "missing values"]
    assert [(gap.column, gap.severity, gap.count) for gap in gaps] == [(column, "note", 10) for column in COLUMNS]
    assert gaps[0].text() == (
        "column 'ask': 10 of 50 values are missing; an operand that would read one has no value at that bar, and its "
        "condition is false"
    )
    assert report.shard.quality == 1.0
    assert report.to_dict()["shard"]["extra"] == COLUMNS  # type: ignore[index]
    (checked,) = check_store(tmp_path / "store")
    assert checked.passed


def test_theirs_may_be_called_otherwise_if_mapped(tmp_path: Path) -> None:
    theirs = bars(names=("funding_rate", "bid")).rename({"funding_rate": "Fee 8h", "bid": "BID"})
    with pytest.raises(DataError, match=r"or an extra one \(ask, .*\), but .* has the unknown column 'Fee 8h'"):
        bring(tmp_path, theirs)
    left = bring(tmp_path, theirs, extra="ignore")
    assert left.shard.extra == ("bid",)
    assert [f.column for f in left.findings if f.rule == "column left out"] == ["Fee 8h"]
    assert bring(tmp_path, theirs, column_map={"Fee 8h": "funding_rate"}).shard.extra == ("bid", "funding_rate")
    with pytest.raises(DataError, match=r"leads to 'funding' \(did you mean 'funding_rate'\?\)"):
        match_columns(theirs.columns, "f", column_map={"Fee 8h": "funding"})
    with pytest.raises(DataError, match=r"each column may appear once, but f has 'bid' and 'Bid' for 'bid'"):
        match_columns([*bars(names=("bid",)).columns, "Bid"], "f")


BAD_VALUES = {
    "no price": ("bid", 0.0, r"\(1 x no price as bid\).*'bid': bid must be positive, but was 0.0; leave the cell"),
    "crossed": ("bid", 500.0, r"1 x bid above ask.*row 3, column 'bid': bid must not be above ask, but was 500"),
    "negative": ("n_trades", -1.0, r"1 x negative n_trades\).*n_trades must not be negative, but was -1.0"),
    "negative interest": ("open_interest", -1.0, "open_interest must not be negative"),
    "infinite": ("ask_size", np.inf, r"1 x not finite\).*'ask_size': numbers must be finite, but was inf"),
    "too much bought": ("buy_volume", 1e6, r"bought volume must not be above volume, but was 1000000.0; give both"),
    "per cent": ("funding_rate", -1.5, r"1 x absurd funding_rate\).*a fraction from -1 to 1, but was -1.5; give"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_VALUES)
def test_an_unsound_value_refuses_the_bars_by_name(tmp_path: Path, case: str) -> None:
    column, value, message = BAD_VALUES[case]
    sound = bars().with_columns(pl.col(COLUMNS).fill_nan(None))
    values = sound[column].to_list()
    values[2] = value
    broken = sound.with_columns(pl.Series(column, values), ask=pl.col("ask").fill_null(200.0))
    with pytest.raises(BarsRefusedError, match="(?s)" + message):
        bring(tmp_path, broken, "bars.parquet")
    assert not (tmp_path / "store").exists()
    with pytest.raises(BarsRefusedError, match="(?s)" + message):
        shard_of(broken, "X", "1h", bars_per_year=1.0)


def test_a_cell_that_is_no_number_is_not_a_missing_value(tmp_path: Path) -> None:
    frame = bars(names=("bid",)).with_columns(pl.lit("n/a").alias("n_trades"))
    with pytest.raises(
        BarsRefusedError, match=r"(?s)50 x unreadable number.*'n_trades': .*, but was n/a; write 1234.5 or"
    ):
        bring(tmp_path, frame)
    flags = bars(names=()).with_columns(pl.lit(value=True).alias("n_trades"))
    with pytest.raises(DataError, match=r"column 'n_trades' must hold numbers, but .* its type is Boolean"):
        bring(tmp_path, flags, "bars.parquet")
    empty = bars(names=()).with_columns(pl.lit(None).alias("n_trades"))
    assert np.isnan(load_after(tmp_path, empty).extra["n_trades"]).all()


def load_after(folder: Path, frame: pl.DataFrame) -> Shard:
    bring(folder, frame, "bars.parquet")
    return load_shard(folder / "store", "X", "1h")


def test_one_look_over_a_store_of_shards_with_and_without(tmp_path: Path) -> None:
    for symbol, names in (("A", ()), ("B", ("bid",)), ("C", ("ask", "bid"))):
        write_shard(bars(names=names), tmp_path, symbol, "1h", calendar="24/7")
    seen = scan_bars(tmp_path).group_by("symbol").agg(pl.col("ask", "bid").is_not_null().any()).sort("symbol")
    assert seen.collect().rows() == [("A", False, False), ("B", False, True), ("C", True, True)]


def test_a_damaged_column_is_seen(tmp_path: Path) -> None:
    stored(tmp_path, bars())
    path = shard_path(tmp_path, "X", "1h")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 16
    path.write_bytes(data)
    with pytest.raises(DataError, match="do not have the hash they were stored with"):
        load_shard(tmp_path, "X", "1h")


CELLS = st.sampled_from(["", "1", "2.5", "nan", "-1", "1e400", "inf", "x", '"', "0", "1e-320", "NaN", "9" * 40])
FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(st.lists(st.sampled_from([*COLUMNS, "Bid", "bids"]), min_size=1, max_size=4, unique=True), st.data())
@FUZZ
def test_random_cells_give_a_shard_that_loads_or_a_data_error(
    tmp_path: Path, names: list[str], data: st.DataObject
) -> None:
    rows = [[f"2020-01-0{day}", "10", "12", "9", "11", "100", *(data.draw(CELLS) for _ in names)] for day in (1, 2, 3)]
    header = ["date", "open", "high", "low", "close", "volume", *names]
    path, root = tmp_path / "bars.csv", tmp_path / "fuzz"
    path.write_text("\n".join(",".join(row) for row in [header, *rows]))
    try:
        report = import_file(path, root, "X", "1d", calendar="24/7", extra="ignore")
    except DataError:
        assert not root.exists()
        return
    shard = load_shard(root, "X", "1d")
    assert tuple(shard.extra) == report.shard.extra == tuple(extra_names(map(str.lower, names)))
    for name, values in shard.extra.items():
        theirs = next(column for column in names if column.lower() == name)
        cells = [row[header.index(theirs)] for row in rows]
        missing = np.array([cell in ("", "nan", "NaN") for cell in cells])
        assert np.array_equal(np.isnan(values), missing)
    shard_path(root, "X", "1d").unlink()
    for made in (root / "symbol=X" / "timeframe=1d", root / "symbol=X", root):
        made.rmdir()


FUNDED = Strategy(
    direction="both",
    entry=Rule(
        (
            Condition(Operand("FUNDING_RATE", None, (1.0,)), "<", level=0.0),
            Condition(Operand("BOOK_IMBALANCE", None, ()), ">", level=0.2),
        ),
        2,
    ),
    exit=Rule((Condition(Operand("BUY_SHARE", None, (2.0,)), "<", level=0.5),), 1),
    stop=Distance("atr", 2.0),
)


def test_a_strategy_reads_them_and_where_they_are_missing_it_waits() -> None:
    shard = shard_of(bars(200), "X", "1h", bars_per_year=1.0)
    found = role_masks(phenotype_of(FUNDED)[None], FeatureBank(shard))
    at = shard.extra
    weight = (at["bid_size"] - at["ask_size"]) / (at["bid_size"] + at["ask_size"])
    assert found.sound.all()
    for row, wanted in zip(
        found.rows[0, [0, 2]], ((at["funding_rate"] < 0) & (weight > 0.2), (at["funding_rate"] > 0) & (weight < -0.2)),
        strict=True,
    ):  # fmt: skip
        assert wanted.sum() > 5
        np.testing.assert_array_equal(unpack(found.masks[row][None], 200)[0], wanted)


def test_without_the_columns_the_operand_fails_and_the_shard_does_not() -> None:
    shard = shard_of(bars(200, names=("funding_rate",)), "X", "1h", bars_per_year=1.0)
    rows = phenotype_of(FUNDED)[None]
    assert not role_masks(rows, FeatureBank(shard)).sound.any()
    tallies = evaluate(rows, shard, [Window("all", 50, 200)], Costs(fee=0.0, slippage=0.0), FeatureBank(shard))
    assert np.isnan(tallies).all()


def test_only_a_language_with_the_columns_says_such_operands() -> None:
    genome = encode(FUNDED)[None]
    columns = ("ask_size", "bid_size", "buy_volume", "funding_rate")
    assert strategy_of(express(genome, Language(columns=columns))[0]) == FUNDED
    said = str(strategy_of(express(genome, Language())[0]))
    assert not any(feature.name in said for feature in EXTRA)
