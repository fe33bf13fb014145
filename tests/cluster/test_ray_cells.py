"""Cells, examinations and quarantine where it is narrow: clusters that grow or shrink, hung examiners, who knew first.

Promises: kill any worker; a poisonous genome is put aside.
"""

import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest

from cluster.actors import Bars
from cluster.driver import run_job
from cluster.executor import EpochFailure, EpochTask, Examination, ExamineTask, SessionLost
from cluster.market import open_market
from cluster.memory import memory_plan
from cluster.quarantine import Quarantine, entry_of
from cluster.ray_bars import actors_on
from cluster.ray_cells import cell_sizes, grown, sizes_in
from cluster.ray_exams import MOST_EXAMS, Exams
from cluster.ray_executor import RayExecutor
from cluster.ray_faults import is_of_ray
from cluster.serial_executor import local_evaluator
from cluster.signals import Interrupted
from cluster.worker import breeding_of, run_epoch
from evolution.pedigree import births_from_bytes
from evolution.population import state_from_bytes
from fitness.objectives import QUARANTINED
from strategies.codec import express, phenotype_keys
from strategies.errors import ClusterError, ConfigError
from strategies.sampler import random_genomes

SCREENED = {
    "split": {"folds": 3},
    "evolution": {
        "population_size": 24, "epoch_generations": 4, "generations": 8,
        "screen": {"enabled": True, "keep": 0.4, "min_agreement": 0.0},
    },
    "gates": {"min_trades": 1},
}  # fmt: skip
ARCHIVE = {"evolution": {"archive": {"enabled": True}}}


class Poison(Exception):
    """What a poisonous genome does to an epoch here: it ends it."""


class Epochs:
    """Epochs of a job in this process, and what they ask to be evaluated."""

    def __init__(self, config):
        market = open_market(config)
        self.breeding = breeding_of(config, market.bars_per_year, market.n_folds)
        self._evaluate = local_evaluator(config, market)
        self.asked = []

    def run(self, task, poison=()):
        """The epoch; those of `poison`, which are (key, segment), end it when they are evaluated there."""

        def evaluate(phenotypes, segment):
            self.asked += [(key.tobytes(), segment) for key in phenotype_keys(phenotypes)]
            if set(self.asked[-len(phenotypes) :]) & set(poison):
                raise Poison
            return self._evaluate(phenotypes, segment)

        self.asked = []
        return run_epoch(task, self.breeding, evaluate)


def founding(entries=(), generations=4):
    return EpochTask(0, 0, generations, b"", (), tuple(sorted(entries)))


def of(births, key):
    return [row for row, found in enumerate(births.key) if found.tobytes() == key]


@pytest.fixture(scope="module")
def screened(tiny_values):
    from cluster.settings import config_from

    values = {**tiny_values, **{name: {**tiny_values[name], **section} for name, section in SCREENED.items()}}
    return Epochs(config_from(values, where="test"))


@pytest.mark.parametrize("segment", ["screen", "rest"])
def test_whoever_is_held_is_not_asked_for_where_it_fails_and_is_born_without_fitness(screened, segment):
    """Whoever fails on the rest alone is seen on the screen by all: others are ranked by it there."""
    screened.run(founding())
    asked = [key for key, where in screened.asked if where == segment]
    key = asked[5]
    with pytest.raises(Poison):
        screened.run(founding(), [(key, segment)])
    entry = entry_of(key, segment)
    births = births_from_bytes(screened.run(founding([entry]), [(key, segment)]).births)
    assert {where for one, where in screened.asked if one == key} == ({"screen"} if segment == "rest" else set())
    (row,) = [row for row in of(births, key) if births.evaluated[row]]
    assert np.isnan(births.objectives[row]).all()
    assert births.reason[row] == QUARANTINED


def test_a_poison_of_the_behaviour_is_held_where_an_archive_asks_for_it(tiny_job):
    epochs = Epochs(tiny_job(**ARCHIVE))
    epochs.run(founding(generations=1))
    key = next(key for key, where in epochs.asked if where == "behaviour")
    births = births_from_bytes(epochs.run(founding([entry_of(key, "behaviour")], 1), [(key, "behaviour")]).births)
    assert births.reason[of(births, key)[0]] == QUARANTINED


def test_all_of_a_brood_may_be_held(tiny_job):
    epochs = Epochs(tiny_job())
    epochs.run(founding(generations=1))
    births = births_from_bytes(epochs.run(founding([entry_of(key, "folds") for key, _ in epochs.asked], 1)).births)
    assert (births.reason[births.generation == 0] == QUARANTINED).all()


def test_whoever_fails_in_validation_keeps_its_fitness_but_is_no_candidate(tiny_job):
    epochs = Epochs(tiny_job())
    plain = epochs.run(founding())
    key = next(key for key, where in epochs.asked if where == "validation")
    told = epochs.run(founding([entry_of(key, "validation")]), [(key, "validation")])
    assert told.births == plain.births
    assert told.facts["validation_best"]["sharpe"] is None
    state, language = state_from_bytes(told.state), epochs.breeding.settings.language
    left = Quarantine([entry_of(key, "validation")]).without(state, language)
    keys = [one.tobytes() for one in phenotype_keys(express(state.genomes, language))]
    assert [reason == QUARANTINED for reason in left.reasons] == [one == key for one in keys]
    assert key in keys
    assert Quarantine([entry_of(b"0" * 16, "validation")]).without(state, language) is state


def test_cells_of_one_worker_all_wait_and_wider_ones_only_where_there_is_room():
    for n_cpus in range(20):
        for wanted in range(1, 20):
            for n_islands in range(1, 9):
                sizes = sizes_in(n_cpus, wanted=wanted, n_islands=n_islands, group=None)
                assert sum(sizes) <= wanted
                assert len(sizes) <= n_islands
                if max(sizes) > 1:
                    assert sum(sizes) <= n_cpus  # or none might ever have all of its workers
                elif wanted <= n_islands:
                    assert sum(sizes) == wanted


def test_a_cluster_that_grows_is_used_whole_and_no_cell_loses_a_worker():
    for n_islands in range(1, 9):
        for wanted in range(1, 30):
            sizes = sizes_in(1, wanted=wanted, n_islands=n_islands, group=None)
            for n_free in (1, 1, 2, 3, 30):
                after = grown(sizes, n_free, wanted=wanted, n_islands=n_islands, group=None)
                assert all(new >= old for old, new in zip(sizes, after, strict=False))
                assert sum(after) == min(sum(sizes) + n_free, wanted)
                sizes = after
            assert sizes == cell_sizes(wanted, n_islands)


@pytest.fixture(scope="module")
def market(tiny_values):
    from cluster.settings import config_from

    return open_market(config_from(tiny_values, where="test"))


def on_ray(tiny_job, **section):
    return tiny_job(cluster={"executor": "ray", "workers": 2, **section})


class Counted:
    """How often something was opened and closed."""

    def __init__(self, failing=False):
        self.open, self.failing = 0, failing

    def __enter__(self):
        self.open += 1
        if self.failing:
            raise ClusterError("no Ray today")
        return self

    def __exit__(self, *_):
        self.open -= 1

    def wait(self):
        pass


def test_whatever_fails_at_the_start_leaves_nothing_open(tiny_job, market, monkeypatch):
    """No compiler runs on where Ray did not start; no session stays open where the nodes have no room for the job."""
    compiling, session = Counted(), Counted()

    @contextmanager
    def refused(**_):
        raise ClusterError("no Ray today")
        yield

    monkeypatch.setattr("cluster.ray_executor.CompileAhead", lambda: compiling)
    monkeypatch.setattr("cluster.ray_executor.ray_session", refused)
    with pytest.raises(ClusterError, match="no Ray today"):
        RayExecutor(on_ray(tiny_job), market)
    assert compiling.open == 0

    def no_room(*_):
        raise ConfigError("a job must fit")

    monkeypatch.setattr("cluster.ray_executor.ray_session", lambda **_: session)
    monkeypatch.setattr("cluster.ray_executor.Watch", lambda _: Counted())
    monkeypatch.setattr("cluster.ray_executor.memory_on", no_room)
    with pytest.raises(ConfigError, match="must fit"):
        RayExecutor(on_ray(tiny_job, address="auto"), market)
    assert (compiling.open, session.open) == (0, 0)


def test_what_ray_raises_without_a_session_is_told_from_our_own_errors():
    from ray import exceptions

    assert is_of_ray(exceptions.RaySystemError("Broken pipe"))
    assert is_of_ray(ConnectionError("no raylet"))
    assert not is_of_ray(exceptions.RayTaskError("f", "traceback", ValueError("a bug")))
    assert not is_of_ray(ValueError("a bug"))


class Sick(Bars):
    """Bars on which a genome marked with `SICK` raises, and every genome on the rest."""

    def bench(self, shares):
        made = super().bench(shares)
        healthy = made.evaluate

        def evaluate(phenotypes, segment):
            if segment == "rest" or SICK in phenotypes:
                raise ValueError("no such bar")
            return healthy(phenotypes, segment)

        made.evaluate = evaluate
        return made


SICK = 123_456.789


def answers(exams, ray, n, patience_s=240.0):
    replies, until = [], time.monotonic() + patience_s
    while len(replies) < n and time.monotonic() < until:
        ready, _ = ray.wait(list(exams.references), num_returns=1, timeout=1.0)
        for reference in ready:
            replies += exams.answer(reference)
    return replies


@pytest.mark.ray
def test_suspects_are_examined_one_by_one_and_nobody_for_ever(tiny_job, market, ray_once):
    from ray import cloudpickle

    from tests.cluster import test_ray_cells as module

    cloudpickle.register_pickle_by_value(module)
    config = tiny_job(cluster={"executor": "ray"})
    actors = actors_on(ray_once, config, market, plan=memory_plan(config, market), bars_kind=Sick)
    genomes = express(random_genomes(3, np.random.default_rng(1)))
    genomes[1, -1] = SICK
    suspects, exams = genomes.tobytes(), Exams(ray_once, actors)
    try:
        for island, segment in enumerate(("folds", "rest", "folds")):
            exams.submit(ExamineTask(island, 5, suspects, segment))
        assert len(exams.references) == MOST_EXAMS  # of an evaluator of all shards each; the third waits
        replies = {reply.island: reply for reply in answers(exams, ray_once, 3)}
        found = (1, "raised ValueError: no such bar")
        assert replies[0] == Examination(0, 5, (found,), suspects, "folds")
        assert replies[1] == Examination(1, 5, (), suspects, "rest")  # all fail: it is not the genomes
        assert replies[2].poison == (found,)
        assert exams.references == ()

        exams.submit(ExamineTask(0, 6, suspects, "folds"))
        assert exams.overdue() == []
        (exam,) = exams._calls.values()
        exam.due_at = time.monotonic() - 1.0
        assert exams.overdue() == [EpochFailure(0, 6, "examiner", "no answer in time", suspects, "folds")]
        assert exams.references == ()

        exams.submit(ExamineTask(0, 7, suspects, "folds"))
        (exam,) = exams._calls.values()
        actors.kill(exam.examiner)
        (reply,) = answers(exams, ray_once, 1)
        assert (reply.what, reply.suspects) == ("examiner", suspects)
        assert "ActorDiedError" in reply.reason
    finally:
        exams.close()


class Breaking:
    """An executor whose session is lost at its `at`-th answer."""

    def __init__(self, inner, at):
        self._inner, self._left = inner, at
        self.submit, self.close = inner.submit, inner.close

    def wants(self):
        return True

    def wait(self, timeout_s):
        self._left -= 1
        if self._left < 0:
            raise SessionLost("the raylet of our Ray session ended")
        return self._inner.wait(timeout_s)


def breaking(replay, sessions):
    """Executors that are lost after so many answers each; the ones after them are not."""
    left = iter(sessions)
    return lambda config, market, stop: Breaking(replay(config, market, stop), next(left, 1_000))


def test_a_lost_session_is_followed_by_a_new_one_and_changes_nothing(tiny_job, tmp_path, replay, assert_same_job):
    undisturbed = run_job(tiny_job(), root=tmp_path / "undisturbed", make_executor=replay)
    view = run_job(tiny_job(), root=tmp_path / "lost", make_executor=breaking(replay, [0, 1, 3]))
    assert_same_job(view, undisturbed)
    assert [repair["action"] for repair in view.repairs] == ["new session"] * 3
    frail = tiny_job(cluster={"repairs": 2})
    with pytest.raises(SessionLost, match="raylet of our Ray session"):
        run_job(frail, root=tmp_path / "given up", make_executor=breaking(replay, [0, 0, 0]))
    view = run_job(frail, root=tmp_path / "getting on", make_executor=breaking(replay, [1] * 6))  # it gets on in each
    assert_same_job(view, undisturbed)


def test_a_session_lost_while_the_job_is_stopped_is_not_followed_by_another(tiny_job, tmp_path, replay):
    stop, made = threading.Event(), []

    def make(config, market, stop):
        made.append(Breaking(replay(config, market, stop), 1))
        return made[-1]

    def observer(record):
        if record.kind == "repair":
            stop.set()

    with pytest.raises(Interrupted, match="stopped before a new session"):
        run_job(tiny_job(), root=tmp_path, make_executor=make, observers=[observer], stop=stop)
    assert len(made) == 1
