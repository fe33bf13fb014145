"""All shards are cut at the same instants: nothing that one shard's lockbox asks was shown on another."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fitness.folds import MINIMUM_BARS, split
from fitness.shards import Shard
from fitness.timeline import split_together
from strategies.errors import DataError

DAY = 86_400_000_000
CUT = {"folds": 3, "validation": 0.2, "lockbox": 0.2, "embargo": 5, "warm_up": 50}


def shard(symbol, first, n_bars, step=1):
    timestamps = (np.arange(n_bars, dtype=np.int64) * step + first) * DAY
    ones = np.ones(n_bars)
    return Shard(symbol, "1d", timestamps, ones, ones, ones, ones, ones, 252.0, symbol, 1.0)


def spans(shards, splits, name):
    """First and last instant of the window `name` on each shard that has it."""
    return [
        (each.timestamps[window.start], each.timestamps[window.stop - 1])
        for each, cut in zip(shards, splits, strict=True)
        for window in (*cut.folds, cut.validation, cut.lockbox)
        if window.name == name
    ]


def test_one_shard_is_cut_as_by_itself():
    alone = shard("A", 0, 2000)
    assert split_together([alone], **CUT) == (split(2000, **CUT),)


def test_a_late_shard_lacks_the_first_fold():
    shards = [shard("OLD", 0, 3000), shard("NEW", 900, 2100)]
    old, new = split_together(shards, **CUT)
    assert [window.name for window in old.folds] == ["fold 0", "fold 1", "fold 2"]
    assert [window.name for window in new.folds] == ["fold 1", "fold 2"]
    assert spans(shards, (old, new), "lockbox")[0] == spans(shards, (old, new), "lockbox")[1]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 900), st.integers(0, 500), st.integers(1, 3)), min_size=1, max_size=4))
def test_no_window_meets_another_one_in_time(rows):
    shards = [
        shard(f"S{at}", first, (3000 - first - last) // step, step) for at, (first, last, step) in enumerate(rows)
    ]
    try:
        splits = split_together(shards, **CUT)
    except DataError:
        return
    names = ["fold 0", "fold 1", "fold 2", "validation", "lockbox"]
    ends = [spans(shards, splits, name) for name in names]
    present = [found for found in ends if found]
    for earlier, later in itertools.pairwise(present):
        assert max(last for _, last in earlier) < min(first for first, _ in later)
    for each, cut in zip(shards, splits, strict=True):
        windows = (*cut.folds, cut.validation, cut.lockbox)
        assert windows[0].start >= CUT["warm_up"]
        assert windows[-1].stop <= each.n_bars
        assert all(window.n_bars >= MINIMUM_BARS for window in windows)
        for earlier, later in itertools.pairwise(windows):
            assert later.start - earlier.stop >= CUT["embargo"]


def test_a_shard_that_ends_early_is_refused_by_name():
    with pytest.raises(DataError, match=r"but DEAD 1d has fewer in the validation.*Set `data.start` and `data.end`"):
        split_together([shard("LIVE", 0, 4000), shard("DEAD", 0, 1500)], **CUT)


def test_too_few_bars_for_the_folds():
    with pytest.raises(DataError, match=r"X 1d has 200 bars where .* are needed"):
        split_together([shard("X", 0, 200)], **CUT)
