"""`studbook doctor`: what can be checked before a job is started, each finding with what to do about it."""

import importlib
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

Verdict = Literal["ok", "warn", "fail"]
GIB = 1 << 30
NEEDED_FREE_GIB = 2.0
NEEDED_MEMORY_GIB = 2.0


@dataclass(frozen=True)
class Check:
    """One finding: what was looked at, how it stands, what was found, and what mends it ("" when ok)."""

    name: str
    verdict: Verdict
    found: str
    mend: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the check as plain JSON values."""
        return asdict(self)


def run_checks(*, runs: Path, data: Path, tracking_uri: str | None = None, deep: bool = False) -> Iterator[Check]:
    """Yield every check as soon as it is made; a check that breaks is itself a failed check.

    Args:
        runs: folder of the run folders.
        data: folder of the shards.
        tracking_uri: MLflow store to look for; None means the one a job under `runs` would use.
        deep: also start and stop a Ray session and open the MLflow store (half a minute).
    """
    plan: list[tuple[str, Callable[[], Check]]] = [
        ("python", check_python),
        ("packages", check_packages),
        ("cores", check_cores),
        ("memory", check_memory),
        ("shared memory", check_shared_memory),
        ("disk", lambda: check_disk(runs)),
        ("numba cache", check_numba_cache),
        ("bytecode", check_bytecode),
        ("ta-lib", check_talib),
        ("ray", lambda: check_ray(deep=deep)),
        ("mlflow", lambda: check_mlflow(runs, tracking_uri, deep=deep)),
        ("data", lambda: check_data(data)),
    ]
    for name, check in plan:
        yield _attempt(name, check)


def _attempt(name: str, check: Callable[[], Check]) -> Check:
    """The finding of `check`, or the failure that its exception tells of."""
    try:
        return check()
    except Exception as error:  # noqa: BLE001  # a doctor who faints has found something
        return Check(name, "fail", f"{type(error).__name__}: {error}", "mend this first, then run the doctor again")


def check_python() -> Check:
    """Python 3.11 or newer."""
    version = platform.python_version()
    new_enough = tuple(int(part) for part in platform.python_version_tuple()[:2]) >= (3, 11)
    return Check(
        "python", "ok" if new_enough else "fail", version, "" if new_enough else "install Python 3.11 or newer"
    )


def check_packages() -> Check:
    """Every package that Studbook requires, in a version that it requires."""
    from packaging.requirements import Requirement

    wrong: list[str] = []
    right: list[str] = []
    for line in importlib.metadata.requires("studbook") or ():
        requirement = Requirement(line)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        found = _version(requirement.name)
        fits = found is not None and requirement.specifier.contains(found, prereleases=True)
        (right if fits else wrong).append(f"{requirement.name} {found or 'missing'}")
    if wrong:
        return Check("packages", "fail", ", ".join(wrong), "run `make env`, or pip install -r requirements.txt")
    return Check("packages", "ok", ", ".join(right))


def _version(name: str) -> str | None:
    """The installed version of a package, None when it is missing."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def check_cores() -> Check:
    """How many cores this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if cores < 2:
        return Check("cores", "warn", f"{cores}", "islands share one core: set `cluster.workers: 1`")
    return Check("cores", "ok", f"{cores}")


def check_memory() -> Check:
    """Memory that is free for use now; Ray needs about 0.75 GB before any work."""
    free = _meminfo().get("MemAvailable")
    if free is None:
        return Check("memory", "warn", "unknown", "see that 2 GiB are free")
    text = f"{free / GIB:.1f} GiB available"
    if free < NEEDED_MEMORY_GIB * GIB:
        return Check("memory", "warn", text, "close something, or run with `--executor serial`")
    return Check("memory", "ok", text)


def _meminfo() -> dict[str, int]:
    """Bytes by name from /proc/meminfo; empty where there is none."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return {}
    rows = (line.replace(":", "").split() for line in lines)
    return {row[0]: int(row[1]) * 1024 for row in rows if len(row) >= 2 and row[1].isdigit()}


def check_shared_memory() -> Check:
    """Ray's object store lives in /dev/shm; when that is small it falls back to slow disk."""
    place = Path("/dev/shm")  # noqa: S108  # where Ray puts it
    if not place.is_dir():
        return Check("shared memory", "warn", "no /dev/shm", "Ray will use disk for shared arrays")
    size = shutil.disk_usage(place).free
    if size < GIB // 4:
        mend = "give the container more (docker run --shm-size=1g), or run with `--executor serial`"
        return Check("shared memory", "warn", f"{size / GIB:.2f} GiB free", mend)
    return Check("shared memory", "ok", f"{size / GIB:.1f} GiB free")


def check_disk(runs: Path) -> Check:
    """Room and permission to write where the run folders go."""
    place = _existing(runs)
    if not os.access(place, os.W_OK):
        return Check("disk", "fail", f"{place} is read-only", "choose another `output.root`, or mend its permissions")
    free = shutil.disk_usage(place).free / GIB
    if free < NEEDED_FREE_GIB:
        return Check("disk", "warn", f"{free:.1f} GiB free at {place}", "make room, or choose another `output.root`")
    return Check("disk", "ok", f"{free:.0f} GiB free at {place}")


def _existing(path: Path) -> Path:
    """`path`, or the nearest folder above it that exists."""
    path = path.resolve()
    while not path.exists():
        path = path.parent
    return path


def check_numba_cache() -> Check:
    """Whether compiled kernels can be kept between runs."""
    from cluster.kernel_cache import kernel_cache_folder

    place = _existing(kernel_cache_folder())
    try:
        with tempfile.NamedTemporaryFile(dir=place, prefix=".doctor-"):
            return Check("numba cache", "ok", str(place))
    except OSError as error:
        mend = "set NUMBA_CACHE_DIR to a folder that you may write to, or every worker compiles anew"
        return Check("numba cache", "warn", f"{place}: {error.strerror}", mend)


def check_bytecode() -> Check:
    """Ray's workers import everything at each start: without bytecode files that takes three times as long."""
    unkept = os.environ.get("PYTHONDONTWRITEBYTECODE") and not os.environ.get("PYTHONPYCACHEPREFIX")
    if unkept:
        return Check("bytecode", "warn", "PYTHONDONTWRITEBYTECODE is set", "unset it, or set PYTHONPYCACHEPREFIX")
    return Check("bytecode", "ok", "kept")


def check_talib() -> Check:
    """TA-Lib loads and computes a mean that can be checked by hand."""
    import numpy as np

    talib: Any = importlib.import_module("talib")
    mean = talib.SMA(np.arange(1.0, 6.0), 3)
    if not np.allclose(mean[2:], [2.0, 3.0, 4.0]):
        return Check("ta-lib", "fail", f"SMA of 1..5 over 3 gave {mean[2:]}", "reinstall ta-lib")
    return Check("ta-lib", "ok", f"{talib.__version__}, {len(talib.get_functions())} functions")


def check_ray(*, deep: bool) -> Check:
    """Ray can be imported, and with `deep` a session starts, computes and stops."""
    started = time.monotonic()
    address = os.environ.get("RAY_ADDRESS")
    version = _version("ray")
    if version is None or importlib.util.find_spec("ray") is None:
        return Check("ray", "fail", "missing", "run `make env`, or use `--executor serial`")
    if not deep:
        return Check("ray", "ok", f"{version}{f', RAY_ADDRESS={address}' if address else ''}")
    from cluster.ray_session import probe_session

    found = probe_session(address)
    return Check("ray", "ok", f"{version}, {found}, {time.monotonic() - started:.0f} s")


def check_mlflow(runs: Path, uri: str | None, *, deep: bool) -> Check:
    """MLflow is there; with `deep` its store opens."""
    version = _version("mlflow")
    if version is None:
        return Check("mlflow", "fail", "missing", "run `make env`, or use `--no-mlflow`")
    from cluster.tracking_store import reach, store_uri

    where = store_uri(uri, runs)
    if not deep:
        return Check("mlflow", "ok", f"{version}, {where}")
    trouble = reach(where)
    if trouble:
        mend = "start the server or correct MLFLOW_TRACKING_URI; jobs run without it, and `studbook track` catches up"
        return Check("mlflow", "warn", trouble, mend)
    return Check("mlflow", "ok", f"{version}, {where} answers")


def check_data(data: Path) -> Check:
    """Shards are there and can be listed."""
    from fitness.object_store import place_of
    from fitness.shards import list_shards

    place = place_of(data)
    shards = list_shards(place) if place.is_dir() else []
    if not shards:
        return Check(
            "data", "warn", f"no shards in {data}", "run `studbook data sample`, or `studbook data import FILE`"
        )
    names = ", ".join(f"{shard.symbol} {shard.timeframe}" for shard in shards[:8])
    return Check("data", "ok", f"{len(shards)} shards: {names}{', …' if len(shards) > 8 else ''}")
