"""Channel breakout: enter at a new 20-bar extreme, leave at a 10-bar one against (the Turtle rules, after Donchian)."""

from strategies.strategy import Condition, Distance, Operand, Rule, Size, Strategy

CLOSE = Operand("PRICE", "close", ())

STRATEGY = Strategy(
    direction="both",
    entry=Rule((Condition(CLOSE, ">", Operand("DONCHIAN.upperband", None, (20.0,), 1)),), 1),
    exit=Rule((Condition(CLOSE, "<", Operand("DONCHIAN.lowerband", None, (10.0,), 1)),), 1),
    stop=Distance("atr", 2.0),
    size=Size("risk", 0.01),
)
