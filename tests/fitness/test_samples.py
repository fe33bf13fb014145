"""The samples are the real thing, and the random walk has no edge for anyone."""

import importlib.util
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from fitness import samples
from fitness.checks import check_bars
from fitness.samples import RANDOM_WALK, SYMBOLS, random_walk, sample, widen, write_samples
from fitness.shards import load_shard, shard_of, shard_path, write_shard
from strategies.errors import DataError

PINNED = {
    "SPX": (5031, "1999-01-04", "2018-12-31", 1228.099976, 2506.850098),
    "IXIC": (5031, "1999-01-04", "2018-12-31", 2208.050049, 6635.279785),
    "AAPL": (3270, "2000-03-01", "2013-03-01", 4.186662803811, None),
    "IBM": (3270, "2000-03-01", "2013-03-01", None, None),
    "MSFT": (3270, "2000-03-01", "2013-03-01", None, None),
    "GOOG": (2148, "2004-08-19", "2013-03-01", None, None),
}


def is_present(root: Path) -> bool:
    """Whether every real sample can be loaded from this store."""
    try:
        for symbol in SYMBOLS:
            load_shard(root, symbol, "1d")
    except DataError:
        return False
    return True


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("samples")
    assert not is_present(root)
    assert [info.note for info in write_samples(root, random_walk_seed=7)] == ["written"] * 7
    return root


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_samples_are_the_known_series(store: Path, symbol: str) -> None:
    shard = load_shard(store, symbol, "1d")
    n_bars, first, last, first_close, last_close = PINNED[symbol]
    stamps = shard.frame()["timestamp"]
    assert (shard.n_bars, str(stamps[0].date()), str(stamps[-1].date())) == (n_bars, first, last)
    assert first_close is None or shard.close[0] == pytest.approx(first_close, rel=1e-12)
    assert last_close is None or shard.close[-1] == pytest.approx(last_close, rel=1e-12)
    assert shard.bars_per_year == 252.0
    assert 0.99 < shard.quality <= 1.0
    assert check_bars(shard.frame(), symbol, "1d") == []


def test_splits_vanish_and_money_stays() -> None:
    """Apple's two-for-one splits of 2000-06-21 and 2005-02-28, IBM and Microsoft likewise: no close halves."""
    spec = importlib.util.find_spec("bokeh_sampledata")
    assert spec is not None
    assert spec.origin is not None
    raw = pl.read_csv(Path(spec.origin).parent / "_data/stocks.csv.gz").filter(pl.col("Ticker") == "AAPL")
    adjusted = sample("AAPL")
    jumps = {str(day.date()) for day, r in _returns(adjusted) if abs(r) > 0.4}
    assert jumps == {"2000-09-29"}  # the profit warning, a real one
    assert np.allclose(adjusted["close"], raw["Adj Close"], rtol=1e-12)
    assert np.allclose(adjusted["close"] * adjusted["volume"], raw["Close"] * raw["Volume"], rtol=1e-12)
    assert np.allclose(adjusted["high"] / adjusted["low"], raw["High"] / raw["Low"], rtol=1e-12)


def _returns(frame: pl.DataFrame) -> list[tuple]:
    return list(zip(frame["timestamp"][1:], (frame["close"] / frame["close"].shift(1) - 1)[1:], strict=True))


def test_writing_again_keeps_what_is_intact_and_mends_what_is_not(store: Path) -> None:
    assert is_present(store)
    assert [info.note for info in write_samples(store, random_walk_seed=7)] == ["kept"] * 7
    path = shard_path(store, "IBM", "1d")
    good = path.read_bytes()
    path.write_bytes(good[:-9])
    assert not is_present(store)
    notes = {info.symbol: info.note for info in write_samples(store, random_walk_seed=7)}
    assert notes.pop("IBM").startswith("rewritten (a shard must be a file that Studbook wrote, undamaged")
    assert set(notes.values()) == {"kept"}
    assert path.read_bytes() == good
    again = write_samples(store, random_walk_seed=8)[-1]
    assert (again.symbol, again.note) == (RANDOM_WALK, "rewritten (it held other bars, sample: random walk, seed 7)")


def test_a_shard_of_the_user_is_never_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "SYMBOLS", ("IBM",))
    own = write_shard(sample("IBM").head(500), tmp_path, "IBM", "1d", calendar="24/7", source="mine.csv")
    before = own.read_bytes()
    assert write_samples(tmp_path)[0].note == "kept, yours (from mine.csv), not the sample"
    assert own.read_bytes() == before


def test_an_unknown_sample_and_a_missing_package_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="a sample must be one of SPX, IXIC, AAPL, IBM, MSFT, GOOG, but was 'TSLA'"):
        sample("TSLA")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(DataError, match=r"sp500\.csv\.gz of the package arch, but it is not there"):
        sample("SPX")


def test_inconsistent_bars_are_widened_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = sample("IBM").head(100)
    broken = frame.with_columns(
        close=pl.when(pl.int_range(100) == 5).then(pl.col("high") * 1.01).otherwise("close"),
        open=pl.when(pl.int_range(100) == 9).then(pl.col("low") * 0.99).otherwise("open"),
    )
    mended, n_mended = widen(broken)
    assert n_mended == 2
    assert mended["high"][5] == broken["close"][5]
    assert mended["low"][9] == broken["open"][9]
    assert widen(frame)[1] == 0
    assert widen(frame)[0].equals(frame)
    monkeypatch.setattr(samples, "SYMBOLS", ("IBM",))
    monkeypatch.setattr(samples, "sample", lambda _symbol: broken)
    assert write_samples(tmp_path)[0].quality == pytest.approx(0.98)


def test_a_random_walk_is_a_function_of_its_seed(store: Path) -> None:
    assert random_walk(3).equals(random_walk(3))
    assert not random_walk(3).equals(random_walk(4))
    spx = load_shard(store, "SPX", "1d")
    walk = random_walk(7, like=spx)
    assert walk["timestamp"].cast(pl.Int64).to_list() == spx.timestamps.tolist()
    assert walk["open"][0] == pytest.approx(spx.open[0], rel=0.05)
    spread = np.std(spx.close[1:] / spx.close[:-1] - 1)
    assert np.std(walk["close"].to_numpy()[1:] / walk["close"].to_numpy()[:-1] - 1) == pytest.approx(spread, rel=0.05)
    assert random_walk(7, 100, like=spx).height == 100


@pytest.mark.parametrize("n_bars", [2, 5, 6, 7, 1000])
def test_a_random_walk_is_made_of_sound_bars_on_weekdays(n_bars: int) -> None:
    walk = random_walk(1, n_bars)
    assert walk.height == n_bars
    assert check_bars(walk, "walk", "1d") == []
    assert walk["timestamp"].dt.weekday().max() <= 5


@pytest.mark.parametrize("distance", [0.002, 0.005, 0.01, 0.02])
@pytest.mark.parametrize("side", [1, -1])
def test_neither_stop_nor_target_earns_anything_in_a_random_walk(distance: float, side: int) -> None:
    """Buy every open, leave at an order `distance` away or at the close: the mean is zero within 4 standard errors.

    Were high and low those of the sampled path only, the stop would gain 0.1 % a fill, up to forty standard errors.
    """
    walk = random_walk(11, 120_000)
    open_, close = walk["open"].to_numpy(), walk["close"].to_numpy()
    reached = (
        walk["high"].to_numpy() >= open_ * (1 + distance)
        if side > 0
        else walk["low"].to_numpy() <= open_ * (1 - distance)
    )
    earned = np.where(reached, side * distance, close / open_ - 1)
    assert abs(earned.mean()) < 4 * earned.std() / np.sqrt(earned.size)
    overnight = open_[1:] / close[:-1] - 1
    assert abs(overnight.mean()) < 4 * overnight.std() / np.sqrt(overnight.size)
    assert reached.mean() > 0.05


def test_the_extremes_are_those_of_a_continuous_path() -> None:
    """Closed form: within a day of trading P(high > open * (1 + d)) = 2 * (1 - Phi(d / s)), reflection principle."""
    walk = random_walk(12, 60_000)
    up = walk["high"] / walk["open"] - 1
    spread = 0.012 * np.sqrt(0.8)
    share = float((up > spread).mean())
    assert share == pytest.approx(2 * 0.158655, abs=4 * np.sqrt(0.3 * 0.7 / 60_000) + 0.003)


def test_wrong_walks_are_refused(store: Path) -> None:
    with pytest.raises(DataError, match="must not be negative, but was -1"):
        random_walk(-1)
    short = shard_of(sample("IBM").head(10), "IBM", "1d", bars_per_year=252.0)
    with pytest.raises(DataError, match="like IBM can't be longer than its 10 bars, but 11 were asked"):
        random_walk(1, 11, like=short)
