"""What holds for every way to search: it is replayed to the byte, its pedigree is proved, and it does what it says."""

import dataclasses

import numpy as np
import pytest

from evolution.advance import advance, found
from evolution.archive import ArchiveSettings
from evolution.constraints import Constraint
from evolution.credit import credited
from evolution.islands import emigrants, emigrants_from_bytes, emigrants_to_bytes
from evolution.keys import Place
from evolution.pedigree import MIGRANT, REFINED, RESTART, births_to_bytes, check_closed, concat
from evolution.population import state_from_bytes, state_to_bytes
from evolution.rederivation import rederive
from evolution.refinement import refine_key
from evolution.refining import RefineSettings
from evolution.restarts import RestartSettings
from evolution.settings import EvolutionSettings
from fitness.behaviour import BEHAVIOURS
from fitness.objectives import CONSTRAINED, MEASURE_COLUMNS, Evaluation
from strategies.errors import ConfigError

PLAIN = EvolutionSettings(population_size=16, epoch_generations=3, n_migrants=2)
ARCHIVE = ArchiveSettings(kind="grid", dimensions=("exposure", "market_correlation"), cells=(4, 4))
OPTIONS = {
    "nsga3": {"survival": "nsga3"},
    "lexicase": {"parents": "lexicase"},
    "age": {"pressure": "age", "newcomers": 0.1},
    "novelty": {"pressure": "novelty"},
    "adaptive": {"adaptive": True},
    "restart": {"restart": RestartSettings(spread=1.0, patience=2, keep=0.2)},
    "archive": {"archive": ARCHIVE, "topology": "archive"},
    "refine": {"refine": RefineSettings(every=2, best=2, batches=3, batch=3)},
    "constraints": {"constraints": (Constraint("max_drawdown", maximum=0.4), Constraint("exposure", minimum=0.2))},
    "budget": {"max_evaluations": 150},
    "all": {
        "survival": "nsga3",
        "parents": "lexicase",
        "pressure": "novelty",
        "newcomers": 0.1,
        "adaptive": True,
        "restart": RestartSettings(spread=1.0, patience=3),
        "archive": ARCHIVE,
        "topology": "archive",
        "refine": RefineSettings(every=2, best=1, batches=2, batch=3),
        "constraints": (Constraint("max_drawdown", maximum=0.8),),
        "max_evaluations": 300,
    },
}


def settings_of(name):
    return dataclasses.replace(PLAIN, **OPTIONS[name])


def wide(toy, settings):
    """An evaluator with all the columns that the settings ask for, smooth functions of the phenotype."""
    weights = np.random.default_rng(3).standard_normal((12, 4))

    def evaluate(phenotypes):
        given = toy()(phenotypes)
        parts = [np.tanh((phenotypes[:, :12] / 10.0) @ weights), np.tanh((phenotypes[:, 12:24] / 10.0) @ weights)]
        unit = 0.5 + 0.5 * np.round(np.concatenate(parts, axis=1), 6)
        columns = [unit]
        if settings.archive is not None:
            columns.append(unit[:, : len(BEHAVIOURS)])
        if settings.parents == "lexicase":
            columns.append(unit[:, :5] + given.objectives[:, :1])
        assert unit.shape[1] == len(MEASURE_COLUMNS)
        return Evaluation(given.objectives, given.reasons, np.concatenate(columns, axis=1))

    return evaluate


def run(toy, settings, epochs=3, seed=5):
    """Two islands that exchange migrants: all results of each, in order."""
    evaluate = wide(toy, settings)
    results = [[found(seed, island, settings, evaluate)] for island in (0, 1)]
    for _ in range(epochs):
        offers = [
            emigrants_from_bytes(emigrants_to_bytes(emigrants(mine[-1].state, 2, settings.topology)))
            for mine in results
        ]
        for island, mine in enumerate(results):
            state = state_from_bytes(state_to_bytes(mine[-1].state))
            mine.append(advance(state, evaluate, settings, 3, [offers[1 - island]]))
    return results


@pytest.mark.parametrize("name", OPTIONS)
def test_it_is_replayed_to_the_byte_and_proved_from_its_pedigree(toy, name):
    settings = settings_of(name)
    first, second = run(toy, settings), run(toy, settings)
    for mine, again in zip(first, second, strict=True):
        for one, other in zip(mine, again, strict=True):
            assert births_to_bytes(one.births) == births_to_bytes(other.births)
            assert state_to_bytes(one.state) == state_to_bytes(other.state)
            assert one.stats == other.stats
    everyone = concat([result.births for mine in first for result in mine])
    check_closed(everyone)
    np.testing.assert_array_equal(rederive(everyone, 5, settings), everyone.genome)
    plain = run(toy, PLAIN)
    assert births_to_bytes(concat([r.births for mine in plain for r in mine])) != births_to_bytes(everyone)


@pytest.mark.parametrize("name", OPTIONS)
def test_generations_at_once_or_one_by_one_are_the_same(toy, name):
    settings = settings_of(name)
    evaluate = wide(toy, settings)
    start = found(1, 0, settings, evaluate).state
    at_once = advance(start, evaluate, settings, 5)
    state, births = start, []
    for _ in range(5):
        one = advance(state_from_bytes(state_to_bytes(state)), evaluate, settings, 1)
        state, births = one.state, [*births, one.births]
    assert state_to_bytes(state) == state_to_bytes(at_once.state)
    assert births_to_bytes(concat(births)) == births_to_bytes(at_once.births)


@pytest.mark.parametrize("name", [name for name in OPTIONS if name not in ("budget", "all")])
def test_no_island_stands_still_and_migrants_are_told(toy, name):
    """The classic bug: an island that silently never breeds. `n_parents` and `locality` would show it."""
    for mine in run(toy, settings_of(name)):
        for result in mine[1:]:
            for one in result.stats:
                restarted = name == "restart" and one.restarted
                assert (one.n_parents > 1) != restarted
                assert one.n_evaluated > 0
                assert (one.locality is None) == restarted
                if one.locality is not None:
                    assert 0.0 <= one.locality <= 1.0
                assert 0.0 < one.occupancy <= 1.0
            assert (
                result.stats[-1].occupancy == len(np.unique(result.state.keys[result.state.reasons == 0], axis=0)) / 16
            )
            arrivals = result.births.operator == MIGRANT
            assert [one.n_migrants for one in result.stats] == [int(arrivals.sum()), 0, 0]
            assert all(0 <= one.n_migrants_kept <= one.n_migrants for one in result.stats)
    assert any(one.n_migrants_kept for mine in run(toy, PLAIN) for result in mine for one in result.stats)


def test_locality_falls_where_migrants_take_over(toy):
    settings = dataclasses.replace(PLAIN, n_migrants=8)
    evaluate = wide(toy, settings)
    strong = advance(found(5, 1, settings, evaluate).state, evaluate, settings, 12).state
    start = found(5, 0, settings, evaluate).state
    alone = advance(start, evaluate, settings, 4).stats
    mixed = advance(start, evaluate, settings, 4, [emigrants(strong, 8)]).stats
    assert [one.locality for one in alone] == [1.0] * 4
    assert mixed[-1].locality < 0.9


def test_a_budget_is_spent_to_the_last_evaluation_and_never_beyond(toy):
    settings = dataclasses.replace(PLAIN, n_islands=2, max_evaluations=101)
    for island, mine in enumerate(run(toy, settings, epochs=4)):
        n = sum(int(result.births.evaluated.sum()) for result in mine)
        assert n == settings.budget(island) == (51 if island == 0 else 50)
        last = mine[-1]
        assert last.state.n_evaluated == n
        assert last.stats[-1].n_evaluated == last.stats[-1].n_births == 0
        assert last.state.generation == 12


def test_a_collapsed_population_begins_anew_from_its_best(toy):
    settings = dataclasses.replace(PLAIN, restart=RestartSettings(spread=1.0, patience=3, keep=0.25))
    evaluate = wide(toy, settings)
    start = found(2, 0, settings, evaluate)
    result = advance(start.state, evaluate, settings, 8)
    assert [one.restarted for one in result.stats] == [False, False, True, False, False, True, False, False]
    new = result.births.operator == RESTART
    assert new.sum() == 2 * settings.population_size
    assert set(result.births.generation[new].tolist()) == {3, 6}
    best = np.array([one.best for one in start.stats + result.stats])
    assert (np.diff(best, axis=0) >= 0).all()
    assert (result.births.family[new] == result.births.birth_id[new]).all()
    never = dataclasses.replace(settings, restart=RestartSettings(spread=0.0, patience=1))
    young = found(2, 0, never, evaluate).state
    assert not any(one.restarted for one in advance(young, evaluate, never, 8).stats)


def test_what_breaks_a_constraint_has_a_reason_and_the_least_broken_comes_first(toy):
    settings = dataclasses.replace(PLAIN, constraints=(Constraint("max_drawdown", minimum=2.0),), floor=0.0)
    evaluate = wide(toy, settings)
    result = advance(found(1, 0, settings, evaluate).state, evaluate, settings, 6)
    drawdown = MEASURE_COLUMNS.index("max_drawdown")
    broken = result.births.reason == CONSTRAINED
    assert broken.sum() > 40
    assert np.isnan(result.births.objectives[broken]).all()
    state = result.state
    rows = [int(np.flatnonzero((state.known_keys == key).all(axis=1))[0]) for key in state.keys]
    depth = state.known_measures[rows, drawdown][state.reasons == CONSTRAINED]
    assert len(depth) > 4
    assert (np.diff(depth) <= 0).all()
    first = found(1, 0, settings, evaluate).births
    assert np.median(depth) > np.median(first.measures[first.reason == CONSTRAINED, drawdown])


def test_refined_births_descend_from_the_best_and_never_lose_it(toy):
    settings = dataclasses.replace(PLAIN, refine=RefineSettings(every=2, best=2, batches=3, batch=4))
    evaluate = wide(toy, settings)
    start = found(3, 0, settings, evaluate)
    result = advance(start.state, evaluate, settings, 4)
    refined = result.births.take(result.births.operator == REFINED)
    assert set(refined.generation.tolist()) == {2, 4}
    assert len(refined) == 2 * 2 * 3 * 4
    for generation in (2, 4):
        assert len(set(refined.parent_a[refined.generation == generation].tolist())) == 2
    assert (refined.retries == 0).all()
    assert refined.evaluated.mean() > 0.5


def test_adaptive_shares_add_up_and_move(toy):
    settings = settings_of("adaptive")
    results = run(toy, settings, epochs=4)[0]
    told = [one.operators for result in results for one in result.stats]
    assert all(sum(shares) == pytest.approx(1.0) for shares in told)
    assert len(set(told)) > 6


def test_credit_goes_to_who_bears_children_that_live_on(toy):
    settings = settings_of("adaptive")
    evaluate = wide(toy, settings)
    start = found(1, 0, settings, evaluate).state
    result = advance(start, evaluate, settings, 1)
    lived = np.isin(result.births.birth_id, result.state.birth_ids)
    wanted = credited(start.credit, result.births.operator, lived, result.births.retries)
    assert 0 < lived.sum() < len(lived)
    np.testing.assert_array_equal(result.state.credit, wanted)


def test_each_parent_is_refined_by_numbers_of_its_own():
    keys = {refine_key(Place(1, island, generation), birth) for island, generation, birth in np.ndindex(2, 2, 50)}
    assert len(keys) == 200


def test_an_archive_grows_and_its_migrants_are_its_members(toy):
    settings = settings_of("archive")
    results = run(toy, settings)[0]
    filled = [one.archive.n_cells for result in results for one in result.stats]
    assert filled == sorted(filled)
    assert filled[-1] > filled[0] > 0
    scores = [one.archive.qd_score for result in results for one in result.stats]
    assert scores == sorted(scores)
    state = results[-1].state
    group = emigrants(state, 3, "archive")
    assert set(group.birth_ids.tolist()) <= set(state.archive_birth_ids.tolist())
    assert len(set(group.birth_ids.tolist())) == 3


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"survival": "best"}, "`survival` must be one of nsga2, nsga3, but was 'best'"),
        ({"parents": "luck"}, "`parents` must be one of tournament, lexicase, but was 'luck'"),
        ({"pressure": "high"}, "`pressure` must be one of none, age, novelty, but was 'high'"),
        ({"newcomers": 0.6}, "`newcomers` must be between 0 and 0.5, but was 0.6"),
        ({"topology": "archive"}, "`topology` must not be 'archive' without an archive"),
        ({"max_evaluations": 1, "n_islands": 2}, "`max_evaluations` must be at least 2, but was 1"),
    ],
)
def test_impossible_options_are_named(change, text):
    with pytest.raises(ConfigError, match=text):
        dataclasses.replace(PLAIN, **change)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"spread": 1.5}, "`restart.spread` must be between 0 and 1, but was 1.5"),
        ({"patience": 0}, "`restart.patience` must be at least 1, but was 0"),
        ({"keep": -0.1}, "`restart.keep` must be between 0 and 1, but was -0.1"),
    ],
)
def test_impossible_restarts_are_named(change, text):
    with pytest.raises(ConfigError, match=text):
        RestartSettings(**change)
