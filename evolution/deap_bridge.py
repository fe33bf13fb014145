"""The one place that knows DEAP: its operators, and what they draw from.

DEAP draws from the module `random`, which every thread of a process shares. Here its modules are lent a tape of
numbers that we drew from our keys, under a lock, and given the real module back on the way out. So breeding neither
touches nor notices the global random state, whatever else the process draws meanwhile.

DEAP's operators go gene by gene in Python, and a call costs as much as several genes. So they get the genes of a whole
brood as one long individual: what they do to one gene does not depend on its neighbours, nor on their numbers.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

import numpy as np
from deap import base, tools
from deap.tools import crossover, emo, mutation, selection
from numpy.typing import NDArray

STEP: Final = 3  # longest step of an integer gene
ETA: Final = 5.0  # crowding degree of the polynomial mutation: smaller is wider

_DRAWING: Final = (crossover, mutation, selection, emo)
_LOCK: Final = threading.RLock()

Floats = NDArray[np.float64]


class Tape:
    """Stands where DEAP's modules expect Python's `random`; has just what the operators in use call.

    Attributes:
        random: returns the next of the given numbers of [0, 1).
    """

    __slots__ = ("random",)

    def __init__(self, numbers: Floats) -> None:
        self.random: Callable[[], float] = iter(numbers.tolist()).__next__

    def randint(self, low: int, high: int) -> int:
        """Return `low + floor(u * (high - low + 1))`."""
        return low + int(self.random() * (high - low + 1))


@contextmanager
def lent(source: Tape) -> Iterator[None]:
    """Let DEAP draw from `source` inside the block, and from what it had before after it, also after an error."""
    with _LOCK:
        before = [module.random for module in _DRAWING]
        try:
            for module in _DRAWING:
                module.random = source
            yield
        finally:
            for module, own in zip(_DRAWING, before, strict=True):
                module.random = own


@cache
def toolbox() -> Any:
    """Return the DEAP toolbox: crossovers, and mutations of genes that were chosen already.

    Call them inside `lent`.
    """
    box = base.Toolbox()
    box.register("exchange", tools.cxUniform)
    box.register("cut", tools.cxTwoPoint)
    box.register("flip", tools.mutFlipBit, indpb=1.0)
    box.register("replace", tools.mutUniformInt, indpb=1.0)
    box.register("move", step, indpb=1.0)
    box.register("bend", tools.mutPolynomialBounded, eta=ETA, indpb=1.0)
    return box


def step(values: list[float], low: Sequence[int], up: Sequence[int], indpb: float) -> tuple[list[float]]:
    """Move each ordered whole number, with chance `indpb`, by 1 to `STEP` up or down inside its bounds, in place.

    An operator as DEAP's own are: it draws where its other mutations do.
    """
    random = mutation.random
    for at, (value, lowest, highest) in enumerate(zip(values, low, up, strict=True)):
        if random.random() < indpb:
            moved = random.randint(max(lowest, int(value) - STEP), min(highest, int(value) + STEP) - 1)
            values[at] = moved + (moved >= value)  # any of these but itself
    return (values,)


def exchanged(numbers: Floats, chance: float) -> NDArray[np.bool_]:
    """Return (n,) which places a uniform crossover exchanges with this chance; it draws `numbers` (n,)."""
    own, other = [False] * len(numbers), [True] * len(numbers)
    with lent(Tape(numbers)):
        toolbox().exchange(own, other, chance)
    return np.array(own, dtype=np.bool_)


def stretches(sizes: NDArray[np.int64], numbers: Floats, width: int) -> NDArray[np.bool_]:
    """Return (n, width) which places a two-point crossover exchanges in individuals of `sizes` (n,), False beyond.

    Each draws two of the `numbers` (n, 2).
    """
    if len(sizes) == 0:
        return np.zeros((0, width), dtype=np.bool_)
    rows, cut = [], toolbox().cut
    with lent(Tape(numbers.reshape(-1))):
        for size in sizes.tolist():
            own = [0] * size
            cut(own, [1] * size)
            rows.append(bytes(own).ljust(width, b"\0"))
    return np.frombuffer(b"".join(rows), dtype=np.bool_).reshape(-1, width)


def changed(operator: str, values: Floats, numbers: Floats, low: Floats, high: Floats) -> Floats:
    """Return `values` (n,) changed by a mutation of the toolbox inside the bounds `low` and `high` (n,).

    Each draws two of the `numbers` (n, 2), but for "flip", which draws the first alone: it asks whether the value is
    changed at all, and it always is.
    """
    genes, operate = values.tolist(), getattr(toolbox(), operator)
    with lent(Tape(numbers[:, 0] if operator == "flip" else numbers.reshape(-1))):
        if operator == "flip":
            operate(genes)
        elif operator == "bend":
            operate(genes, low=low.tolist(), up=high.tolist())
        else:
            operate(genes, low=low.astype(int).tolist(), up=high.astype(int).tolist())
    return np.array(genes, dtype=np.float64)
