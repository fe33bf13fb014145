"""Arrays as compiled code takes them."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


def frozen(array: NDArray[Any], dtype: DTypeLike) -> NDArray[Any]:
    """Return a read-only, aligned, C-contiguous view, or a copy where there is no such view.

    Numba compiles a kernel anew for every other kind of array; so one serves all callers.
    """
    view = np.ascontiguousarray(array, dtype=dtype)
    view = view.view() if view.flags.aligned else view.copy()
    view.flags.writeable = False
    return view
