"""The named templates on real bars: each trades, and wants at each bar what its rule says in TA-Lib and NumPy alone."""

import numpy as np
import pytest

from fitness.bank import FeatureBank
from fitness.bits import unpack
from fitness.costs import Costs
from fitness.evaluate import role_masks
from fitness.folds import Window
from fitness.samples import sample, widen
from fitness.shards import shard_of
from fitness.trace import trace
from strategies.encoding import phenotype_of
from strategies.templates import TEMPLATES
from tests.strategies.plain_rules import PLAIN

ROLES = ("long entry", "long exit", "short entry", "short exit")
SYMBOLS = ("SPX", "IBM")


@pytest.fixture(scope="module", params=SYMBOLS)
def bank(request):
    """All bars of an index and of a stock."""
    frame, _ = widen(sample(request.param))
    return FeatureBank(shard_of(frame, request.param, "1d", bars_per_year=252.0))


def test_each_template_has_its_rule_in_plain_words():
    assert set(PLAIN) == set(TEMPLATES)


@pytest.mark.parametrize("name", TEMPLATES)
def test_wants_at_each_bar_what_its_rule_says(bank, name):
    found = role_masks(phenotype_of(TEMPLATES[name])[None], bank)
    assert found.sound.all()
    shard = bank.shard
    for role, row, wanted in zip(ROLES, found.rows[0], PLAIN[name](shard), strict=True):
        differs = np.flatnonzero(unpack(found.masks[row][None], shard.n_bars)[0] != wanted)
        assert differs.size == 0, f"{role}: {differs[:5]}"


@pytest.mark.parametrize("name", TEMPLATES)
def test_trades_and_on_both_sides_where_it_says_both(bank, name):
    shard, strategy = bank.shard, TEMPLATES[name]
    trades = trace(
        phenotype_of(strategy), shard, Window("all", 300, shard.n_bars), Costs(fee=0.0005, slippage=0.0005), bank
    ).trades
    assert len(trades) >= 5
    assert set(trades["side"].tolist()) == ({1, -1} if strategy.direction == "both" else {1})
