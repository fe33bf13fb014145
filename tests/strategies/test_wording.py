"""Wording: every part of a strategy is in its text, and different strategies read differently."""

import dataclasses

import numpy as np
import pytest

from strategies.codec import express
from strategies.encoding import strategy_of
from strategies.genes import SIZE_KINDS
from strategies.sampler import random_genomes
from strategies.strategy import Breaker, Condition, Distance, Gate, Learner, Operand, Rule, Size, Strategy
from strategies.wording import condition_text, operand_text

RSI = Operand("RSI", "close", (14.0,))
LOW = Condition(RSI, "<", level=30.0)
ABOVE = Condition(Operand("PRICE", "close", ()), ">", Operand("SMA", "close", (200.0,)), weight=2)
LEARNER = Learner("logistic", "direction", 5, (0.01, 0.001), (RSI, Operand("ROC", "close", (5.0,), 2, 1)), 1, 0.1, 0.02)
WHOLE = Strategy(
    "both",
    Rule((LOW, ABOVE), 3),
    Rule((Condition(Operand("LEARNER.score", None, (0.0,), 1), "crosses below", level=0.0),), 1),
    Distance("atr", 3.0),
    Distance("percent", 5.0),
    Distance("atr", 4.0),
    20,
    5,
    Size("confidence", 0.5),
    (LEARNER,),
    "veto",
    Gate("not bear", "high"),
    Breaker(0.2, 60),
)


def test_the_whole_sentence():
    assert WHOLE.text() == (
        "long (short on the mirrored rule) when 3 of [RSI(14) < 30; 2 x close > SMA(200); learner 0 says so (|score| > "
        "0.1, confidence > 0.02)]; no entry against a confident learner; only where trend is not bear; only where "
        "volatility is high; exit when LEARNER(0).score 1 bar ago crosses below 0; stop 3 ATR; target 5 %; trailing "
        "stop 4 ATR; leave after 20 bars; then wait 5 bars; size 50 % of equity times the learners' confidence; halt "
        "60 bars after a drawdown of 20 %; learner 0: logistic (rate 0.01, l2 0.001) learns the direction of the next "
        "5 bars from RSI(14), ROC(5) [+1] 2 bars ago"
    )


CHANGES = {
    "direction": "long",
    "entry": Rule((LOW, dataclasses.replace(ABOVE, weight=3)), 3),
    "exit": Rule((dataclasses.replace(WHOLE.exit.conditions[0], negate=True),), 1),
    "stop": Distance("percent", 3.0),
    "target": None,
    "trail": Distance("atr", 4.5),
    "time_stop": 0,
    "cooldown": 1,
    "size": Size("fixed", 0.5),
    "conflict": "net",
    "gate": Gate("not bear", "low"),
    "breaker": Breaker(0.2, 40),
}
LEARNER_CHANGES = {
    "algorithm": "linear",
    "target": "return",
    "horizon": 1,
    "hyper": (0.01, 0.01),
    "features": (RSI,),
    "weight": 2,
    "edge": 0.0,
    "trust": 0.0,
}


def test_every_part_has_a_word():
    changed = [dataclasses.replace(WHOLE, **{name: value}) for name, value in CHANGES.items()]
    learners = [dataclasses.replace(LEARNER, **{name: value}) for name, value in LEARNER_CHANGES.items()]
    changed += [dataclasses.replace(WHOLE, learners=(each,)) for each in learners]
    assert {*CHANGES, "learners"} == {field.name for field in dataclasses.fields(Strategy)}
    assert set(LEARNER_CHANGES) == {field.name for field in dataclasses.fields(Learner)}
    assert len({each.text() for each in (WHOLE, *changed)}) == len(changed) + 1
    assert len({Size(kind, 0.5) for kind in SIZE_KINDS}) == len(SIZE_KINDS)
    sizes = {dataclasses.replace(WHOLE, size=Size(kind, 0.5)).text() for kind in SIZE_KINDS}
    assert len(sizes) == len(SIZE_KINDS)


def test_it_is_said_which_of_two_like_learners_votes():
    far = dataclasses.replace(LEARNER, features=(RSI,))
    silent = {"weight": 0, "edge": 0.0, "trust": 0.0}
    read = Condition(Operand("LEARNER.score", None, (0.0,)), "<", Operand("LEARNER.score", None, (1.0,)))
    both = dataclasses.replace(WHOLE, exit=Rule((read,), 1))
    first = dataclasses.replace(both, learners=(LEARNER, dataclasses.replace(far, **silent)))
    second = dataclasses.replace(both, learners=(dataclasses.replace(LEARNER, **silent), far))
    assert first.text() != second.text()


@pytest.mark.parametrize("species", ["ta", "ml", "hybrid"])
def test_different_strategies_read_differently(species):
    rows = np.unique(express(random_genomes(400, np.random.default_rng(8), species=species)), axis=0)
    assert len({strategy_of(row).text() for row in rows}) == len(rows)


@pytest.mark.parametrize(
    ("comparator", "level", "text"),
    [
        (">", 0.5, "is up"),
        ("<", 0.5, "is not up"),
        (">", -0.5, "is not down"),
        ("<", -0.5, "is down"),
        ("crosses above", 0.5, "turns up"),
        ("crosses below", 0.5, "is up no more"),
        ("crosses above", -0.5, "is down no more"),
        ("crosses below", -0.5, "turns down"),
        (">", 0.0, "> 0"),  # up, and not what "> -0.5" says
        ("<", 0.0, "< 0"),
        (">", 1.0, "> 1"),  # never
        ("<", -7.0, "< -7"),
    ],
)
def test_a_flag_says_what_is_so_where_it_is_true(comparator, level, text):
    said = condition_text(Condition(Operand("CDLENGULFING", None, ()), comparator, level=level))
    assert said == f"CDLENGULFING {text}"


@pytest.mark.parametrize(
    ("operand", "text"),
    [
        (Operand("PRICE", "high", ()), "high"),
        (Operand("PRICE", "volume", (), 1), "volume 1 bar ago"),
        (Operand("SMA", "volume", (20.0,), 2, 1), "SMA(volume, 20) [+1] 2 bars ago"),
        (Operand("MACD.macdsignal", "close", (12.0, 26.0, 9.0), 0, 2), "MACD(12, 26, 9).macdsignal [+2]"),
        (Operand("CDLDOJI", None, ()), "CDLDOJI"),
        (Operand("LEARNER.confidence", None, (1.0,), 3), "LEARNER(1).confidence 3 bars ago"),
    ],
)
def test_operands(operand, text):
    assert operand_text(operand) == text
