"""A limit for the memory of a worker, so that none takes all of a node.

A genome that wants more than its worker may have gets a MemoryError there, which is told and examined, rather than the
operating system killing whatever is largest on the node.
"""

import resource
from pathlib import Path


def limit_memory(n_bytes: int) -> None:
    """Let this process take `n_bytes` beyond the memory it has, and get a MemoryError for more.

    Counted is private memory that can be written (RLIMIT_DATA); bars, shared columns and code are not. A limit that was
    there stays if it is lower. Linux only; elsewhere it does nothing.
    """
    has = _data_bytes()
    if has is None:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = has + n_bytes if hard == resource.RLIM_INFINITY else min(has + n_bytes, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (wanted, hard))


def _data_bytes() -> int | None:
    """What the kernel counts for RLIMIT_DATA, bytes; None where it does not say."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmData:")), None)
