"""A 50-bar breakout, but never against the regime (Ang, Timmermann 2012, on why regimes pay)."""

from strategies.strategy import Breaker, Condition, Distance, Gate, Operand, Rule, Size, Strategy

CLOSE = Operand("PRICE", "close", ())

STRATEGY = Strategy(
    direction="both",
    entry=Rule((Condition(CLOSE, ">", Operand("DONCHIAN.upperband", None, (50.0,), 1)),), 1),
    exit=Rule((Condition(CLOSE, "<", Operand("DONCHIAN.lowerband", None, (20.0,), 1)),), 1),
    stop=Distance("atr", 3.0),
    size=Size("risk", 0.01),
    gate=Gate(trend="not bear"),
    breaker=Breaker(0.2, 60),
)
