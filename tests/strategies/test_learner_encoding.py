"""Learners as genes and as JSON: what lies on the grids comes back, the rest is refused by name and never crashes."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.codec import express
from strategies.encoding import encode, phenotype_of, strategy_of
from strategies.errors import StrategyError
from strategies.genes import EDGES, GENES, MAX_WEIGHT, TRUSTS, GeneKind
from strategies.language import everything
from strategies.learner_encoding import learner_genes, learner_of, learner_phenotype, learner_slots
from strategies.learners.table import ALGORITHMS, HORIZONS, TARGETS
from strategies.sampler import quantiles, random_genomes
from strategies.strategy import Condition, Distance, Learner, Operand, Rule, Size, Strategy
from strategies.strategy_json import strategy_from_dict

RSI = Operand("RSI", "close", (14.0,))
LEARNER = Learner("logistic", "direction", 5, (0.01, 0.001), (RSI,), 1, 0.1, 0.02)
STRATEGY = Strategy("long", Rule((), 1), Rule(), Distance("atr", 3.0), learners=(LEARNER,))


def drawn(draw):
    """A learner on the grids."""
    name = draw(st.sampled_from(list(ALGORITHMS)))
    known = ALGORITHMS[name]
    sayable = (RSI, Operand("ROC", "volume", (5.0,), 3, 2), Operand("CDLDOJI", None, ()), Operand("BOP", None, (), 20))
    features = draw(st.lists(st.sampled_from(sayable), min_size=1, max_size=4)) if known.uses_features else []
    weight = draw(st.integers(0, MAX_WEIGHT))
    return Learner(
        name,
        draw(st.sampled_from(TARGETS)),
        int(draw(st.sampled_from(HORIZONS))),
        tuple(draw(st.sampled_from(hyper.grid)) for hyper in known.hyper),
        tuple(features),
        weight,
        draw(st.sampled_from(EDGES)) if weight else 0.0,
        draw(st.sampled_from(TRUSTS)) if weight else 0.0,
    )


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_learner_on_the_grids_comes_back_from_genes_json_and_phenotype(data):
    learners = tuple(drawn(data.draw) for _ in range(data.draw(st.integers(1, 2))))
    readers = tuple(
        Condition(Operand("LEARNER.confidence", None, (float(slot),)), ">", level=0.05)
        for slot, learner in enumerate(learners)
        if not learner.weight
    )
    entry = Rule(readers, 1)
    strategy = Strategy("both", entry, Rule(), Distance("atr", 3.0), size=Size("confidence", 0.5), learners=learners)
    assert strategy_from_dict(strategy.to_dict()) == strategy
    assert strategy_of(phenotype_of(strategy)) == strategy
    assert express(encode(strategy)[None])[0].tobytes() == phenotype_of(strategy).tobytes()
    for learner in learners:
        assert learner_of(learner_phenotype(learner)) == learner
        assert learner_genes(learner).shape == (learner_slots()[0].stop - learner_slots()[0].start,)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"horizon": 4}, "horizon of logistic must lie on the gene table's grid to be bred, but was 4. Nearest: 3, 5"),
        ({"edge": 0.07}, "edge of logistic must lie on .*, but was 0.07. Nearest: 0.05, 0.1"),
        ({"trust": 0.5}, "trust of logistic must lie on .*, but was 0.5. Nearest: 0.15, 0.2"),
        ({"hyper": (0.04, 0.001)}, "logistic.rate must lie on .*, but was 0.04. Nearest: 0.02, 0.05"),
        ({"hyper": (0.01, 0.5)}, "logistic.l2 must lie on .*, but was 0.5"),
        ({"features": (Operand("RSI", "close", (37.0,)),)}, "RSI.timeperiod must lie on .*, but was 37"),
    ],
)
def test_a_learner_off_the_grid_can_be_tested_but_not_bred(changes, message):
    strategy = dataclasses.replace(STRATEGY, learners=(dataclasses.replace(LEARNER, **changes),))
    assert strategy_from_dict(strategy.to_dict()) == strategy
    assert strategy_of(phenotype_of(strategy)) == strategy
    with pytest.raises(StrategyError, match=message):
        encode(strategy)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learners": (LEARNER,) * 3}, "must have at most 2 learners, but has 3"),
        ({"learners": (dataclasses.replace(LEARNER, features=(RSI,) * 5),)}, "must have at most 4 features.*but has 5"),
        ({"entry": Rule((Condition(RSI, "<", level=30.0),) * 5, 1)}, "must have at most 4 conditions of entry.* has 5"),
        ({"exit": Rule((Condition(RSI, "<", level=30.0),) * 3, 1)}, "must have at most 2 conditions of exit.* has 3"),
    ],
)
def test_what_has_no_place_in_a_row_is_refused_not_dropped(changes, message):
    strategy = dataclasses.replace(STRATEGY, **changes)
    for encoded in (phenotype_of, encode):
        with pytest.raises(StrategyError, match=message):
            encoded(strategy)


def test_the_sampler_reaches_every_value_of_every_gene():
    laws = quantiles(everything())
    edge = np.nextafter(1.0, 0.0)
    for gene, law in zip(GENES, laws, strict=True):
        if gene.kind is GeneKind.UNIT:
            assert law is None
            continue
        starts = [0.0, *law]
        reached = {np.searchsorted(law, u, side="right") for u in (*starts, edge) if u < 1.0}
        everywhere = set(range(int(gene.low), int(gene.high) + 1))
        if gene.name.endswith(".kind") and gene.module == "learner":  # a learner reads no learner
            assert everywhere - reached == {int(gene.high) - 1, int(gene.high)}
        else:
            assert reached == everywhere, gene.name


# --- damage ---


JUNK = (
    None,
    True,
    False,
    0,
    1,
    -1,
    3,
    10**30,
    -0.5,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "RSI",
    "\ud800",
    [],
    {},
    [0],
)
BIRTHS = [strategy_of(row).to_dict() for row in express(random_genomes(60, np.random.default_rng(2), species="hybrid"))]
BIRTHS += [strategy_of(row).to_dict() for row in express(random_genomes(30, np.random.default_rng(3), species="ml"))]


def places_of(value, place=()):
    yield place
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places_of(inner, (*place, key))


def damaged(data, rng):
    """A strategy with one thing wrong: another value, a key too many or too few, a part of another in its place."""
    data = json.loads(json.dumps(data))
    *path, last = rng.choice([place for place in places_of(data) if place])
    holder = data
    for key in path:
        holder = holder[key]
    what = rng.integers(0, 6)
    if what < 2:
        holder[last] = JUNK[rng.integers(0, len(JUNK))]
    elif what == 2:
        other = json.loads(json.dumps(BIRTHS[rng.integers(0, len(BIRTHS))]))
        places = [place for place in places_of(other) if place and place[-1] == last]
        part = other
        for key in places[rng.integers(0, len(places))] if places else ():
            part = part[key]
        holder[last] = part
    elif what == 3 and isinstance(holder, dict):
        del holder[last]
    elif what == 3:
        holder.append(holder[last])
    elif what == 4 and isinstance(holder[last], int | float):
        holder[last] = type(holder[last])(holder[last] * 2 + 1)
    else:
        (holder if isinstance(holder, dict) else data)[f"{last}x"] = 1
    return data


def read(data):
    """The strategy of plain values, None if it is refused; whatever else is raised comes through."""
    try:
        return strategy_from_dict(data)
    except StrategyError:
        return None


class Choice:
    """The draws of a NumPy generator, of lists of tuples too."""

    def __init__(self, seed):
        self._rng = np.random.default_rng(seed)

    def integers(self, low, high):
        return int(self._rng.integers(low, high))

    def choice(self, items):
        return items[self.integers(0, len(items))]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**9))
def test_a_damaged_strategy_is_a_strategy_or_a_strategy_error(seed):
    rng, n_refused = Choice(seed), 0
    for _ in range(100):
        data = damaged(rng.choice(BIRTHS), rng)
        strategy = read(data)
        if strategy is None:
            n_refused += 1
            continue
        assert strategy_of(phenotype_of(strategy)) == strategy
        assert strategy_from_dict(json.loads(strategy.to_json())) == strategy
        assert "stop" in strategy.text() or strategy.stop is None
    assert n_refused > 20
