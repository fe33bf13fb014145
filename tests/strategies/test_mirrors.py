"""A mirrored rule does on the mirrored market what the rule does on the market."""

import numpy as np

from strategies.catalogue import SOURCES, catalogue, kind_index
from strategies.codec import express
from strategies.encoding import phenotype_of, strategy_of
from strategies.lookup import N_SOURCES
from strategies.mirrors import mirror, mirrors
from strategies.sampler import random_genomes
from strategies.strategy import Strategy
from strategies.templates import TEMPLATES


def mirrored(strategy: Strategy) -> str:
    return strategy_of(mirror(phenotype_of(strategy)[None])[0]).text()


def test_templates_turn_upside_down():
    assert "when SMA(10) crosses below SMA(20); exit when SMA(10) crosses above SMA(20)" in mirrored(
        TEMPLATES["sma_cross"]
    )
    assert "when RSI(14) > 70 and close < SMA(200); exit when RSI(14) < 44.8" in mirrored(TEMPLATES["rsi_reversion"])
    assert "when close < DONCHIAN(20).lowerband 1 bar ago" in mirrored(TEMPLATES["donchian_breakout"])
    assert "MACD(12, 26).macd < 0 % of close" in mirrored(TEMPLATES["macd"])
    assert "crosses above BBANDS(20, 2).upperband" in mirrored(TEMPLATES["bollinger"])


def test_known_relations():
    table = mirrors()

    def relation(name, source="close"):
        pair = kind_index(name) * N_SOURCES + SOURCES.index(source)
        kind, at = divmod(int(table.pair[pair]), N_SOURCES)
        return catalogue()[kind].name, SOURCES[at], bool(table.flips[pair])

    assert relation("MAX", "high") == ("MIN", "low", True)
    assert relation("PLUS_DI") == ("MINUS_DI", "close", False)
    assert relation("ATR") == ("ATR", "close", False)
    assert relation("ADX") == ("ADX", "close", False)
    assert relation("SMA", "volume") == ("SMA", "volume", False)
    assert relation("AROON.aroonup") == ("AROON.aroondown", "close", False)


def test_mirroring_twice_is_the_rule_itself():
    phenotypes = express(random_genomes(1000, np.random.Generator(np.random.Philox(key=3))))
    assert np.abs(mirror(mirror(phenotypes)) - phenotypes).max() < 1e-6


def test_risk_and_input_stay():
    phenotypes = express(random_genomes(100, np.random.Generator(np.random.Philox(key=4))))
    before = phenotypes.tobytes()
    turned = mirror(phenotypes)
    assert phenotypes.tobytes() == before
    assert (turned[:, -11:] == phenotypes[:, -11:]).all()
