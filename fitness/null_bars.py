"""Markets without edge: real bars in another order, and walks whose price is a martingale.

A bar is taken apart into its *gap* (open over the close before) and its *inside* (high, low and close over open, with
its volume and extra columns). Prices are put together again as a running product of these ratios: their logarithms are
what is permuted, without the rounding of `log` and `exp`, which differs between machines.

All shards are treated alike at one instant, so what binds them together stays: instants at which the same shards have a
bar to give are exchanged with one another, and a shard that begins late has an order of its own only in so far.

Sources: Masters 2018, "Testing and Tuning Market Trading Systems", chapter "Permutation tests" (gaps and insides
permuted apart); Politis and Romano 1994, "The stationary bootstrap", section 2; Bollerslev 1987 (GARCH with Student-t).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fitness.shard import Shard, bars_hash
from strategies.errors import UsageError

Float64 = NDArray[np.float64]
Integers = NDArray[np.int64]
_NOWHERE: Final = -1


def permuted(
    shards: Sequence[Shard],
    rng_seed: int,
    *,
    keep_first: int | Sequence[int] = 0,
    whole_bars: bool = False,
    detrended: bool = False,
) -> tuple[Shard, ...]:
    """Return the shards with gaps and insides of their bars permuted, each among themselves, on all shards alike.

    Every gap and every inside is used once, so first open and last close stay, to rounding. What is lost is their
    order: all that a rule could foresee.

    Args:
        shards: one or more; timestamps may differ, and stay as they are.
        rng_seed: key of the Philox generator; equal seeds give equal bars.
        keep_first: so many first bars of each shard stay as they are: one number, or one for each shard.
        whole_bars: whether a gap stays with its inside. Shards move together from close to close; where one calls
            inside what another calls gap (an index whose open is the close before), only whole bars keep that.
        detrended: whether the mean log return of the permuted bars is taken out of the gaps, so that the last close is
            where they began. A rule that is always long earns the drift without any skill.

    Raises:
        UsageError: `keep_first` out of range, or a negative seed.
    """
    rng = _generator(rng_seed)
    kept = _kept(shards, keep_first)
    movable = [max(n, 1) for n in kept]  # bar 0 has no gap
    gaps = _permutation(shards, movable, rng)
    insides = gaps if whole_bars else _permutation(shards, kept, rng)
    return tuple(
        _rebuilt(shard, gap, inside, first, detrended=detrended)
        for shard, gap, inside, first in zip(shards, gaps, insides, kept, strict=True)
    )


def bootstrapped(
    shards: Sequence[Shard],
    rng_seed: int,
    *,
    block: float,
    keep_first: int | Sequence[int] = 0,
    detrended: bool = False,
) -> tuple[Shard, ...]:
    """Return shards of whole bars drawn in blocks of random length from the given ones, the same on all shards.

    A bar brings its gap, its inside and its volume as it is. Blocks keep short-range dependence: volatility clusters,
    but what little a rule could foresee within a block as well. `block=1` draws every bar for itself.

    Args:
        shards: as in `permuted`.
        rng_seed: likewise.
        keep_first: likewise, but the first bar stays in any case.
        block: mean length of a block in bars, 1 or more; lengths are geometric.
        detrended: whether the mean log return of the bars drawn from (not of those drawn) is taken out of the gaps, so
            that no drift is expected.

    Raises:
        UsageError: `block` below 1, `keep_first` out of range, or a negative seed.
    """
    if not block >= 1.0:
        raise UsageError(f"`block` must be 1 bar or more, but was {block} (bootstrapped). Try 20.")
    rng, kept = _generator(rng_seed), _kept(shards, keep_first)
    movable = [max(n, 1) for n in kept]
    places = _places(shards, movable)
    orders = _orders(shards, places, _resampled(places >= 0, block, rng))
    return tuple(
        _rebuilt(shard, order, order, first, detrended=detrended)
        for shard, order, first in zip(shards, orders, movable, strict=True)
    )


def _generator(seed: int) -> np.random.Generator:
    if seed < 0:
        raise UsageError(f"a seed must be 0 or more, but was {seed} (null bars). Use one of 0, 1, 2, ...")
    return np.random.Generator(np.random.Philox(seed))


def _kept(shards: Sequence[Shard], keep_first: int | Sequence[int]) -> list[int]:
    kept = [keep_first] * len(shards) if isinstance(keep_first, int) else list(keep_first)
    if len(kept) != len(shards) or not all(0 <= n <= shard.n_bars for n, shard in zip(kept, shards, strict=False)):
        raise UsageError(
            f"`keep_first` must be 0 to {[shard.n_bars for shard in shards]} bars of each shard, but was {keep_first} "
            "(null bars). Keep as many as the warm-up has."
        )
    return kept


def _places(shards: Sequence[Shard], movable: Sequence[int]) -> Integers:
    """Which bar (n_shards, n) each shard has at the instants at which any has a movable one, or `_NOWHERE`."""
    stamps = [shard.timestamps[first:] for shard, first in zip(shards, movable, strict=True)]
    axis = np.unique(np.concatenate(stamps))
    places = np.full((len(shards), len(axis)), _NOWHERE, dtype=np.int64)
    for row, first, own in zip(places, movable, stamps, strict=True):
        row[np.searchsorted(axis, own)] = np.arange(first, first + len(own))
    return places


def _orders(shards: Sequence[Shard], places: Integers, sources: Integers) -> list[Integers]:
    """For each shard (n_bars,) which bar each place takes, from the instant (n_instants,) that each instant takes."""
    orders = [np.arange(shard.n_bars) for shard in shards]
    for order, row in zip(orders, places, strict=True):
        here = row >= 0
        order[row[here]] = row[sources[here]]
    return orders


def _permutation(shards: Sequence[Shard], movable: Sequence[int], rng: np.random.Generator) -> list[Integers]:
    places = _places(shards, movable)
    return _orders(shards, places, _shuffled(places >= 0, rng))


def _shuffled(present: NDArray[np.bool_], rng: np.random.Generator) -> Integers:
    """The instant (n,) that each takes its bars from: permuted among those of the same shards (n_shards, n)."""
    group = _patterns(present)[1]
    sources = np.empty(len(group), dtype=np.int64)
    sources[np.argsort(group, kind="stable")] = np.lexsort((rng.random(len(group)), group))
    return sources


def _patterns(present: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], Integers]:
    """The sets of shards (n_shards, k) that occur, and which one each instant (n,) has."""
    if not present.shape[1]:
        return present, np.zeros(0, dtype=np.int64)
    patterns, group = np.unique(present, axis=1, return_inverse=True)
    return patterns, group.reshape(-1)


def _resampled(present: NDArray[np.bool_], block: float, rng: np.random.Generator) -> Integers:
    """The instant (n,) that each takes its bars from.

    It is the one after the last, or with chance 1 / block, or where that lacks a shard which is needed here, a random
    one of those that have them all. `present` is (n_shards, n).
    """
    n = present.shape[1]
    starts: NDArray[np.bool_] = rng.random((n,)) * block < 1.0
    places: Float64 = rng.random((n,))
    patterns, group = _patterns(present)
    covers: NDArray[np.bool_] = (present[:, np.newaxis] | ~patterns[:, :, np.newaxis]).min(axis=0)
    fits = [np.flatnonzero(cover) for cover in covers]
    sources = np.empty(n, dtype=np.int64)
    source = n - 1
    for at, kind in enumerate(group.tolist()):
        choice = fits[kind]
        source = (source + 1) % n
        if at == 0 or starts[at] or not covers[kind, source]:
            source = int(choice[int(places[at] * len(choice))])
        sources[at] = source
    return sources


def _rebuilt(shard: Shard, gaps: Integers, insides: Integers, first: int, *, detrended: bool) -> Shard:
    """The shard with gaps and insides of other bars (n_bars,) from bar `first` on; all before stays to the bit."""
    gap = np.concatenate([[1.0], shard.open[1:] / shard.close[:-1]])
    base = float(shard.close[first - 1] if first else shard.open[0])
    movable = gap[max(first, 1) :]
    if detrended and movable.size:
        movable *= math.exp(-math.log(shard.close[-1] / base) / movable.size)
    steps = np.stack([gap[gaps], (shard.close / shard.open)[insides]], axis=1)[first:]
    opens, closes = (base * np.cumprod(steps)).reshape(-1, 2).T
    ends = np.stack([opens, closes])
    moved = {
        "open": opens,
        "high": np.maximum(opens * (shard.high / shard.open)[insides][first:], ends.max(axis=0)),
        "low": np.minimum(opens * (shard.low / shard.open)[insides][first:], ends.min(axis=0)),
        "close": closes,
    }
    values = {name: np.concatenate([getattr(shard, name)[:first], part]) for name, part in moved.items()}
    values["volume"] = shard.volume[insides]
    extra = {name: column[insides] for name, column in shard.extra.items()}
    found = bars_hash(shard.symbol, shard.timeframe, shard.timestamps, {**values, **extra})
    changes: dict[str, Any] = {**values, "extra": extra, "content_hash": found}
    return replace(shard, **changes)


@dataclass(frozen=True)
class Walk:
    """What a made-up market is like, beside its seed.

    Attributes:
        n_bars: 2 or more.
        volatility: standard deviation of the return of a bar, in the long run.
        first_open: price at the beginning.
        symbol: name of the shard; bars are daily, on weekdays from 1999-01-04.
        bars_per_year: for annual figures.
    """

    n_bars: int
    volatility: float = 0.012
    first_open: float = 100.0
    symbol: str = "NULL"
    bars_per_year: float = 252.0


def gaussian_walk(walk: Walk, seed: int) -> Shard:
    """Return a walk with normal returns of equal variance; volume is independent of price.

    Raises:
        UsageError: fewer than 2 bars, a volatility that is not positive or so high that a price is not, or a negative
            seed.
    """
    rng = _generator(seed)
    return _walked(walk, np.full(_checked(walk).n_bars, walk.volatility), rng)


def garch_walk(walk: Walk, seed: int, *, shock: float = 0.08, persistence: float = 0.9, degrees: float = 6.0) -> Shard:
    """Return a walk whose volatility clusters and whose returns have fat tails; volume grows with volatility.

    `v[t] = w + shock e[t-1]^2 + persistence v[t-1]`, `e[t] = sqrt(v[t]) z[t]`, z Student-t of variance 1. A Student-t
    is a normal of random variance; within a bar, price moves by that variance, so it is a martingale there too.

    Args:
        walk: what it is like; volatility begins at that of the long run.
        seed: key of the Philox generator.
        shock: 0 or more.
        persistence: 0 or more, together below 1.
        degrees: of freedom of the Student-t, above 2.

    Raises:
        UsageError: as in `gaussian_walk`, or parameters without a variance in the long run.
    """
    if not (shock >= 0.0 and persistence >= 0.0 and shock + persistence < 1.0 and degrees > 2.0):
        raise UsageError(
            "`shock` and `persistence` must be 0 or more and together below 1, and `degrees` above 2, but were "
            f"{shock}, {persistence} and {degrees} (garch_walk). Try 0.08, 0.9 and 6."
        )
    rng, n_bars = _generator(seed), _checked(walk).n_bars
    mixing = (degrees / 2.0 - 1.0) / rng.standard_gamma(degrees / 2.0, n_bars)  # its mean is 1
    normals = rng.standard_normal((n_bars, 1 + _STEPS_PER_BAR))
    shares = (normals * np.sqrt(_SHARES)).sum(axis=1) ** 2 * mixing
    variances, variance, usual = np.empty(n_bars), walk.volatility**2, walk.volatility**2
    for bar, squared in enumerate(shares.tolist()):
        variances[bar] = variance
        variance = usual * (1.0 - shock - persistence) + variance * (shock * squared + persistence)
    return _walked(walk, np.sqrt(variances * mixing), rng, normals)


_STEPS_PER_BAR: Final = 32
_OVERNIGHT_SHARE: Final = 0.2
_SHARES: Final = np.array([_OVERNIGHT_SHARE, *[(1.0 - _OVERNIGHT_SHARE) / _STEPS_PER_BAR] * _STEPS_PER_BAR])
"""Of a bar's variance: the night before its open, and each step of trading."""


def _checked(walk: Walk) -> Walk:
    if walk.n_bars < 2 or not walk.volatility > 0.0:
        raise UsageError(
            f"a walk must have 2 bars or more and a positive volatility, but had {walk.n_bars} and {walk.volatility} "
            f"({walk.symbol}). Try 5000 and 0.012."
        )
    return walk


def _walked(walk: Walk, volatilities: Float64, rng: np.random.Generator, normals: Float64 | None = None) -> Shard:
    """The shard of a walk whose bars have these volatilities (n_bars,).

    Between two steps price moves as a Brownian bridge, whose extremes are drawn exactly: the chance that a bridge from
    a to b of variance v goes above m is exp(-2(m-a)(m-b)/v). Were high and low those of the steps alone, or of open and
    close, a stop that fills at its price would earn what the path jumps over.
    """
    n_bars = walk.n_bars
    if normals is None:
        normals = rng.standard_normal((n_bars, 1 + _STEPS_PER_BAR))
    spreads = volatilities[:, np.newaxis] * np.sqrt(_SHARES)
    path = walk.first_open * np.cumprod(1.0 + spreads * normals).reshape(normals.shape)
    before, after = path[:, :-1], path[:, 1:]
    variances = 2.0 * (before * spreads[:, 1:]) ** 2
    up, down = (np.sqrt((after - before) ** 2 + variances * rng.standard_exponential(before.shape)) for _ in range(2))
    prices = {
        "open": path[:, 0].copy(),
        "high": np.maximum((0.5 * (before + after + up)).max(axis=1), path.max(axis=1)),
        "low": np.minimum((0.5 * (before + after - down)).min(axis=1), path.min(axis=1)),
        "close": path[:, -1].copy(),
    }
    if not prices["low"].min() > 0.0:
        raise UsageError(
            f"prices of a walk must stay above 0, but fell to {prices['low'].min():g} ({walk.symbol}, volatility "
            f"{walk.volatility}). Lower the volatility."
        )
    volume = np.floor(1e6 * (0.5 + rng.random(n_bars)) * volatilities / walk.volatility)
    values = {**prices, "volume": volume}
    stamps = _weekdays(n_bars)
    found = bars_hash(walk.symbol, "1d", stamps, values)
    return Shard(walk.symbol, "1d", stamps, **values, bars_per_year=walk.bars_per_year, content_hash=found, quality=1.0)


def _weekdays(n: int) -> Integers:
    """The first n weekdays from Monday, 1999-01-04 on, in microseconds."""
    first = np.datetime64("1999-01-04", "us").astype(np.int64)
    days = np.arange(n) // 5 * 7 + np.arange(n) % 5
    return np.asarray(first + days * 86_400_000_000, dtype=np.int64)
