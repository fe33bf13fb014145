"""Random genomes are reproducible, in bounds and varied."""

import random

import numpy as np

from strategies.codec import express, phenotype_keys
from strategies.genes import COLUMN
from strategies.sampler import random_genomes


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
