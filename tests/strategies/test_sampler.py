"""Random genomes are reproducible, in bounds and varied."""

import bisect
import random

import numpy as np
import pytest

from strategies.codec import express, phenotype_keys
from strategies.genes import COLUMN, GENES, MAX_LAG, GeneKind
from strategies.sampler import quantiles, random_genomes


def generator(key):
    return np.random.Generator(np.random.Philox(key=key))


def test_same_seed_same_bytes_and_no_global_state():
    before = random.getstate(), np.random.get_state()[1].tobytes()  # noqa: NPY002 - the state that must stay
    assert random_genomes(50, generator(9)).tobytes() == random_genomes(50, generator(9)).tobytes()
    assert random_genomes(50, generator(9)).tobytes() != random_genomes(50, generator(10)).tobytes()
    assert (random.getstate(), np.random.get_state()[1].tobytes()) == before  # noqa: NPY002


def test_founders_differ_and_speak_of_most_of_the_catalogue():
    phenotypes = express(random_genomes(5000, generator(11)))
    assert len(np.unique(phenotype_keys(phenotypes), axis=0)) > 4990
    kinds = np.unique(phenotypes[:, COLUMN["entry.0.left.kind"]])
    assert len(kinds) > 100


def test_each_gene_is_its_quantile_of_one_fraction():
    genomes, fractions = random_genomes(300, generator(12)), generator(12).random((300, len(GENES)))
    for column, (gene, entries) in enumerate(zip(GENES, quantiles(), strict=True)):
        assert (entries is None) == (gene.kind is GeneKind.UNIT)
        if entries is None:
            assert genomes[:, column].tobytes() == fractions[:, column].tobytes()
        else:
            assert list(entries) == sorted(entries)
            assert genomes[:, column].tolist() == [bisect.bisect_right(entries, u) for u in fractions[:, column]]
            assert bisect.bisect_right(entries, 0.0) >= gene.low
            assert bisect.bisect_right(entries, np.nextafter(1.0, 0.0)) == gene.high


def test_shares_are_as_documented():
    genomes = random_genomes(40_000, generator(13))

    def shares(name):
        return np.bincount(genomes[:, COLUMN[name]].astype(int)) / len(genomes)

    assert shares("entry.2.on")[1] == pytest.approx(0.5, abs=0.01)
    assert shares("exit.1.negate")[1] == pytest.approx(0.1, abs=0.01)
    assert shares("risk.direction") == pytest.approx([0.45, 0.2, 0.35], abs=0.01)
    lags = [0.8, *(0.2 * 0.3 * 0.7**lag for lag in range(MAX_LAG - 1)), 0.2 * 0.7 ** (MAX_LAG - 1)]
    assert shares("entry.0.right.lag") == pytest.approx(lags, abs=0.005)
    assert shares("entry.needed") == pytest.approx([0.0, 0.25, 0.25, 0.25, 0.25], abs=0.01)
