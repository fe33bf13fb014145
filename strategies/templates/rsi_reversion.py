"""Buy an oversold dip in an uptrend, sell the recovery (after Connors and Alvarez 2008, with RSI 14 of Wilder 1978)."""

from strategies.strategy import Condition, Distance, Operand, Rule, Strategy

RSI = Operand("RSI", "close", (14.0,))

STRATEGY = Strategy(
    direction="long",
    entry=Rule(
        (
            Condition(RSI, "<", level=30.0),
            Condition(Operand("PRICE", "close", ()), ">", Operand("SMA", "close", (200.0,))),
        ),
        2,
    ),
    exit=Rule((Condition(RSI, ">", level=55.2),), 1),
    stop=Distance("atr", 3.0),
    time_stop=20,
)
