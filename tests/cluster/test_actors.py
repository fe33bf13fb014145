"""What an examiner counts as a genome's time."""

import subprocess
import sys

AFTER_WARM = """
import gc
from types import SimpleNamespace

import numpy as np
from numba.core.dispatcher import Dispatcher

from cluster.actors import ShardEvaluator
from cluster.evaluation import ShardBench, Share
from fitness.costs import Costs
from fitness.folds import split
from fitness.samples import sample
from fitness.shards import shard_of
from strategies.codec import express
from strategies.language import Language
from strategies.sampler import random_genomes


def loaded():
    kernels = [one for one in gc.get_objects() if isinstance(one, Dispatcher)]
    return {f"{one.py_func.__module__}.{one.__name__}{signature}" for one in kernels for signature in one.signatures}


def bench(shares):
    shard = shard_of(sample("SPX").tail(900), "SPX", "1d", bars_per_year=252.0)
    folds = split(900, folds=2, validation=0.2, lockbox=0.2, embargo=5, warm_up=100)
    return ShardBench(shares, [shard], [folds], Costs(fee=0.001, slippage=0.0005), bank_bytes=2**24)


phenotypes = express(random_genomes(200, np.random.default_rng(7)), Language())
evaluator = ShardEvaluator(SimpleNamespace(bench=bench), (Share(0),))
evaluator.warm()
before = loaded()
evaluator.evaluate(phenotypes, "folds")
print(len(before), *sorted(loaded() - before), sep="\\n")
"""


def test_after_warm_a_genome_waits_for_no_kernel():
    ran = subprocess.run([sys.executable, "-c", AFTER_WARM], capture_output=True, text=True, check=True)
    n_before, *loaded_by_genomes = ran.stdout.splitlines()
    assert int(n_before) > 20
    assert loaded_by_genomes == []
