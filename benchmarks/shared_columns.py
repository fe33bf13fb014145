"""What does it save that evaluators of one node share their feature columns, and what does it cost?

A short search is run and the phenotypes of its broods are kept. Then several processes evaluate them on one shard as
the workers of a cell do, each its part of every brood: with columns of their own, and with shared ones. CPU time is
that of the evaluating processes after their first brood; memory is the proportional set size (a page that two share
counts half in each) beyond what they had before, and columns made are counted over all of them. The tallies of both
must be equal to the bit.

    python benchmarks/shared_columns.py [--bars 5000] [--timeframe 1d] [--workers 2] [--generations 12] [--mib 256]
"""

import argparse
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cluster import evaluation
from cluster.market import Market
from cluster.search import search
from cluster.settings import config_from
from fitness.bank import FeatureBank
from fitness.costs import Costs
from fitness.evaluate import evaluate
from fitness.shard import Shard, bars_hash
from fitness.shared_columns import SharedColumns
from fitness.timeline import split_together

POPULATION = 64
SHARE_OF_COLUMNS = 0.625
"""Of a bank's budget; see `fitness.bank`."""


@dataclass(frozen=True)
class Asked:
    """What one process is to do."""

    bars: int
    timeframe: str
    part: int
    parts: int
    mib: int
    scope: str
    broods: str


def shard_of_walk(n_bars: int, timeframe: str) -> Shard:
    """Bars of a random walk, one a day or one a minute."""
    rng, step_us = np.random.default_rng(7), 86_400_000_000 if timeframe == "1d" else 60_000_000
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, n_bars)))
    open_ = np.concatenate([[100.0], close[:-1]])
    prices = {"open": open_, "high": np.maximum(open_, close) * 1.003, "low": np.minimum(open_, close) * 0.997}
    values = {**prices, "close": close, "volume": rng.lognormal(10.0, 0.5, n_bars)}
    stamps = 946_684_800_000_000 + step_us * np.arange(n_bars)
    found = bars_hash("RWALK", timeframe, stamps, values)
    per_year = 365.25 * (1.0 if timeframe == "1d" else 1440.0)
    return Shard("RWALK", timeframe, stamps, **values, bars_per_year=per_year, content_hash=found, quality=1.0)


def market_of(n_bars: int, timeframe: str) -> Market:
    """The walk, cut into four folds, validation and lockbox."""
    shard = shard_of_walk(n_bars, timeframe)
    cut = split_together((shard,), folds=4, validation=0.1, lockbox=0.1, embargo=5, warm_up=200)
    return Market((shard,), cut, Costs.from_bps(fee_bps=5, slippage_bps=2))


def broods_of(generations: int) -> list[NDArray[np.float64]]:
    """The phenotypes that a short search on 2,000 bars asks for, brood by brood."""
    market, kept = market_of(2_000, "1d"), []

    def keep(rows: NDArray[np.float64], *others: Any) -> NDArray[np.float64]:
        kept.append(np.array(rows))
        return evaluate(rows, *others)

    config = config_from(
        {
            "name": "broods",
            "seed": 5,
            "data": {"shards": [{"symbol": "RWALK"}], "random_walk_seed": 7},
            "tracking": {"enabled": False},
            "evolution": {"islands": 1, "population_size": POPULATION, "generations": generations},
        },
        where="benchmark",
    )
    module = vars(evaluation)
    module["evaluate"] = keep
    try:
        search(config, market)
    finally:
        module["evaluate"] = evaluate
    return [rows for rows in kept if len(rows) >= 8]


def evaluated(asked: Asked) -> dict[str, Any]:
    """What one process answers: its part of every brood evaluated, and what that took."""
    market = market_of(asked.bars, asked.timeframe)
    shard, windows = market.shards[0], market.splits[0].folds
    budget = asked.mib * 2**20
    shared = SharedColumns(asked.scope, int(SHARE_OF_COLUMNS * budget)) if asked.scope else None
    with np.load(asked.broods) as stored:
        broods = [stored[name] for name in stored.files]
    before = _memory()
    bank, digest, waited = FeatureBank(shard, budget, shared=shared), blake2b(), 0.0
    for number, rows in enumerate(broods):
        if number == 1:
            began, cpu = time.perf_counter(), time.process_time()
        part = rows[len(rows) * asked.part // asked.parts : len(rows) * (asked.part + 1) // asked.parts]
        digest.update(evaluate(part, shard, windows, market.costs, bank).tobytes())
    took = {"wall_s": time.perf_counter() - began, "cpu_s": time.process_time() - cpu}
    made, waited = bank.statistics().columns.made, getattr(bank.column_store, "waited_s", 0.0)
    print(json.dumps({"made": made, "waited_s": waited}), flush=True)
    sys.stdin.readline()  # until all are done, so that memory is what all of them hold
    memory = {name: _memory()[name] - before[name] for name in before}
    return {**took, **memory, "made": made, "waited_s": waited, "digest": digest.hexdigest()[:16]}


def _memory() -> dict[str, float]:
    """Proportional and private memory of this process, MiB."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]
    kib = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    return {"pss": kib["Pss"] / 1024, "private": (kib["Private_Clean"] + kib["Private_Dirty"]) / 1024}


def measure(options: argparse.Namespace, broods: str, *, scope: str) -> list[dict[str, Any]]:
    """What the processes of one group answer."""
    asked = [
        Asked(options.bars, options.timeframe, part, options.workers, options.mib, scope, broods)
        for part in range(options.workers)
    ]
    running = [
        subprocess.Popen(
            [sys.executable, __file__, "--part", json.dumps(vars(one))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for one in asked
    ]
    for process in running:
        assert process.stdout is not None
        process.stdout.readline()
    return [json.loads(process.communicate("\n")[0]) for process in running]


def main() -> None:
    """Measure, and print a row for each way."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bars", type=int, default=5_000)
    parser.add_argument("--timeframe", default="1d", choices=("1d", "1m"))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--generations", type=int, default=12)
    parser.add_argument("--mib", type=int, default=256)
    parser.add_argument("--part")
    options = parser.parse_args()
    if options.part:
        print(json.dumps(evaluated(Asked(**json.loads(options.part)))))
        return
    with TemporaryDirectory() as folder:
        broods = f"{folder}/broods.npz"
        np.savez(broods, *broods_of(options.generations))
        found = {way: measure(options, broods, scope=scope) for way, scope in (("own", ""), ("shared", "benchmark"))}
    assert [one["digest"] for one in found["own"]] == [one["digest"] for one in found["shared"]]
    for way, parts in found.items():
        total = {name: sum(one[name] for one in parts) for name in ("cpu_s", "wall_s", "pss", "private", "waited_s")}
        made = parts[0]["made"] if way == "shared" else sum(one["made"] for one in parts)
        print(way, json.dumps({**{name: round(value, 3) for name, value in total.items()}, "columns made": made}))


if __name__ == "__main__":
    main()
