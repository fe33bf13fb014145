"""Williams %R comes back from below -80 in the direction of the trend (Williams 1979)."""

from strategies.strategy import Condition, Distance, Operand, Rule, Strategy

RANGE = Operand("WILLR", None, (14.0,))

STRATEGY = Strategy(
    direction="both",
    entry=Rule(
        (
            Condition(RANGE, "crosses above", level=-80.0),
            Condition(Operand("PRICE", "close", ()), ">", Operand("EMA", "close", (100.0,))),
        ),
        2,
    ),
    exit=Rule((Condition(RANGE, ">", level=-20.0),), 1),
    stop=Distance("atr", 2.5),
    time_stop=20,
)
