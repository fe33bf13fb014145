import ast
import random
import threading
from pathlib import Path

import numpy as np
import pytest

import evolution
from evolution import deap_bridge
from evolution.deap_bridge import Candidate, Individual, blocks, lent, step, toolbox
from strategies.codec import bounded, express
from strategies.genes import BLOCK_COLUMNS, GENES, N_GENES, GeneKind
from strategies.sampler import random_genomes

POOL = random_genomes(30, np.random.Generator(np.random.Philox(key=3)))
ROWS = POOL.tolist()


def breed_some(seed: int) -> list[list[float]]:
    rng = random.Random(seed)
    out = []
    with lent(rng):
        for parent in toolbox().select([Candidate(row, -row) for row in range(30)], 20, tournsize=2):
            child, other = toolbox().mate(Individual(ROWS[parent.row]), Individual(ROWS[0]), rng)
            toolbox().mutate(child, rng, ROWS)
            out += [list(child), list(other)]
    return out


def test_deap_is_imported_in_the_bridge_alone():
    homes = set()
    for file in Path(evolution.__file__).parent.glob("**/*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            homes |= {file.name for name in names if name.split(".")[0] == "deap"}
    assert homes == {"deap_bridge.py"}


def test_breeding_neither_touches_nor_notices_global_random_state():
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002 - the very state that must stay untouched
    states = random.getstate(), np.random.get_state()  # noqa: NPY002
    first = breed_some(5)
    assert random.getstate() == states[0]
    for mine, before in zip(np.random.get_state(), states[1], strict=True):  # noqa: NPY002
        np.testing.assert_array_equal(mine, before)
    random.seed(2)
    assert breed_some(5) == first
    assert breed_some(6) != first


def test_other_threads_may_draw_meanwhile():
    stop = threading.Event()

    def draw() -> None:
        while not stop.is_set():
            random.random()

    alone = [breed_some(seed) for seed in range(5)]
    thread = threading.Thread(target=draw)
    thread.start()
    try:
        assert [breed_some(seed) for seed in range(5)] == alone
    finally:
        stop.set()
        thread.join()


def test_lent_generator_is_given_back_after_an_error_and_when_nested():
    modules = (deap_bridge.crossover, deap_bridge.mutation, deap_bridge.selection, deap_bridge.emo)
    outer, inner = random.Random(1), random.Random(2)

    def fail_inside() -> None:
        with lent(outer):
            with lent(inner):
                assert all(module.random is inner for module in modules)
            assert all(module.random is outer for module in modules)
            raise ArithmeticError("on purpose")

    with pytest.raises(ArithmeticError, match="on purpose"):
        fail_inside()
    assert all(module.random is random for module in modules)


def test_blocks_cover_the_gene_table_once():
    assert sorted(column for block in blocks() for column in block.columns) == list(range(N_GENES))
    for block in blocks():
        kinds = (block.booleans, block.categories, block.integers, block.fractions)
        assert sorted(column for columns in kinds for column in columns) == list(block.columns)
        assert all(GENES[column].kind is GeneKind.BOOLEAN for column in block.booleans)
        assert all(GENES[column].kind is GeneKind.UNIT for column in block.fractions)
        assert all(GENES[column].name.endswith(".on") for column in [block.switch] if column is not None)


def test_mating_is_homologous_and_leaves_the_parents_alone():
    before = [list(row) for row in ROWS]
    crossed = 0
    for seed in range(60):
        a, b, rng = ROWS[seed % 30], ROWS[(seed * 7 + 1) % 30], random.Random(seed)
        with lent(rng):
            first, second = toolbox().mate(Individual(a), Individual(b), rng)
        for column in range(N_GENES):  # every gene keeps its place; nothing is lost or made
            assert sorted((first[column], second[column])) == sorted((a[column], b[column]))
        crossed += list(first) not in (a, b)
    assert crossed > 40
    assert before == ROWS


def test_mating_can_exchange_whole_modules_blocks_and_single_genes():
    zeros, ones = [0.0] * N_GENES, [1.0] * N_GENES
    whole, partial = 0, 0
    for seed in range(100):
        rng = random.Random(seed)
        with lent(rng):
            child, _ = toolbox().mate(Individual(zeros), Individual(ones), rng)
        shares = [sum(child[column] for column in columns) / len(columns) for columns in BLOCK_COLUMNS.values()]
        whole += any(share == 1.0 for share in shares)
        partial += any(0.0 < share < 1.0 for share in shares)
    assert whole > 50
    assert partial > 25


def test_mutants_stay_in_bounds_and_mostly_change_what_the_strategy_does():
    mutants = []
    for seed, row in enumerate(ROWS * 4):
        rng, mutant = random.Random(seed), Individual(row)
        with lent(rng):
            (same,) = toolbox().mutate(mutant, rng, ROWS)
        assert same is mutant
        mutants.append(list(mutant))
    table = np.array(mutants)
    np.testing.assert_array_equal(table, bounded(table))
    changed = (express(table) != express(np.array(ROWS * 4))).any(axis=1)
    assert changed.mean() > 0.65
    touched = (table != np.array(ROWS * 4)).mean(axis=1)
    assert touched.mean() < 0.25


def test_every_gene_can_be_mutated():
    touched = np.zeros(N_GENES, dtype=bool)
    rng = random.Random(0)
    with lent(rng):
        for _ in range(3000):
            mutant = Individual(ROWS[0])
            toolbox().mutate(mutant, rng, [ROWS[0]])  # no foreign blocks: gene by gene
            touched |= np.array(mutant) != POOL[0]
    assert touched.all()


def test_steps_are_short_and_inside_the_bounds():
    rng = random.Random(0)
    for _ in range(200):
        (moved,) = step([0.0, 10.0, 20.0], low=[0, 0, 0], up=[20, 20, 20], indpb=1.0, rng=rng)
        assert moved[0] in (1, 2, 3)
        assert step([1.0], low=[1], up=[2], indpb=1.0, rng=rng) == ([2.0],)
        assert abs(moved[1] - 10.0) in (1, 2, 3)
        assert moved[2] in (17, 18, 19)


def test_tournaments_prefer_merit():
    candidates = [Candidate(row, -row) for row in range(100)]
    rng = random.Random(0)
    with lent(rng):
        rows = [chosen.row for chosen in toolbox().select(candidates, 4000, tournsize=2)]
    assert np.mean(rows) == pytest.approx(99 / 3, abs=2)  # the mean of the smaller of two
