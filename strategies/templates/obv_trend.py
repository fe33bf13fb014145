"""Volume precedes price: on-balance volume rises over 20 bars and the price is above its average (Granville 1963)."""

from strategies.strategy import Condition, Distance, Operand, Rule, Strategy

CLOSE, AVERAGE = Operand("PRICE", "close", ()), Operand("SMA", "close", (50.0,))
NOW, BEFORE = Operand("OBV", None, ()), Operand("OBV", None, (), 20)

STRATEGY = Strategy(
    direction="both",
    entry=Rule((Condition(NOW, ">", BEFORE), Condition(CLOSE, "crosses above", AVERAGE)), 2),
    exit=Rule((Condition(CLOSE, "crosses below", AVERAGE),), 1),
    stop=Distance("atr", 3.0),
)
