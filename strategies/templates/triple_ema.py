"""Three averages of 4, 9 and 18 bars in order, entered as the slower two cross (Allen 1972; exponential here)."""

from strategies.strategy import Condition, Distance, Operand, Rule, Strategy

FAST, MIDDLE, SLOW = (Operand("EMA", "close", (bars,)) for bars in (4.0, 9.0, 18.0))

STRATEGY = Strategy(
    direction="both",
    entry=Rule((Condition(FAST, ">", MIDDLE), Condition(MIDDLE, "crosses above", SLOW)), 2),
    exit=Rule((Condition(FAST, "<", MIDDLE),), 1),
    stop=Distance("atr", 3.0),
)
