"""Where compiled kernels are kept, so that the driver and all workers compile once.

Numba notices when the file of a compiled function changes, but not when a file changes whose functions it calls. So the
folder's name holds the package version and a digest of all code that is compiled: a stale kernel can't be met.
"""

import functools
import hashlib
import os
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

COMPILED_LAYERS: Final = ("strategies", "fitness", "evolution")


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
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    return Path(tempfile.mkdtemp(prefix="studbook-numba-"))


def share_kernels() -> None:
    """Make this process and all that it starts keep compiled kernels there. Call before numba is imported.

    And keep BLAS to one thread: processes are what we have many of, and threads that wait for each other are slower.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("NUMBA_CACHE_DIR", str(kernel_cache_folder()))
