"""Time-series momentum: on the side of the last year's return, at 40 % volatility (Moskowitz, Ooi, Pedersen 2012)."""

from strategies.strategy import Condition, Distance, Operand, Rule, Size, Strategy

YEAR = Operand("ROC", "close", (252.0,))

STRATEGY = Strategy(
    direction="both",
    entry=Rule((Condition(YEAR, ">", level=0.0),), 1),
    exit=Rule((Condition(YEAR, "<", level=0.0),), 1),
    stop=Distance("percent", 20.0),
    cooldown=20,
    size=Size("volatility", 0.4),
)
