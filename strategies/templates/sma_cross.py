"""Moving-average crossover, always reversing: the rule of every textbook (Brock, Lakonishok, LeBaron 1992)."""

from strategies.strategy import Condition, Distance, Operand, Rule, Strategy

FAST, SLOW = Operand("SMA", "close", (10.0,)), Operand("SMA", "close", (20.0,))

STRATEGY = Strategy(
    direction="both",
    entry=Rule((Condition(FAST, "crosses above", SLOW),), 1),
    exit=Rule((Condition(FAST, "crosses below", SLOW),), 1),
    stop=Distance("percent", 10.0),
)
