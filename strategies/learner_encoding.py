"""A learner to its genes and back: the columns of one learner's blocks."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from strategies.genes import COLUMN, EDGES, N_LEARNERS, OPERAND_FIELDS, TRUSTS
from strategies.learners.table import ALGORITHMS, HORIZONS, MAX_FEATURES, TARGETS
from strategies.operand_encoding import fraction, operand_genes, operand_of, operand_values
from strategies.strategy import Learner

Row = NDArray[np.float64]


@cache
def learner_slots() -> tuple[slice, ...]:
    """Return the columns of each learner."""
    starts = [COLUMN[f"learner.{number}.on"] for number in range(N_LEARNERS)]
    last = COLUMN[f"learner.0.f{MAX_FEATURES - 1}.timeframe"] + 1 - starts[0]
    return tuple(slice(start, start + last) for start in starts)


_AT = {
    name: COLUMN[f"learner.0.{name}"] - COLUMN["learner.0.on"]
    for name in ("weight", "edge", "trust", "algorithm", "target", "horizon", "h0")
}
_FEATURES = [COLUMN[f"learner.0.f{number}.on"] - COLUMN["learner.0.on"] for number in range(MAX_FEATURES)]


def learner_of(values: Row) -> Learner:
    """Return the learner of its columns in a phenotype."""
    name = list(ALGORITHMS)[int(values[_AT["algorithm"]])]
    n_hyper = len(ALGORITHMS[name].hyper)
    return Learner(
        algorithm=name,
        target=TARGETS[int(values[_AT["target"]])],
        horizon=int(values[_AT["horizon"]]),
        hyper=tuple(float(value) for value in values[_AT["h0"] : _AT["h0"] + n_hyper]),
        features=tuple(operand_of(values[at + 1 : at + 1 + len(OPERAND_FIELDS)]) for at in _FEATURES if values[at]),
        weight=int(values[_AT["weight"]]),
        edge=float(values[_AT["edge"]]),
        trust=float(values[_AT["trust"]]),
    )


def learner_phenotype(learner: Learner) -> Row:
    """Return the columns of a learner in a phenotype; its numbers need not lie on any grid."""
    values = np.zeros(learner_slots()[0].stop - learner_slots()[0].start)
    values[0] = 1.0
    for name in ("weight", "edge", "trust", "horizon"):
        values[_AT[name]] = getattr(learner, name)
    values[_AT["algorithm"]] = list(ALGORITHMS).index(learner.algorithm)
    values[_AT["target"]] = TARGETS.index(learner.target)
    values[_AT["h0"] : _AT["h0"] + len(learner.hyper)] = learner.hyper
    for at, feature in zip(_FEATURES, learner.features, strict=False):
        values[at] = 1.0
        values[at + 1 : at + 1 + len(OPERAND_FIELDS)] = operand_values(feature)
    return values


def learner_genes(learner: Learner) -> Row:
    """Return the genes of a learner.

    Raises:
        StrategyError: a number that lies on no grid of the gene table.
    """
    genes = learner_phenotype(learner)
    genes[0] = float(learner.weight > 0)
    genes[_AT["weight"]] = max(learner.weight, 1)
    for name, value, grid in (
        ("horizon", learner.horizon, HORIZONS),
        ("edge", learner.edge, EDGES),
        ("trust", learner.trust, TRUSTS),
    ):
        genes[_AT[name]] = fraction(value, grid, f"{name} of {learner.algorithm}")
    for slot, known in enumerate(ALGORITHMS[learner.algorithm].hyper):
        genes[_AT["h0"] + slot] = fraction(learner.hyper[slot], known.grid, f"{learner.algorithm}.{known.name}")
    for at, feature in zip(_FEATURES, learner.features, strict=False):
        genes[at + 1 : at + 1 + len(OPERAND_FIELDS)] = operand_genes(feature)
    return genes
