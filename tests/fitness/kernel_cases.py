"""Random cases for the kernel and its twin: bars that hurt, masks, risks, costs and scales of every kind."""

from types import SimpleNamespace

import numpy as np
from hypothesis import strategies as st

from benchmarks.rough_bars import rough_bars
from fitness import reference
from fitness.bits import pack
from fitness.costs import Costs, SizeKind, risk_row
from fitness.simulation import simulate_one

PRICES = ("open", "high", "low", "close")
BAR_STYLES = ("plain", "gaps", "limit moves", "flat", "ticks", "wild")


def random_bars(rng, n_bars, style):
    """Bars that hurt, with ties on a coarse tick as well, volumes of which some are 0, and uneven days."""
    rough = rough_bars(rng, style, 0.25 if style == "wild" else 0.02, n_bars)
    bars = [getattr(rough, name) for name in PRICES]
    if style == "ticks":
        bars = [np.maximum(np.round(prices / 2.0) * 2.0, 2.0) for prices in bars]
    bars += [np.floor(np.exp(rng.normal(9.0, 2.0, n_bars))) * (rng.random(n_bars) < 0.95)]
    bars += [np.cumsum(rng.choice([1, 1, 3, 30], n_bars)) * 86_400_000_000]
    return SimpleNamespace(**dict(zip(("open", "high", "low", "close", "volume", "timestamps"), bars, strict=True)))


def random_models(rng):
    """Parameters of the cost models, each off as often as not."""
    return {
        "fee_per_unit": float(rng.choice([0.0, 0.01, 5.0])),
        "spread_volatility": float(rng.choice([0.0, 0.0, 0.2, 30.0])),
        "impact": float(rng.choice([0.0, 0.0, 1.0, 50.0])),
        "volume_share": float(rng.choice([np.inf, np.inf, 0.5, 0.01])),
        "borrow": float(rng.choice([0.0, 0.0, 0.03, 40.0])),
        "funding": float(rng.choice([0.0, 0.0, -0.2, 0.1, 30.0])),
    }


def random_case(*, seed, n_bars, style, densities, kinds, has_models=True):
    """Everything that `simulate` takes."""
    rng = np.random.default_rng(seed)
    risk = risk_row(
        stop_kind=kinds[0],
        stop=rng.choice([0.02, 0.5, 1.0, 2.0, 8.0]),
        target_kind=kinds[1],
        target=rng.choice([0.5, 1.0, 2.0, 4.0, 150.0]),
        trail_kind=kinds[2],
        trail=rng.choice([0.02, 0.5, 2.0, 5.0]),
        time_stop=rng.choice([0, 0, 1, 2, 7, 40]),
        cooldown=rng.choice([0, 0, 1, 2, 13]),
        size_kind=kinds[3],
        size=rng.choice([0.01, 0.3, 1.0, 5.0]),
        breaker=rng.choice([0.0, 0.0, 0.001, 0.05, 0.3, 1.0]),
        rearm=rng.choice([0, 1, 5, 40]),
    )
    costs = Costs(
        fee=float(rng.choice([0.0, 0.001, 0.03])),
        slippage=float(rng.choice([0.0, 0.0005, 0.03])),
        leverage_cap=float(rng.choice([1.0, 3.0, 20.0, np.inf])),
        lot_size=float(rng.choice([0.0, 0.0, 0.001, 1.0])),
        start_equity=float(rng.choice([1.0, 10_000.0, 3_000_000.0])),
        **(random_models(rng) if has_models else {}),
    )
    atr = np.abs(rng.normal(2.0, 1.0, n_bars))
    atr[: rng.integers(0, 5)] = np.nan
    atr[rng.random(n_bars) < 0.05] = 0.0
    masks = rng.random((4, n_bars)) < np.asarray(densities).reshape(4, 1)
    start = int(rng.integers(0, n_bars))
    stop = int(rng.integers(start + 1, n_bars + 1))
    window = (0, n_bars) if rng.random() < 0.5 else (start, stop)
    bars = random_bars(rng, n_bars, style)
    case = {"bars": bars, "atr": atr, "masks": masks, "window": window, "risk": risk, "costs": costs}
    return {**case, "scale": random_scale(rng, n_bars)}


def random_scale(rng, n_bars):
    """What sizes are multiplied with, here and there nothing that can be."""
    scale = np.exp(rng.normal(-0.5, 1.0, n_bars))
    bad = rng.random(n_bars) < 0.1
    scale[bad] = rng.choice([0.0, np.nan, -1.0, np.inf, -np.inf, 1e300, 1e-300], int(bad.sum()))
    return scale


def both(case):
    """What the kernel and what the twin made of it."""
    return simulate_one(**{**case, "masks": pack(case["masks"])}), reference.simulate(**case)


def assert_same(left, right):
    np.testing.assert_array_equal(left.trades, right.trades)
    np.testing.assert_array_equal(left.equity, right.equity)
    np.testing.assert_array_equal(left.tally, right.tally)


densities = st.tuples(*[st.sampled_from([0.0, 0.02, 0.2, 0.7, 1.0])] * 4)
kinds = st.tuples(*[st.sampled_from([0, 1, 2])] * 3, st.sampled_from(list(SizeKind)))
cases = st.builds(
    lambda **drawn: random_case(**drawn),
    seed=st.integers(0, 2**32 - 1),
    n_bars=st.one_of(st.integers(1, 5), st.integers(60, 70), st.integers(120, 200)),
    style=st.sampled_from(BAR_STYLES),
    densities=densities,
    kinds=kinds,
    has_models=st.booleans(),
)
