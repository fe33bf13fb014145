"""What a session makes of replies that come late, in vain or twice, and what it knows after it was stopped."""

import threading

import numpy as np
import pytest

from cluster.driver import resume_job, run_job
from cluster.executor import EpochFailure, Examination, ExamineTask, Notice
from cluster.journal import read_journal
from cluster.quarantine import entry_of
from cluster.run_folder import journal_path
from cluster.signals import Interrupted
from strategies.codec import express, phenotype_keys
from strategies.encoding import phenotype_of
from strategies.errors import ClusterError
from strategies.sampler import random_genomes
from strategies.strategy_json import strategy_from_dict

GENOMES = express(random_genomes(6, np.random.default_rng(3)))
FIRST, SECOND = GENOMES[:3].tobytes(), GENOMES[3:].tobytes()


class Scripted:
    """An executor that says `script` first, one reply a wait, and then what its inner one says."""

    def __init__(self, inner, script):
        self._inner, self._script = inner, list(script)
        self.examined, self.tasks = [], []
        self.close = inner.close

    def submit(self, task):
        if isinstance(task, ExamineTask):
            self.examined.append(task)
            return
        self.tasks.append(task)
        if not self._script:
            self._inner.submit(task)

    def wants(self):
        return True

    def wait(self, timeout_s):
        if not self._script:
            return self._inner.wait(timeout_s)
        reply = self._script.pop(0)
        if not self._script:
            for task in {(task.island, task.epoch): task for task in self.tasks}.values():
                self._inner.submit(task)
        return (reply,)


def lost(suspects=b"", watched=False):
    return EpochFailure(0, 0, "breeder 0", "died", suspects, "folds", watched)


def nobody(suspects):
    return Examination(0, 0, (), suspects, "folds")


@pytest.fixture
def told(tiny_job, tmp_path, replay):
    """A function that runs a job by a script: its executors, its records, and what it raised."""

    def go(script, *, stop=None, observers=(), **section):
        made, raised = [], None

        def make(config, market, stop):
            made.append(Scripted(replay(config, market, stop), script))
            return made[-1]

        try:
            run_job(
                tiny_job(cluster=section), root=tmp_path, job_id="told", make_executor=make, stop=stop,
                observers=observers,
            )  # fmt: skip
        except (ClusterError, Interrupted) as error:
            raised = error
        return made[0], read_journal(journal_path(tmp_path / "told")).records, raised

    return go


def of_kind(records, kind):
    return [record.data for record in records if record.kind == kind]


def test_the_latest_suspects_are_examined(told, tmp_path):
    script = [lost(), lost(FIRST), nobody(FIRST), lost(SECOND), nobody(SECOND)]
    executor, records, raised = told(script)
    assert [task.suspects for task in executor.examined] == [FIRST, SECOND]
    assert raised is None
    assert records[-1].kind == "job_finished"
    assert len(list(tmp_path.rglob("*.state"))) == 2  # of each island the last; those before are replaced


def test_where_nobody_is_found_the_losses_end_the_job(told):
    script = [lost(), lost(FIRST), nobody(FIRST), lost(FIRST), nobody(FIRST), lost(FIRST), nobody(FIRST)]
    executor, records, raised = told([*script, lost()], repairs=4)
    assert "lost 4 times, but was lost again" in str(raised)
    assert len(executor.examined) == 3
    assert of_kind(records, "quarantined") == []


def test_what_is_lost_after_it_was_answered_is_no_repair(told, replay):
    late = EpochFailure(0, 3, "breeder 0", "never asked for")
    _, records, raised = told([late, Notice("workers", {"present": 1, "wanted": 2, "reason": "the job begins"})])
    assert raised is None
    assert of_kind(records, "repair") == []
    assert of_kind(records, "workers") == [{"present": 1, "wanted": 2, "reason": "the job begins"}]


def test_what_ends_within_the_grace_is_kept(told):
    stop = threading.Event()

    def observer(record):
        if record.kind == "workers":
            stop.set()

    notice = Notice("workers", {"present": 1, "wanted": 2, "reason": "the job begins"})
    _, records, raised = told([notice], stop=stop, observers=[observer])
    assert isinstance(raised, Interrupted)
    assert len(of_kind(records, "epoch_finished")) == 1


def test_a_resumed_job_knows_whom_it_put_aside(told, tmp_path, replay):
    stop, again = threading.Event(), []
    observer = lambda record: record.kind == "quarantined" and stop.set()  # noqa: E731
    poison = ((0, "killed its worker"), (2, "took longer than 60 s"), (1, "killed its worker"))
    found = Examination(0, 0, poison, FIRST, "screen")
    told([lost(), lost(FIRST), found, nobody(FIRST)], stop=stop, observers=[observer])

    def make(config, market, stop):
        again.append(Scripted(replay(config, market, stop), ()))
        return again[-1]

    resume_job(tmp_path / "told", make_executor=make)
    keys = [key.tobytes() for key in phenotype_keys(GENOMES[:3])]
    wanted = tuple(sorted(entry_of(key, "screen") for key in keys))
    assert {task.quarantine for task in again[0].tasks} == {wanted}


def test_who_can_not_be_looked_at_in_validation_is_no_candidate(told, tiny_job, tmp_path, replay):
    plain = run_job(tiny_job(), root=tmp_path / "plain", make_executor=replay)
    first = plain.candidates[0]
    suspect = phenotype_of(strategy_from_dict(first["strategy"], "here")).tobytes()
    found = Examination(0, 0, ((0, "took longer than 60 s"),), suspect, "validation")
    _, records, raised = told([found])
    assert raised is None
    (aside,) = of_kind(records, "quarantined")
    (chosen,) = of_kind(records, "candidates_chosen")
    assert aside["id"] == first["id"]
    assert chosen["candidates"]
    assert first["id"] not in {candidate["id"] for candidate in chosen["candidates"]}
