"""Follow the parabolic stop: enter as the price crosses it, leave as it crosses back (Wilder 1978)."""

from strategies.strategy import Condition, Distance, Operand, Rule, Strategy

CLOSE, SAR = Operand("PRICE", "close", ()), Operand("SAR", None, (0.02, 0.2))

STRATEGY = Strategy(
    direction="both",
    entry=Rule((Condition(CLOSE, "crosses above", SAR),), 1),
    exit=Rule((Condition(CLOSE, "crosses below", SAR),), 1),
    stop=Distance("atr", 4.0),
)
