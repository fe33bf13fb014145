"""Tenkan crosses Kijun above the long middle and with the price above that of 20 bars ago (Hosoda 1969).

The book's 52 bars are 55 here, the nearest on the grid; the cloud is read where it is computed, not drawn ahead.
"""

from strategies.strategy import Condition, Distance, Operand, Rule, Strategy

CLOSE = Operand("PRICE", "close", ())
TENKAN, KIJUN, LONG = (Operand("MIDPRICE", None, (bars,)) for bars in (9.0, 26.0, 55.0))

STRATEGY = Strategy(
    direction="both",
    entry=Rule(
        (
            Condition(TENKAN, "crosses above", KIJUN),
            Condition(CLOSE, ">", LONG),
            Condition(CLOSE, ">", Operand("PRICE", "close", (), 20)),
        ),
        3,
    ),
    exit=Rule((Condition(CLOSE, "<", KIJUN),), 1),
    stop=Distance("atr", 3.0),
)
