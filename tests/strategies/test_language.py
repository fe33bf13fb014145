"""What a language leaves unsaid is never said: not by a genome, on no side of a condition, by no learner."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.catalogue import catalogue, kind_index
from strategies.codec import express
from strategies.encoding import strategy_of
from strategies.errors import ConfigError
from strategies.genes import GENES, N_GENES
from strategies.language import DEFAULT, MAX_TIMEFRAME, Language, everything, said_kinds
from strategies.sampler import kind_chances, quantiles, random_genomes

COLUMNS = sorted({name for kind in catalogue() for name in kind.requires})
LANGUAGES = st.builds(
    Language,
    learners=st.booleans(),
    patterns=st.booleans(),
    timeframes=st.integers(0, MAX_TIMEFRAME),
    columns=st.sets(st.sampled_from(COLUMNS)).map(tuple),
)


def operands_of(strategy):
    conditions = (*strategy.entry.conditions, *strategy.exit.conditions)
    read = [side for each in conditions for side in (each.left, each.right) if side is not None]
    return read, [feature for learner in strategy.learners for feature in learner.features]


def check(rows, language):
    """That strategies say nothing that a language lacks."""
    for row in rows:
        strategy = strategy_of(row)
        read, features = operands_of(strategy)
        assert language.learners or not strategy.learners
        assert strategy.size.kind != "confidence" or strategy.learners
        for operand in (*read, *features):
            kind = catalogue()[kind_index(operand.kind)]
            assert operand.timeframe <= language.timeframes
            assert kind.family != "learner" or (language.learners and operand in read and operand.timeframe == 0)
            assert kind.family != "pattern" or language.patterns
            assert set(kind.requires) <= set(language.columns)


@settings(max_examples=25, deadline=None)
@given(LANGUAGES, st.integers(0, 10**6))
def test_no_genome_says_what_its_language_lacks(language, seed):
    rng = np.random.default_rng(seed)
    check(express(random_genomes(25, rng, language), language), language)
    check(express(random_genomes(25, rng, everything()), language), language)  # bred in another language
    garbage = rng.normal(0.0, 10.0 ** rng.integers(0, 4), (25, N_GENES))
    check(express(garbage, language), language)


@settings(max_examples=25, deadline=None)
@given(LANGUAGES)
def test_a_kind_that_is_said_stays_and_others_become_one_that_is(language):
    for features in (False, True):
        table = said_kinds(language, features=features)
        for index, kind in enumerate(catalogue()):
            sayable = language.says(kind) and not (features and kind.family == "learner")
            assert (table[index] == index) == sayable
            assert table[table[index]] == table[index]
        chances = np.array(kind_chances(language, features=features))
        assert ((chances > 0.0) == (table == np.arange(len(table)))).all()


def test_what_is_bent_is_bent_alone():
    """A genome that says nothing its language lacks is read as in every richer language: on its left sides at least.

    The right side of a comparison is one of those that the language has, by place in their list: it may be another.
    """
    genomes = random_genomes(200, np.random.default_rng(4), Language(learners=False, timeframes=0))
    rich, poor = express(genomes, everything()), express(genomes, Language(learners=False, timeframes=0))
    against = [index for index, gene in enumerate(GENES) if gene.name.endswith(".right.kind")]
    levels = (rich[:, against] == 0.0).all(axis=1)  # nothing but levels, or PRICE, which is kind 0
    assert levels.sum() > 20
    learns = [index for index, gene in enumerate(GENES) if gene.module == "learner"]
    assert not rich[:, learns].any()
    assert rich[levels].tobytes() == poor[levels].tobytes()


def test_columns_have_no_order_and_languages_are_values():
    one, other = Language(columns=("open_interest", "bid")), Language(columns=("bid", "open_interest"))
    assert one == other
    assert hash(one) == hash(other)
    assert one.columns == ("bid", "open_interest")
    assert quantiles(one) is quantiles(other)  # the caches know them as one
    back = pickle.loads(pickle.dumps(one))
    assert back == one
    assert back != Language()
    with pytest.raises(AttributeError, match="cannot assign"):
        one.learners = False


def test_a_language_is_the_same_in_every_process():
    code = (
        "import numpy as np, hashlib; from strategies.language import everything, said_kinds;"
        "from strategies.sampler import random_genomes;"
        "g = random_genomes(40, np.random.default_rng(1), everything());"
        "print(everything().columns, hashlib.sha256(g.tobytes() + said_kinds(everything()).tobytes()).hexdigest())"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    }
    assert len(told) == 1


@pytest.mark.parametrize("value", [-1, MAX_TIMEFRAME + 1, 1.0, True, "2", None])
def test_timeframes_out_of_range_are_refused(value):
    with pytest.raises(ConfigError, match=r"`timeframes` must be a whole number from 0 to 2, but was .*\(language\)"):
        Language(timeframes=value)


def test_the_default_asks_for_no_column_and_everything_for_all():
    assert DEFAULT.columns == ()
    assert list(everything().columns) == COLUMNS
    assert all(everything().says(kind) for kind in catalogue())
    unsaid = [kind for kind in catalogue() if not DEFAULT.says(kind)]
    assert unsaid == [kind for kind in catalogue() if kind.requires]
    some = Language(columns=("bid",))  # an operand that needs two columns needs both
    assert not any(some.says(kind) for kind in catalogue() if set(kind.requires) == {"bid", "ask"})
    assert any(set(kind.requires) == {"bid", "ask"} for kind in catalogue())
