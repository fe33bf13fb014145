"""A pedigree as large as one likes, bred without bars: fitness drifts from parent to child, and the fit breed."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from evolution.pedigree import (
    CROSSOVER,
    FOUNDER,
    MIGRANT,
    MUTATION,
    NO_PARENT,
    Births,
    birth_ids,
    concat,
    generation_of,
    island_of,
)
from fitness.objectives import MEASURE_COLUMNS
from strategies.codec import express
from strategies.sampler import random_genomes
from strategies.species import species_of

N_GENOMES: Final = 2000
Columns = dict[str, NDArray[Any]]


def bred(*, islands: int, generations: int, brood: int, seed: int = 5) -> Births:
    """Births of so many islands, generations (the founders' is one of them) and births in each, in order of id."""
    rng = np.random.default_rng(seed)
    genomes = random_genomes(N_GENOMES, rng)
    kinds = species_of(express(genomes))
    alive = [_founders(island, brood, rng) for island in range(islands)]
    parts = [births_of(columns, genomes, kinds) for columns in alive]
    for generation in range(1, generations):
        left = [{name: values[:2] for name, values in columns.items()} for columns in alive]
        for island in range(islands):
            guests = left[island - 1] if islands > 1 and generation % 3 == 0 else None
            children = _brood(alive[island], guests, island, generation, brood=brood, rng=rng)
            parts.append(births_of(children, genomes, kinds))
            together = {name: np.concatenate([alive[island][name], children[name]]) for name in children}
            best = np.argsort(-together["fitness"], kind="stable")[:brood]
            alive[island] = {name: values[best] for name, values in together.items()}
    everyone = concat(parts)
    return everyone.take(np.argsort(everyone.birth_id, kind="stable"))


def _founders(island: int, n: int, rng: np.random.Generator) -> Columns:
    ids = birth_ids(island, 0, np.arange(n))
    none = np.full(n, NO_PARENT)
    return {
        "birth_id": ids,
        "family": ids,
        "parent_a": none,
        "parent_b": none,
        "operator": np.full(n, FOUNDER),
        "genome": rng.integers(0, N_GENOMES, n),
        "fitness": rng.normal(-0.5, 0.4, n),
        "key": rng.integers(0, 2**63, (n, 2)).astype(np.uint64),
    }


def _brood(
    alive: Columns, guests: Columns | None, island: int, generation: int, *, brood: int, rng: np.random.Generator
) -> Columns:
    """Children of a generation: migrants first, then crossovers and mutations of the fitter half."""
    n = len(alive["birth_id"])
    mother, father = (np.minimum(*rng.integers(0, n, (2, brood))) for _ in range(2))
    two = (rng.random(brood) < 0.4) & (mother != father)
    children = {
        "birth_id": birth_ids(island, generation, np.arange(brood)),
        "family": alive["family"][mother],
        "parent_a": alive["birth_id"][mother],
        "parent_b": np.where(two, alive["birth_id"][father], NO_PARENT),
        "operator": np.where(two, CROSSOVER, MUTATION),
        "genome": np.where(rng.random(brood) < 0.3, rng.integers(0, N_GENOMES, brood), alive["genome"][mother]),
        "fitness": alive["fitness"][mother] + rng.normal(-0.05, 0.06, brood),
        "key": rng.integers(0, 2**63, (brood, 2)).astype(np.uint64),
    }
    if guests is not None:
        came = slice(0, len(guests["birth_id"]))
        for name in ("family", "genome", "fitness", "key"):
            children[name][came] = guests[name]
        children["parent_a"][came], children["parent_b"][came] = guests["birth_id"], NO_PARENT
        children["operator"][came] = MIGRANT
    return children


def births_of(columns: Columns, genomes: NDArray[np.float64], kinds: NDArray[np.int8]) -> Births:
    """The births of such columns; every ninth of a brood never trades and so has no fitness."""
    n, ids = len(columns["birth_id"]), columns["birth_id"]
    idle = (np.arange(n) % 9 == 8) & (columns["operator"] != MIGRANT) & (columns["fitness"] < 0.0)
    return Births(
        birth_id=ids,
        island=island_of(ids).astype(np.int32),
        generation=generation_of(ids).astype(np.int32),
        operator=columns["operator"].astype(np.int8),
        parent_a=columns["parent_a"].astype(np.int64),
        parent_b=columns["parent_b"].astype(np.int64),
        family=columns["family"],
        species=kinds[columns["genome"]],
        retries=np.zeros(n, dtype=np.int16),
        genome=genomes[columns["genome"]],
        key=columns["key"],
        evaluated=columns["operator"] != MIGRANT,
        objectives=np.where(idle, np.nan, columns["fitness"])[:, None],
        reason=np.where(idle, 3, 0).astype(np.int16),
        measures=np.zeros((n, len(MEASURE_COLUMNS))),
    )
