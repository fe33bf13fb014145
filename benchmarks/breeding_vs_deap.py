"""What does breeding cost beside evaluation, and what would DEAP's own selection and variation cost?

Method. One process on one core, CPU time, the least of several runs or generations.

"Phases" is `evolution.advance` of one island whose objectives are numbers made from the keys, so that nothing but
breeding is counted: each phase is the time inside the functions named in `PHASES`, less that of other phases they call.

"Selection" gives both sides the same objectives, independent normal numbers, and has half of the individuals selected.
DEAP's are its `selNSGA2` and `selNSGA3` as they are; ours are `survivors` (which also tells twins by their keys) and
the `niche_preference` that makes it NSGA-III. "Variation" is DEAP's `varAnd` (clone, `cxUniform`,
`mutPolynomialBounded` of a twentieth of the genes) on genomes as long as ours, one by one; ours is all of breeding but
for the ranking, until a child is known to be new.

"Share" is a whole generation of the quickstart job with 1,000 strategies on one island: what is not evaluation, on one
of its shards and on six, with learners and without. The first generations, in which the bank still fills, are left out.

Run: python -m benchmarks.breeding_vs_deap      (a minute and a half)
"""

from benchmarks import one_core  # isort: skip  # noqa: F401 - before NumPy and numba

import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import moocore
import numpy as np
from deap import algorithms, base, tools
from numpy.typing import NDArray

from cluster.driver import with_columns
from cluster.evaluation import ShardBench, assign, gather
from cluster.job_config import JobConfig, settled
from cluster.market import open_market
from cluster.settings import load_config
from cluster.worker import breeding_of
from evolution import crossover, figures, key_sets, mutation, population, selection
from evolution.admission import Evaluate
from evolution.advance import advance, found
from evolution.niching import fewest_divisions, niche_preference, reference_points
from evolution.settings import EvolutionSettings
from fitness.objectives import MEASURE_COLUMNS, Evaluation
from strategies import codec
from strategies.genes import N_GENES

Floats = NDArray[np.float64]
Timed = Callable[..., Any]

SIZES = (200, 1000)
SETTLING, GENERATIONS = 5, 10
QUICKSTART = Path(__file__).parents[1] / "configs" / "quickstart.yaml"
PHASES: dict[str, tuple[Timed, ...]] = {
    "parents (tournaments)": (selection.winners,),
    "crossover": (crossover.origins,),
    "mutation": (mutation.mutated,),
    "expression": (codec.express,),
    "digests": (codec.phenotype_keys,),
    "known keys and register": (key_sets.find, key_sets.repeated, population.enter),
    "ranking": (selection.standing, selection.survivors),
    "figures": (figures.generation_stats,),
}


class Stopwatch:
    """Adds up CPU seconds by phase; of phases inside each other, the inner one has them."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._inside: list[str] = []
        self._since = 0.0

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """What happens inside is of this phase."""
        self._turn()
        self._inside.append(name)
        try:
            yield
        finally:
            self._turn()
            self._inside.pop()

    def _turn(self) -> None:
        now = time.process_time()
        if self._inside:
            self.seconds[self._inside[-1]] = self.seconds.get(self._inside[-1], 0.0) + now - self._since
        self._since = now

    def of(self, name: str, function: Timed) -> Timed:
        """The function, timed."""

        @wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.phase(name):
                return function(*args, **kwargs)

        return timed


@contextmanager
def phases_timed(watch: Stopwatch) -> Iterator[None]:
    """Time the functions of `PHASES` wherever a module has imported them."""
    own = [module for name, module in sys.modules.items() if name.split(".")[0] in ("evolution", "strategies")]
    replaced = []
    for phase, functions in PHASES.items():
        for function in functions:
            for module in own:
                if getattr(module, function.__name__, None) is function:
                    replaced.append((module, function))
                    setattr(module, function.__name__, watch.of(phase, function))
    try:
        yield
    finally:
        for module, function in replaced:
            setattr(module, function.__name__, function)


def least_seconds(run: Callable[[], object], repeats: int) -> float:
    """The least CPU time of several runs, after one that compiles."""
    run()
    least = np.inf
    for _ in range(repeats):
        before = time.process_time()
        run()
        least = min(least, time.process_time() - before)
    return float(least)


def generations(settings: EvolutionSettings, evaluate: Evaluate, n: int) -> list[dict[str, float]]:
    """Seconds by phase of `n` generations after the first ones; "evaluation" is one of them."""
    watch, told = Stopwatch(), []

    def evaluated(phenotypes: Floats) -> Evaluation:
        with watch.phase("evaluation"):
            return evaluate(phenotypes)

    state = advance(found(7, 0, settings, evaluated).state, evaluated, settings, SETTLING).state
    with phases_timed(watch):
        for _ in range(n):
            watch.seconds.clear()
            with watch.phase("all else"):
                state = advance(state, evaluated, settings, 1).state
            told.append(dict(watch.seconds))
    return told


def from_keys(phenotypes: Floats) -> Evaluation:
    """Objectives that are numbers made from the keys."""
    keys = codec.phenotype_keys(phenotypes)
    recorded = np.zeros((len(keys), len(MEASURE_COLUMNS)))
    return Evaluation((keys >> np.uint64(11)) * 2.0**-53, np.zeros(len(keys), dtype=np.int16), recorded)


def phase_table() -> dict[int, float]:
    """Print microseconds a child by phase; return those of variation by size."""
    least: dict[int, dict[str, float]] = {}
    for size in SIZES:
        told = generations(EvolutionSettings(population_size=size), from_keys, GENERATIONS)
        least[size] = {name: min(each.get(name, 0.0) for each in told) / size * 1e6 for name in (*PHASES, "all else")}
    print(f"Phases, us a child{'':22}" + "".join(f"{size:>8,}" for size in SIZES))
    for name in (*PHASES, "all else"):
        print(f"  {name:<38}" + "".join(f"{least[size][name]:8.2f}" for size in SIZES))
    print(f"  {'together':<38}" + "".join(f"{sum(least[size].values()):8.2f}" for size in SIZES))
    apart = ("ranking", "figures")
    return {size: sum(value for name, value in least[size].items() if name not in apart) for size in SIZES}


class Fitness(base.Fitness):
    """Two objectives, both maximised."""

    weights = (1.0, 1.0)


class Individual(list[float]):
    """A genome as DEAP wants it."""

    def __init__(self, genome: list[float], values: tuple[float, ...] = ()) -> None:
        super().__init__(genome)
        self.fitness = Fitness(values)


def deap_box() -> base.Toolbox:
    """DEAP's own operators on a genome of our length."""
    box = base.Toolbox()
    box.register("mate", tools.cxUniform, indpb=0.5)
    box.register("mutate", tools.mutPolynomialBounded, eta=5.0, low=0.0, up=1.0, indpb=0.05)
    return box


def selections(size: int) -> dict[str, Callable[[], object]]:
    """What is compared, by name, each on the same `size` individuals."""
    rng = np.random.default_rng(size)
    objectives, ids = rng.standard_normal((size, 2)), rng.permutation(size)
    keys, reasons = rng.integers(0, 2**63, (size, 2), dtype=np.uint64), np.zeros(size, dtype=np.int16)
    crowd = [Individual([], values) for values in map(tuple, objectives.tolist())]
    points, half, ranks = reference_points(2, fewest_divisions(2, size // 2)), size // 2, None
    ranks = selection.pareto_ranks(objectives)
    return {
        "DEAP selNSGA2, standard": lambda: tools.selNSGA2(crowd, half, nd="standard"),
        "DEAP selNSGA2, log": lambda: tools.selNSGA2(crowd, half, nd="log"),
        "DEAP selNSGA3, log": lambda: tools.selNSGA3(crowd, half, points, nd="log"),
        "moocore pareto_rank": lambda: moocore.pareto_rank(objectives, maximise=True),
        "ours, survivors of NSGA-II": lambda: selection.survivors(objectives, reasons, keys, ids, n=half),
        "ours, preference of NSGA-III": lambda: niche_preference(objectives, ranks, ids, n_wanted=half),
    }


def deap_table(ours: dict[int, float]) -> None:
    """Print microseconds an individual of selection and of variation."""
    print(f"\nSelection of half, us an individual{'':5}" + "".join(f"{size:>8,}" for size in SIZES))
    tried = {size: selections(size) for size in SIZES}
    for name in tried[SIZES[0]]:
        costs = [least_seconds(tried[size][name], 3) / size * 1e6 for size in SIZES]
        print(f"  {name:<38}" + "".join(f"{cost:8.2f}" for cost in costs))
    print(f"\nVariation, us a child{'':19}" + "".join(f"{size:>8,}" for size in SIZES))
    random.seed(7)
    box, costs = deap_box(), []
    for size in SIZES:
        crowd = [Individual(row, (0.0, 0.0)) for row in np.random.default_rng(size).random((size, N_GENES)).tolist()]
        costs.append(least_seconds(lambda crowd=crowd: algorithms.varAnd(crowd, box, 0.7, 0.4), 3) / size * 1e6)  # type: ignore[misc]
    print(f"  {'DEAP varAnd, children may be known':<38}" + "".join(f"{cost:8.2f}" for cost in costs))
    print(f"  {'ours, new children (phases above)':<38}" + "".join(f"{ours[size]:8.2f}" for size in SIZES))


def job(n_shards: int, folder: str, *, learners: bool) -> JobConfig:
    """The quickstart job with 1,000 strategies an island."""
    config = load_config(QUICKSTART)
    data = config.data.model_copy(update={"root": Path(folder), "shards": config.data.shards[:n_shards]})
    bred = config.evolution.model_copy(update={"population_size": SIZES[-1]})
    said = config.language.model_copy(update={"learners": learners})
    return settled(config.model_copy(update={"data": data, "evolution": bred, "language": said}))


def share_table(folder: str) -> None:
    """Print what share of a generation of a real job is not evaluation."""
    print(f"\nA generation of {SIZES[-1]:,}, ms of CPU{'':10}evaluation   breeding   share")
    for learners in (True, False):
        for n_shards in (1, 6):
            config = job(n_shards, folder, learners=learners)
            market = open_market(config)
            breeding = breeding_of(with_columns(config, market.shards), market.bars_per_year, market.n_folds)
            (shares,) = assign(n_shards, 1)
            bank_bytes = config.cluster.bank_mib * 2**20
            bench = ShardBench(shares, market.shards, market.splits, market.costs, bank_bytes=bank_bytes)
            told = generations(
                breeding.settings,
                lambda rows, bench=bench, shares=shares, breeding=breeding: breeding.score(  # type: ignore[misc]
                    gather(shares, bench.evaluate(rows, "folds"))
                ),
                GENERATIONS,
            )
            evaluation = float(np.median([each["evaluation"] for each in told]))
            bred = float(np.median([sum(each.values()) - each["evaluation"] for each in told]))
            what = f"{n_shards} shard{'s' * (n_shards > 1)}, {'with' if learners else 'without'} learners"
            print(f"  {what:<38}{evaluation * 1e3:10.1f}{bred * 1e3:11.1f}{bred / (bred + evaluation):8.1%}")


def main() -> None:
    """Prints four tables."""
    deap_table(phase_table())
    with tempfile.TemporaryDirectory() as folder:
        share_table(folder)


if __name__ == "__main__":
    main()
