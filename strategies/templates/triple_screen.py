"""Triple screen: the weekly MACD gives the side, a daily stochastic against it the entry (Elder 1986).

For daily bars; on others the first screen is the next timeframe up the ladder.
"""

from strategies.strategy import Condition, Distance, Operand, Rule, Strategy

LINE = Operand("MACD.macd", "close", (12.0, 26.0), timeframe=1)
SIGNAL = Operand("MACD.macdsignal", "close", (12.0, 26.0, 9.0), timeframe=1)
WAVE = Operand("STOCH.slowk", None, (5.0, 3.0))

STRATEGY = Strategy(
    direction="both",
    entry=Rule((Condition(LINE, ">", SIGNAL), Condition(WAVE, "<", level=30.0)), 2),
    exit=Rule((Condition(LINE, "<", SIGNAL), Condition(WAVE, ">", level=80.0)), 1),
    stop=Distance("atr", 2.0),
)
