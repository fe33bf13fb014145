"""Laws of the split: order, lengths, bounds, and a refusal that says what would do."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fitness.folds import MINIMUM_BARS, Split, Window, split
from strategies.errors import ConfigError, DataError

SETTINGS = st.fixed_dictionaries(
    {
        "folds": st.integers(1, 8),
        "validation": st.floats(0.02, 0.6),
        "lockbox": st.floats(0.02, 0.38),
        "embargo": st.integers(0, 40),
        "warm_up": st.integers(0, 500),
    }
)


def windows(cut: Split) -> list[Window]:
    return [*cut.folds, cut.validation, cut.lockbox]


@given(st.integers(0, 60_000), SETTINGS)
def test_windows_lie_in_order_with_gaps_inside_the_shard(n_bars, settings):
    try:
        cut = split(n_bars, **settings)
    except DataError:
        assume(False)
        return
    assert cut.folds[0].start >= settings["warm_up"]
    assert cut.folds[0].start < settings["warm_up"] + settings["folds"] + 2  # the indivisible rest
    assert cut.lockbox.stop == n_bars
    for earlier, later in zip(windows(cut), windows(cut)[1:], strict=False):
        assert later.start - earlier.stop == settings["embargo"]
    assert len({fold.n_bars for fold in cut.folds}) == 1
    assert len(cut.folds) == settings["folds"]
    assert min(window.n_bars for window in windows(cut)) >= MINIMUM_BARS
    usable = n_bars - settings["warm_up"]
    assert abs(cut.validation.n_bars - settings["validation"] * usable) <= 1
    assert abs(cut.lockbox.n_bars - settings["lockbox"] * usable) <= 1
    assert cut.in_sample == Window("in_sample", cut.folds[0].start, cut.folds[-1].stop)


@given(st.integers(0, 3000), SETTINGS)
def test_a_refusal_names_the_fewest_bars_that_would_do(n_bars, settings):
    try:
        split(n_bars, **settings)
    except DataError as error:
        found = re.search(r"where (\d+) are needed", str(error))
        assert found is not None
        needed = int(found.group(1))
        assert needed > n_bars
        split(needed, **settings)
        if needed - 1 > n_bars:
            with pytest.raises(DataError, match="are needed"):
                split(needed - 1, **settings)


def test_the_refusal_says_which_shard_how_many_bars_and_what_to_change():
    with pytest.raises(DataError, match=r"RWALK 1d has 300 bars where \d+ are needed.*Import more bars"):
        split(300, folds=4, validation=0.2, lockbox=0.2, embargo=5, warm_up=252, shard="RWALK 1d")


@pytest.mark.parametrize("n_bars", [0, 1, 5])
def test_even_empty_shards_are_refused_in_words(n_bars):
    with pytest.raises(DataError, match=rf"has {n_bars} bars where \d+ are needed"):
        split(n_bars, folds=1, validation=0.2, lockbox=0.2, embargo=0, warm_up=0)


def test_the_quickstart_split_of_the_s_and_p():
    cut = split(5031, folds=4, validation=0.2, lockbox=0.2, embargo=5, warm_up=252)
    assert cut.lockbox == Window("lockbox", 4076, 5031)
    assert cut.validation == Window("validation", 3116, 4071)
    assert [fold.n_bars for fold in cut.folds] == [710] * 4
    assert cut.folds[0].start == 256


GOOD = {"folds": 4, "validation": 0.2, "lockbox": 0.2, "embargo": 5, "warm_up": 252}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"folds": 0}, "`folds` must be at least 1, but was 0"),
        ({"embargo": -1}, "`embargo` must be 0 bars or more, but was -1"),
        ({"warm_up": -2}, "`warm_up` must be 0 bars or more, but was -2"),
        ({"validation": 0.0}, "`validation` must be a share of the bars between 0 and 1, but was 0.0"),
        ({"lockbox": 1.5}, "`lockbox` must be a share of the bars between 0 and 1, but was 1.5"),
        ({"lockbox": float("nan")}, "but was nan"),
        ({"validation": 0.5, "lockbox": 0.5}, "must leave bars to evolve on, but were 0.5 and 0.5"),
    ],
)
def test_settings_that_no_shard_could_satisfy(change, text):
    with pytest.raises(ConfigError, match=re.escape(text)):
        split(5031, **{**GOOD, **change})
