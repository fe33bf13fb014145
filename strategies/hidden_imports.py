"""Importing a library as if some that it only looks for were not installed.

TA-Lib imports pandas and polars wherever it finds them, so as to accept their columns, and numba imports SciPy, so as
to multiply matrices. Studbook hands over NumPy arrays and multiplies none, and a worker that starts has better things
to do for a second. A library that is loaded already is left visible: it costs nothing then.
"""

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType


@contextmanager
def hidden(*names: str) -> Iterator[None]:
    """Within it, importing one of these libraries from this thread raises `ModuleNotFoundError`; nothing stays behind.

    Nothing is put into `sys.modules`, so other threads import the libraries meanwhile as always.

    Args:
        names: Top-level names; a submodule of one is hidden too, unless it is loaded already.
    """
    finder = _NotHere(names)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _NotHere:
    """A finder that knows that some modules are not here, in the thread that made it."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = frozenset(names)
        self._thread = threading.get_ident()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """None, which leaves the search to the next finder, unless the module is hidden."""
        del path, target
        if threading.get_ident() == self._thread and fullname.partition(".")[0] in self._names:
            raise ModuleNotFoundError(f"{fullname} is hidden while another library is imported", name=fullname)
        return None
