"""Promise: scheduling can't change results. Real sessions, journals and files on a simulated cluster, by seeds.

First with made-up epochs, up to where promotion begins: many schedules, drivers that are stopped, and epochs lost too
often. Then with real ones, to the end of the job: the promise "same inputs, same bytes", whatever order they end in.
"""

import contextlib
import hashlib
import random
import threading

import numpy as np
import pytest

from cluster.driver import open_market, resume_job, run_job
from cluster.executor import EpochTask
from cluster.journal import FILE_NAME, read_journal
from cluster.run_folder import read_entry
from cluster.session import Session
from cluster.settings import config_from
from cluster.signals import Interrupted
from cluster.simulated_executor import NO_FAULTS, Brood, Faults, SimulatedExecutor, made_up_epoch
from strategies.codec import express
from strategies.errors import ClusterError
from strategies.sampler import random_genomes

WILD = Faults(death=0.2, silence=0.1, double=0.3, patience=2.0, delay=1.0, n_cells=3, together=0.5)
OFF = ("max_drawdown", "dsr", "validation_sharpe", "spa", "pbo", "regimes", "stability")


class Bred(Session):
    """A session that ends where promotion would begin: made-up births can't be judged, nor counted as trials."""

    def _promote(self, config):
        facts = {"verdict": "bred", "n_trials": 0, "n_elites": 0, "seconds": 0.0, "births_sha256": ""}
        self.append("job_finished", facts)

    def _record_trials(self):
        pass


@pytest.fixture
def made_up_job(tiny_values, monkeypatch):
    values = {**tiny_values, "cluster": {"executor": "serial", "workers": 1, "repairs": 30}}
    values["evolution"] = {**values["evolution"], "islands": 3, "generations": 4, "epoch_generations": 1}
    config = config_from(values, where="test")
    market = open_market(config)
    monkeypatch.setattr("cluster.driver.open_market", lambda config: market)
    monkeypatch.setattr("cluster.driver.Session", Bred)
    return config


def simulated(seed, faults, broods=None):
    return lambda config, market, stop: SimulatedExecutor(made_up_epoch, seed=seed, faults=faults, broods=broods)


def epochs_of(view):
    """What every epoch was journalled with, and the content of its files that are kept."""
    found = {}
    for epoch in view.epochs:
        key = (epoch["island"], epoch["epoch"])
        assert key not in found, f"epoch {key} was journalled twice"
        found[key] = {kind: epoch[kind] for kind in ("births", "state", "emigrants")}
        for kind in ("births", "emigrants"):
            read_entry(view.run_dir, epoch[kind])
    return found


def begun_or_resumed(config, run, root, **options):
    return run_job(config, root=root, **options) if run is None else resume_job(run, **options)


@pytest.fixture
def expected(made_up_job, tmp_path):
    return epochs_of(run_job(made_up_job, root=tmp_path / "undisturbed", make_executor=simulated(0, NO_FAULTS)))


def test_undisturbed_it_is_what_the_epochs_alone_say(expected):
    assert set(expected) == {(island, epoch) for island in range(3) for epoch in range(4)}
    founded = [made_up_epoch(EpochTask(island, 0, 1, b"", ())) for island in range(3)]
    second = made_up_epoch(EpochTask(0, 1, 1, founded[0].state, (founded[2].emigrants,)))
    assert expected[0, 1]["births"]["sha256"] == hashlib.sha256(second.births).hexdigest()


@pytest.mark.chaos
def test_any_schedule_leaves_the_same_journal(made_up_job, expected, tmp_path, amount):
    n_repairs = 0
    for seed in range(amount(15, 3_000)):
        view = run_job(made_up_job, root=tmp_path, make_executor=simulated(seed, WILD))
        assert view.status == "finished"
        assert epochs_of(view) == expected, seed
        assert not list(view.run_dir.rglob("*.tmp"))
        n_repairs += len(view.repairs)
    assert n_repairs > seed


@pytest.mark.chaos
def test_stopped_and_resumed_as_often_as_you_like(made_up_job, expected, tmp_path, amount):
    n_stopped = 0
    for seed in range(amount(8, 1_500)):
        view, run, rng = None, None, random.Random(seed)
        while view is None:
            stop, left = threading.Event(), [rng.randrange(1, 6)]

            def observer(record, stop=stop, left=left):
                left[0] -= record.kind == "epoch_finished"
                if not left[0]:
                    stop.set()

            n_stopped += 1
            options = {"observers": [observer], "stop": stop, "make_executor": simulated(seed + 100 * n_stopped, WILD)}
            with contextlib.suppress(Interrupted):
                view = begun_or_resumed(made_up_job, run, tmp_path / str(seed), **options)
            (run,) = (tmp_path / str(seed)).glob("*-*")
        assert epochs_of(view) == expected, seed
    assert n_stopped > 2 * seed


def test_lost_too_often_and_resumed(made_up_job, expected, tmp_path):
    frail = made_up_job.model_copy(update={"cluster": made_up_job.cluster.model_copy(update={"repairs": 0})})
    n_given_up = 0
    for seed in range(6):
        view, run = None, None
        while view is None:
            make = simulated(seed + 100 * n_given_up, Faults(death=0.15))
            with contextlib.suppress(ClusterError):
                view = begun_or_resumed(frail, run, tmp_path / str(seed), make_executor=make)
            (run,) = (tmp_path / str(seed)).glob("*-*")
            if view is None:
                last = read_journal(run / FILE_NAME).records[-1]
                assert last.kind == "interrupted"
                assert "An epoch may be lost 0 times, but was lost again: cell: " in last.data["reason"]
                n_given_up += 1
        assert epochs_of(view) == expected
    assert n_given_up > 2


def poisoned():
    """Broods of five in two epochs, with one poisonous genome in the first and two in the second."""
    genomes = express(random_genomes(10, np.random.default_rng(3)))
    return {(1, 1): Brood(genomes[:5], (3,)), (0, 2): Brood(genomes[5:], (0, 4))}


@pytest.mark.chaos
def test_poison_is_put_aside_and_the_births_do_not_depend_on_when(made_up_job, expected, tmp_path, amount):
    """Promise: a poisonous genome is put aside. Whoever dies besides, the same three are, and nobody else."""
    broods = poisoned()
    keys = {key.hex() for brood in broods.values() for key in brood.keys}
    assert len(keys) == 3
    for seed in range(amount(15, 3_000)):
        view = run_job(made_up_job, root=tmp_path, make_executor=simulated(seed, WILD, broods=broods))
        assert epochs_of(view) == expected, seed
        records = read_journal(view.run_dir / FILE_NAME).records
        aside = [record.data["key"] for record in records if record.kind == "quarantined"]
        assert sorted(aside) == sorted(keys), seed


@pytest.mark.chaos
def test_same_inputs_same_bytes_in_any_order_of_completion(tiny_values, tmp_path, replay, assert_same_job, amount):
    """Promise: same inputs, same bytes. Real epochs, to the verdict, with all that a schedule can do to them."""
    values = {**tiny_values, "gates": {"min_trades": 1, **dict.fromkeys(OFF), "battery": False, "candidates": 2}}
    values["evolution"] = {**values["evolution"], "generations": 3}
    values["cluster"] = {"executor": "serial", "workers": 1, "repairs": 50}
    config = config_from(values, where="test")
    undisturbed = run_job(config, root=tmp_path / "undisturbed", make_executor=replay)

    def make(seed):
        def executor(config, market, stop):
            real = replay(config, market, stop)

            def answer(task):
                real.submit(task)
                return real.wait(0.0)[0]

            return SimulatedExecutor(answer, seed=seed, faults=WILD)

        return executor

    orders = set()
    for seed in range(amount(4, 100)):
        view = run_job(config, root=tmp_path / str(seed), make_executor=make(seed))
        assert_same_job(view, undisturbed)
        orders.add(tuple((epoch["island"], epoch["epoch"]) for epoch in view.epochs))
    assert len(orders) > 1
