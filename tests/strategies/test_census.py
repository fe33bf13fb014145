"""A small census: of what the sampler draws, enough is valid, trades and differs; the full one is docs/census.md."""

import numpy as np
import pytest

from benchmarks.census import MEASURES, report_of, unique_shares
from benchmarks.genome_count import CAUSES, DAILY, ENOUGH, conditions_of, count, numbered, shard
from strategies.catalogue import catalogue
from strategies.encoding import encode
from strategies.sampler import random_genomes
from strategies.species import SPECIES, species_of
from strategies.templates import TEMPLATES

N = 300


@pytest.fixture(scope="module")
def spx():
    return shard("SPX")


@pytest.fixture(scope="module", params=SPECIES)
def found(request, spx):
    rng = np.random.Generator(np.random.Philox(key=[7, SPECIES.index(request.param)]))
    counted = count(random_genomes(N, rng, DAILY, species=request.param), spx)
    assert set(species_of(counted.phenotypes).tolist()) == {SPECIES.index(request.param)}
    return counted


def test_nearly_all_are_valid_and_different(found):
    assert found.valid.mean() >= 0.95
    shares = unique_shares(found)
    assert shares["different phenotypes"] >= 0.99
    assert shares["different behaviours among those that trade"] >= 0.95
    assert shares["different decisions among those that trade"] >= 0.9


def test_most_trade_and_few_are_always_in(found):
    shares = {name: float(rule(found).mean()) for name, rule in MEASURES.items()}
    assert shares["trades at all"] >= 0.55
    assert shares["5 trades a fold or more"] >= 0.2
    assert shares["always in (98 % of bars)"] <= 0.05


def test_every_genome_has_one_cause_that_fits_its_figures(found):
    n_trades = found.trades.sum(axis=1)
    causes = np.array(CAUSES)[found.cause]
    assert set(causes[n_trades == 0].tolist()) <= set(CAUSES[:6])
    assert (n_trades[causes == "sound"] >= ENOUGH * found.trades.shape[1]).all()
    assert (found.held[causes == "sound"] <= 0.98).all()
    assert (found.wants[causes == "wants to, never fills"] > 0).all()
    assert (found.wants[n_trades > 0] > 0).all()


def test_named_templates_are_what_they_are_known_for(spx):
    """The census is right about strategies whose answer is known."""
    known = {"sma_cross": "always in", "supertrend": "always in", "connors_rsi2": "sound", "golden_cross": "fewer"}
    counted = count(np.stack([encode(TEMPLATES[name]) for name in known]), spx)
    for place, wanted in zip(counted.cause, known.values(), strict=True):
        assert CAUSES[place].startswith(wanted)
    assert np.nan_to_num(counted.undone).max() == 0.0
    assert len(set(counted.behaviour.tolist())) == len(set(counted.decisions.tolist())) == len(known)


def test_conditions_are_looked_at_alone(spx, found):
    looked_at = conditions_of(found.phenotypes[:60], spx)
    known = looked_at.share[~np.isnan(looked_at.share)]
    assert known.size > 60
    assert ((known >= 0.0) & (known <= 1.0)).all()
    assert set(looked_at.family.tolist()) <= {kind.family for kind in catalogue()}
    crossing = np.char.find(looked_at.form, " crosses") >= 0
    plain = np.char.find(looked_at.form, "not") < 0
    assert looked_at.share[crossing & plain].max() <= 0.51  # a cross is never true at two bars in a row


def test_equal_rows_have_one_number():
    assert numbered(np.array([[1.0, 2.0], [0.0, 0.0], [1.0, 2.0], [-0.0, 0.0]])).tolist() == [0, 1, 0, 2]


def test_the_report_has_a_column_a_species_and_sums_to_all(spx, found):
    text = report_of({"some": found, "more": found})
    assert "| share of genomes | some | more |" in text
    rows = [line.split("|") for line in text.splitlines() if line.startswith(tuple(f"| {cause} |" for cause in CAUSES))]
    assert len(rows) == len(CAUSES)
    assert sum(float(row[2].strip(" %")) for row in rows) == pytest.approx(100.0, abs=0.5)
