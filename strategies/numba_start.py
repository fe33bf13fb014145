"""What numba loads before the first compiled function, without SciPy: a fifth of a second less until a kernel runs.

Numba imports `scipy.linalg` at that moment only to learn whether it could multiply matrices, which no kernel here does.
It learns it below by asking whether SciPy is installed, so whoever uses matrices in compiled code of their own finds
all as ever: numba imports SciPy when it compiles that. Compiled code is kept in sealed files from then on.
"""

import importlib.util
import sys

from strategies.hidden_imports import hidden
from strategies.kernel_files import seal_kernels

_LOOKS_FOR_SCIPY = "numba.np.arraymath"


def load_numba() -> None:
    """Import the part of numba that looks for SciPy; a module of compiled functions calls this where it begins."""
    seal_kernels()
    if _LOOKS_FOR_SCIPY in sys.modules:
        return
    with hidden("scipy"):
        from numba.np import arraymath
    arraymath._HAVE_BLAS = importlib.util.find_spec("scipy") is not None  # noqa: SLF001 - what it would have found
