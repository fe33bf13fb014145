"""Buy a two-bar RSI below 10 in an uptrend, sell above the 5-bar average (Connors, Alvarez 2008)."""

from strategies.strategy import Condition, Distance, Operand, Rule, Strategy

CLOSE = Operand("PRICE", "close", ())

STRATEGY = Strategy(
    direction="long",
    entry=Rule(
        (
            Condition(Operand("RSI", "close", (2.0,)), "<", level=10.0),
            Condition(CLOSE, ">", Operand("SMA", "close", (200.0,))),
        ),
        2,
    ),
    exit=Rule((Condition(CLOSE, ">", Operand("SMA", "close", (5.0,))),), 1),
    stop=Distance("percent", 8.0),
)
