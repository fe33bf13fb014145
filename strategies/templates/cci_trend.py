"""Enter as the commodity channel index passes 100, leave as it falls below 0 (Lambert 1980)."""

from strategies.strategy import Condition, Distance, Operand, Rule, Strategy

CCI = Operand("CCI", None, (20.0,))

STRATEGY = Strategy(
    direction="both",
    entry=Rule((Condition(CCI, "crosses above", level=100.0),), 1),
    exit=Rule((Condition(CCI, "<", level=0.0),), 1),
    stop=Distance("atr", 3.0),
)
