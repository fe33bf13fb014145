"""How long do a million births take to load and to question, and how much memory?

The births are made up, but are a closed pedigree that `check_closed` accepts: islands whose broods have parents among
the better ones of the generation before, migrants every few generations, newcomers, and genomes that are really crossed
and mutated. Fitness is a walk, so that gains and families look like those of a job. Strategy ids are made of the
phenotype keys, for hashing a million strategies' JSON is births.parquet's cost and not this table's.

The table is made and written by one process; a fresh one then opens it, so that its peak is that of `studbook`
alone. CPU time is given beside wall time, for a busy machine.

Run: python benchmarks/genealogy.py [n_births]
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from cluster.genealogy.carrying import SUFFIXES, carry
from cluster.genealogy.diversity import fall_of_diversity
from cluster.genealogy.dynasty import dynasties, dynasty_of
from cluster.genealogy.finding import row_of
from cluster.genealogy.founders import founder_ownership
from cluster.genealogy.lines import ancestors, contributions, descendants
from cluster.genealogy.operators import operator_gains
from cluster.genealogy.pedigree import LEAN, LISTS, Pedigree
from cluster.genealogy.spread import spread_of_traits
from cluster.genealogy.table import pedigree_frame, read_pedigree, write_pedigree
from cluster.genealogy.trees import parents_tree
from evolution.pedigree import (
    CROSSOVER,
    CROSSOVER_MUTATION,
    FOUNDER,
    MIGRANT,
    MUTATION,
    NEWCOMER,
    NO_PARENT,
    Births,
    birth_ids,
    check_closed,
)
from fitness.objectives import MEASURE_COLUMNS, TOO_FEW_TRADES
from strategies.codec import express, phenotype_keys
from strategies.genes import N_GENES
from strategies.language import DEFAULT
from strategies.sampler import random_genomes
from strategies.species import species_of


def made_births(n_islands: int, n_generations: int, brood: int, *, seed: int = 0, every: int = 4) -> Births:
    """Return made-up births, closed: `n_islands` x (1 + `n_generations`) x `brood`, and migrants every few generations.

    Args:
        n_islands: how many islands.
        n_generations: after the founders.
        brood: births of each generation of each island.
        seed: of all draws.
        every: generations between two exchanges of migrants, along a ring.
    """
    rng = np.random.default_rng(seed)
    pool = random_genomes(4096, rng)
    last = [_founders(island, brood, pool, rng) for island in range(n_islands)]
    told = list(last)
    for generation in range(1, n_generations + 1):
        arriving = generation % every == 0 and n_islands > 1
        came = [_migrants(island, generation, last[island - 1]) if arriving else None for island in range(n_islands)]
        for island in range(n_islands):
            members = last[island] if came[island] is None else _joined([last[island], came[island]])
            n_before = 0 if came[island] is None else len(came[island]["birth_id"])
            last[island] = _brood(island, generation, members, n_before, brood, pool, rng)
            told += [last[island]] if came[island] is None else [came[island], last[island]]
    columns = _joined(told)
    order = np.argsort(columns["birth_id"], kind="stable")
    births = _births({name: column[order] for name, column in columns.items()})
    check_closed(births)
    return births


Columns = dict[str, np.ndarray[Any, Any]]


def _founders(island: int, n: int, pool: Any, rng: np.random.Generator) -> Columns:
    ids = birth_ids(island, 0, np.arange(n))
    nobody = np.full(n, NO_PARENT)
    return {
        "birth_id": ids, "operator": np.full(n, FOUNDER), "parent_a": nobody, "parent_b": nobody, "family": ids,
        "genome": pool[rng.integers(len(pool), size=n)], "fitness": rng.normal(-0.5, 0.4, n),
    }  # fmt: skip


def _migrants(island: int, generation: int, source: Columns) -> Columns:
    best = np.argsort(-source["fitness"], kind="stable")[:4]
    return {
        **{name: source[name][best] for name in ("family", "genome", "fitness")},
        "birth_id": birth_ids(island, generation, np.arange(len(best))),
        "operator": np.full(len(best), MIGRANT),
        "parent_a": source["birth_id"][best],
        "parent_b": np.full(len(best), NO_PARENT),
    }


def _brood(
    island: int, generation: int, members: Columns, n_before: int, n: int, pool: Any, rng: np.random.Generator
) -> Columns:
    """A brood whose parents win tournaments of four; one in fifty is new."""
    order = np.argsort(-members["fitness"], kind="stable")
    first, second = (order[rng.integers(len(order), size=(n, 4)).min(axis=1)] for _ in range(2))
    operator = rng.choice([CROSSOVER, MUTATION, CROSSOVER_MUTATION, NEWCOMER], size=n, p=[0.5, 0.3, 0.18, 0.02])
    genome = members["genome"][first].copy()
    crossed, mutated = (
        np.isin(operator, (CROSSOVER, CROSSOVER_MUTATION)),
        np.isin(operator, (MUTATION, CROSSOVER_MUTATION)),
    )
    cut = crossed[:, None] & (np.arange(N_GENES) >= rng.integers(N_GENES, size=(n, 1)))
    genome = np.where(cut, members["genome"][second], genome)
    fresh = mutated[:, None] & (rng.random((n, N_GENES)) < 0.02)
    drawn = pool[rng.integers(len(pool), size=n)]
    new = operator == NEWCOMER
    ids = birth_ids(island, generation, n_before + np.arange(n))
    better = np.maximum(members["fitness"][first], members["fitness"][second])
    return {
        "birth_id": ids,
        "operator": operator,
        "parent_a": np.where(new, NO_PARENT, members["birth_id"][first]),
        "parent_b": np.where(crossed, members["birth_id"][second], NO_PARENT),
        "family": np.where(new, ids, members["family"][first]),
        "genome": np.where(fresh | new[:, None], drawn, genome),
        "fitness": np.where(new, -0.5, better) + rng.normal(-0.1, 0.1, n),
    }


def _joined(parts: list[Columns]) -> Columns:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _births(columns: Columns) -> Births:
    """The births of made columns; who is far behind has a reason and no fitness."""
    n, ids = len(columns["birth_id"]), columns["birth_id"]
    keys, species = np.empty((n, 2), dtype=np.uint64), np.empty(n, dtype=np.int8)
    for start in range(0, n, 8192):
        phenotypes = express(columns["genome"][start : start + 8192], DEFAULT)
        keys[start : start + 8192], species[start : start + 8192] = phenotype_keys(phenotypes), species_of(phenotypes)
    lost = columns["fitness"] < -1.2
    return Births(
        birth_id=ids,
        island=(ids >> 40).astype(np.int32),
        generation=((ids >> 20) & (2**20 - 1)).astype(np.int32),
        operator=columns["operator"].astype(np.int8),
        parent_a=columns["parent_a"],
        parent_b=columns["parent_b"],
        family=columns["family"],
        species=species,
        retries=np.zeros(n, dtype=np.int16),
        genome=columns["genome"],
        key=keys,
        evaluated=columns["operator"] != MIGRANT,
        objectives=np.where(lost, np.nan, columns["fitness"])[:, None],
        reason=np.where(lost, TOO_FEW_TRADES, 0).astype(np.int16),
        measures=np.full((n, len(MEASURE_COLUMNS)), np.nan),
    )


def made_frame(births: Births) -> pl.DataFrame:
    """Return the table of made-up births; ids are those of their phenotype keys."""
    ids = [f"{high:016x}" for high in births.key[:, 0].tolist()]
    return pedigree_frame(births, DEFAULT, epoch_generations=2, strategy_ids=ids)


def opened(path: Path) -> Pedigree:
    """Return the pedigree at `path`; its last generation is its population, the best ten of it its elites."""
    bare = Pedigree("made-up", "steady_sharpe", read_pedigree(path, list(LEAN)), pl.scan_parquet(path).select(LISTS))
    last = np.flatnonzero(bare.lines.generation == bare.lines.generation.max()).astype(np.int32)
    best = last[np.argsort(-np.nan_to_num(bare.column("fitness_after")[last], nan=-9.0), kind="stable")[:10]]
    return Pedigree(bare.job, bare.objective, bare.frame, bare.lists, population=last, candidates=best, elites=best)


def _measure(told: dict[str, Any], name: str, work: Callable[[], Any]) -> Any:
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    told[name] = {"wall_s": round(time.perf_counter() - wall, 3), "cpu_s": round(time.process_time() - cpu, 3)}
    told[name]["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{name:<44} {told[name]['wall_s']:>8.2f} s {told[name]['cpu_s']:>8.2f} s {told[name]['peak_mib']:>7} MiB")
    return result


def make(folder: Path, n_births: int) -> None:
    """Make and write the table, and print what that took."""
    told: dict[str, Any] = {}
    births = _measure(told, "make up births", lambda: made_births(8, max(n_births // 1600 - 1, 1), 200))
    frame = _measure(told, "make the table", lambda: made_frame(births))
    path = _measure(told, "write the table", lambda: write_pedigree(folder, frame))
    print(f"{frame.height:,} births, {path.stat().st_size / 2**20:.0f} MiB of Parquet")


def question(path: Path) -> None:
    """Open the table and ask everything, and print what that took."""
    told: dict[str, Any] = {}
    pedigree = _measure(told, "open", lambda: opened(path))
    print(f"{len(pedigree):,} births, table in memory {pedigree.frame.estimated_size('mb'):.0f} MiB")
    _measure(told, "levels of descent", lambda: pedigree.lines.levels)
    elite = np.array([pedigree.elites[0]], dtype=np.int32)
    founder = pedigree.lines.founder[elite]
    name = pedigree.frame["strategy_id"][int(elite[0])]
    _measure(told, "find a strategy by the beginning of its id", lambda: row_of(name[:12], pedigree))
    up = _measure(told, "ancestors of one", lambda: ancestors(pedigree.lines, elite))
    down = _measure(told, "descendants of one (its founder)", lambda: descendants(pedigree.lines, founder))
    print(f"  {len(up):,} ancestors, {len(down):,} descendants")
    _measure(told, "contributions to the elites", lambda: contributions(pedigree.lines, pedigree.elites))
    _measure(told, "pedigree tree, 6 generations of parents", lambda: parents_tree(pedigree, int(elite[0]), 6))
    _measure(told, "dynasty of one", lambda: dynasty_of(pedigree, int(elite[0])))
    _measure(told, "all dynasties", lambda: dynasties(pedigree))
    for ask in (operator_gains, founder_ownership, fall_of_diversity, spread_of_traits):
        answer = _measure(told, ask.__name__, lambda ask=ask: ask(pedigree))
        print(f"  {answer.sentence}")
    for form in SUFFIXES:
        out = path.with_name(f"out.{form}")
        _measure(told, f"write {form}", lambda form=form, out=out: carry(pedigree, form, out))
        print(f"  {out.stat().st_size / 2**20:.0f} MiB")
    print(json.dumps(told))


def main() -> None:
    """Make a table in one process and question it in another."""
    n_births = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    if len(sys.argv) > 3:
        {"make": lambda: make(Path(sys.argv[3]), n_births), "question": lambda: question(Path(sys.argv[3]))}[
            sys.argv[2]
        ]()
        return
    with tempfile.TemporaryDirectory() as folder:
        for what, place in (("make", folder), ("question", f"{folder}/pedigree.parquet")):
            subprocess.run([sys.executable, __file__, str(n_births), what, place], check=True)


if __name__ == "__main__":
    main()
