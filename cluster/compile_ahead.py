"""Compile every kernel once, a few processes at a time, before any worker needs one; then all load what was compiled.

A cold cache costs half a minute of compilation, and without this each worker would pay it at the same time as the
others, on the same cores. `python -m cluster.compile_ahead PART` compiles one part by using it on a few made-up bars.
"""

import contextlib
import hashlib
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from cluster.kernel_cache import kernel_cache_folder, sweep_kernels

if TYPE_CHECKING:
    from fitness.shard import Shard

_N_BARS: Final = 400
_DAY_US: Final = 86_400_000_000
TIMEOUT_S: Final = 300.0


class CompileAhead:
    """Compilation in the background: nothing to do where the cache says that it has been done.

    Leave the block to stop what is still going on; a part that was stopped or failed is compiled by whoever needs it.
    """

    def __init__(self) -> None:
        self._mark = done_mark(kernel_cache_folder())
        sweep_kernels(self._mark.parent)
        commands = (
            [] if self._mark.exists() else [[sys.executable, "-m", "cluster.compile_ahead", part] for part in PARTS]
        )
        self._running = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for command in commands]  # noqa: S603
        if commands:
            print("compiling kernels, once for this version (about half a minute) ...", file=sys.stderr, flush=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._running:
            process.kill()
            process.wait()

    def wait(self) -> None:
        """Wait for the end of all parts, and note in the cache that they are there if all succeeded."""
        try:
            codes = [process.wait(TIMEOUT_S) for process in self._running]
        except subprocess.TimeoutExpired:
            return
        if codes and not any(codes):
            with suppress(OSError):  # it costs a second look next time
                self._mark.touch()


def done_mark(folder: Path) -> Path:
    """Return the file that says that everything is compiled for this CPU; nodes with others may share the folder."""
    from llvmlite import binding

    cpu = f"{binding.get_default_triple()} {binding.get_host_cpu_name()} {binding.get_host_cpu_features().flatten()}"
    return folder / f"compiled-{hashlib.sha256(cpu.encode()).hexdigest()[:12]}"


def _evaluation() -> None:
    """What evaluators, promotion and back-tests run."""
    from fitness.bank import FeatureBank
    from fitness.co_movement import with_co_movements
    from fitness.costs import Costs
    from fitness.evaluate import evaluate
    from fitness.excess import timing_returns
    from fitness.folds import Window
    from fitness.pooled import Segment, pooled_sharpes
    from fitness.shared_columns import SharedColumns
    from fitness.statistics import block_sums, overfitting, selection_paths
    from fitness.trace import trace
    from fitness.trial_returns import trial_returns
    from strategies.encoding import phenotype_of
    from strategies.talib_twins import prove_all
    from strategies.templates import TEMPLATES

    shard = _shard()
    # what learners need is the other part's: both at once would compile it twice
    rows = np.stack([phenotype_of(strategy) for strategy in TEMPLATES.values() if not strategy.learners])
    windows, costs, bank = (Window("all", 50, _N_BARS),), Costs(fee=0.0, slippage=0.0), FeatureBank(shard)
    evaluate(rows, shard, windows, costs, bank)
    pooled_sharpes(rows, [Segment(shard, windows, bank)], costs)
    found = trace(rows[0], shard, windows[0], costs, bank)
    with_co_movements(rows, shard, windows, costs, bank)
    shared = SharedColumns("compile", 2**20, keep_free=0)
    with contextlib.closing(FeatureBank(shard, 2**20, shared=shared)) as sharing:
        evaluate(rows, shard, windows, costs, sharing)
    timing_returns([found], shard, benchmark="passive", start_equity=costs.start_equity)
    returns = trial_returns(rows, [Segment(shard, windows, bank)], costs, benchmark="passive")
    overfitting(block_sums(returns, 4))
    selection_paths(returns, np.ones(len(returns), dtype=np.int64), n_groups=4, n_test_groups=2, embargo=1)
    prove_all()


def _learning() -> None:
    """Every learner and what it is known by, and every feature of ours."""
    from fitness.learning import learner_digests
    from strategies.encoding import phenotype_of
    from strategies.features import FEATURES
    from strategies.learners.running import learn
    from strategies.learners.table import ALGORITHMS, TARGETS
    from strategies.templates import TEMPLATES

    shard = _shard()
    features = np.random.default_rng(2).standard_normal((_N_BARS, 2))
    for number, (name, algorithm) in enumerate(ALGORITHMS.items()):
        hyper = [each.default for each in algorithm.hyper]
        learn(name, TARGETS[number % len(TARGETS)], 2, hyper, features, shard)
    learner_digests(np.stack([phenotype_of(strategy) for strategy in TEMPLATES.values() if strategy.learners]))
    for feature in FEATURES.values():
        if not feature.requires:
            feature.compute(shard, tuple(parameter.default for parameter in feature.parameters))


def _shard() -> "Shard":
    """A few made-up bars."""
    from fitness.shard import Shard

    close = 100.0 + np.cumsum(np.random.default_rng(1).standard_normal(_N_BARS)) * 0.1
    prices = (close, close + 1.0, close - 1.0, close, close)
    return Shard("X", "1d", np.arange(_N_BARS) * _DAY_US, *prices, 252.0, "compile", 1.0)


def _breeding() -> None:
    """What islands run."""
    from evolution.advance import advance, found
    from evolution.population import state_from_bytes, state_to_bytes
    from evolution.settings import EvolutionSettings
    from fitness.objectives import MEASURE_COLUMNS, Evaluation

    def evaluate(phenotypes: np.ndarray, /) -> Evaluation:
        n = len(phenotypes)
        objectives = np.random.default_rng(n).random((n, 2))
        return Evaluation(objectives, np.zeros(n, dtype=np.int16), np.zeros((n, len(MEASURE_COLUMNS))))

    settings = EvolutionSettings(
        population_size=20, n_islands=1, generations=4, epoch_generations=2, objectives=("sharpe", "total_return")
    )
    state = found(1, 0, settings, evaluate).state
    advance(state_from_bytes(state_to_bytes(state)), evaluate, settings, 2)


PARTS: Final[dict[str, Callable[[], None]]] = {
    "evaluation": _evaluation,
    "breeding": _breeding,
    "learning": _learning,
}


if __name__ == "__main__":
    PARTS[sys.argv[1]]()
