import bisect
import math
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolution.deap_bridge import ETA, STEP
from evolution.mutation import ANY_BLOCK, GENE, GRAIN, REDRAW, SECOND_BLOCK, mutated
from strategies.codec import bounded, express
from strategies.genes import BLOCK_COLUMNS, BLOCKS, COLUMN, GENES, N_GENES, GeneKind
from strategies.language import DEFAULT, Language
from strategies.sampler import quantiles, random_genomes

POOL = random_genomes(400, np.random.Generator(np.random.Philox(key=3)))
PLAIN = Language(learners=False, patterns=False, timeframes=0)
ZEROS = np.zeros(len(POOL), dtype=np.int64)


def changed_gene(gene, value, number):
    """A gene that is to change, by the operator of its kind."""
    low, high = int(gene.low), int(gene.high)
    if gene.kind is GeneKind.BOOLEAN:
        return 1.0 - value
    if gene.kind is GeneKind.CATEGORY:
        return float(low + int(number * (high - low + 1)))
    if gene.kind is GeneKind.INTEGER:
        near = [at for at in range(max(low, int(value) - STEP), min(high, int(value) + STEP) + 1) if at != value]
        return float(near[int(number * len(near))])
    if number < 0.5:  # Deb's polynomial mutation, bounded
        room = (1.0 - value) ** (ETA + 1.0)
        shift = (2.0 * number + (1.0 - 2.0 * number) * room) ** (1.0 / (ETA + 1.0)) - 1.0
    else:
        room = (1.0 - (1.0 - value)) ** (ETA + 1.0)
        shift = 1.0 - (2.0 * (1.0 - number) + 2.0 * (number - 0.5) * room) ** (1.0 / (ETA + 1.0))
    return round(min(max(value + shift, 0.0), 1.0) / GRAIN) * GRAIN


def speaks(genome, block):
    """Whether a block has a say: its switch is on, and a feature's learner is."""
    parts = block.split(".")
    switches = (f"{'.'.join(parts[:n])}.on" for n in range(1, len(parts) + 1))
    return all(genome[COLUMN[name]] > 0 for name in switches if name in COLUMN)


def slow_mutant(genome, key, index, attempt, language=DEFAULT):
    """One genome, one gene after the other, from NumPy's own streams."""

    def stream(part, n):
        counter = part << 192 | attempt << 128 | index << 64
        return np.random.Generator(np.random.Philox(key=key, counter=counter)).random(n).tolist()

    mutant = list(genome)
    left = [
        at for at, name in enumerate(BLOCKS) if language.learners or name.split(".")[0] not in ("learner", "fusion")
    ]
    speaking = {at for at, name in enumerate(BLOCKS) if speaks(genome, name)}
    turns = stream(0, 4 * len(BLOCKS) + 4)
    for turn in range(len(BLOCKS) + 1):
        liberty, place, fate, another = turns[4 * turn : 4 * turn + 4]
        among = [at for at in left if liberty < ANY_BLOCK or at in speaking]
        if not among:
            break
        sums = list(accumulate(math.sqrt(len(BLOCK_COLUMNS[BLOCKS[at]])) for at in among))
        at = among[bisect.bisect_right(sums, place * sums[-1])]
        left.remove(at)
        columns = BLOCK_COLUMNS[BLOCKS[at]]
        numbers = stream(1 + at, 2 * len(columns))
        for offset, column in enumerate(columns):
            if fate < REDRAW:
                law = quantiles(language)[column]
                mutant[column] = numbers[offset] if law is None else float(bisect.bisect_right(law, numbers[offset]))
            elif numbers[offset] < max(GENE, 1.0 / len(columns)):
                mutant[column] = changed_gene(GENES[column], genome[column], numbers[len(columns) + offset])
        if another >= SECOND_BLOCK:
            break
    return mutant


@given(
    st.integers(0, 2**128 - 1),
    st.integers(0, 2**20),
    st.integers(0, 1000),
    st.integers(0, len(POOL) - 1),
    st.sampled_from([DEFAULT, PLAIN]),
)
@settings(max_examples=300, deadline=None)
def test_mutants_equal_the_slow_reference(key, index, attempt, row, language):
    (mutant,) = mutated(POOL[row : row + 1], key, np.array([index]), np.array([attempt]), language)
    assert mutant.tolist() == slow_mutant(POOL[row].tolist(), key, index, attempt, language)


def test_a_birth_alone_is_mutated_as_among_others_and_parents_stay_as_they_are():
    before, indices = POOL.copy(), np.arange(len(POOL))
    together = mutated(POOL, 5, indices, ZEROS)
    np.testing.assert_array_equal(POOL, before)
    for row in range(60):
        alone = mutated(POOL[row : row + 1], 5, indices[row : row + 1], ZEROS[:1])
        np.testing.assert_array_equal(alone[0], together[row])
    assert mutated(POOL[:0], 5, ZEROS[:0], ZEROS[:0]).shape == (0, N_GENES)


def test_key_index_and_attempt_all_matter():
    one = np.ones_like(ZEROS)
    runs = [mutated(POOL, key, index, attempt) for key, index, attempt in
            [(5, ZEROS, ZEROS), (6, ZEROS, ZEROS), (5, one, ZEROS), (5, ZEROS, one)]]  # fmt: skip
    assert len({run.tobytes() for run in runs}) == 4


def test_mutants_stay_in_bounds_and_mostly_change_what_the_strategy_does():
    mutants = mutated(POOL, 7, np.arange(len(POOL)), ZEROS)
    np.testing.assert_array_equal(mutants, bounded(mutants))
    assert (express(mutants) != express(POOL)).any(axis=1).mean() > 0.65
    assert (mutants != POOL).mean() < 0.25


def test_every_gene_can_be_mutated_and_shares_are_as_documented():
    genomes = np.repeat(POOL[:1], 20_000, axis=0)
    mutants = mutated(genomes, 9, np.arange(len(genomes)), np.zeros(len(genomes), dtype=np.int64))
    differs = mutants != genomes
    assert differs.any(axis=0).all()
    blocks = np.stack([differs[:, list(columns)].any(axis=1) for columns in BLOCK_COLUMNS.values()], axis=1)
    assert blocks.sum(axis=1).mean() == pytest.approx(1 / (1 - SECOND_BLOCK), rel=0.1)  # one, and then another, and ...
    conditions = np.array([f"{name}.on" in COLUMN for name in BLOCKS])
    on = np.array([POOL[0, COLUMN[f"{name}.on"]] > 0 for name in np.array(BLOCKS)[conditions]])
    assert 0 < on.sum() < len(on)
    silent, speaking = (blocks[:, conditions][:, which].mean() for which in (~on, on))
    assert 0.5 * ANY_BLOCK < silent / speaking < 1.3 * ANY_BLOCK


def test_a_language_without_learners_never_mutates_one():
    mutants = mutated(POOL, 8, np.arange(len(POOL)), ZEROS, PLAIN)
    learners = np.array([gene.module == "learner" for gene in GENES])
    np.testing.assert_array_equal(mutants[:, learners], POOL[:, learners])
    assert (mutants != POOL).any(axis=1).mean() > 0.9
