"""Compile every kernel once, in two processes, before any worker needs one; afterwards all load what was compiled.

A cold cache costs half a minute of compilation, and without this each worker would pay it at the same time as the
others, on the same cores. `python -m cluster.compile_ahead PART` compiles one part by using it on a few made-up bars.
"""

import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Self

import numpy as np

from cluster.kernel_cache import kernel_cache_folder

_DONE: Final = "compiled"
_N_BARS: Final = 400
TIMEOUT_S: Final = 300.0


class CompileAhead:
    """Compilation in the background: nothing to do where the cache says that it has been done.

    Leave the block to stop what is still going on; a part that was stopped or failed is compiled by whoever needs it.
    """

    def __init__(self) -> None:
        self._mark = kernel_cache_folder() / _DONE
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


def _evaluation() -> None:
    """What evaluators, promotion and back-tests run."""
    from fitness.bank import FeatureBank
    from fitness.costs import Costs
    from fitness.evaluate import evaluate
    from fitness.folds import Window
    from fitness.pooled import Segment, pooled_sharpes
    from fitness.shard import Shard
    from fitness.trace import trace
    from strategies.encoding import phenotype_of
    from strategies.talib_twins import prove_all
    from strategies.templates import TEMPLATES

    close = 100.0 + np.cumsum(np.random.default_rng(1).standard_normal(_N_BARS)) * 0.1
    prices = (close, close + 1.0, close - 1.0, close, close)
    shard = Shard("X", "1d", np.arange(_N_BARS), *prices, 252.0, "compile", 1.0)
    rows = np.stack([phenotype_of(strategy) for strategy in TEMPLATES.values()])
    windows, costs, bank = (Window("all", 50, _N_BARS),), Costs(fee=0.0, slippage=0.0), FeatureBank(shard)
    evaluate(rows, shard, windows, costs, bank)
    pooled_sharpes(rows, [Segment(shard, windows, bank)], costs)
    trace(rows[0], shard, windows[0], costs, bank)
    prove_all()


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


PARTS: Final[dict[str, Callable[[], None]]] = {"evaluation": _evaluation, "breeding": _breeding}


if __name__ == "__main__":
    PARTS[sys.argv[1]]()
