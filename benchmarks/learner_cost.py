"""What does an online learner cost, in CPU nanoseconds a bar?

Each algorithm of the table runs over 8,000 bars of a synthetic walk with four features, at its default
hyper-parameters ("kernel", and "learn" with all that `strategies.learners.running.learn` does around it) and at the
costliest corner of its grids ("worst"). CPU time of this process, the least of several runs; what is compiled is
compiled before. Importance and the computing of the features themselves are not in it.

Run: python benchmarks/learner_cost.py [repeats]
"""

import itertools
import sys
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from strategies.learners.confidence import confidence_nb
from strategies.learners.running import learn, predictions, samples_of
from strategies.learners.standardising import standardised
from strategies.learners.table import ALGORITHMS, MAX_FEATURES
from strategies.learners.targets import target_of
from strategies.probes import walk
from strategies.views import frozen

N_BARS = 8_000
HORIZON = 5
REPEATS = 9


def nanoseconds_a_bar(run: Callable[[], object], repeats: int) -> float:
    """The least CPU time of several runs, after one that compiles."""
    run()
    least = np.inf
    for _ in range(repeats):
        before = time.process_time_ns()
        run()
        least = min(least, time.process_time_ns() - before)
    return float(least) / N_BARS


def main() -> None:
    """Prints a line for each algorithm."""
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else REPEATS
    bars = walk(number=1, volatility=0.02, n_bars=N_BARS)
    features = np.random.default_rng(1).normal(size=(N_BARS, MAX_FEATURES))
    print(f"CPU ns a learner-bar, {MAX_FEATURES} features, {N_BARS:,} bars, horizon {HORIZON}, best of {repeats}")
    print(f"{'algorithm':<26}{'kernel':>8}{'worst':>8}{'learn':>8}")
    totals = []
    for name, entry in ALGORITHMS.items():
        default = tuple(each.default for each in entry.hyper)
        samples = samples_of(name, "return", HORIZON, features, bars)
        corners = itertools.product(*((each.grid[0], each.grid[-1]) for each in entry.hyper))
        kernel = nanoseconds_a_bar(partial(predictions, name, HORIZON, default, samples), repeats)
        worst = max(
            nanoseconds_a_bar(partial(predictions, name, HORIZON, hyper, samples), repeats) for hyper in corners
        )
        whole = nanoseconds_a_bar(partial(learn, name, "return", HORIZON, default, features, bars), repeats)
        totals.append(whole)
        print(f"{name:<26}{kernel:>8.0f}{max(kernel, worst):>8.0f}{whole:>8.0f}")
    print(f"{'mean':<26}{'':>16}{np.mean(totals):>8.0f}")
    samples = samples_of("logistic", "return", HORIZON, features, bars)
    signed, out = frozen(np.random.default_rng(2).normal(size=N_BARS), np.float64), np.empty(N_BARS)
    for what, run in (
        ("features standardised", partial(standardised, features)),
        ("target", partial(target_of, "return", HORIZON, bars)),
        ("confidence", partial(confidence_nb, signed, samples.y, HORIZON, 0.9965, out)),
    ):
        print(f"{what:<26}{'':>16}{nanoseconds_a_bar(run, repeats):>8.0f}")


if __name__ == "__main__":
    main()
