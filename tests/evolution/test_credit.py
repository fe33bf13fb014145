import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolution.credit import COMPETING, FLOOR, PACE, credited, new_credit, shares
from evolution.pedigree import CROSSOVER, CROSSOVER_MUTATION, MIGRANT, MUTATION, NEWCOMER, OPERATORS
from strategies.errors import UsageError

RATES = st.floats(0.0, 1.0)


def generation(**counts):
    """Operators and who lived, from (lived, died) by operator."""
    operators, lived = [], []
    for name, (n_lived, n_died) in counts.items():
        operators += [OPERATORS.index(name)] * (n_lived + n_died)
        lived += [True] * n_lived + [False] * n_died
    return np.array(operators, dtype=np.int8), np.array(lived, dtype=bool)


@given(RATES, RATES)
def test_shares_begin_at_the_rates_but_for_the_floor(crossover_rate, mutation_rate):
    memory = new_credit(crossover_rate=crossover_rate, mutation_rate=mutation_rate)
    wanted = [crossover_rate * (1 - mutation_rate), 1 - crossover_rate, crossover_rate * mutation_rate]
    np.testing.assert_allclose(shares(memory), FLOOR + (1 - 3 * FLOOR) * np.array(wanted), rtol=0, atol=1e-15)


@given(RATES, RATES, st.integers(0, 2**32), st.integers(0, 60))
def test_memory_is_bounded_and_shares_are_probabilities_after_any_history(crossover_rate, mutation_rate, seed, steps):
    rng = np.random.default_rng(seed)
    memory = new_credit(crossover_rate=crossover_rate, mutation_rate=mutation_rate)
    for _ in range(steps):
        operators = rng.integers(0, rng.integers(1, len(OPERATORS) + 1), rng.integers(0, 9)).astype(np.int8)
        retries = rng.integers(0, 2, len(operators)).astype(np.int16)
        before = memory.copy()
        memory = credited(memory, operators, rng.random(len(operators)) < rng.random(), retries)
        assert ((memory >= 0.0) & (memory <= 1.0)).all()
        found = shares(memory)
        assert found.sum() == pytest.approx(1.0, abs=1e-15)
        assert (found >= FLOOR).all()
        for place, code in enumerate(COMPETING):
            if not ((operators == code) & (retries == 0)).any():
                assert memory[place] == before[place]


def test_a_generation_by_hand():
    # Shares that live on: 4 of 8, none of 5, 1 of 4. In all 3/4: rewards 2/3, 0 and 1/3.
    given_memory = np.array([0.5, 0.25, 0.25])
    memory = credited(given_memory, *generation(crossover=(4, 4), mutation=(0, 5), crossover_mutation=(1, 3)))
    wanted = (1 - PACE) * given_memory + PACE * np.array([2 / 3, 0.0, 1 / 3])
    np.testing.assert_allclose(memory, wanted, rtol=1e-14)
    assert given_memory.tolist() == [0.5, 0.25, 0.25]


def test_the_share_that_lives_counts_not_how_many_there_are():
    memory = new_credit(crossover_rate=0.7, mutation_rate=0.4)
    few = credited(memory, *generation(crossover=(1, 9), mutation=(2, 8), crossover_mutation=(1, 1)))
    many = credited(memory, *generation(crossover=(100, 900), mutation=(2, 8), crossover_mutation=(1, 1)))
    assert few.tolist() == many.tolist()


def test_in_the_long_run_shares_are_in_proportion_to_what_lives_on():
    memory = new_credit(crossover_rate=1.0, mutation_rate=0.0)
    for _ in range(400):
        memory = credited(memory, *generation(crossover=(1, 9), mutation=(3, 7), crossover_mutation=(4, 6)))
    np.testing.assert_allclose(shares(memory), FLOOR + (1 - 3 * FLOOR) * np.array([1, 3, 4]) / 8, rtol=1e-12)


def test_who_bore_nobody_keeps_its_credit_and_so_do_all_if_nobody_lives():
    memory = np.array([0.6, 0.1, 0.3])
    absent = credited(memory, *generation(crossover=(1, 1), crossover_mutation=(1, 1)))
    np.testing.assert_allclose(absent, [0.9 * 0.6 + 0.1 / 3, 0.1, 0.9 * 0.3 + 0.1 / 3], rtol=1e-14)  # half of 2/3 each
    assert credited(memory, *generation(crossover=(0, 5), mutation=(0, 5))).tolist() == memory.tolist()
    assert credited(memory, *generation(founder=(3, 0), newcomer=(2, 1), migrant=(1, 0))).tolist() == memory.tolist()
    assert credited(memory, *generation()).tolist() == memory.tolist()


def test_a_child_that_had_to_be_mutated_again_is_nobodys():
    memory = new_credit(crossover_rate=0.7, mutation_rate=0.4)
    operators, lived = np.array([CROSSOVER, MUTATION, CROSSOVER_MUTATION], dtype=np.int8), np.array([True, False, True])
    with_retries = credited(memory, operators, lived, np.array([0, 0, 2], dtype=np.int16))
    assert with_retries.tolist() == credited(memory, operators[:2], lived[:2]).tolist()
    assert not {MIGRANT, NEWCOMER} & set(COMPETING)


def test_without_any_credit_all_are_equal():
    assert shares(np.zeros(3)).tolist() == pytest.approx([1 / 3] * 3)


def test_what_does_not_fit_is_refused():
    with pytest.raises(UsageError, match=r"must be \(3,\) .* but were \(0,\), \(0,\), \(0,\) and \(0,\)"):
        credited(np.zeros(0), *generation())
