"""A pullback in a trend: the stochastic turns up from below 30, the price above its 50-bar average (Lane 1984)."""

from strategies.strategy import Condition, Distance, Operand, Rule, Strategy

FAST, SLOW = Operand("STOCH.slowk", None, (14.0, 3.0)), Operand("STOCH.slowd", None, (14.0, 3.0, 3.0))

STRATEGY = Strategy(
    direction="both",
    entry=Rule(
        (
            Condition(FAST, "crosses above", SLOW),
            Condition(SLOW, "<", level=30.0),
            Condition(Operand("PRICE", "close", ()), ">", Operand("SMA", "close", (50.0,))),
        ),
        3,
    ),
    exit=Rule((Condition(FAST, ">", level=80.0),), 1),
    stop=Distance("atr", 2.0),
    time_stop=15,
)
