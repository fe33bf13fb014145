"""SuperTrend of 10 bars and 3 average ranges turns up (Seban 2007)."""

from strategies.strategy import Condition, Distance, Operand, Rule, Strategy

TREND = Operand("SUPERTREND.trend", None, (10.0, 3.0))

STRATEGY = Strategy(
    direction="both",
    entry=Rule((Condition(TREND, "crosses above", level=0.0),), 1),
    exit=Rule((Condition(TREND, "<", level=0.0),), 1),
    stop=Distance("atr", 5.0),
)
