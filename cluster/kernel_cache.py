"""Where compiled kernels are kept, so that the driver and all workers compile once.

Numba notices when the file of a compiled function changes, but not when a file changes whose functions it calls. So the
folder's name holds the package version and a digest of all code that is compiled: a stale kernel can't be met. A folder
that NUMBA_CACHE_DIR gives is taken as it is; who gives it sees to that.

Kernels are code, so a folder of ours that another user could write to is not used. What is in it may be damaged or lost
at any time: `strategies.kernel_files` compiles again what it can't trust. Nodes with other CPUs may share the folder:
each keeps its own.
"""

import functools
import hashlib
import os
import stat
import tempfile
import time
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

COMPILED_LAYERS: Final = ("strategies", "fitness", "evolution")
ABANDONED_S: Final = 3600.0


def package_version() -> str:
    """Return the version of Studbook that is installed, or "unknown"."""
    try:
        return version("studbook")
    except PackageNotFoundError:
        return "unknown"


@functools.cache
def kernel_digest() -> str:
    """Return 12 hex digits of the source of the three layers below `cluster`, where every compiled function lives."""
    root = Path(__file__).parents[1]
    sources = [path for layer in COMPILED_LAYERS for path in sorted((root / layer).rglob("*.py"))]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]


def kernel_cache_folder() -> Path:
    """Return the folder: NUMBA_CACHE_DIR if set, else one in the user's cache, or in the temporary folder."""
    given = os.environ.get("NUMBA_CACHE_DIR")
    if given:
        return Path(given)
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 - ~ may not resolve
    for base in (Path(home), Path(tempfile.gettempdir()) / f"studbook-{os.getuid()}"):
        folder = base / "studbook" / f"numba-{package_version()}-{kernel_digest()}"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK) and _is_ours_alone(folder):
            return folder
    return _folder_of_this_process()


@functools.cache
def _folder_of_this_process() -> Path:
    return Path(tempfile.mkdtemp(prefix="studbook-numba-"))


def _is_ours_alone(folder: Path) -> bool:
    """Whether nobody else can write to it: in a temporary folder anyone may have made one of this name before us."""
    found = folder.stat()
    return found.st_uid == os.getuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def sweep_kernels(folder: Path) -> int:
    """Remove what processes killed in the middle of writing left in a kernel folder, and return how many files."""
    before = time.time() - ABANDONED_S
    n_removed = 0
    for path in folder.glob("*/*.tmp.*"):
        with suppress(OSError):  # another process sweeps too, or it is not ours
            if path.stat().st_mtime < before:
                path.unlink()
                n_removed += 1
    return n_removed


def share_kernels() -> None:
    """Make this process and all that it starts keep compiled kernels there. Call before numba is imported.

    And keep BLAS to one thread: processes are what we have many of, and threads that wait for each other are slower.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("NUMBA_CACHE_DIR", str(kernel_cache_folder()))
