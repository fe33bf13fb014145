"""Golden cross: the 50-day average crosses above the 200-day one, the price above both (Edwards, Magee 1948)."""

from strategies.strategy import Condition, Distance, Operand, Rule, Strategy

CLOSE = Operand("PRICE", "close", ())
FAST, SLOW = Operand("SMA", "close", (50.0,)), Operand("SMA", "close", (200.0,))

STRATEGY = Strategy(
    direction="long",
    entry=Rule(
        (Condition(FAST, "crosses above", SLOW), Condition(CLOSE, ">", FAST), Condition(CLOSE, ">", SLOW)), needed=3
    ),
    exit=Rule((Condition(FAST, "crosses below", SLOW),), 1),
    stop=Distance("percent", 15.0),
)
