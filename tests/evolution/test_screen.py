"""The screen: who goes on, how it is judged, when it turns itself off, and that nothing it saw is forgotten."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evolution.advance import advance, found
from evolution.islands import emigrants
from evolution.pedigree import births_to_bytes, check_closed, concat
from evolution.population import Merits, find, state_from_bytes, state_to_bytes
from evolution.rederivation import rederive
from evolution.screen import (
    Mode,
    check_memory,
    choose,
    mode_of,
    new_memory,
    rank_agreement,
    remember,
    sample_agreement,
    supersede,
)
from evolution.settings import EvolutionSettings, ScreenSettings
from fitness.objectives import NEVER_TRADES, SCREENED_OUT, Evaluation
from strategies.codec import phenotype_keys
from strategies.errors import ConfigError, JournalError, UsageError

ROOMY = ScreenSettings(keep=0.4, audit=0.2, min_agreement=0.5, window=3, rest=4)


class Screening:
    """A toy evaluator with a screen that shows the truth plus so much noise, drawn from the key."""

    def __init__(self, toy, noise):
        self._toy, self._noise = toy, noise
        self.looked, self.full = [], []

    def __call__(self, phenotypes):
        self.full += map(tuple, phenotype_keys(phenotypes).tolist())
        return self._toy(phenotypes)

    def screen(self, phenotypes):
        keys = phenotype_keys(phenotypes)
        self.looked += map(tuple, keys.tolist())
        truth = self._toy(phenotypes)
        noise = np.stack([keys[:, 1] >> np.uint64(11), keys[:, 1] % np.uint64(2**53)], axis=1) / 2.0**53 - 0.5
        seen = (1.0 - self._noise) * truth.objectives + self._noise * noise
        return _Look(self, phenotypes, Evaluation(seen, truth.reasons, truth.measures))


@dataclasses.dataclass
class _Look:
    parent: Screening
    phenotypes: np.ndarray
    evaluation: Evaluation

    def finish(self, rows):
        return self.parent(self.phenotypes[rows])


@pytest.fixture
def screening(toy):
    """A function from noise, 0 to 1, to a toy evaluator with such a screen; every fifth row is refused."""
    return lambda noise=0.0, refuse_every=5: Screening(toy(refuse_every), noise)


@pytest.fixture
def screened():
    return EvolutionSettings(population_size=40, epoch_generations=2, n_migrants=4, screen=ROOMY)


def run(evaluate, how, generations, seed=1, island=0):
    start = found(seed, island, how, evaluate)
    rest = advance(start.state, evaluate, how, generations)
    return rest.state, concat([start.births, rest.births]), start.screens + rest.screens


def plain_rho(x, y):
    """Spearman's rho with average ranks, by counting."""
    ranks = [[sum(b < a for b in v) + (sum(b == a for b in v) + 1) / 2 for a in v] for v in (x, y)]
    a, b = (np.array(r) - np.mean(r) for r in ranks)
    spread = math.sqrt((a * a).sum() * (b * b).sum())
    return (a * b).sum() / spread if spread > 1e-9 else math.nan


ROWS = st.lists(st.tuples(st.integers(-2, 2), st.integers(-2, 2), st.integers(1, 3)), min_size=3, max_size=9)


@given(ROWS)
def test_agreement_is_spearmans_rho_of_rows_repeated_by_their_weight(rows):
    x, y, weights = np.array(rows, dtype=float).T
    times = weights.astype(int)
    expected = plain_rho(np.repeat(x, times).tolist(), np.repeat(y, times).tolist())
    assert rank_agreement(x, y, weights) == pytest.approx(expected, nan_ok=True, abs=1e-12)


@given(ROWS, st.floats(0.1, 10))
def test_agreement_is_of_ranks_whatever_the_unit_and_has_a_sign(rows, factor):
    x, y, weights = np.array(rows, dtype=float).T
    rho = rank_agreement(x, y, weights)
    assert rank_agreement(np.exp(x), y, weights * factor) == pytest.approx(rho, nan_ok=True, abs=1e-9)
    assert rank_agreement(-x, y, weights) == pytest.approx(-rho, nan_ok=True, abs=1e-9)
    assert rank_agreement(y, x, weights) == pytest.approx(rho, nan_ok=True, abs=1e-9)


def test_agreement_that_says_nothing_is_not_a_number():
    one = np.ones(5)
    assert math.isnan(rank_agreement(one, np.arange(5.0), one))
    assert math.isnan(rank_agreement(np.arange(2.0), np.arange(2.0), np.ones(2)))
    assert rank_agreement(np.array([-np.inf, 0, 1]), np.array([-np.inf, 5, 6]), np.ones(3)) == 1.0


def evaluation(rng, n, share_refused=0.2):
    values = np.round(rng.standard_normal((n, 2)), 1)
    reasons = np.where(rng.random(n) < share_refused, NEVER_TRADES, 0).astype(np.int16)
    values[reasons != 0] = np.nan
    return Evaluation(values, reasons, np.zeros((n, 1)))


@given(st.integers(0, 10**6), st.integers(1, 60), st.sampled_from([0.1, 0.3, 0.5, 1.0]))
@settings(max_examples=60, deadline=None)
def test_the_best_are_kept_and_the_audit_knows_no_merit(seed, n, keep):
    rng = np.random.default_rng(seed)
    seen, keys, ids = evaluation(rng, n), rng.integers(0, 2**64, (n, 2), dtype=np.uint64), np.arange(n)
    how = ScreenSettings(keep=keep, audit=0.3)
    chosen = choose(seen, keys, ids, how)
    n_kept, n_audited = int(chosen.kept.sum()), int(chosen.audited.sum())
    assert n_kept == math.ceil(round(keep * n, 6))
    assert n_audited == math.ceil(round(0.3 * (n - n_kept), 6))
    assert not (chosen.kept & chosen.audited).any()
    rejected = np.flatnonzero(~chosen.kept)
    if (seen.reasons[chosen.kept] != 0).any():
        assert (seen.reasons[rejected] != 0).all()
    for worse in np.flatnonzero(chosen.kept):  # no rejected one is better in everything than one that was kept
        beats = (seen.objectives[rejected] >= seen.objectives[worse]).all(axis=1)
        assert not (beats & (seen.objectives[rejected] > seen.objectives[worse]).any(axis=1)).any()
    lowest = sorted(map(tuple, keys[rejected].tolist()))[:n_audited]
    assert sorted(map(tuple, keys[chosen.audited].tolist())) == lowest
    order = rng.permutation(n)
    shuffled = Evaluation(seen.objectives[order], seen.reasons[order], seen.measures[order])
    again = choose(shuffled, keys[order], ids[order], how)
    np.testing.assert_array_equal(again.kept, chosen.kept[order])
    np.testing.assert_array_equal(again.audited, chosen.audited[order])


def test_the_lowest_objective_counts_and_what_never_trades_ranks_last():
    truth = Evaluation(np.array([[3.0, 1.0], [2.0, 2.0], [1.0, 3.0], [np.nan] * 2]), np.int16([0, 0, 0, 3]), np.ones(4))
    blind = Evaluation(np.array([[3.0, 3.0], [2.0, 2.0], [1.0, 1.0], [np.nan] * 2]), np.int16([0, 0, 0, 3]), np.ones(4))
    nobody = np.zeros(4, dtype=bool)
    assert sample_agreement(truth, truth, audited=nobody, n_brood=4) == 1.0
    by_objective = [rank_agreement(np.array([1.0, 2, 3, 0]), np.array([3.0, 2, 1, 0]), np.ones(4)), 1.0]
    assert sample_agreement(blind, truth, audited=nobody, n_brood=4) == pytest.approx(min(by_objective))
    level = Evaluation(np.ones((4, 2)), np.zeros(4, dtype=np.int16), np.ones(4))
    assert sample_agreement(level, truth, audited=nobody, n_brood=4) == 0.0  # it can't tell what differs
    assert math.isnan(sample_agreement(truth, level, audited=nobody, n_brood=4))  # there is nothing to tell
    refused = Evaluation(np.array([[1.0], [2.0], [np.nan]]), np.int16([0, 0, 3]), np.ones(3))
    poor, best = (Evaluation(np.array([[1.0], [2.0], [v]]), np.int16([0, 0, 0]), np.ones(3)) for v in (-9.0, 9.0))
    assert sample_agreement(refused, poor, audited=nobody[:3], n_brood=3) == 1.0
    assert sample_agreement(refused, best, audited=nobody[:3], n_brood=3) == -0.5


def test_the_sample_estimates_the_agreement_of_the_whole_brood():
    """Over many audits the estimate has the mean of the truth; what was kept alone would say much less."""
    rng, n, how = np.random.default_rng(5), 120, ScreenSettings(keep=0.4, audit=0.25)
    truth = rng.standard_normal((n, 1))
    full = Evaluation(truth, np.zeros(n, dtype=np.int16), truth)
    seen = Evaluation(truth + 0.8 * rng.standard_normal((n, 1)), np.zeros(n, dtype=np.int16), truth)
    whole = rank_agreement(seen.objectives[:, 0], truth[:, 0], np.ones(n))
    found, naive = [], []
    for _ in range(200):
        chosen = choose(seen, rng.integers(0, 2**64, (n, 2), dtype=np.uint64), np.arange(n), how)
        rows = np.flatnonzero(chosen.kept | chosen.audited)
        parts = [Evaluation(e.objectives[rows], e.reasons[rows], e.measures[rows]) for e in (seen, full)]
        found.append(sample_agreement(*parts, audited=chosen.audited[rows], n_brood=n))
        naive.append(rank_agreement(seen.objectives[chosen.kept, 0], truth[chosen.kept, 0], np.ones(chosen.kept.sum())))
    assert np.mean(found) == pytest.approx(whole, abs=0.02)
    assert np.mean(naive) < whole - 0.1


def test_the_memory_goes_from_probe_to_on_to_rest_and_back():
    how = ScreenSettings(min_agreement=0.5, window=2, rest=2)
    memory = new_memory(how)
    modes = []
    for agreement in (math.nan, 0.9, 0.3, math.nan, 0.4, 0.9, 0.9, 0.2, math.nan, math.nan, 0.7):
        modes.append(mode_of(memory))
        if modes[-1] is Mode.OFF:
            agreement = math.nan  # nothing is looked at
        before, memory = memory.copy(), remember(memory, agreement, how)
        assert memory.shape == before.shape
    probe, on, off = Mode.PROBE, Mode.ON, Mode.OFF
    assert modes == [probe, probe, on, on, on, off, off, probe, off, off, probe]
    assert mode_of(memory) is on
    assert mode_of(remember(remember(memory, 0.4, how), 0.4, how)) is off


def test_a_screen_that_keeps_all_gives_the_births_of_no_screen(screening, screened):
    all_kept = dataclasses.replace(screened, screen=dataclasses.replace(ROOMY, keep=1.0))
    without = dataclasses.replace(screened, screen=None)
    state, births, screens = run(screening(), all_kept, 4)
    plain, plain_births, nothing = run(screening(), without, 4)
    assert births_to_bytes(births) == births_to_bytes(plain_births)
    assert nothing == ()
    assert [one.mode for one in screens] == ["probe", "on", "on", "on", "on"]
    assert dataclasses.replace(state, screen=np.zeros(0)) == plain


def test_a_true_screen_stays_on_and_what_it_sorts_out_is_tried_and_remembered(screening, screened):
    evaluate = screening()
    state, births, screens = run(evaluate, screened, 6)
    assert [one.mode for one in screens] == ["probe"] + ["on"] * 6
    assert all(one.agreement == 1.0 for one in screens)
    out = births.reason == SCREENED_OUT
    first = births.evaluated & out
    assert first.sum() == sum(one.n_screened_out for one in screens) > 60
    assert not out[births.generation == 0].any()
    assert np.isnan(births.objectives[out]).all()
    assert np.isnan(births.measures[out]).all()
    # every try is in the births and in the register; nothing is looked at or evaluated twice
    assert len(set(evaluate.looked)) == len(evaluate.looked) == births.evaluated.sum() == len(state.known_keys)
    assert len(set(evaluate.full)) == len(evaluate.full) == births.evaluated.sum() - first.sum()
    known = state.known.take(find(state.known_keys, births.key))
    np.testing.assert_array_equal(known.reasons, births.reason)
    assert (state.reasons == 0).all()
    check_closed(births)
    np.testing.assert_array_equal(rederive(births, 1, screened), births.genome)


def test_a_screen_of_noise_turns_itself_off_and_is_tried_again(screening, screened):
    _, births, screens = run(screening(noise=1.0, refuse_every=0), screened, 11)
    assert [one.mode for one in screens] == (["probe"] + ["off"] * 4) * 2 + ["probe", "off"]
    assert [one.turned_off for one in screens] == [one.mode == "probe" for one in screens]
    assert not (births.reason == SCREENED_OUT).any()
    assert all(abs(one.agreement) < 0.5 for one in screens if one.mode == "probe")
    assert all(one.agreement is None for one in screens if one.mode == "off")


def test_a_screen_that_goes_blind_under_way_is_found_out(screening, screened):
    evaluate = screening(refuse_every=0)
    start = found(1, 0, screened, evaluate)
    evaluate._noise = 1.0
    rest = advance(start.state, evaluate, screened, 5)
    modes = [one.mode for one in rest.screens]
    n_on = modes.index("off")
    assert 1 <= n_on <= 3  # as soon as the mean over the window is too low, the founders' good figure in it
    assert rest.screens[n_on - 1].turned_off
    assert rest.screens[n_on - 1].mean_agreement < 0.5
    assert set(modes[n_on:]) == {"off"}


@given(st.integers(0, 2**40), st.integers(1, 3), st.integers(1, 3), st.sampled_from([0.0, 0.5, 1.0]))
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_advance_by_a_and_then_by_b_is_advance_by_both_with_a_screen(screening, seed, first, then, noise):
    how = EvolutionSettings(population_size=12, screen=dataclasses.replace(ROOMY, rest=1))
    evaluate = screening(noise)
    start = found(seed, 0, how, evaluate)
    at_once = advance(start.state, evaluate, how, first + then)
    half = advance(start.state, evaluate, how, first)
    rest = advance(state_from_bytes(state_to_bytes(half.state)), evaluate, how, then)
    assert state_to_bytes(rest.state) == state_to_bytes(at_once.state)
    assert births_to_bytes(concat([half.births, rest.births])) == births_to_bytes(at_once.births)
    assert half.screens + rest.screens == at_once.screens


def test_a_migrant_known_in_full_replaces_what_was_screened_out(screening, screened):
    here, births, _ = run(screening(), screened, 2)
    lost = births.take(births.evaluated & (births.reason == SCREENED_OUT))
    merits = Merits(lost.key[:2], np.ones((2, 2)), np.zeros(2, dtype=np.int16), np.ones((2, 3)))
    mended = supersede(here.known, merits)
    rows = find(mended.keys, merits.keys)
    assert (mended.objectives[rows] == 1.0).all()
    assert (mended.reasons[rows] == 0).all()
    others = np.setdiff1d(np.arange(len(mended.keys)), rows)
    for mine, before in zip(mended, here.known, strict=True):
        np.testing.assert_array_equal(mine[others], before[others])
    assert supersede(mended, merits._replace(objectives=merits.objectives + 1)) is mended  # what is known in full stays

    group = dataclasses.replace(
        emigrants(run(screening(), screened, 1, island=1)[0], 2),
        genomes=lost.genome[:2], keys=merits.keys, objectives=merits.objectives + 99.0, measures=merits.measures,
    )  # fmt: skip
    after = advance(here, screening(), screened, 1, [group])
    assert (after.state.keys[0] == merits.keys).all(axis=1).any()  # it lives on, and has what it needs to travel again
    leaving = emigrants(after.state, 2)
    assert np.isfinite(leaving.measures).all()


def test_a_migrant_known_in_full_takes_the_place_of_its_twin_that_was_screened_out(screening):
    """Screened strategies live on only where there are too few others: here, where the founders are all alike."""
    alike = {"founders": {"ta": 1.0}, "template_share": 1, "max_retries": 0}
    crowded = EvolutionSettings(population_size=120, **alike, screen=ROOMY)
    here, _, _ = run(screening(), crowded, 1)
    (rows,) = np.nonzero(here.reasons == SCREENED_OUT)
    assert len(rows)
    group = dataclasses.replace(
        emigrants(run(screening(), crowded, 1, island=1)[0], 1),
        genomes=here.genomes[rows[:1]], keys=here.keys[rows[:1]], objectives=np.full((1, 2), 99.0),
    )  # fmt: skip
    after = advance(here, screening(), crowded, 1, [group]).state
    assert after.objectives[(after.keys == group.keys[0]).all(axis=1)].tolist() == [[99.0, 99.0]]


def test_misuse_is_named(toy, screening, screened):
    with pytest.raises(UsageError, match="`evaluate` must have a method `screen` where a screen is set, but was Toy"):
        found(1, 0, screened, toy())
    state = found(1, 0, screened, screening()).state
    with pytest.raises(JournalError, match=r"A state must remember a screen as \(0,\), but had \(4,\)"):
        advance(state, screening(), dataclasses.replace(screened, screen=None), 1)
    check_memory(state.screen, ROOMY)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"keep": 0.0}, r"`keep` must be above 0, but was 0 \(evolution: screen\)"),
        ({"keep": 1.5}, "`keep` must be between 0 and 1, but was 1.5"),
        ({"audit": 0}, "`audit` must be above 0, but was 0"),
        ({"min_agreement": -0.5}, "`min_agreement` must be between 0 and 1, but was -0.5"),
        ({"window": 0}, "`window` must be at least 1, but was 0"),
        ({"rest": 0}, "`rest` must be at least 1, but was 0"),
    ],
)
def test_each_bad_setting_is_named(change, text):
    with pytest.raises(ConfigError, match=text):
        ScreenSettings(**change)
