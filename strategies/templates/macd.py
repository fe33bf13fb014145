"""MACD crosses its signal line above zero (Appel 1979)."""

from strategies.strategy import Condition, Distance, Operand, Rule, Strategy

LINE = Operand("MACD.macd", "close", (12.0, 26.0))
SIGNAL = Operand("MACD.macdsignal", "close", (12.0, 26.0, 9.0))

STRATEGY = Strategy(
    direction="both",
    entry=Rule((Condition(LINE, "crosses above", SIGNAL), Condition(LINE, ">", level=0.0)), 2),
    exit=Rule((Condition(LINE, "crosses below", SIGNAL),), 1),
    stop=Distance("atr", 3.0),
)
