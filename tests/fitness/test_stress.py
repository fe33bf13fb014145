"""Stress: draws are keyed, lie where they are said to, and do to a strategy what a back-test under them does."""

import dataclasses
import math

import numpy as np
import pytest

from fitness.battery import Subject
from fitness.battery.frictions import dearer
from fitness.bits import pack, unpack
from fitness.costs import Costs
from fitness.pooled import pool_measures
from fitness.simulation import simulate_one
from fitness.stress import COST_FACTORS, QUANTILES, draw_of, missed_bars, quantiles, share_above_0, stress
from fitness.trace import trace_of
from strategies.errors import UsageError
from tests.fitness.battery_cases import BUY_DIPS, CHEAP, CROSS, FLAT, subject, waves, zigzag


@pytest.fixture(scope="module")
def good():
    return subject(CROSS, waves(seed=1), waves(seed=2, symbol="OTHER"))


def test_equal_seeds_give_equal_worlds_and_others_others(good):
    first, again, other = (stress(good, n_draws=10, seed=seed) for seed in (3, 3, 4))
    assert first.sharpes.tobytes() == again.sharpes.tobytes()
    assert first.draws == again.draws
    assert first.quantiles == again.quantiles
    assert not set(first.sharpes) & set(other.sharpes)
    assert len(set(first.sharpes)) == 10


def test_fewer_draws_are_the_first_of_more(good):
    assert np.array_equal(stress(good, n_draws=4, seed=0).sharpes, stress(good, n_draws=9, seed=0).sharpes[:4])


def test_the_order_of_shards_is_irrelevant(good):
    turned = Subject(good.phenotype, good.shards[::-1], good.windows[::-1], good.costs, good.banks[::-1])
    assert np.array_equal(stress(good, n_draws=6, seed=1).sharpes, stress(turned, n_draws=6, seed=1).sharpes)


def test_draws_lie_where_they_are_said_to():
    draws = [draw_of(0, number) for number in range(2000)]
    for name in ("fees", "slippage", "holding"):
        logs = np.log([getattr(draw, name) for draw in draws])
        low, high = np.log(COST_FACTORS)
        assert low <= logs.min() <= logs.max() <= high
        assert logs.mean() == pytest.approx((low + high) / 2.0, abs=4.0 * (high - low) / math.sqrt(12 * 2000))
    counts = np.bincount([draw.delay for draw in draws], minlength=3)
    assert counts.size == 3
    assert counts / 2000 == pytest.approx(1 / 3, abs=0.05)
    missed = np.array([draw.missed for draw in draws])
    assert 0.0 <= missed.min() <= missed.max() < 0.2
    assert missed.mean() == pytest.approx(0.1, abs=0.006)
    factors = np.array([[draw.fees, draw.slippage, draw.holding] for draw in draws])
    assert np.abs(np.corrcoef(factors.T) - np.eye(3)).max() < 0.1


def test_a_world_is_a_back_test_under_its_costs_late_and_with_entries_missed(good):
    """By hand, with the checked edge of the kernel in place of acts."""
    good = dataclasses.replace(good, costs=Costs(0.0005, 0.0003, borrow=0.2, funding=0.1))
    found = stress(good, n_draws=8, seed=5)
    assert len({draw.delay for draw in found.draws}) == 3
    for number, draw in enumerate(found.draws):
        costs = dearer(good.costs, fees=draw.fees, slippage=draw.slippage, holding=draw.holding)
        traces = []
        for act, windows in zip(good.acts, good.windows, strict=True):
            masks = unpack(act.masks, act.shard.n_bars)
            masks[[0, 2]] &= ~missed_bars(act, draw, 5, number)
            late = np.zeros_like(masks)
            late[:, draw.delay :] = masks[:, : act.shard.n_bars - draw.delay]
            for window in windows:
                run = simulate_one(
                    bars=act.shard, atr=act.atr, masks=pack(late), window=(window.start, window.stop), risk=act.risk,
                    costs=costs,
                )  # fmt: skip
                traces.append(trace_of(run, act.shard, window, costs))
        assert found.sharpes[number] == pytest.approx(pool_measures(traces)["sharpe"])


def test_entries_are_missed_at_the_chance_drawn(good):
    act = good.acts[0]
    shares = [
        (draw_of(2, number).missed, missed_bars(act, draw_of(2, number), 2, number).mean()) for number in range(50)
    ]
    for wanted, seen in shares:
        assert seen == pytest.approx(wanted, abs=4.5 * math.sqrt(0.2 * 0.8 / 700))
    other = missed_bars(good.acts[1], draw_of(2, 0), 2, 0)
    assert not np.array_equal(other, missed_bars(act, draw_of(2, 0), 2, 0))


def test_what_is_there_survives_and_what_hangs_on_one_fill_does_not(good):
    found = stress(good, n_draws=40, seed=0)
    assert found.share_above_0 == 1.0
    assert list(found.quantiles) == list(QUANTILES)
    assert list(found.quantiles.values()) == sorted(found.quantiles.values())
    assert found.quantiles[0.5] == pytest.approx(np.median(found.sharpes))
    frail = stress(subject(BUY_DIPS, zigzag(0.01)), n_draws=60, seed=0)
    assert frail.share_above_0 == pytest.approx(2 / 3, abs=0.2)  # late by one bar it buys before each fall
    assert frail.quantiles[0.05] < 0.0


def test_a_flat_strategy_has_no_figures():
    found = stress(subject(FLAT, waves()), n_draws=3, seed=0)
    assert np.isnan(found.sharpes).all()
    assert math.isnan(found.share_above_0)
    assert all(math.isnan(value) for value in found.quantiles.values())


def test_a_world_without_a_trade_counts_as_no_gain():
    sharpes = np.array([1.0, math.nan, -1.0, 2.0])
    assert share_above_0(sharpes) == 0.5
    assert quantiles(sharpes)[0.5] == 0.5


def test_a_stress_changes_nothing(good):
    masks = [act.masks.tobytes() for act in good.acts]
    stress(good, n_draws=3, seed=0)
    assert masks == [act.masks.tobytes() for act in good.acts]
    assert not stress(good, n_draws=2, seed=0).sharpes.flags.writeable
    assert dataclasses.asdict(draw_of(0, 0)).keys() == {"fees", "slippage", "holding", "delay", "missed"}
    assert good.costs == CHEAP


@pytest.mark.parametrize(("n_draws", "seed"), [(0, 1), (5, -1)])
def test_there_must_be_a_draw_and_a_seed(good, n_draws, seed):
    with pytest.raises(UsageError, match=f"but were {n_draws} and {seed}"):
        stress(good, n_draws=n_draws, seed=seed)
