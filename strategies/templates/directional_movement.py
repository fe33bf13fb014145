"""Directional movement: +DI crosses above -DI while ADX shows a trend (Wilder 1978)."""

from strategies.strategy import Condition, Distance, Operand, Rule, Size, Strategy

UP, DOWN = Operand("PLUS_DI", None, (14.0,)), Operand("MINUS_DI", None, (14.0,))

STRATEGY = Strategy(
    direction="both",
    entry=Rule((Condition(UP, "crosses above", DOWN), Condition(Operand("ADX", None, (14.0,)), ">", level=20.0)), 2),
    exit=Rule((Condition(UP, "crosses below", DOWN),), 1),
    stop=Distance("atr", 3.0),
    size=Size("risk", 0.02),
)
