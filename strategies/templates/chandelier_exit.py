"""Hang the stop from the ceiling: a 22-bar breakout that ends at a stop three average ranges behind (Le Beau 1992)."""

from strategies.strategy import Condition, Distance, Operand, Rule, Size, Strategy

STRATEGY = Strategy(
    direction="both",
    entry=Rule((Condition(Operand("PRICE", "close", ()), ">", Operand("MAX", "high", (22.0,), 1)),), 1),
    exit=Rule(),
    stop=Distance("atr", 3.0),
    trail=Distance("atr", 3.0),
    size=Size("risk", 0.01),
)
