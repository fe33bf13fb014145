"""What tests share: a quiet environment, small shards cut from the samples, tiny jobs, and one Ray session for all."""

import os
import tempfile
from pathlib import Path
from typing import ClassVar

import pytest

from cluster.kernel_cache import kernel_digest

# Before numba, Ray or MLflow are imported. Workers must keep what they compile, or each start costs 15 s.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
_KERNELS = f"studbook-tests-numba-{os.getuid()}-{kernel_digest()}"
os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(tempfile.gettempdir()) / _KERNELS))
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # under load, threads that wait for each other took minutes
os.environ.setdefault("RAY_worker_niceness", "0")  # by default 15: workers starved beside the other parts of the tests
for name in ("RAY_ADDRESS", "MLFLOW_TRACKING_URI"):
    os.environ.pop(name, None)

N_BARS = 900
CHAOS = os.environ.get("STUDBOOK_CHAOS") == "1"


@pytest.fixture(scope="session")
def amount():
    """A function from amounts in `make test` and under `make chaos` to the one that holds: `amount(20, 20_000)`."""

    def choose(ci, chaos):
        return chaos if CHAOS else ci

    return choose


@pytest.fixture(scope="session")
def bars_root(tmp_path_factory):
    """A store with the last 900 daily bars of SPX and IXIC. Read only: copy it to change it."""
    from fitness.samples import sample
    from fitness.shards import write_shard

    root = tmp_path_factory.mktemp("bars")
    for symbol in ("SPX", "IXIC"):
        write_shard(sample(symbol).tail(N_BARS), root, symbol, "1d", source="test")
    return root


@pytest.fixture(scope="session")
def tiny_values(bars_root):
    """The job file, as a mapping, of a job of two islands and two shards that takes a second or two."""
    return {
        "name": "tiny",
        "seed": 11,
        "data": {"root": str(bars_root), "source": "files", "shards": [{"symbol": "SPX"}, {"symbol": "IXIC"}]},
        "split": {"folds": 2, "validation": 0.2, "lockbox": 0.2, "embargo": 5, "warm_up": 100},
        "evolution": {
            "islands": 2,
            "population_size": 12,
            "generations": 4,
            "epoch_generations": 1,
            "migration": {"migrants": 2, "lag": 1},
        },
        "gates": {"min_trades": 3, "candidates": 4},
        "cluster": {"executor": "serial", "workers": 1},
        "tracking": {"enabled": False},
    }


@pytest.fixture
def tiny_job(tiny_values):
    """A function from changed sections to the config of a tiny job, as `tiny_job(gates={"dsr": 0.0})`."""
    from cluster.settings import config_from

    def make(**changes):
        values = dict(tiny_values)
        for key, value in changes.items():
            values[key] = {**values[key], **value} if isinstance(value, dict) else value
        return config_from(values, where="test")

    return make


@pytest.fixture(scope="session")
def ray_once():
    """Ray, started once for the whole test session with four logical CPUs; executors borrow it."""
    from cluster.ray_session import ray_session

    with ray_session(address=None, n_cpus=4) as ray:
        yield ray


class Replay:
    """Answers at once with epochs that were computed before: epochs are pure, so this is what they would be."""

    results: ClassVar[dict] = {}

    def __init__(self, config, market, stop):
        from cluster.serial_executor import SerialExecutor
        from cluster.settings import config_hash

        self._job = config_hash(config)
        self._serial = SerialExecutor(config, market, stop=stop)
        self._tasks = []

    def submit(self, task):
        self._tasks.append(task)

    def wants(self):
        return True

    def wait(self, timeout_s):
        if not self._tasks:
            return ()
        task = self._tasks.pop(0)
        if (self._job, task) not in self.results:
            self._serial.submit(task)
            found = self._serial.wait(timeout_s)
            if not found:  # asked to stop
                return ()
            (self.results[self._job, task],) = found
        return (self.results[self._job, task],)

    def close(self):
        self._tasks.clear()


@pytest.fixture(scope="session")
def replay():
    """The class `Replay`, to be given as `make_executor`."""
    return Replay


@pytest.fixture(scope="session")
def assert_same_job():
    """A function that checks that two finished jobs are equal, byte for byte, timestamps aside."""

    def check(view, other):
        from cluster.run_folder import BIRTHS_FILE

        assert view.status == "finished"
        assert view.births_sha256 == other.births_sha256
        assert (view.run_dir / BIRTHS_FILE).read_bytes() == (other.run_dir / BIRTHS_FILE).read_bytes()
        assert view.candidates == other.candidates
        assert view.verdict == other.verdict
        assert (view.n_births, view.n_evaluated, view.n_trials) == (other.n_births, other.n_evaluated, other.n_trials)
        for folder in ("candidates", "elites"):
            mine, theirs = ({p.name: p.read_bytes() for p in (v.run_dir / folder).glob("[!.]*")} for v in (view, other))
            assert mine == theirs
        assert not list(view.run_dir.rglob("*.tmp"))

    return check
