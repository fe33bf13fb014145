"""Real daily bars to begin with, taken from packages that are installed anyway; no network.

S&P 500 and NASDAQ Composite 1999 to 2018 come from arch (NCSA licence), AAPL, IBM, MSFT and GOOG until 2013 from
bokeh_sampledata (public domain). The stocks are raw prices in their source; each bar is multiplied by adjusted close
over close, so that splits and dividends vanish, and its volume divided by the same factor, so that money traded stays.
The files are found without importing the packages, which is slow.
"""

import importlib.util
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fitness.checks import COLUMNS, PRICES, SCHEMA
from fitness.object_store import Root
from fitness.shards import (
    Shard,
    ShardInfo,
    content_hash,
    describe_shard,
    shard_of,
    shard_path,
    write_shard,
)
from fitness.timeframes import DAY_US
from strategies.errors import DataError

TIMEFRAME = "1d"
CALENDAR = "XNYS"
INDICES = {"SPX": "data/sp500/sp500.csv.gz", "IXIC": "data/nasdaq/nasdaq.csv.gz"}
STOCKS = ("AAPL", "IBM", "MSFT", "GOOG")
SYMBOLS = (*INDICES, *STOCKS)
RANDOM_WALK = "RWALK"
_OWN = "sample: "
_STEPS_PER_BAR = 32
_OVERNIGHT_SHARE = 0.2
_DEFAULT_BARS, _DEFAULT_START, _DEFAULT_VOLATILITY = 5031, "1999-01-04", 0.012


def write_samples(root: Root, *, random_walk_seed: int | None = None) -> list[ShardInfo]:
    """Put the sample shards into a store, and with a seed a random walk as long as the S&P 500 too.

    Each info's `note` says what was done: `written`, `kept` (there and intact), `rewritten` (it was damaged or of an
    older Studbook) or `kept, yours` (a shard of that name which is not a sample is never touched).

    Raises:
        DataError: a source package is missing or has changed, or the disk refuses.
    """
    written = [_place(root, symbol, sample(symbol), _source(symbol)) for symbol in SYMBOLS]
    if random_walk_seed is not None:
        spx = sample("SPX")
        like = shard_of(spx, "SPX", TIMEFRAME, bars_per_year=252.0)
        walk = random_walk(random_walk_seed, like=like)
        written.append(_place(root, RANDOM_WALK, walk, f"{_OWN}random walk, seed {random_walk_seed}"))
    return written


def sample(symbol: str) -> pl.DataFrame:
    """Daily bars of one sample symbol, stamped midnight UTC of the session's date.

    Raises:
        DataError: no such sample, or its package is missing or has changed.
    """
    if symbol in INDICES:
        return _bars(_table("arch", INDICES[symbol]), "%m/%d/%Y", rescaled=False)
    if symbol in STOCKS:
        table = _table("bokeh_sampledata", "_data/stocks.csv.gz")
        return _bars(table.filter(pl.col("ticker") == symbol), "%Y-%m-%d", rescaled=True)
    raise DataError(f"a sample must be one of {', '.join(SYMBOLS)}, but was {symbol!r}; use one of these.")


def random_walk(seed: int, n_bars: int | None = None, like: Shard | None = None) -> pl.DataFrame:
    """Bars without any edge: the price is a martingale in continuous time, whatever the rule and wherever its orders.

    A bar is one overnight step and 32 steps of trading, each a normal simple return of mean zero; a fifth of the
    variance falls on the night. Between steps the price moves as a Brownian bridge, whose extremes are drawn exactly:
    were high and low those of the 33 points only, a stop that fills at its price would earn what the path jumps over
    (0.1 % a fill). Volume is independent of price.

    Args:
        seed: key of the Philox generator; equal seeds give equal bars.
        n_bars: None for as many as `like` has, or 5,031.
        like: gives timestamps, first open, standard deviation of close-to-close returns and median volume; None takes
            weekdays from 1999-01-04, 100, 1.2 % and a million.

    Raises:
        DataError: a negative seed, or more bars than `like` has.
    """
    if seed < 0:
        raise DataError(f"the seed of a random walk must not be negative, but was {seed}; use 0 or more.")
    timestamps, first, volatility, volume = _model(n_bars, like)
    rng = np.random.Generator(np.random.Philox(seed))
    bars = _walk(rng, timestamps.size, first, volatility)
    traded = np.floor(volume * (0.5 + rng.random(timestamps.size)))
    times = pl.Series(timestamps).cast(SCHEMA["timestamp"])
    return pl.DataFrame({"timestamp": times, **bars, "volume": traded}).select(COLUMNS)


def _walk(rng: np.random.Generator, n_bars: int, first: float, volatility: float) -> dict[str, NDArray[np.float64]]:
    """Open, high, low and close, (n_bars,) each.

    A bridge from a to b of variance v has P(max > m) = exp(-2(m-a)(m-b)/v), which `standard_exponential` inverts.
    """
    spread = volatility * math.sqrt((1 - _OVERNIGHT_SHARE) / _STEPS_PER_BAR)
    spreads = np.array([volatility * math.sqrt(_OVERNIGHT_SHARE), *[spread] * _STEPS_PER_BAR])
    steps = 1.0 + spreads * rng.standard_normal((n_bars, spreads.size))
    path = first * np.cumprod(steps.ravel()).reshape(steps.shape)
    before, after = path[:, :-1], path[:, 1:]
    reach_up, reach_down = (
        np.sqrt((after - before) ** 2 + 2.0 * (before * spread) ** 2 * rng.standard_exponential(before.shape))
        for _ in range(2)
    )
    middle = before + after
    return {
        "open": path[:, 0],
        "high": np.maximum((0.5 * (middle + reach_up)).max(axis=1), path.max(axis=1)),
        "low": np.minimum((0.5 * (middle - reach_down)).min(axis=1), path.min(axis=1)),
        "close": path[:, -1],
    }


def widen(frame: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """The bars with high and low widened to hold open and close, and the number of bars that this changed."""
    high = pl.max_horizontal(PRICES)
    low = pl.min_horizontal(PRICES)
    n_mended = frame.select(((high > pl.col("high")) | (low < pl.col("low"))).sum()).item()
    return frame.with_columns(high=high, low=low), int(n_mended)


def _place(root: Root, symbol: str, frame: pl.DataFrame, source: str) -> ShardInfo:
    path = shard_path(root, symbol, TIMEFRAME)
    mended, n_mended = widen(frame)
    before = describe_shard(path) if path.exists() else None
    if before is not None and not before.problem:
        if before.content_hash == content_hash(mended, symbol, TIMEFRAME):
            return replace(before, note="kept")
        if not before.source.startswith(_OWN):
            return replace(before, note=f"kept, yours (from {before.source or 'elsewhere'}), not the sample")
    write_shard(mended, root, symbol, TIMEFRAME, calendar=CALENDAR, source=source, n_mended=n_mended)
    why = "" if before is None else before.problem or f"it held other bars, {before.source}"
    return replace(describe_shard(path), note=f"rewritten ({why})" if why else "written")


def _source(symbol: str) -> str:
    return _OWN + ("arch.data, NCSA licence" if symbol in INDICES else "bokeh_sampledata, public domain, rescaled")


def _table(package: str, inside: str) -> pl.DataFrame:
    spec = importlib.util.find_spec(package)
    path = Path(spec.origin).parent / inside if spec is not None and spec.origin is not None else None
    if path is None or not path.is_file():
        raise DataError(
            f"the samples need the file {inside} of the package {package}, but it is not there; "
            "install the pinned requirements again."
        )
    try:
        table = pl.read_csv(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"the samples need {inside} of {package} whole, but it can't be read: {error}") from error
    return table.rename({name: name.lower().replace(" ", "_") for name in table.columns})


def _bars(table: pl.DataFrame, date_format: str, *, rescaled: bool) -> pl.DataFrame:
    factor = pl.col("adj_close") / pl.col("close") if rescaled else pl.lit(1.0)
    return table.select(
        pl.col("date").str.to_datetime(date_format, time_unit="us", time_zone="UTC").alias("timestamp"),
        *[(pl.col(name) * factor).cast(pl.Float64).alias(name) for name in PRICES],
        (pl.col("volume") / factor).cast(pl.Float64),
    ).sort("timestamp")


def _model(n_bars: int | None, like: Shard | None) -> tuple[np.ndarray, float, float, float]:
    """Timestamps (n_bars,), first open, standard deviation of returns per bar, typical volume."""
    if like is None:
        start = int(np.datetime64(_DEFAULT_START, "us").astype(np.int64))
        wanted = _DEFAULT_BARS if n_bars is None else n_bars
        days = start + np.arange(math.ceil(wanted / 5) * 7, dtype=np.int64) * DAY_US
        weekdays = days[(np.arange(days.size) % 7) < 5]  # the first day is a Monday
        return weekdays[:wanted], 100.0, _DEFAULT_VOLATILITY, 1e6
    wanted = like.n_bars if n_bars is None else n_bars
    if wanted > like.n_bars:
        raise DataError(
            f"a random walk like {like.symbol} can't be longer than its {like.n_bars} bars, but {wanted} were asked; "
            "ask for fewer, or leave out `like`."
        )
    returns = like.close[1:] / like.close[:-1] - 1.0
    return like.timestamps[:wanted], float(like.open[0]), float(returns.std(ddof=1)), float(np.median(like.volume))
