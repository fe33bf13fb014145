import numpy as np
import pytest

from evolution.crossover import GENE_SWAP, MIX, MODULE_SWAPS, N_NUMBERS, STRETCH, SWAP, origins
from evolution.philox import uniforms
from strategies.genes import BLOCK_COLUMNS, BLOCKS, GENES, MODULES, N_GENES
from strategies.language import DEFAULT, Language

KEY, OTHER_KEY = 3, 4
INDICES = np.arange(3000) * 7
NUMBERS = uniforms(OTHER_KEY, N_NUMBERS, indices=INDICES)
ORIGINS = origins(NUMBERS, KEY, INDICES)


def slow_origins(numbers, key, index, language=DEFAULT):
    """One child, one gene after the other, from NumPy's own streams."""
    taken = [False] * N_GENES
    modules, swaps, mixes = numbers[0] < MODULE_SWAPS, numbers[1 : 1 + len(BLOCKS)], numbers[1 + len(BLOCKS) :]
    for at, block in enumerate(BLOCKS):
        columns = BLOCK_COLUMNS[block]
        if GENES[columns[0]].module == "learner" and not language.learners:
            continue
        swapped = swaps[MODULES.index(GENES[columns[0]].module) if modules else at] < SWAP
        for column in columns:
            taken[column] = bool(swapped)
        if modules or swapped or mixes[at] >= MIX:
            continue
        size = len(columns)
        counter = (1 + at) << 192 | index << 64
        stretch, *draws = np.random.Generator(np.random.Philox(key=key, counter=counter)).random(1 + size + 2).tolist()
        if size > 2 and stretch < STRETCH:
            first, second = 1 + int(draws[0] * size), 1 + int(draws[1] * (size - 1))
            first, second = (first, second + 1) if second >= first else (second, first)
            for place in range(first, min(second, size)):
                taken[columns[place]] = True
        else:
            for place, column in enumerate(columns):
                taken[column] = draws[place] < GENE_SWAP
    return taken


def test_origins_equal_the_slow_reference():
    for row in range(300):
        assert ORIGINS[row].tolist() == slow_origins(NUMBERS[row], KEY, int(INDICES[row]))
    plain = Language(learners=False)
    for row, taken in enumerate(origins(NUMBERS[:300], KEY, INDICES[:300], plain)):
        assert taken.tolist() == slow_origins(NUMBERS[row], KEY, int(INDICES[row]), plain)


def test_a_child_alone_has_the_origins_it_has_among_others():
    for row in range(40):
        alone = origins(NUMBERS[row : row + 1], KEY, INDICES[row : row + 1])
        np.testing.assert_array_equal(alone, ORIGINS[row : row + 1])
    assert origins(NUMBERS[:0], KEY, INDICES[:0]).shape == (0, N_GENES)


def test_shares_are_as_documented():
    shares = np.stack([ORIGINS[:, list(columns)].mean(axis=1) for columns in BLOCK_COLUMNS.values()], axis=1)
    large = np.array([len(columns) > 2 for columns in BLOCK_COLUMNS.values()])
    by_module = NUMBERS[:, 0] < MODULE_SWAPS
    assert np.isin(shares[by_module], (0.0, 1.0)).all()
    assert (shares[~by_module][:, large] == 1.0).mean() == pytest.approx(SWAP, abs=0.02)
    parts = ((shares > 0.0) & (shares < 1.0))[~by_module][:, large].mean()
    assert parts == pytest.approx((1 - SWAP) * MIX, abs=0.02)  # but for the rare mix that changes nothing
    assert ORIGINS.mean() == pytest.approx(SWAP + (1 - MODULE_SWAPS) * (1 - SWAP) * MIX * 0.45, abs=0.02)
