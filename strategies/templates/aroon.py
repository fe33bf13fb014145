"""A new trend: the last 25-bar high is recent and the last low is not (Chande 1995)."""

from strategies.strategy import Condition, Distance, Operand, Rule, Strategy

UP, DOWN = Operand("AROON.aroonup", None, (25.0,)), Operand("AROON.aroondown", None, (25.0,))

STRATEGY = Strategy(
    direction="both",
    entry=Rule((Condition(UP, ">", level=70.0), Condition(DOWN, "<", level=30.0)), 2),
    exit=Rule((Condition(UP, "<", level=50.0),), 1),
    stop=Distance("atr", 3.0),
)
