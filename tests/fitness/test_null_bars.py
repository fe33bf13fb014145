"""Markets without edge: what permutation keeps to the bit, what bootstrap and walks keep on average, what none has."""

from dataclasses import replace

import numpy as np
import pytest

from fitness.checks import check_bars
from fitness.null_bars import Walk, bootstrapped, garch_walk, gaussian_walk, permuted
from fitness.samples import sample
from fitness.shard import bars_hash
from fitness.shards import shard_of
from strategies.errors import UsageError

_NAMES = ("open", "high", "low", "close", "volume")


def parts(shard):
    """Gap, and high, low, close over open, and volume, of every bar."""
    gap = np.concatenate([[np.nan], shard.open[1:] / shard.close[:-1]])
    inside = [getattr(shard, name) / shard.open for name in ("high", "low", "close")]
    return np.stack([gap, *inside, shard.volume], axis=1)


def returns(shard):
    return np.diff(np.log(shard.close))


@pytest.fixture(scope="module")
def market():
    """The S&P 500, the NASDAQ, and a stock with bars of its own: it begins late, ends early and has holes."""
    spx, ixic, aapl = (
        shard_of(sample(name).head(2000), name, "1d", bars_per_year=252.0) for name in ("SPX", "IXIC", "AAPL")
    )
    late = np.flatnonzero((np.arange(2000) >= 700) & (np.arange(2000) < 1500) & (np.arange(2000) % 17 != 0))
    columns = {name: getattr(aapl, name)[late] for name in ("timestamps", "open", "high", "low", "close", "volume")}
    late_one = replace(aapl, **columns, extra={"mood": np.where(late % 5 == 0, np.nan, late * 1.0)})
    return spx, ixic, late_one


MAKERS = {
    "permuted": lambda shards, seed, **options: permuted(shards, seed, **options),
    "bootstrapped": lambda shards, seed, **options: bootstrapped(shards, seed, block=20, **options),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_bars_are_valid_their_own_and_the_same_again(market, make):
    made, again, other = make(market, 3), make(market, 3), make(market, 4)
    for shard, bars, twin, stranger in zip(market, made, again, other, strict=True):
        assert not [one for one in check_bars(bars.frame(), "null", "1d") if one.severity == "error"]
        assert np.array_equal(bars.timestamps, shard.timestamps)
        assert bars.content_hash == twin.content_hash
        assert len({shard.content_hash, bars.content_hash, stranger.content_hash}) == 3
        values = {name: getattr(bars, name) for name in _NAMES}
        assert bars.content_hash == bars_hash(bars.symbol, "1d", bars.timestamps, {**values, **bars.extra})


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("kept", [1, 252, (300, 0, 50)])
def test_the_first_bars_stay_to_the_bit(market, make, kept):
    for number, (shard, bars) in enumerate(zip(market, make(market, 5, keep_first=kept), strict=True)):
        n = kept if isinstance(kept, int) else kept[number]
        for name in ("open", "high", "low", "close", "volume"):
            assert np.array_equal(getattr(bars, name)[:n], getattr(shard, name)[:n])
        assert bars.open[0] == shard.open[0]
        assert not np.allclose(bars.close[n : n + 50], shard.close[n : n + 50], rtol=1e-6)


@pytest.mark.parametrize("kept", [0, 252])
def test_permutation_keeps_every_gap_and_every_inside_and_both_ends(market, kept):
    for shard, bars in zip(market, permuted(market, 7, keep_first=kept), strict=True):
        assert bars.close[-1] == pytest.approx(shard.close[-1], rel=1e-11)
        before, after = parts(shard), parts(bars)
        first = max(kept, 1)
        assert np.allclose(np.sort(before[first:, 0]), np.sort(after[first:, 0]), rtol=1e-11)
        rows = np.lexsort(np.round(before[kept:, 1:], 9).T), np.lexsort(np.round(after[kept:, 1:], 9).T)
        assert np.allclose(before[kept:, 1:][rows[0]], after[kept:, 1:][rows[1]], rtol=1e-10)
        if shard.extra:
            assert np.array_equal(np.sort(bars.extra["mood"]), np.sort(shard.extra["mood"]), equal_nan=True)
            keys = [list(map(tuple, np.round(each[:, [1, 2, 4]], 9).tolist())) for each in (before, after)]
            own = dict(zip(keys[0], shard.extra["mood"].tolist(), strict=True))
            travelled = np.array([own[key] for key in keys[1]])
            assert np.array_equal(bars.extra["mood"], travelled, equal_nan=True)  # with its bar


def test_gaps_and_insides_are_permuted_apart(market):
    def pairs(shard):
        return set(map(tuple, np.round(parts(shard)[1:, [0, 3]], 9).tolist()))

    (apart,), (whole,) = permuted(market[1:2], 7), permuted(market[1:2], 7, whole_bars=True)
    real = pairs(market[1])
    assert len(pairs(apart) & real) < 0.02 * len(real)
    assert len(pairs(whole) & real) > 0.99 * len(real)


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_what_binds_shards_at_one_instant_stays(market, make):
    """At each instant all shards take their inside from one instant: the cross-section is one that there was."""
    made = make(market, 11)
    axis = np.unique(np.concatenate([shard.timestamps for shard in market]))
    came_from = np.full((len(market), len(axis)), -1)
    for row, shard, bars in zip(came_from, market, made, strict=True):
        before, after = np.round(parts(shard)[:, 1:4], 10), np.round(parts(bars)[:, 1:4], 10)
        where = {tuple(inside): bar for bar, inside in enumerate(before.tolist())}
        own = np.array([where.get(tuple(inside), -2) for inside in after.tolist()])
        source = np.where(own >= 0, np.searchsorted(axis, shard.timestamps[own]), -2)
        row[np.searchsorted(axis, shard.timestamps)] = source
    for first, second in ((0, 1), (0, 2), (1, 2)):
        both = (came_from[[first, second]] >= 0).all(axis=0)
        assert both.sum() > 700
        agree = came_from[first, both] == came_from[second, both]
        assert agree.mean() > 0.99  # a few bars are alike to ten digits
    moved = came_from[0] != np.arange(len(axis))
    assert moved.mean() > 0.95


def test_correlation_of_shards_stays_and_that_in_time_goes(market):
    spx, ixic = permuted(market[:2], 2, whole_bars=True)
    real, made = (np.corrcoef(returns(one), returns(two))[0, 1] for one, two in (market[:2], (spx, ixic)))
    assert made == pytest.approx(real, rel=1e-9)
    assert real > 0.7
    squares = [np.corrcoef(returns(bars)[1:] ** 2, returns(bars)[:-1] ** 2)[0, 1] for bars in (market[0], spx)]
    assert squares[0] > 0.15
    assert abs(squares[1]) < 0.07


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_detrended_has_no_drift(market, make):
    ends = []
    for seed in range(20):
        (bars,) = make(market[:1], seed, keep_first=252, detrended=True)
        ends.append(np.log(bars.close[-1] / bars.close[251]))
    if make is MAKERS["permuted"]:
        assert np.allclose(ends, 0.0, atol=1e-10)
    spread = 0.012 * np.sqrt(1748.0)  # of one end
    assert abs(np.mean(ends)) < 4 * spread / np.sqrt(20)


def test_blocks_of_a_bootstrap_have_the_length_that_was_asked(market):
    (bars,) = bootstrapped(market[:1], 1, block=20)
    before, after = np.round(parts(market[0])[:, 3], 10), np.round(parts(bars)[:, 3], 10)
    where = {inside: bar for bar, inside in enumerate(before.tolist())}
    source = np.array([where.get(inside, -9) for inside in after.tolist()])
    follows = (np.diff(source) == 1).mean()
    assert follows == pytest.approx(1 - 1 / 20, abs=0.02)
    (alone,) = bootstrapped(market[:1], 1, block=1)
    assert abs(np.corrcoef(returns(alone)[1:] ** 2, returns(alone)[:-1] ** 2)[0, 1]) < 0.1


def test_an_instant_without_company_stays_where_it_is(market):
    """One shard alone at one instant has nobody to change places with."""
    one = market[0].head(300)
    other = replace(one, **{name: np.delete(getattr(one, name), 100) for name in ("timestamps", *_NAMES)})
    bars, _ = permuted((one, other), 0)
    assert bars.high[100] / bars.open[100] == pytest.approx(one.high[100] / one.open[100], rel=1e-12)


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_bars_that_all_stay_stay(market, make):
    (bars,) = make(market[:1], 0, keep_first=2000)
    assert bars.content_hash == bars_hash("SPX", "1d", bars.timestamps, {n: getattr(market[0], n) for n in _NAMES})


def pooled_walks(make):
    return [make(Walk(4000), seed) for seed in range(5)]


WALKS = {"gaussian": gaussian_walk, "garch": garch_walk}


@pytest.mark.parametrize("make", WALKS.values(), ids=WALKS)
def test_walks_are_valid_and_the_same_again(make):
    bars, again = make(Walk(600), 3), make(Walk(600), 3)
    assert bars.content_hash == again.content_hash != make(Walk(600), 4).content_hash
    assert not [one for one in check_bars(bars.frame(), "null", "1d") if one.severity == "error"]
    assert ((bars.timestamps // 86_400_000_000 + 3) % 7 < 5).all()
    assert np.isclose(bars.open[0], 100.0, rtol=0.1)


@pytest.mark.parametrize("make", WALKS.values(), ids=WALKS)
def test_walks_have_the_moments_asked_for_and_no_memory_of_sign(make):
    simple = np.concatenate([bars.close[1:] / bars.close[:-1] - 1.0 for bars in pooled_walks(make)])
    n = len(simple)
    assert simple.std() == pytest.approx(0.012, rel=0.08)
    assert abs(simple.mean()) < 4 * 0.012 / np.sqrt(n)
    signs = np.sign(simple)
    for lag in (1, 2, 5):
        assert abs((signs[lag:] * signs[:-lag]).mean()) < 4 / np.sqrt(n)
    kurtosis = (((simple - simple.mean()) / simple.std()) ** 4).mean()
    squares = np.corrcoef(simple[1:] ** 2, simple[:-1] ** 2)[0, 1]
    if make is gaussian_walk:
        assert kurtosis == pytest.approx(3.0, abs=0.25)
        assert abs(squares) < 4 / np.sqrt(n)
    else:
        assert kurtosis > 4.5
        assert squares > 0.06


def test_volatility_follows_the_recursion_it_states():
    """Without shocks and with plain normals almost, GARCH is the Gaussian walk in law: its bars are of one variance."""
    calm = garch_walk(Walk(4000), 1, shock=0.0, persistence=0.5, degrees=1e6)
    simple = calm.close[1:] / calm.close[:-1] - 1.0
    assert (((simple - simple.mean()) / simple.std()) ** 4).mean() == pytest.approx(3.0, abs=0.35)
    wild = garch_walk(Walk(4000), 1, shock=0.3, persistence=0.6, degrees=1e6)
    squares = (wild.close[1:] / wild.close[:-1] - 1.0) ** 2
    lags = [np.corrcoef(squares[lag:], squares[:-lag])[0, 1] for lag in (1, 30)]
    assert lags[0] > 0.15
    assert lags[0] > lags[1] + 0.1


@pytest.mark.parametrize("make", WALKS.values(), ids=WALKS)
def test_a_stop_earns_nothing_on_a_path_it_can_not_see_through(make):
    """Price is a martingale in continuous time: a stop and a target, filled at their prices, balance out.

    Long at each open with a target of as much above as the stop is below; bars that reach both are left out on both
    sides alike. Optional stopping: what a bar is worth at its stop, target or close is its open.
    """
    gains = []
    for bars in pooled_walks(make):
        up, down = bars.open * 1.006, bars.open * 0.994
        hit_up, hit_down = bars.high >= up, bars.low <= down
        gain = np.where(hit_up, 0.006, np.where(hit_down, -0.006, bars.close / bars.open - 1.0))
        gains.append(gain[~(hit_up & hit_down)])
    every = np.concatenate(gains)
    assert abs(every.mean()) < 4 * every.std() / np.sqrt(len(every))
    reach = np.concatenate([bars.high / bars.open - 1.0 for bars in pooled_walks(make)])
    day = 0.012 * np.sqrt(0.8)
    if make is gaussian_walk:  # the mean of the maximum of Brownian motion, sqrt(2 / pi); of 32 steps alone, 9 % less
        assert reach.mean() == pytest.approx(day * np.sqrt(2 / np.pi), rel=0.02)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: permuted((gaussian_walk(Walk(60), 0),), -1), "a seed must be 0 or more, but was -1"),
        (lambda: permuted((gaussian_walk(Walk(60), 0),), 1, keep_first=61), "but was 61"),
        (lambda: permuted((gaussian_walk(Walk(60), 0),), 1, keep_first=(1, 1)), r"but was \(1, 1\)"),
        (lambda: bootstrapped((gaussian_walk(Walk(60), 0),), 1, block=0.5), "`block` must be 1 bar or more, but was 0"),
        (lambda: gaussian_walk(Walk(1), 0), "2 bars or more and a positive volatility, but had 1"),
        (lambda: gaussian_walk(Walk(9, volatility=0.0), 0), "positive volatility, but had 9 and 0.0"),
        (lambda: gaussian_walk(Walk(900, volatility=2.5), 0), "prices of a walk must stay above 0"),
        (lambda: garch_walk(Walk(9), 0, shock=0.2, persistence=0.8), "together below 1"),
        (lambda: garch_walk(Walk(9), 0, degrees=2.0), "`degrees` above 2"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(UsageError, match=message):
        call()
