"""Random genomes are reproducible, in bounds and varied."""

import bisect
import random

import numpy as np
import pytest

from strategies.codec import express, phenotype_keys
from strategies.encoding import encode, strategy_of
from strategies.errors import UsageError
from strategies.genes import COLUMN, GENES, MAX_LAG, GeneKind
from strategies.language import Language, said_kinds
from strategies.mirrors import mirror
from strategies.sampler import _one_sided, quantiles, random_genomes
from strategies.species import SPECIES, species_of
from strategies.strategy import Condition, Distance, Operand, Rule, Strategy

RSI = Operand("RSI", "close", (14.0,))


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
            wanted = [bisect.bisect_right(entries, u) for u in fractions[:, column]]
            if gene.name == "risk.direction":  # but for those that would want to go both ways at once
                assert all(a == b or (a, b) == (0.0, 2) for a, b in zip(genomes[:, column], wanted, strict=True))
                continue
            assert genomes[:, column].tolist() == wanted
            assert bisect.bisect_right(entries, 0.0) >= gene.low
            last = bisect.bisect_right(entries, np.nextafter(1.0, 0.0))
            said = said_kinds(Language(), features=gene.module == "learner")
            assert last == (max(said) if gene.name.endswith(".kind") else gene.high)


def test_shares_are_as_documented():
    genomes = random_genomes(40_000, generator(13))

    def shares(name):
        return np.bincount(genomes[:, COLUMN[name]].astype(int)) / len(genomes)

    assert shares("entry.2.on")[1] == pytest.approx(0.5, abs=0.01)
    assert shares("exit.1.negate")[1] == pytest.approx(0.06, abs=0.01)
    assert shares("exit.1.comparator") == pytest.approx([0.32, 0.32, 0.18, 0.18], abs=0.01)
    assert shares("risk.direction") == pytest.approx([0.465, 0.2, 0.335], abs=0.02)
    lags = [0.8, *(0.2 * 0.3 * 0.7**lag for lag in range(MAX_LAG - 1)), 0.2 * 0.7 ** (MAX_LAG - 1)]
    assert shares("entry.0.right.lag") == pytest.approx(lags, abs=0.005)
    assert shares("entry.needed")[1:5] == pytest.approx([n / 6.8 for n in (3.0, 1.5, 1.0, 0.6)], abs=0.01)
    assert shares("entry.1.weight") == pytest.approx([0.0, 0.8, 0.14, 0.06], abs=0.01)
    assert shares("entry.1.left.timeframe") == pytest.approx([0.87, 0.11, 0.02], abs=0.01)
    assert shares("learner.1.on")[1] == pytest.approx(0.25, abs=0.01)


def test_nobody_trades_both_sides_by_a_rule_that_is_its_own_mirror():
    volatile = Rule((Condition(Operand("NATR", None, (14.0,)), ">", level=1.92),), 1)
    one = encode(Strategy("both", volatile, Rule(), Distance("atr", 3.0)))
    other = encode(Strategy("both", Rule((Condition(RSI, "<", level=30.4),), 1), Rule(), Distance("atr", 3.0)))
    short = encode(Strategy("short", volatile, Rule(), Distance("atr", 3.0)))
    made = _one_sided(np.array([one, other, short]), Language())
    assert [strategy_of(row).direction for row in express(made)] == ["long", "both", "short"]
    rows = express(random_genomes(2000, generator(16)))
    entry = [column for name, column in COLUMN.items() if name.startswith(("entry.", "gate."))]
    votes = rows[:, COLUMN["learner.0.weight"]] + rows[:, COLUMN["learner.1.weight"]]
    both = (rows[:, COLUMN["risk.direction"]] == 2) & (votes == 0)
    assert both.sum() > 100
    assert not (rows[both][:, entry] == mirror(rows[both])[:, entry]).all(axis=1).any()


def test_a_species_is_drawn_by_name_in_every_language_that_has_it():
    for number, name in enumerate(SPECIES):
        genomes = random_genomes(400, generator(14), species=name)
        assert (species_of(express(genomes)) == number).all()
        assert genomes.tobytes() == random_genomes(400, generator(14), species=name).tobytes()
    plain = Language(learners=False)
    for name in (None, "ta"):
        assert not species_of(express(random_genomes(400, generator(14), plain, species=name), plain)).any()
    with pytest.raises(UsageError, match="`species` 'ml' needs learners, but the language has none"):
        random_genomes(1, generator(1), plain, species="ml")
    with pytest.raises(UsageError, match="`species` must be one of ta, ml, hybrid, but was 'cat'"):
        random_genomes(1, generator(1), species="cat")


@pytest.mark.parametrize("language", [Language(), Language(learners=False, patterns=False, timeframes=0)])
def test_a_genome_is_drawn_in_the_words_of_its_language(language):
    genomes = random_genomes(3000, generator(15), language)
    said = said_kinds(language)
    for name, column in COLUMN.items():
        if name.endswith(".kind"):
            kinds = genomes[:, column].astype(int)
            assert (said[kinds] == kinds).all()
            assert len(set(kinds.tolist())) > 0.7 * len(set(said.tolist()))
