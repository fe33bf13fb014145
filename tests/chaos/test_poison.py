"""Promise: a poisonous genome is put aside. The job ends, and the row says why."""

from dataclasses import replace
from functools import partial
from typing import get_args

import numpy as np
import pytest

from cluster.births_file import read_births
from cluster.driver import run_job
from cluster.evaluation import Segment
from cluster.executor import Examination
from cluster.journal import read_journal
from cluster.quarantine import KEY_BYTES, Quarantine, entry_of, poison_records
from cluster.run_folder import journal_path
from cluster.serial_executor import SerialExecutor
from cluster.view import read_job
from evolution.pedigree import Births
from fitness.objectives import QUARANTINED
from strategies.codec import express, phenotype_keys
from strategies.language import Language
from strategies.sampler import random_genomes

KINDS = ("kill", "sleep", "eat", "raise")
REASONS = {
    "kill": "killed its worker",
    "sleep": "took longer than 8 s",
    "eat": ("raised MemoryError", "killed its worker"),  # whichever of its threads asks for too much
    "raise": "raised ValueError: no such bar",
}


def births_of(view) -> Births:
    return read_births(view.run_dir, list(view.epochs))


def key_hexes(births):
    return [key.tobytes().hex() for key in births.key]


class Told(SerialExecutor):
    """An executor that knew of the poison from the beginning."""

    def __init__(self, entries, config, market, stop):
        super().__init__(config, market, stop=stop)
        self._entries = entries

    def submit(self, task):
        super().submit(replace(task, quarantine=tuple(sorted(self._entries))))


@pytest.fixture(scope="module")
def healthy(tiny_values, tmp_path_factory):
    from cluster.settings import config_from

    return run_job(config_from(tiny_values, where="test"), root=tmp_path_factory.mktemp("healthy"))


@pytest.fixture(scope="module")
def poison(healthy):
    """A founder and three children, met in different epochs, and what each does."""
    births = births_of(healthy)
    tried = np.flatnonzero(births.evaluated)
    generations = births.generation[tried]
    rows = [tried[generations == generation][3] for generation in (0, 1, 2, 3)]
    return dict(zip([key_hexes(births)[row] for row in rows], KINDS, strict=True))


@pytest.fixture(scope="module")
def told(tiny_values, tmp_path_factory, poison):
    """The job of which the poison was known before; what a child's absence changes may make others never be born."""
    from cluster.settings import config_from

    entries = [entry_of(bytes.fromhex(key), "folds") for key in poison]
    root = tmp_path_factory.mktemp("told")
    return run_job(config_from(tiny_values, where="test"), root=root, make_executor=partial(Told, entries))


@pytest.mark.ray
def test_a_poisonous_genome_is_put_aside_and_the_row_says_why(tiny_job, tmp_path, ray_once, poison, told, healthy):
    from ray import cloudpickle

    from cluster.ray_executor import RayExecutor
    from tests.chaos import poison as module

    cloudpickle.register_pickle_by_value(module)
    bars_kind = partial(module.PoisonedBars, poison=tuple(poison.items()))
    section = {"executor": "ray", "workers": 2, "timeout_s": 15, "genome_timeout_s": 8, "repairs": 20}
    view = run_job(
        tiny_job(cluster=section),
        root=tmp_path,
        make_executor=lambda config, market, stop: RayExecutor(config, market, bars_kind=bars_kind),
    )
    births = births_of(view)
    met = [how for key, how in poison.items() if key in key_hexes(births_of(told))]
    assert "kill" in met  # the founder at least
    rows = {record.data["key"]: record.data for record in read_journal(journal_path(view.run_dir)).records
            if record.kind == "quarantined"}  # fmt: skip
    assert {poison[key] for key in rows} == set(met)
    for key, row in rows.items():
        assert row["reason"].startswith(REASONS[poison[key]])
        assert row["text"]
        places = [place for place, found in enumerate(key_hexes(births)) if found == key]
        assert (births.reason[places][births.evaluated[places]] == QUARANTINED).all()
        assert np.isnan(births.objectives[places]).all()
    assert view.status == "finished"
    assert view.births_sha256 == told.births_sha256 != healthy.births_sha256
    assert view.candidates == told.candidates
    assert not {candidate["birth_id"] for candidate in view.candidates} & set(
        births.birth_id[births.reason == QUARANTINED]
    )
    assert read_job(view.run_dir).n_trials == told.n_trials


@pytest.fixture
def phenotypes():
    return express(random_genomes(6, np.random.default_rng(1)), Language())


def test_what_is_held_is_not_evaluated_and_the_rest_is_as_ever(phenotypes):
    keys = [key.tobytes() for key in phenotype_keys(phenotypes)]
    quarantine = Quarantine([entry_of(keys[1], "folds"), entry_of(keys[4], "validation"), entry_of(keys[2], "screen")])
    seen = []

    def evaluate(rows, segment):
        seen.append(len(rows))
        return rows[:, np.newaxis, :3] + 1.0

    around = quarantine.around(evaluate)
    folds, validation = around(phenotypes, "folds"), around(phenotypes, "validation")
    assert seen == [5, 5]
    assert np.isnan(folds[1]).all()
    assert np.isnan(validation[4]).all()
    assert np.array_equal(np.delete(folds, 1, 0), np.delete(evaluate(phenotypes, "folds"), 1, 0))
    held = {name: np.flatnonzero(quarantine.holds(phenotypes, name)).tolist() for name in get_args(Segment)}
    assert held == {"folds": [1], "validation": [4], "screen": [2], "rest": [2], "behaviour": []}
    assert around(phenotypes[[1]], "folds").shape == (1, 1, 3)  # nobody healthy among them
    assert Quarantine().around(evaluate) is evaluate


def test_the_record_of_a_poisonous_genome_leads_back_to_it(phenotypes):
    found = Examination(1, 2, ((3, "killed its worker"),), phenotypes.tobytes(), "rest")
    (record,) = poison_records(found)
    entry = entry_of(bytes.fromhex(record["key"]), record["segment"])
    assert len(entry) == KEY_BYTES + 1
    assert Quarantine([entry]).holds(phenotypes, "rest").tolist() == [False, False, False, True, False, False]
    assert (record["island"], record["epoch"], record["reason"]) == (1, 2, "killed its worker")
