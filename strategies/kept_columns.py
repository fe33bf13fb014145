"""Columns that follow from one price alone, kept as long as the price is: what several operands would compute again."""

import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.float64]
Make = Callable[[Column], Column]

_KEPT: dict[tuple[int, Make], tuple[weakref.ref[Column], Column]] = {}


def kept(price: Column, make: Make) -> Column:
    """`make(price)`, a column to be read only, made once for a price that can't be written to.

    It is dropped with the price. A price that can be written to has its column made at each call.
    """
    if price.flags.writeable:
        return make(price)
    key = id(price), make
    known = _KEPT.get(key)
    if known is None or known[0]() is not price:
        known = _KEPT[key] = weakref.ref(price, partial(_forget, _KEPT, key)), make(price)
    return known[1]


def _forget(kept_ones: dict[tuple[int, Make], Any], key: tuple[int, Make], _: object) -> None:
    """Drop what was kept of a price that is gone; at the end of the process too, when this module is."""
    kept_ones.pop(key, None)
