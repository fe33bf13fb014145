"""Two strategies compared: nothing differs from itself, what differs makes the one of the other, and reads well."""

import io
import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from cluster.genealogy.comparison import CAME, CHANGED, LISTS, MOVED, SETTINGS, WENT, applied, compare
from cluster.genealogy.comparison_text import comparison_table
from strategies.codec import express
from strategies.encoding import strategy_of
from strategies.sampler import random_genomes
from strategies.strategy import Breaker, Condition, Distance, Operand, Rule, Size
from strategies.templates import TEMPLATES


@pytest.fixture(scope="module")
def strategies():
    phenotypes = express(random_genomes(40, np.random.default_rng(3)))
    return [*TEMPLATES.values(), *(strategy_of(phenotype) for phenotype in phenotypes)]


def shown(before, after):
    """What a wide terminal shows of the comparison."""
    console = Console(file=io.StringIO(), width=400, markup=False, highlight=False)
    console.print(comparison_table(before, after, compare(before, after)))
    return console.file.getvalue()


def kinds(before, after):
    return [(change.part, change.kind) for change in compare(before, after)]


def test_a_strategy_does_not_differ_from_itself(strategies):
    for strategy in strategies:
        assert compare(strategy, strategy) == ()
        assert "No difference" in shown(strategy, strategy)


def test_a_comparison_applied_to_the_one_is_the_other(strategies):
    for before in strategies[::4]:
        for after in strategies:
            changes = compare(before, after)
            assert applied(before, changes) == after
            assert bool(changes) == (before.id != after.id)


def test_the_way_back_undoes_it(strategies):
    names = {CAME: WENT, WENT: CAME, CHANGED: CHANGED, MOVED: MOVED}
    for before, after in itertools.pairwise(strategies):
        there, back = compare(before, after), compare(after, before)
        assert applied(applied(before, there), back) == before
        assert sorted((c.part, names[c.kind]) for c in there) == sorted((c.part, c.kind) for c in back)


def test_a_comparison_is_plain_json(strategies):
    for change in compare(strategies[0], strategies[-1]):
        assert json.loads(json.dumps(change.to_dict())) == change.to_dict()
        assert change.part in (*SETTINGS, *LISTS)


def rsi(level, period=14.0, **more):
    return Condition(Operand("RSI", "close", (period,)), "<", level=level, **more)


ABOVE = Condition(Operand("PRICE", "close", ()), ">", right=Operand("SMA", "close", (200.0,)))


@pytest.fixture
def plain():
    """A strategy of two conditions, `RSI(14) < 30 and close > SMA(200)`."""
    return replace(TEMPLATES["rsi_reversion"], entry=Rule((rsi(30.0), ABOVE), 2))


def test_one_number_of_one_condition(plain):
    other = replace(plain, entry=Rule((rsi(25.0), ABOVE), 2))
    (change,) = compare(plain, other)
    assert (change.part, change.kind, change.place_before, change.place_after) == ("entry", CHANGED, 0, 0)
    assert change.fields == (("level", 30, 25),)
    assert "level 30 -> 25" in shown(plain, other)
    assert "close > SMA(200)" in shown(plain, other).split("Unchanged")[1]


def test_one_that_goes_is_not_every_one_that_follows(plain):
    other = replace(plain, entry=Rule((ABOVE,), 1))
    assert kinds(plain, other) == [("entry", WENT), ("entry.needed", CHANGED)]


def test_what_stands_elsewhere_says_the_same_but_is_told(plain):
    other = replace(plain, entry=Rule((ABOVE, rsi(30.0)), 2))
    assert kinds(plain, other) == [("entry", MOVED)]
    assert "says the same at another place" in shown(plain, other)


def test_moved_and_changed_at_once_is_matched_by_what_it_reads(plain):
    other = replace(plain, entry=Rule((ABOVE, rsi(20.0, 21.0, weight=2)), 3))
    changes = {change.part: change for change in compare(plain, other)}
    assert changes["entry"].kind == CHANGED
    assert [name for name, _, _ in changes["entry"].fields] == ["left.parameters.timeperiod", "level", "weight"]
    assert "left.parameters.timeperiod 14 -> 21; level 30 -> 20; weight 1 -> 2" in shown(plain, other)


def test_a_condition_that_changes_rules_says_where_it_went(plain):
    other = replace(plain, entry=Rule((rsi(30.0),), 1), exit=Rule((*plain.exit.conditions, ABOVE), 1))
    told = {(change.part, change.kind): change.elsewhere for change in compare(plain, other)}
    assert told["entry", WENT] == "exit"
    assert told["exit", CAME] == "entry"
    text = shown(plain, other)
    assert "moved to exit" in text
    assert "moved from entry" in text


def test_learners_are_matched_by_their_algorithm():
    before = TEMPLATES["two_opinions"]
    first, second = before.learners
    swapped = replace(before, learners=(replace(second, edge=0.4), first))
    assert {(c.part, c.kind) for c in compare(before, swapped)} <= {("learners", CHANGED), ("learners", MOVED)}
    fewer = replace(before, learners=(replace(first, features=first.features[:1]), second))
    (change,) = compare(before, fewer)
    assert [name for name, _, _ in change.fields] == ["features"]


def test_settings_are_told_in_words_with_their_units(plain):
    other = replace(
        plain, stop=Distance("percent", 5.0), target=Distance("atr", 2.5), size=Size("risk", 0.01), trail=None,
        time_stop=9, breaker=Breaker(0.2, 20), direction="both",
    )  # fmt: skip
    text = shown(plain, other)
    for words in ("5 %", "2.5 ATR", "1 % of equity at risk", "20 %, 20 bars", "both", "9"):
        assert words in text
    assert {change.part for change in compare(plain, other)} == {
        "direction", "stop", "target", "size", "time_stop", "breaker",
    }  # fmt: skip
