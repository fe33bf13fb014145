"""Banks in processes that share columns, some of which are killed. Run as a script by test_shared_columns.py.

`python shared_holders.py FOLDER BUDGET SEED ROUNDS`: in every round three children make masks with shared columns and
compare them with those of a bank of their own; one is killed at a random moment. In the first round another one is
killed while it changes the arena. It prints a line of JSON.
"""

import json
import os
import random
import signal
import sys
import time
import traceback
from pathlib import Path

import numpy as np

from fitness import shared_columns
from fitness.bank import FeatureBank
from fitness.shard import Shard, bars_hash
from fitness.shared_columns import SharedColumns
from strategies.codec import express
from strategies.genes import BLOCK_COLUMNS, CONDITION_BLOCKS, FIELD
from strategies.sampler import random_genomes

N_BARS = 300
BROODS = 12


def shard_of_walk():
    rng, stamps = np.random.default_rng(3), 946_684_800_000_000 + 86_400_000_000 * np.arange(N_BARS)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, N_BARS)))
    values = {"open": close * 0.999, "high": close * 1.01, "low": close * 0.99, "close": close, "volume": close * 50.0}
    found = bars_hash("RWALK", "1d", stamps, values)
    return Shard("RWALK", "1d", stamps, **values, bars_per_year=252.0, content_hash=found, quality=1.0)


def conditions(seed):
    rows = express(random_genomes(12, np.random.default_rng(seed), species="ta"))
    blocks = np.concatenate([rows[:, BLOCK_COLUMNS[block]] for block in CONDITION_BLOCKS])
    return blocks[blocks[:, FIELD["on"]] > 0]


def expected_masks(shard, seeds):
    bank = FeatureBank(shard)
    return {seed: bank.masks(conditions(seed)) for seed in seeds}


def child(work):
    """The id of a forked process that does `work` and ends with 0, or with 1 if it raises."""
    process = os.fork()
    if process == 0:
        try:
            work()
            os._exit(0)
        except BaseException as error:  # noqa: BLE001 - a forked child must not go on as its parent
            traceback.print_exception(error)
            os._exit(1)
    return process


def holder(shard, shared, expected, seeds):
    """Asks a shared bank for conditions, again and again, and compares."""

    def work():
        bank = FeatureBank(shard, 2**20, shared=shared)
        for seed in seeds:
            words, sound = bank.masks(conditions(seed))
            assert np.array_equal(words, expected[seed][0])
            assert np.array_equal(sound, expected[seed][1])
        bank.close()

    return work


def dying_inside(shard, shared):
    """Is killed while it puts the third column in, in the middle of its row."""

    def work():
        put, done = shared_columns.put_column, []

        def die(values, units, row):
            put(values, units, row)
            done.append(row)
            if len(done) == 3:
                row[: row.size // 2] = 7
                os.kill(os.getpid(), signal.SIGKILL)

        shared_columns.put_column = die
        FeatureBank(shard, 2**20, shared=shared).masks(conditions(1))

    return work


def main(folder, budget, seed, rounds):
    """Print how children ended, and what is left in the folder."""
    shard, rng = shard_of_walk(), random.Random(seed)
    shared = SharedColumns("test", budget, keep_free=0, folder=Path(folder))
    seeds = range(BROODS)
    expected = expected_masks(shard, seeds)
    warm = FeatureBank(shard, 2**20, shared=shared)  # compiles what children need
    warm.masks(conditions(0))
    ended = []
    for number in range(rounds):
        if number == 0:
            _, status = os.waitpid(child(dying_inside(shard, shared)), 0)
            assert os.WTERMSIG(status) == signal.SIGKILL, status
        workers = [child(holder(shard, shared, expected, rng.sample(seeds, BROODS))) for _ in range(3)]
        time.sleep(rng.uniform(0.0, 0.05))
        os.kill(workers[0], signal.SIGKILL)
        ended += [os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]) for worker in workers][1:]
    words, _ = warm.masks(conditions(5))
    same = bool(np.array_equal(words, expected[5][0]))
    kind = type(warm.column_store).__name__
    warm.close()
    print(json.dumps({"ended": ended, "same": same, "kind": kind, "left": len(list(Path(folder).iterdir()))}))


if __name__ == "__main__":
    main(sys.argv[1], *(int(text) for text in sys.argv[2:]))
