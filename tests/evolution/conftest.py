"""A toy market for the tests of evolution: fitness is a smooth function of the phenotype, and some rows are refused."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from evolution.settings import EvolutionSettings
from fitness.objectives import Evaluation
from strategies.codec import phenotype_keys
from strategies.genes import N_GENES

N_OBJECTIVES, N_MEASURES = 2, 3
_WEIGHTS = np.random.Generator(np.random.Philox(key=7)).standard_normal((N_OBJECTIVES, N_GENES))


@dataclass
class Toy:
    """An evaluator that remembers every key it was asked for. `refuse_every` rows get reason 1; 0 refuses none."""

    refuse_every: int = 5
    asked: list[tuple[int, int]] = field(default_factory=list)

    def __call__(self, phenotypes: NDArray[np.float64]) -> Evaluation:
        keys = phenotype_keys(phenotypes)
        self.asked += [(int(high), int(low)) for high, low in keys]
        values = np.tanh(phenotypes / 50.0)
        sums = [(values * weights).sum(axis=1) for weights in _WEIGHTS]  # no matrix product: it may add in other orders
        objectives = np.round(np.stack(sums, axis=1), 1)  # rounded, so that there are ties
        refused = keys[:, 0] % np.uint64(self.refuse_every) == 0 if self.refuse_every else np.zeros(len(keys), bool)
        objectives[refused] = np.nan
        measures = np.column_stack([objectives, np.full(len(keys), np.nan)])
        return Evaluation(objectives=objectives, reasons=refused.astype(np.int16), measures=measures)


@pytest.fixture
def toy() -> type[Toy]:
    return Toy


@pytest.fixture
def small() -> EvolutionSettings:
    return EvolutionSettings(population_size=12, epoch_generations=2, n_migrants=2)
