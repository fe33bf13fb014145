"""The oracle of fitness: Strategy objects, read bar by bar in plain Python, give the same tallies to the last bit."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fitness import bank as bank_module
from fitness import reference
from fitness.bank import FeatureBank
from fitness.bits import unpack
from fitness.costs import Costs, OrderKind, Risk, SizeKind, risk_row
from fitness.evaluate import evaluate, risk_rows, role_masks, scale_of
from fitness.folds import Window, split
from fitness.kernel import TILE
from fitness.population import FIRST_RISK
from fitness.reference_rules import learnt, wanted
from fitness.samples import random_walk, sample, widen
from fitness.shards import shard_of
from fitness.simulation import simulate_one
from fitness.sizing import inverse_volatility
from fitness.tally import N_TALLY, Tally
from strategies.catalogue import SOURCES, catalogue, kind_index
from strategies.codec import express
from strategies.encoding import phenotype_of, strategy_of
from strategies.errors import DataError, UsageError
from strategies.genes import COLUMN, N_GENES, SIZE_KINDS
from strategies.operands import column
from strategies.sampler import random_genomes
from strategies.strategy import Condition, Distance, Operand, Rule, Strategy

COSTS = Costs.from_bps(fee_bps=5, slippage_bps=2)
SIZES = {
    "fixed": SizeKind.FRACTION,
    "risk": SizeKind.RISK,
    "volatility": SizeKind.VOLATILITY,
    "confidence": SizeKind.CONFIDENCE,
    "kelly": SizeKind.KELLY,
}


@pytest.fixture(scope="module")
def spx():
    frame, _ = widen(sample("SPX"))
    return shard_of(frame.head(1400), "SPX", "1d", bars_per_year=252.0)


def walk(seed, n_bars):
    return shard_of(random_walk(seed, n_bars), "RWALK", "1d", bars_per_year=252.0)


def phenotypes(n, seed):
    return express(random_genomes(n, np.random.default_rng(seed)))


# --- the plain twin: Strategy objects to booleans, bar by bar ---


def plain_risk(strategy):
    kinds = {"atr": OrderKind.ATR, "percent": OrderKind.PERCENT}
    row = {"time_stop": strategy.time_stop, "cooldown": strategy.cooldown, "size": strategy.size.value}
    row["size_kind"] = SIZES[strategy.size.kind]
    if strategy.breaker is not None:
        row |= {"breaker": strategy.breaker.drawdown, "rearm": strategy.breaker.rearm}
    for name in ("stop", "target", "trail"):
        distance = getattr(strategy, name)
        if distance is not None:
            row |= {f"{name}_kind": kinds[distance.kind], name: distance.value}
    return risk_row(**row)


def plain_scale(strategy, shard):
    """The mean confidence of the learners by their votes, alike where none votes; or the inverse of volatility."""
    if strategy.size.kind == "volatility":
        return inverse_volatility(shard.close, shard.bars_per_year)
    if strategy.size.kind != "confidence":
        return None
    weights = [learner.weight for learner in strategy.learners]
    if not any(weights):
        weights = [1] * len(weights)
    scale = np.zeros(shard.n_bars)
    for learner, weight in zip(strategy.learners, weights, strict=True):
        if weight:
            scale += weight / sum(weights) * learnt(learner, shard).confidence
    return scale


def plain_tallies(strategy, shard, windows, costs):
    atr = column(kind_index("ATR"), SOURCES.index("close"), (14.0,), shard)
    whole = {"bars": shard, "atr": atr, "masks": wanted(strategy, shard), "risk": plain_risk(strategy), "costs": costs}
    whole["scale"] = plain_scale(strategy, shard)
    return [reference.simulate(**whole, window=(window.start, window.stop)).tally for window in windows]


def test_evaluate_equals_the_plain_twin_on_real_bars(spx):
    windows = (Window("fold 0", 260, 600), Window("fold 1", 600, 1003), Window("fold 2", 1010, 1400))
    rows = phenotypes(30, 11)
    tallies = evaluate(rows, spx, windows, COSTS, FeatureBank(spx))
    plain = np.array([plain_tallies(strategy_of(row), spx, windows, COSTS) for row in rows])
    assert np.array_equal(tallies, plain)
    traded = tallies[:, :, Tally.N_TRADES].sum(axis=1) > 0
    assert traded.sum() >= 10


def has_percent_level(strategy):
    conditions = strategy.entry.conditions
    return any(
        condition.level is not None and catalogue()[kind_index(condition.left.kind)].level_unit == "% of close"
        for condition in conditions
    )


def test_levels_in_per_cent_of_close_equal_the_plain_twin(spx):
    windows = (Window("fold 0", 260, 900),)
    rows = phenotypes(300, 1)
    rows = rows[[has_percent_level(strategy_of(row)) for row in rows]]
    tallies = evaluate(rows, spx, windows, COSTS, FeatureBank(spx))
    traders = np.flatnonzero(tallies[:, 0, Tally.N_TRADES] > 0)[:12]
    assert len(traders) == 12
    for i in traders:
        assert np.array_equal(tallies[i], plain_tallies(strategy_of(rows[i]), spx, windows, COSTS))


@pytest.mark.parametrize("kind", list(SizeKind))
def test_every_kind_of_size_equals_the_plain_twin(spx, kind):
    window, rows = Window("fold 0", 260, 900), phenotypes(300, 2)
    if kind == SizeKind.CONFIDENCE:
        rows = rows[rows[:, COLUMN["learner.0.on"]] > 0.0]
    rows[:, COLUMN["risk.size_kind"]], rows[:, COLUMN["risk.size"]] = kind, 0.1
    rows[:, COLUMN["risk.breaker"]], rows[:, COLUMN["risk.rearm"]] = 0.05, 20.0
    tallies = evaluate(rows, spx, [window], COSTS, FeatureBank(spx))
    chosen = np.argsort(-tallies[:, 0, Tally.N_TRADES], kind="stable")[4:8]
    assert (tallies[chosen, 0, Tally.N_TRADES] > 3).all()
    for i in chosen:
        assert np.array_equal(tallies[i], plain_tallies(strategy_of(rows[i]), spx, [window], COSTS))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(70, 330), st.booleans())
def test_evaluate_equals_the_plain_twin_on_random_walks(seed, n_bars, expensive):
    rng = np.random.default_rng(seed)
    shard = walk(seed, n_bars)
    first, middle = sorted(int(bar) for bar in rng.integers(0, n_bars - 1, 2))
    windows = [Window("early", first, middle + 1), Window("late", middle, n_bars)]
    costs = Costs(fee=0.01, slippage=0.004, leverage_cap=3.0) if expensive else Costs(fee=0.0, slippage=0.0)
    rows = phenotypes(4, seed)
    tallies = evaluate(rows, shard, windows, costs, FeatureBank(shard))
    assert np.array_equal(tallies, [plain_tallies(strategy_of(row), shard, windows, costs) for row in rows])


# --- laws ---


def test_later_bars_change_nothing_before_them(spx):
    rows = phenotypes(60, 5)
    now = 900
    rng = np.random.default_rng(0)
    factor = np.ones(spx.n_bars)
    factor[now + 1 :] = np.exp(rng.normal(0.1, 0.2, spx.n_bars - now - 1))
    changed = {name: getattr(spx, name) * factor for name in ("open", "high", "low", "close", "volume")}
    future = dataclasses.replace(spx, **changed, content_hash="other")
    windows = [Window("known", 260, now + 1)]
    known = evaluate(rows, spx, windows, COSTS, FeatureBank(spx))
    assert np.array_equal(known, evaluate(rows, future, windows, COSTS, FeatureBank(future)))


@pytest.mark.parametrize("budget", [0, 100_000, 10**6, 2**30])
def test_budget_order_and_company_change_nothing(spx, budget):
    rows = phenotypes(40, 6)
    windows = split(spx.n_bars, folds=3, validation=0.2, lockbox=0.2, embargo=5, warm_up=100).folds
    expected = evaluate(rows, spx, windows, COSTS, FeatureBank(spx))
    bank = FeatureBank(spx, budget)
    assert np.array_equal(evaluate(rows, spx, windows, COSTS, bank), expected)
    shuffled = np.random.default_rng(0).permutation(len(rows))
    assert np.array_equal(evaluate(rows[shuffled], spx, windows, COSTS, bank), expected[shuffled])
    for some in np.split(np.arange(len(rows)), [1, 2, 19]):
        assert np.array_equal(evaluate(rows[some], spx, windows, COSTS, bank), expected[some])


def test_windows_change_nothing_for_each_other(spx):
    rows, bank = phenotypes(40, 9), FeatureBank(spx)
    windows = [Window("b", 700, 933), Window("a", 260, 510), Window("in it", 300, 400), Window("all", 0, spx.n_bars)]
    together = evaluate(rows, spx, windows, COSTS, FeatureBank(spx))
    for number, window in enumerate(windows):
        assert np.array_equal(evaluate(rows, spx, [window], COSTS, bank)[:, 0], together[:, number])


def always_reversing(lag):
    """Long after a bar that rose, short after one that fell: a decision at half of all bars, filled at the next."""
    open_, close = Operand("PRICE", "open", (), lag), Operand("PRICE", "close", (), lag)
    return Strategy(
        direction="both",
        entry=Rule((Condition(close, ">", open_),), 1),
        exit=Rule((Condition(close, "<", open_),), 1),
        stop=Distance("percent", 20.0),
    )


def test_a_shard_of_several_tiles_is_played_as_one():
    shard = walk(3, 2 * TILE + 5000)
    bank = FeatureBank(shard)
    rows = np.concatenate([phenotypes(30, 10), [phenotype_of(always_reversing(lag)) for lag in range(12)]])
    windows = [Window("long", 333, shard.n_bars - 77), Window("short", TILE - 100, TILE + 200)]
    tallies = evaluate(rows, shard, windows, COSTS, bank)
    roles = role_masks(rows, bank)
    assert (tallies[:, 0, Tally.N_TRADES] > 20).sum() >= 10
    for row, tally in enumerate(tallies):
        for number, window in enumerate(windows):
            found = simulate_one(
                bars=shard,
                atr=bank.atr(),
                masks=roles.masks[roles.rows[row]],
                window=(window.start, window.stop),
                risk=risk_rows(rows)[row],
                costs=COSTS,
                scale=scale_of(rows[row], bank),
            )
            assert np.array_equal(tally[number], found.tally)


def test_role_masks_are_the_rules_as_they_are_written(spx):
    rows = phenotypes(30, 12)
    roles = role_masks(rows, FeatureBank(spx, 200_000))
    assert {strategy_of(row).direction for row in rows} == {"long", "short", "both"}
    assert roles.sound.all()
    for row, masks in zip(rows, roles.masks[roles.rows], strict=True):
        assert np.array_equal(unpack(masks, spx.n_bars), wanted(strategy_of(row), spx))


def test_read_only_inputs_are_taken_and_left_alone(spx):
    rows = phenotypes(10, 7)
    copy = rows.copy()
    rows.flags.writeable = False
    windows = [Window("all", 0, spx.n_bars)]
    tallies = evaluate(rows, spx, windows, COSTS, FeatureBank(spx))
    assert np.array_equal(tallies, evaluate(copy, spx, windows, COSTS, FeatureBank(spx)))
    assert np.array_equal(rows, copy)
    assert tallies.shape == (10, 1, N_TALLY)
    for same in (np.asfortranarray(copy), np.repeat(copy, 2, axis=0)[::2], copy.astype(object)):
        assert np.array_equal(evaluate(same, spx, windows, COSTS, FeatureBank(spx)), tallies)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6))
def test_any_garbage_that_expresses_can_be_evaluated(seed):
    rng = np.random.default_rng(seed)
    genomes = rng.normal(0, 10.0 ** rng.integers(-2, 6), (20, N_GENES))
    genomes[rng.random(genomes.shape) < 0.1] = np.nan
    genomes[rng.random(genomes.shape) < 0.1] = np.inf
    shard = walk(seed, 130)
    tallies = evaluate(express(genomes), shard, [Window("all", 0, 130)], COSTS, FeatureBank(shard))
    assert np.isfinite(tallies).all()


def test_the_gene_table_is_as_the_compiled_code_takes_it():
    risks = [COLUMN[f"risk.{column.name.lower()}"] for column in Risk]
    assert risks == list(range(FIRST_RISK, FIRST_RISK + len(Risk)))
    assert tuple(SIZES) == SIZE_KINDS


def test_nobody_and_nowhere_are_fine(spx):
    bank = FeatureBank(spx)
    assert evaluate(np.zeros((0, N_GENES)), spx, [Window("all", 0, 9)], COSTS, bank).shape == (0, 1, N_TALLY)
    assert evaluate(phenotypes(2, 1), spx, [], COSTS, bank).shape == (2, 0, N_TALLY)


def test_a_strategy_whose_operand_fails_is_data(spx, monkeypatch):
    rows = phenotypes(30, 8)
    windows = [Window("all", 260, 700)]
    expected = evaluate(rows, spx, windows, COSTS, FeatureBank(spx))

    def sometimes(kind, source, parameters, bars):
        if kind % 7 == 0:
            raise RuntimeError("the library failed")
        return {kind: column(kind, source, parameters, bars)}

    monkeypatch.setattr(bank_module, "columns_of", sometimes)
    tallies = evaluate(rows, spx, windows, COSTS, FeatureBank(spx))
    failed = np.isnan(tallies).any(axis=(1, 2))
    assert 0 < failed.sum() < len(rows)
    assert np.isnan(tallies[failed]).all()
    assert np.array_equal(tallies[~failed], expected[~failed])


def test_misuse_is_named(spx):
    bank, rows = FeatureBank(spx), phenotypes(2, 1)
    with pytest.raises(DataError, match="within the 1400 bars of SPX 1d, but lockbox was 1300 to 1401"):
        evaluate(rows, spx, [Window("lockbox", 1300, 1401)], COSTS, bank)
    with pytest.raises(DataError, match="but empty was 30 to 30"):
        evaluate(rows, spx, [Window("empty", 30, 30)], COSTS, bank)
    with pytest.raises(UsageError, match=rf"`phenotypes` must be \(n, {N_GENES}\), but was \(2, 3\)"):
        evaluate(rows[:, :3], spx, [Window("all", 0, 9)], COSTS, bank)
    with pytest.raises(UsageError, match="`bank` must hold the columns of RWALK 1d, but was made for SPX 1d"):
        evaluate(rows, walk(1, 1400), [Window("all", 0, 9)], COSTS, bank)
