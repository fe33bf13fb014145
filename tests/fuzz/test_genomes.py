"""Any numbers at all as genomes, through decode, masks, kernel and measures: figures or a reason, never a crash.

Promise: bad genomes never crash or hang a worker. (A bounds-checked build of the kernel equals the release build:
tests/fitness/test_kernel.py.)
"""

import time

import numpy as np
import pytest

from fitness.bank import FeatureBank
from fitness.costs import Costs
from fitness.evaluate import evaluate
from fitness.folds import Window
from fitness.objectives import REASONS, score
from fitness.samples import random_walk
from fitness.shards import shard_of
from strategies.codec import express, phenotype_keys
from strategies.encoding import strategy_of
from strategies.genes import GENES, N_GENES
from strategies.sampler import random_genomes

pytestmark = pytest.mark.chaos

BATCH = 500
LOW = np.array([gene.low for gene in GENES])
HIGH = np.array([gene.high for gene in GENES])
N_BARS = 160
OBJECTIVES = ("steady_sharpe", "total_return")
COSTS = Costs.from_bps(fee_bps=5, slippage_bps=2)
ODD = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, 1.0, -1.0, 1e308, -1e308, 5e-324, 0.5, 2**53, -(2**63), 255.0])
PATIENCE_S = 60.0
"""Of processor time for one batch; ten times what one takes."""


@pytest.fixture(scope="module")
def shard():
    return shard_of(random_walk(seed=3, n_bars=N_BARS), "RW", "1d", bars_per_year=252.0)


def bad_genomes(rng, n):
    """Sound genomes with odd numbers in some genes, others at their bounds, and some of noise alone."""
    genomes = random_genomes(n, rng)
    odd = rng.random(genomes.shape) < rng.choice([0.0, 0.01, 0.2], size=(n, 1))
    genomes[odd] = rng.choice(ODD, size=int(odd.sum()))
    bound = rng.random(genomes.shape) < rng.choice([0.0, 0.05, 0.5], size=(n, 1))
    ends = np.where(rng.random(genomes.shape) < 0.5, LOW, HIGH)
    genomes[bound] = ends[bound]
    noise = rng.random(n) < 0.05
    genomes[noise] = rng.integers(0, 2**64, (int(noise.sum()), N_GENES), dtype=np.uint64).view(np.float64)
    return genomes


def test_any_numbers_at_all_give_figures_or_a_reason(amount, shard):
    windows = [Window("a", 60, 110), Window("b", 110, N_BARS)]
    bank, rates = FeatureBank(shard, 1 << 22), np.full(2, shard.bars_per_year)
    for number in range(amount(20_000, 5_000_000) // BATCH):
        rng, begun = np.random.default_rng(number), time.process_time()
        rows = express(bad_genomes(rng, BATCH))
        assert np.isfinite(rows).all(), number
        found = score(evaluate(rows, shard, windows, COSTS, bank), rates, OBJECTIVES)
        fine = found.reasons == REASONS.index("")
        assert np.isfinite(found.objectives[fine]).all(), number
        assert np.isnan(found.objectives[~fine]).all(), number
        assert time.process_time() - begun < PATIENCE_S, number


def test_a_bad_genome_changes_nothing_for_its_neighbours(shard):
    """The same strategies in other company, on a bank that forgets at once, give the same bits."""
    windows = [Window("a", 60, N_BARS)]
    rows = express(bad_genomes(np.random.default_rng(7), 200))
    together = evaluate(rows, shard, windows, COSTS, FeatureBank(shard, 1 << 22))
    apart = np.concatenate(
        [evaluate(part, shard, windows, COSTS, FeatureBank(shard, 0)) for part in (rows[:1], rows[1:])]
    )
    assert apart.tobytes() == together.tobytes()
    assert len(phenotype_keys(rows)) == len(rows)
    assert all(strategy_of(row).text() for row in rows[:50])
