"""A bullish engulfing candle while the RSI is low (Nison 1991)."""

from strategies.strategy import Condition, Distance, Operand, Rule, Strategy

RSI = Operand("RSI", "close", (14.0,))

STRATEGY = Strategy(
    direction="both",
    entry=Rule((Condition(Operand("CDLENGULFING", None, ()), ">", level=0.5), Condition(RSI, "<", level=40.0)), 2),
    exit=Rule((Condition(RSI, ">", level=60.0),), 1),
    stop=Distance("atr", 2.0),
    target=Distance("atr", 4.0),
    time_stop=10,
)
