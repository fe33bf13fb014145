"""Promises: kill any worker; kill a node; kill the driver at any moment. Really, with -9, on a cluster of three nodes.

Whatever is done to it, the job ends with the births, candidates, verdict and trials of the undisturbed run.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.driver import run_job
from cluster.settings import config_from
from cluster.view import read_job

ON_NODES = ("breeder killed", "node removed", "raylet killed", "driver killed", "breeder held up", "node joined")
WITH_HELPERS = ("evaluator killed", "breeder killed", "driver killed", "node removed")
ON_OUR_OWN = ("raylet killed", "head killed", "driver killed", "breeder killed")
FAULTS_A_RUN = 6


@pytest.fixture(scope="module")
def values(tiny_values):
    """A job of many short epochs, so that faults fall everywhere."""
    evolution = {**tiny_values["evolution"], "generations": 60, "epoch_generations": 1, "population_size": 30}
    return {**tiny_values, "evolution": {**evolution, "islands": 3}}


@pytest.fixture(scope="module")
def undisturbed(values, tmp_path_factory):
    return run_job(config_from(values, where="test"), root=tmp_path_factory.mktemp("undisturbed"))


def survive(values, work, *, seed, n_faults, kinds, **cluster):
    """The job after its faults, and what these were."""
    work.mkdir(parents=True)
    section = {"executor": "ray", "workers": 2, "repairs": 50, **cluster}
    (work / "job.json").write_text(json.dumps({**values, "cluster": section}))
    command = [sys.executable, "-m", "tests.chaos.ray_chaos", str(work), str(seed), str(n_faults), ",".join(kinds)]
    with (work / "log").open("wb") as log:
        ran = subprocess.Popen(
            command, stdout=log, stderr=log, start_new_session=True, env=os.environ | {"PYTHONPATH": str(Path.cwd())}
        )
        try:
            assert ran.wait(1200) == 0, (work / "log").read_text()[-2000:] + (work / "driver.log").read_text()[-4000:]
        finally:
            if ran.poll() is None:
                os.killpg(ran.pid, signal.SIGKILL)
    return read_job(work / "runs" / "chaos"), json.loads((work / "told.json").read_text())


def assert_undisturbed(view, other):
    assert view.status == "finished"
    assert view.births_sha256 == other.births_sha256
    assert (view.candidates, view.verdict) == (other.candidates, other.verdict)
    assert (view.n_births, view.n_evaluated, view.n_trials) == (other.n_births, other.n_evaluated, other.n_trials)


@pytest.mark.ray
@pytest.mark.chaos
@pytest.mark.parametrize(
    ("kinds", "cluster", "share"),
    [(ON_NODES, {}, 0.5), (WITH_HELPERS, {"group": 2}, 0.25), (ON_OUR_OWN, {}, 0.25)],
    ids=["nodes", "helpers", "own session"],
)
def test_random_faults_change_nothing(values, undisturbed, tmp_path, amount, kinds, cluster, share):
    n_runs = amount(1, round(share * 120 / FAULTS_A_RUN))
    n_faults = amount(len(kinds) - 1 if kinds is not ON_NODES else len(kinds), FAULTS_A_RUN)
    done = []
    for seed in range(n_runs):
        view, told = survive(values, tmp_path / str(seed), seed=seed, n_faults=n_faults, kinds=kinds, **cluster)
        assert_undisturbed(view, undisturbed)
        done += told["faults"]
    assert len(done) >= 0.8 * n_runs * n_faults, done
