"""Return to the mean from outside the Bollinger bands (Bollinger 2001)."""

from strategies.strategy import Condition, Distance, Operand, Rule, Strategy

CLOSE = Operand("PRICE", "close", ())

STRATEGY = Strategy(
    direction="both",
    entry=Rule((Condition(CLOSE, "crosses below", Operand("BBANDS.lowerband", "close", (20.0, 2.0))),), 1),
    exit=Rule((Condition(CLOSE, ">", Operand("BBANDS.middleband", "close", (20.0,))),), 1),
    stop=Distance("percent", 5.0),
    time_stop=30,
)
