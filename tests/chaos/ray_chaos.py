"""Real faults on a real Ray cluster, from a seed. Run as a script by `test_ray_chaos`: no test process has this Ray.

    python -m tests.chaos.ray_chaos WORK SEED N_FAULTS KIND,KIND,...

WORK holds `job.json`, a job file, and receives `runs/` and `told.json`. Three nodes on this machine; the driver is
the command line, `studbook run --id chaos`, begun again by the same command whenever it dies. Faults come one after
another at random moments, each of a kind that the seed draws, all kinds once before any comes twice; when none is left
the job is left alone until it ends.
"""

import json
import os
import random
import secrets
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

JOB_ID = "chaos"
PATIENCE_S = 900.0
MOMENT_S = (0.0, 0.8)
"""Between two faults; the next one comes only after the job has got on since the last."""


def processes():
    """Parent and command line of every process, by id."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError):
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            found[int(path.name)] = parent, (path / "cmdline").read_bytes()
    return found


def descendants(ancestor, wanted):
    """Ids of the processes below `ancestor` whose command line has `wanted` in it."""
    table = processes()
    found = []
    for pid, (_, line) in table.items():
        above = pid
        while above in table and above != ancestor:
            above = table[above][0]
        if above == ancestor and pid != ancestor and wanted in line:
            found.append(pid)
    return sorted(found)


class Driver:
    """The job's command, and its journal."""

    def __init__(self, work, address):
        self.work, self.address = work, address
        self.journal = work / "runs" / JOB_ID / "journal.jsonl"
        self.log = (work / "driver.log").open("ab")
        self.n_begun = 0
        self.begin()

    def begin(self):
        self.n_begun += 1
        environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
        environment.pop("RAY_ADDRESS", None)
        if self.address:
            environment["RAY_ADDRESS"] = self.address
        command = [sys.executable, "-m", "cluster.cli", "run", str(self.work / "job.json"), "--id", JOB_ID]
        self.process = subprocess.Popen(
            [*command, "--root", str(self.work / "runs"), "--no-mlflow", "--json"],
            env=environment, stdout=self.log, stderr=self.log, start_new_session=True,
        )  # fmt: skip

    def told(self):
        """How many records the journal has."""
        return self.journal.read_bytes().count(b"\n") if self.journal.exists() else 0

    def has_ended(self):
        """Whether the job is done; a driver that died is begun again."""
        code = self.process.poll()
        if code is None or code == 0:
            return code == 0
        if code not in (-signal.SIGKILL, 4, 75):
            raise SystemExit(f"the driver ended with {code}, see {self.log.name}")
        self.begin()
        return False


class Nodes:
    """A head without CPUs and two nodes with one each, all on loopback."""

    def __init__(self):
        from ray.cluster_utils import Cluster

        own = {"node_ip_address": "127.0.0.1", "include_dashboard": False}
        self.cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **own})
        self.nodes = [self._new(wait=True), self._new(wait=True)]

    def _new(self, *, wait=False):
        return self.cluster.add_node(wait=wait, num_cpus=1, node_ip_address="127.0.0.1", include_dashboard=False)

    @property
    def address(self):
        return self.cluster.address

    def remove(self, rng):
        self.cluster.remove_node(self.nodes.pop(rng.randrange(len(self.nodes))), allow_graceful=False)
        self.add(rng)

    def add(self, rng):
        self.nodes.append(self._new())

    def leave(self, rng):
        if len(self.nodes) > 1:
            self.cluster.remove_node(self.nodes.pop(), allow_graceful=True)
        else:
            self.add(rng)

    def kill_raylet(self, rng):
        node = self.nodes.pop(rng.randrange(len(self.nodes)))
        node.kill_raylet(check_alive=False)
        self.cluster.worker_nodes.discard(node)
        self.add(rng)

    def close(self):
        self.cluster.shutdown()


def kill_one(ancestor, wanted, rng):
    """Kill -9 a random process below `ancestor`; whether there was one."""
    victims = descendants(ancestor, wanted)
    with suppress(ProcessLookupError):
        if victims:
            os.kill(rng.choice(victims), signal.SIGKILL)
    return bool(victims)


def hold_up(ancestor, wanted, rng):
    """Stop a random process for a second."""
    victims = descendants(ancestor, wanted)
    with suppress(ProcessLookupError):
        if victims:
            victim = rng.choice(victims)
            os.kill(victim, signal.SIGSTOP)
            time.sleep(1.0)  # the fault: long enough for others to notice
            os.kill(victim, signal.SIGCONT)
    return bool(victims)


def kill_driver(driver, rng):
    """Kill -9 the driver."""
    driver.process.send_signal(signal.SIGKILL)
    driver.process.wait()
    return True


def faults_of(nodes, driver):
    """What can go wrong, by name: a function of the random generator that says whether it did."""
    me = os.getpid()
    found = {
        "breeder killed": lambda rng: kill_one(me, b"ray::Breeder", rng),
        "breeder held up": lambda rng: hold_up(me, b"ray::Breeder", rng),
        "evaluator killed": lambda rng: kill_one(me, b"ray::ShardEvaluator", rng),
        "driver killed": lambda rng: kill_driver(driver, rng),
    }
    if nodes is None:
        found["raylet killed"] = lambda rng: kill_one(me, b"/raylet/raylet", rng)
        found["head killed"] = lambda rng: kill_one(me, b"gcs/gcs_server", rng)
    else:
        found["node removed"] = lambda rng: nodes.remove(rng) is None
        found["raylet killed"] = lambda rng: nodes.kill_raylet(rng) is None
        found["node joined"] = lambda rng: nodes.add(rng) is None
        found["node left"] = lambda rng: nodes.leave(rng) is None
    return found


def plan_of(kinds, n_faults, rng):
    """The kinds of the faults, in order."""
    plan = []
    while len(plan) < n_faults:
        plan += rng.sample(kinds, len(kinds))
    return plan[:n_faults]


def main(work, seed, n_faults, kinds):
    """Run the job through the faults and write down what was done to it."""
    rng = random.Random(seed)
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16), "RAY_USAGE_STATS_ENABLED": "0"}
    os.environ |= {"RAY_health_check_period_ms": "1000", "RAY_health_check_failure_threshold": "5"}
    nodes = None if "head killed" in kinds else Nodes()
    driver = Driver(work, nodes.address if nodes else "")
    faults, done, seen = faults_of(nodes, driver), [], 0
    plan = plan_of(sorted(kinds), n_faults, rng)
    deadline = time.monotonic() + PATIENCE_S
    try:
        while not driver.has_ended():
            if time.monotonic() > deadline:
                raise SystemExit(f"the job did not end, see {driver.log.name}")
            if plan and driver.told() > seen:
                seen = driver.told()
                time.sleep(rng.uniform(*MOMENT_S))  # the fault may come at any point of an epoch
                if faults[plan[0]](rng):
                    done.append(plan.pop(0))
            time.sleep(0.05)  # a driver in a process of its own tells of its journal by nothing but the file
    finally:
        driver.process.kill()
        if nodes:
            nodes.close()
        told = {"faults": done, "left": plan, "n_drivers": driver.n_begun}
        (work / "told.json").write_text(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4].split(","))
