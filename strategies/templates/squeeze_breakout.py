"""The squeeze: Bollinger bands widen out of the Keltner channel again, with the price beyond it (Carter 2005)."""

from strategies.strategy import Condition, Distance, Operand, Rule, Strategy

CLOSE = Operand("PRICE", "close", ())
BAND = Operand("BBANDS.upperband", "close", (20.0, 2.0))
CHANNEL = Operand("KC.upperband", None, (20.0, 20.0, 1.5))

STRATEGY = Strategy(
    direction="both",
    entry=Rule((Condition(BAND, "crosses above", CHANNEL), Condition(CLOSE, ">", CHANNEL)), 2),
    exit=Rule((Condition(CLOSE, "crosses below", Operand("BBANDS.middleband", "close", (20.0,))),), 1),
    stop=Distance("atr", 2.5),
)
