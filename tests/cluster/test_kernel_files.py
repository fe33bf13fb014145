"""Kept kernels may be cut, flipped, swapped or gone: a job goes on with the same results, and compiles what it must."""

import importlib
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.kernel_cache import sweep_kernels
from strategies.kernel_files import SEAL_BYTES, SUFFIX, seal_kernels, sealed, unsealed

SOURCE = "from numba import njit\n\n@njit(cache=True)\ndef squared(x):\n    return x * x\n"
CALL = """
import sys
from strategies.kernel_files import seal_kernels
seal_kernels()
sys.path.insert(0, sys.argv[1])
{before}
import kernels
print(*[kernels.squared(eval_) for eval_ in ({arguments},)], sum(kernels.squared.stats.cache_hits.values()))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty kernel folder, and a module of one kernel beside it."""
    from numba.core import config

    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path / "kernels"))
    (tmp_path / "kernels.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "kernels", None)
    seal_kernels()
    return tmp_path / "kernels"


def kernels_anew():
    """The module of the kernel, as a new process would import it."""
    sys.modules.pop("kernels", None)
    return importlib.import_module("kernels")


def squared_anew(argument=3):
    """The result of the kernel in a new module, and whether it was found in the folder."""
    kernels = kernels_anew()
    return kernels.squared(argument), sum(kernels.squared.stats.cache_hits.values()) == 1


def kept(folder):
    """The one file that is kept."""
    (path,) = folder.rglob(f"*{SUFFIX}")
    return path


def in_new_process(folder, *, before="", arguments="3", limit=None):
    """What a new process prints that calls the kernel."""
    return subprocess.Popen(
        [sys.executable, "-c", CALL.format(before=before, arguments=arguments), str(folder.parent)],
        env={**os.environ, "NUMBA_CACHE_DIR": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=limit,
    )


def test_a_kernel_is_kept_and_found(folder):
    assert squared_anew() == (9, False)
    assert squared_anew() == (9, True)


def test_types_that_have_one_name_never_get_each_others_kernel(folder):
    """Numba calls both `Pair(int64 x 2)`; the kernel of one reads the other field of the other."""
    (folder.parent / "kernels.py").write_text(
        "from collections import namedtuple\nfrom numba import njit\n\n"
        "one, other = namedtuple('Pair', 'first last'), namedtuple('Pair', 'last first')\n\n"
        "@njit(cache=True)\ndef first(pair):\n    return pair.first\n"
    )
    kernels = kernels_anew()
    assert kernels.first(kernels.one(first=1, last=2)) == 1
    kernels = kernels_anew()
    assert kernels.first(kernels.other(first=1, last=2)) == 1
    kept(folder)  # one name, so one file


def flipped(content, bit):
    """`content` with one bit the other way."""
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:-1],
        lambda content: content[: len(content) // 2],
        lambda content: content[1:],
        lambda content: content + b"\0",
        lambda content: flipped(content, 5),
        lambda content: flipped(content, len(content) * 4),
        lambda content: bytes(len(content)),
        lambda content: content[:-SEAL_BYTES],
        lambda content: sealed(b"sealed, but no kernel"),
    ],
    ids=["empty", "cut", "halved", "beheaded", "longer", "first byte", "middle", "zeros", "no seal", "no kernel"],
)
def test_a_damaged_kernel_is_compiled_again_and_kept_again(folder, damage):
    squared_anew()
    path = kept(folder)
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert squared_anew() == (9, False)
    assert unsealed(kept(folder).read_bytes()) is not None
    assert squared_anew() == (9, True)


@pytest.mark.chaos
def test_no_flipped_bit_and_no_cut_is_ever_read(amount):
    content = sealed(random.Random(6).randbytes(3000))
    rng = random.Random(7)
    for _ in range(amount(500, 20_000)):
        assert unsealed(flipped(content, rng.randrange(8 * len(content)))) is None
        assert unsealed(content[: rng.randrange(len(content))]) is None


@pytest.mark.parametrize("hindrance", ["folder in its place", "folder is gone", "folder is a file"])
def test_what_can_not_be_read_or_written_is_compiled_each_time(folder, hindrance):
    squared_anew()
    path = kept(folder)
    if hindrance == "folder in its place":
        path.unlink()
        path.mkdir()
        assert squared_anew() == squared_anew() == (9, False)
        assert not list(path.parent.glob("*.tmp.*"))
        return
    kernels = kernels_anew()
    shutil.rmtree(folder)
    if hindrance == "folder is a file":
        folder.write_text("in the way")
    assert kernels.squared(3) == 9


def test_two_processes_that_compile_at_once_never_take_each_others_code(folder):
    running = [in_new_process(folder, arguments=arguments) for arguments in ("3, 0.5", "0.5, 3")]
    said = [process.communicate(timeout=120) for process in running]
    assert [out.split()[:2] for out, _ in said] == [["9", "0.25"], ["0.25", "9"]], said
    assert len(list(folder.rglob(f"*{SUFFIX}"))) == 2
    assert (squared_anew(0.5), squared_anew(3)) == ((0.25, True), (9, True))


def test_a_process_killed_while_it_writes_leaves_nothing_that_is_read_and_what_it_leaves_is_swept(folder):
    kill = "import os, pathlib\npathlib.Path.replace = lambda *_: os.kill(os.getpid(), 9)"
    process = in_new_process(folder, before=kill)
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL
    (left,) = folder.rglob("*.tmp.*")
    assert squared_anew() == (9, False)
    assert squared_anew() == (9, True)
    assert sweep_kernels(folder) == 0  # somebody may be writing it now
    os.utime(left, (1, 1))
    assert sweep_kernels(folder) == 1
    assert not left.exists()
    assert kept(folder)


def test_a_full_disk_costs_compilation_only(folder):
    def full():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    out, errors = in_new_process(folder, limit=full).communicate(timeout=120)
    assert out.split() == ["9", "0"], errors
    assert not [path for path in folder.rglob("*") if path.is_file()]


TALLIES = """
import sys
sys.path.insert(0, "tests")
from test_start_up import EVALUATE
exec(EVALUATE)
import hashlib
print(hashlib.sha256(tallies.tobytes()).hexdigest())
"""


def test_tallies_are_the_same_bytes_when_kernels_are_damaged(tmp_path):
    from numba.core import config

    compiled = Path(config.CACHE_DIR)
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(compiled)}

    def tallies():
        done = subprocess.run(
            [sys.executable, "-c", TALLIES], env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout

    whole = tallies()  # and the kernels are in the folder now
    copy = tmp_path / "kernels"
    shutil.copytree(compiled, copy, ignore=shutil.ignore_patterns("*.tmp.*"))
    environment["NUMBA_CACHE_DIR"] = str(copy)
    damaged = [path for name in ("placing.place_operands", "masks.split") for path in copy.glob(f"*/{name}*{SUFFIX}")]
    for path in damaged:
        content = path.read_bytes()
        path.write_bytes(flipped(content, 8 * (len(content) // 2)))
    assert tallies() == whole
    assert any(unsealed(path.read_bytes()) is not None for path in damaged)  # compiled, and kept again
