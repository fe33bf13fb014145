"""What follows from a price is made once for a price that can't change, and goes with it."""

import gc

import numpy as np

from strategies import kept_columns
from strategies.kept_columns import kept


def locked(*values: float) -> np.ndarray:
    column = np.array(values)
    column.flags.writeable = False
    return column


def test_a_column_is_made_once_for_each_price_and_each_way():
    price, other, made = locked(1.0, 2.0), locked(1.0, 2.0), []

    def double(column):
        made.append(column)
        return column * 2.0

    first = kept(price, double)
    assert kept(price, double) is first
    assert kept(other, double) is not first
    assert kept(price, np.negative).tolist() == [-1.0, -2.0]
    assert [id(column) for column in made] == [id(price), id(other)]


def test_a_price_that_may_change_has_its_column_made_each_time():
    price = np.array([1.0, 2.0])
    assert kept(price, np.negative).tolist() == [-1.0, -2.0]
    price[:] = 5.0
    assert kept(price, np.negative).tolist() == [-5.0, -5.0]


def test_what_is_kept_goes_with_its_price():
    gc.collect()
    before = len(kept_columns._KEPT)
    price = locked(3.0)
    kept(price, np.negative)
    assert len(kept_columns._KEPT) == before + 1
    del price
    gc.collect()
    assert len(kept_columns._KEPT) == before
