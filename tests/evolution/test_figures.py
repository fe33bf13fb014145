import numpy as np
import pytest

from evolution.advance import advance, found
from evolution.figures import LISTED, gene_spread
from strategies.genes import GENES, N_GENES
from strategies.language import Language
from strategies.sampler import random_genomes


def test_gene_spread_equals_the_slow_mean_over_pairs():
    genomes = random_genomes(9, np.random.Generator(np.random.Philox(key=1)))
    span = np.array([gene.high - gene.low for gene in GENES])
    pairs = [np.abs(a - b) / span for i, a in enumerate(genomes) for b in genomes[:i]]
    assert gene_spread(genomes) == pytest.approx(np.mean(pairs), rel=1e-12)


def test_gene_spread_of_the_same_and_of_opposites():
    low, high = (np.array([getattr(gene, side) for gene in GENES], dtype=float) for side in ("low", "high"))
    assert gene_spread(np.stack([low, low, low])) == 0.0
    assert gene_spread(np.stack([low, high])) == pytest.approx(1.0)
    assert gene_spread(np.zeros((1, N_GENES))) == 0.0


def test_figures_of_a_generation_add_up(toy, small):
    evaluate = toy()
    start = found(2, 0, small, evaluate)
    result = advance(start.state, evaluate, small, 3)
    assert [row.generation for row in result.stats] == [1, 2, 3]
    assert sum(row.n_births for row in result.stats) == len(result.births)
    assert sum(row.n_evaluated for row in start.stats + result.stats) == len(evaluate.asked) == result.stats[-1].n_known
    last = result.stats[-1]
    fit = result.state.objectives[result.state.reasons == 0]
    assert last.best == tuple(fit.max(axis=0))
    assert last.n_feasible == len(fit)
    assert last.n_families == len(set(result.state.families.tolist()))
    assert last.n_replaced == np.isin(result.births.birth_id[-last.n_births :], result.state.birth_ids).sum()
    assert 0.0 < last.gene_spread < 1.0
    for row in result.stats:
        assert sum(one.n for one in row.species) == small.population_size
        assert sum(one.n_births for one in row.species) == row.n_births - row.n_migrants
        assert sum(one.n_feasible for one in row.species) == row.n_feasible
        assert max(one.best for one in row.species if one.n_feasible) == row.best[0]
        sizes = [n for _, n in row.families]
        assert sizes == sorted(sizes, reverse=True)
        assert len(sizes) == min(row.n_families, LISTED)
        assert row.n_families > LISTED or sum(sizes) == small.population_size
    for species, one in enumerate(last.species):
        members = result.state.species == species
        first = result.state.objectives[members & (result.state.reasons == 0), 0]
        assert (one.n, one.n_feasible) == (members.sum(), len(first))
        assert (one.best, one.median) == ((first.max(), np.median(first)) if len(first) else (None, None))


def test_gene_spread_counts_only_what_the_language_can_say():
    genomes = random_genomes(9, np.random.Generator(np.random.Philox(key=1)))
    said = np.array([gene.module != "learner" for gene in GENES])
    span = np.array([gene.high - gene.low for gene in GENES])
    pairs = [(np.abs(a - b) / span)[said] for i, a in enumerate(genomes) for b in genomes[:i]]
    plain = Language(learners=False)
    assert gene_spread(genomes, plain) == pytest.approx(np.mean(pairs), rel=1e-12)
    genomes[:, ~said] = 0.0
    assert gene_spread(genomes, plain) == pytest.approx(np.mean(pairs), rel=1e-12)
