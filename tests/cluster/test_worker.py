"""One epoch is a pure function of its task."""

import json

import numpy as np
import pytest

from cluster.executor import EpochTask
from cluster.market import open_market
from cluster.serial_executor import local_evaluator
from cluster.worker import breeding_from_json, breeding_of, breeding_to_json, run_epoch
from evolution.islands import emigrants_from_bytes
from evolution.pedigree import MIGRANT, TEMPLATE, births_from_bytes, check_closed, concat, generation_of
from evolution.population import state_from_bytes
from fitness.objectives import SCREENED_OUT
from strategies.codec import express
from strategies.encoding import phenotype_of
from strategies.species import SPECIES
from strategies.templates import TEMPLATES


@pytest.fixture(scope="module")
def setting(tiny_values):
    from cluster.settings import config_from

    config = config_from(tiny_values, where="test")
    market = open_market(config)
    return config, market, breeding_of(config, market.bars_per_year, market.n_folds), local_evaluator(config, market)


@pytest.fixture(scope="module")
def founded(setting):
    _, _, breeding, evaluate = setting
    return [run_epoch(EpochTask(island, 0, 2, b"", ()), breeding, evaluate) for island in range(2)]


def test_equal_tasks_give_equal_bytes(setting, founded):
    _, _, breeding, evaluate = setting
    again = run_epoch(EpochTask(0, 0, 2, b"", ()), breeding, evaluate)
    assert (again.state, again.births, again.emigrants) == (founded[0].state, founded[0].births, founded[0].emigrants)


def test_epoch_0_founds_and_breeds_on(founded):
    births = births_from_bytes(founded[0].births)
    assert set(births.generation.tolist()) == {0, 1, 2}
    assert founded[0].facts["generations"] == [0, 2]
    assert [stats["generation"] for stats in founded[0].facts["stats"]] == [0, 1, 2]
    assert founded[0].facts["n_births"] == len(births)
    assert founded[0].facts["n_evaluated"] == int(births.evaluated.sum())
    assert state_from_bytes(founded[0].state).generation == 2


def test_later_epochs_take_immigrants(setting, founded):
    _, _, breeding, evaluate = setting
    task = EpochTask(0, 1, 2, founded[0].state, (founded[1].emigrants,))
    result = run_epoch(task, breeding, evaluate)
    births = births_from_bytes(result.births)
    migrants = births.take(births.operator == MIGRANT)
    sent = emigrants_from_bytes(founded[1].emigrants)
    assert migrants.parent_a.tolist() == sent.birth_ids.tolist()
    assert set(generation_of(births.birth_id).tolist()) == {3, 4}
    check_closed(concat([births_from_bytes(founded[0].births), births_from_bytes(founded[1].births), births]))


def test_one_epoch_of_two_is_two_epochs_of_one(setting, founded):
    _, _, breeding, evaluate = setting
    first = run_epoch(EpochTask(0, 0, 1, b"", ()), breeding, evaluate)
    second = run_epoch(EpochTask(0, 1, 1, first.state, ()), breeding, evaluate)
    assert second.state == founded[0].state


def test_facts_tell_species_and_families(setting, founded):
    breeding = setting[2]
    for island, result in enumerate(founded):
        births, state, last = (
            births_from_bytes(result.births),
            state_from_bytes(result.state),
            result.facts["stats"][-1],
        )
        assert list(last["species"]) == list(SPECIES)
        assert [one["n"] for one in last["species"].values()] == np.bincount(state.species, minlength=3).tolist()
        assert last["families"][0][1] == max(np.unique(state.families, return_counts=True)[1])
        told = {one["family"]: one for one in result.facts["templates"]}
        from_templates = births.take(births.operator == TEMPLATE)
        assert list(told) == from_templates.birth_id.tolist()
        for row, one in enumerate(told.values()):
            phenotype = express(from_templates.genome[row : row + 1], breeding.settings.language)
            same = phenotype[0].tobytes() == phenotype_of(TEMPLATES[one["name"]]).tobytes()
            assert same != one["mutated"]
        assert {family >> 40 for family in told} == {island}


def test_later_epochs_name_no_templates(setting, founded):
    _, _, breeding, evaluate = setting
    result = run_epoch(EpochTask(0, 1, 1, founded[0].state, ()), breeding, evaluate)
    assert result.facts["templates"] == []


def test_facts_are_plain_json(founded):
    facts = dict(founded[0].facts)
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert set(facts["stats"][-1]["best"]) == {"steady_sharpe", "total_return"}


def test_the_validation_figure_is_of_the_best_and_selection_never_sees_it(setting):
    _, _, breeding, evaluate = setting
    asked = []

    def watching(phenotypes, segment):
        asked.append((segment, len(phenotypes)))
        return evaluate(phenotypes, segment)

    def misleading(phenotypes, segment):
        tallies = evaluate(phenotypes, segment)
        return tallies if segment == "folds" else tallies[..., ::-1] * 3.0

    task = EpochTask(0, 0, 2, b"", ())
    result = run_epoch(task, breeding, watching)
    assert asked[-1] == ("validation", 1)
    assert [segment for segment, _ in asked[:-1]] == ["folds"] * (len(asked) - 1)
    other = run_epoch(task, breeding, misleading)
    assert other.state == result.state
    assert other.births == result.births
    state = state_from_bytes(result.state)
    best = result.facts["validation_best"]
    assert best["objectives"]["steady_sharpe"] == np.nanmax(state.objectives[:, 0])
    assert best["birth_id"] in state.birth_ids.tolist()
    assert len(best["id"]) == 16


@pytest.fixture(scope="module")
def screened(tiny_values):
    from cluster.settings import config_from

    screen = {"enabled": True, "whole_shards": False, "keep": 0.4, "min_agreement": 0.0}
    values = {**tiny_values, "evolution": {**tiny_values["evolution"], "population_size": 30, "screen": screen}}
    config = config_from(values, where="test")
    market = open_market(config)
    return breeding_of(config, market.bars_per_year, market.n_folds), local_evaluator(config, market)


def test_what_a_screen_sorts_out_is_journalled_and_counts_as_a_trial(screened):
    asked = []

    def watching(phenotypes, segment):
        asked.append((segment, len(phenotypes)))
        return screened[1](phenotypes, segment)

    result = run_epoch(EpochTask(0, 0, 2, b"", ()), screened[0], watching)
    births, facts = births_from_bytes(result.births), result.facts
    assert [segment for segment, _ in asked[:-1]] == ["screen", "rest"] * 3
    assert [one["mode"] for one in facts["screen"]] == ["probe", "on", "on"]
    assert len(facts["screen"]) == len(facts["stats"])
    n_out = sum(one["n_screened_out"] for one in facts["screen"])
    assert facts["n_screened_out"] == n_out == (births.reason == SCREENED_OUT).sum() > 20
    assert facts["n_evaluated"] == sum(n for segment, n in asked if segment == "screen")
    assert facts["n_evaluated"] - n_out == sum(n for segment, n in asked if segment == "rest")
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts


def test_an_epoch_with_a_screen_goes_on_from_its_state(screened):
    breeding, evaluate = screened
    whole = run_epoch(EpochTask(0, 0, 3, b"", ()), breeding, evaluate)
    first = run_epoch(EpochTask(0, 0, 1, b"", ()), breeding, evaluate)
    second = run_epoch(EpochTask(0, 1, 2, first.state, ()), breeding, evaluate)
    assert second.state == whole.state
    assert first.facts["screen"] + second.facts["screen"] == whole.facts["screen"]


def test_nobody_feasible_is_no_error(setting):
    _, _, breeding, evaluate = setting
    strict = type(breeding)(**{**breeding.__dict__, "min_trades": 10**6})
    result = run_epoch(EpochTask(0, 0, 1, b"", ()), strict, evaluate)
    assert result.facts["validation_best"] is None
    assert result.facts["stats"][-1]["best"] is None
    assert result.facts["n_emigrants"] == 0


def test_breeding_travels_as_text(setting):
    config, market, breeding, _ = setting
    assert breeding_from_json(breeding_to_json(config, market.bars_per_year, market.n_folds)) == breeding


def test_without_migrants_nobody_is_a_neighbour(tiny_job):
    config = tiny_job(evolution={"migration": {"migrants": 0}})
    assert breeding_of(config, (252.0,), (2,)).settings.topology == "none"
