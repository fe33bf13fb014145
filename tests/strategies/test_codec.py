"""Laws of the codec: canonical, valid, one to one with strategies."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from strategies.codec import bounded, express, phenotype_keys
from strategies.encoding import encode, phenotype_of, strategy_of
from strategies.errors import StrategyError
from strategies.genes import COLUMN, GENES, N_GENES, fingerprint
from strategies.lookup import N_SOURCES, lookup
from strategies.sampler import random_genomes
from strategies.strategy import Condition, Distance, Operand, Rule, Strategy

RANDOM = random_genomes(2000, np.random.Generator(np.random.Philox(key=1)))
PHENOTYPES = express(RANDOM)


def test_every_phenotype_is_a_strategy_and_back():
    for row in PHENOTYPES:
        strategy = strategy_of(row)
        assert phenotype_of(strategy).tobytes() == row.tobytes()
        assert Strategy.from_json(strategy.to_json()) == strategy


def test_encoding_a_strategy_expresses_that_strategy():
    for row in PHENOTYPES[:500]:
        genome = encode(strategy_of(row))
        assert express(genome[None])[0].tobytes() == row.tobytes()
        assert bounded(genome[None])[0].tobytes() == (genome + 0.0).tobytes()


def test_equal_rows_equal_keys_equal_ids_and_nothing_else():
    keys = [key.tobytes() for key in phenotype_keys(PHENOTYPES)]
    ids = [strategy_of(row).id for row in PHENOTYPES]
    rows = [row.tobytes() for row in PHENOTYPES]
    assert len(set(keys)) == len(set(ids)) == len(set(rows))
    assert phenotype_keys(PHENOTYPES[:3]).tobytes() == phenotype_keys(PHENOTYPES.copy()[:3]).tobytes()


def test_a_population_is_decoded_as_its_members_are_one_by_one():
    one_by_one = np.concatenate([express(genome[None]) for genome in RANDOM[:200]])
    assert one_by_one.tobytes() == PHENOTYPES[:200].tobytes()


def test_silent_genes_do_not_matter():
    off = RANDOM[:300].copy()
    off[:, COLUMN["entry.0.on"]] = 1
    off[:, COLUMN["entry.3.on"]] = 0
    changed = off.copy()
    changed[:, COLUMN["entry.3.left.kind"]] = 5
    changed[:, COLUMN["entry.3.level"]] = 0.123
    assert express(off).tobytes() == express(changed).tobytes()


def test_input_is_not_changed():
    genomes = RANDOM[:50].copy()
    before = genomes.tobytes()
    express(genomes)
    assert genomes.tobytes() == before


def test_only_comparable_operands_meet_and_never_one_with_itself():
    table = lookup()
    for block in (f"entry.{number}" for number in range(4)):
        left = PHENOTYPES[:, [COLUMN[f"{block}.left.{name}"] for name in ("kind", "source", "p0", "p1", "p2", "lag")]]
        right = PHENOTYPES[:, [COLUMN[f"{block}.right.{name}"] for name in ("kind", "source", "p0", "p1", "p2", "lag")]]
        operands = (PHENOTYPES[:, COLUMN[f"{block}.on"]] == 1) & (PHENOTYPES[:, COLUMN[f"{block}.against"]] == 0)
        pairs = (left[:, 0] * N_SOURCES + left[:, 1]).astype(int), (right[:, 0] * N_SOURCES + right[:, 1]).astype(int)
        assert table.fits[pairs][operands].all()
        assert not (left == right).all(axis=1)[operands].any()


@settings(max_examples=200, deadline=None)
@given(hnp.arrays(np.float64, (3, N_GENES), elements=st.floats(allow_nan=True, allow_infinity=True, width=64)))
def test_any_numbers_at_all_decode_to_a_valid_strategy(genomes):
    phenotypes = express(genomes)
    assert np.isfinite(phenotypes).all()
    for row in phenotypes:
        strategy = strategy_of(row)
        assert Strategy.from_json(strategy.to_json()) == strategy
        assert strategy.stop is not None
        assert strategy.entry.conditions


def test_bounds_hold():
    low, high = np.array([gene.low for gene in GENES]), np.array([gene.high for gene in GENES])
    assert ((low <= RANDOM) & (high >= RANDOM)).all()


SMA_CROSS = Rule((Condition(Operand("SMA", "close", (37.0,)), ">", Operand("SMA", "close", (20.0,))),), 1)


def test_a_number_off_the_grid_can_be_tested_but_not_bred():
    strategy = Strategy("long", SMA_CROSS, Rule(), Distance("percent", 5.0))
    assert strategy_of(phenotype_of(strategy)) == strategy
    with pytest.raises(
        StrategyError, match=r"SMA.timeperiod must lie on the gene table's grid.*was 37. Nearest: 34, 35"
    ):
        encode(strategy)


def test_a_strategy_without_a_stop_can_not_be_bred():
    with pytest.raises(StrategyError, match="A genome must have a stop, but the strategy has none"):
        encode(Strategy("long", SMA_CROSS, Rule(), None))


def test_fingerprint_is_stable_within_a_process():
    assert fingerprint() == fingerprint()
    assert len(fingerprint()) == 16
