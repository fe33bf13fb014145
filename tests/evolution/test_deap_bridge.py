import ast
import random
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import evolution
from evolution import deap_bridge
from evolution.deap_bridge import STEP, Tape, changed, exchanged, lent, step, stretches, toolbox

NUMBERS = np.random.default_rng(0).random(4000)
FRACTIONS = st.lists(st.floats(0.0, 1.0, exclude_max=True), min_size=2, max_size=40).map(np.array)


def breed_some(seed: int) -> list[list[float]]:
    """A little of everything that draws."""
    numbers = np.random.default_rng(seed).random((60, 2))
    low, high = np.zeros(60), np.full(60, 9.0)
    out = [
        exchanged(numbers[:, 0], 0.5),
        stretches(np.full(30, 7), numbers[:30], 9),
    ]
    values = np.arange(60) % 10 / 10.0
    out += [changed("replace", low, numbers, low, high), changed("move", low, numbers, low, high)]
    out += [changed("bend", values, numbers, low, low + 1.0), changed("flip", low, numbers, low, low + 1.0)]
    return [array.tolist() for array in out]


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
    assert all(mine != other for mine, other in zip(breed_some(6), first[:-1], strict=False))


def test_other_threads_may_draw_and_breed_meanwhile():
    stop = threading.Event()

    def draw() -> None:
        while not stop.is_set():
            random.random()
            breed_some(99)

    alone = [breed_some(seed) for seed in range(20)]
    thread = threading.Thread(target=draw)
    thread.start()
    try:
        assert [breed_some(seed) for seed in range(20)] == alone
    finally:
        stop.set()
        thread.join()


def test_what_was_lent_is_given_back_after_an_error_and_when_nested():
    modules = (deap_bridge.crossover, deap_bridge.mutation, deap_bridge.selection, deap_bridge.emo)
    outer, inner = Tape(NUMBERS), Tape(NUMBERS)

    def fail_inside() -> None:
        with lent(outer):
            with lent(inner):
                assert all(module.random is inner for module in modules)
            assert all(module.random is outer for module in modules)
            raise ArithmeticError("on purpose")

    with pytest.raises(ArithmeticError, match="on purpose"):
        fail_inside()
    assert all(module.random is random for module in modules)


def test_the_toolbox_is_made_of_deaps_own_operators():
    box = toolbox()
    names = {"exchange": "cxUniform", "cut": "cxTwoPoint", "flip": "mutFlipBit", "replace": "mutUniformInt"}
    names |= {"bend": "mutPolynomialBounded"}
    for name, operator in names.items():
        assert getattr(box, name).func is getattr(deap_bridge.tools, operator)


@given(FRACTIONS, st.floats(0.0, 1.0))
@settings(deadline=None)
def test_a_place_is_exchanged_if_its_number_is_below_the_chance(numbers, chance):
    assert exchanged(numbers, chance).tolist() == [number < chance for number in numbers.tolist()]


@given(st.lists(st.tuples(st.integers(2, 20), st.floats(0, 1, exclude_max=True), st.floats(0, 1, exclude_max=True))))
@settings(deadline=None)
def test_a_stretch_lies_between_two_different_cuts(rows):
    sizes, numbers = np.array([row[0] for row in rows], dtype=int), np.array([row[1:] for row in rows]).reshape(-1, 2)
    swapped = stretches(sizes, numbers, 20)
    assert swapped.shape == (len(rows), 20)
    for row, (size, first, second) in zip(swapped.tolist(), rows, strict=True):
        one, other = 1 + int(first * size), 1 + int(second * (size - 1))
        start, stop = (one, other + 1) if other >= one else (other, one)
        assert row == [start <= place < stop and place < size for place in range(20)]


def test_each_number_of_a_mutation_belongs_to_one_value():
    low, high = np.zeros(50), np.full(50, 12.0)
    numbers = NUMBERS[:100].reshape(50, 2)
    for operator in ("flip", "replace", "move", "bend"):
        whole = changed(operator, low + 0.25 * (operator == "bend"), numbers, low, high)
        alone = [changed(operator, low[:1] + 0.25 * (operator == "bend"), numbers[at : at + 1], low[:1], high[:1])[0]
                 for at in range(50)]  # fmt: skip
        assert whole.tolist() == alone


@given(st.integers(-5, 5), st.integers(1, 12), st.data())
@settings(max_examples=200, deadline=None)
def test_steps_are_short_inside_the_bounds_and_never_nothing(low, width, data):
    now = data.draw(st.integers(low, low + width))
    near = [at for at in range(low, low + width + 1) if 0 < abs(at - now) <= STEP]
    places = [(at + 0.5) / len(near) for at in range(len(near))]
    with lent(Tape(np.array([number for place in places for number in (0.0, place)]))):
        moved = step([float(now)] * len(near), [low] * len(near), [low + width] * len(near), indpb=1.0)
    assert moved == ([float(at) for at in near],)
    with lent(Tape(np.array([0.7]))):
        assert step([float(now)], [low], [low + width], indpb=0.7) == ([float(now)],)
