"""Buy below the lower band in a bull regime if naive Bayes agrees, the surer the more (after Bollinger 2001)."""

from strategies.strategy import Condition, Distance, Gate, Learner, Operand, Rule, Size, Strategy

CLOSE = Operand("PRICE", "close", ())
LEARNER = Learner(
    algorithm="naive_bayes",
    target="direction",
    horizon=5,
    hyper=(400.0,),
    features=(
        Operand("RSI", "close", (2.0,)),
        Operand("PERCENTRANK", "close", (20.0,)),
        Operand("NATR", None, (14.0,)),
    ),
    weight=1,
)

STRATEGY = Strategy(
    direction="long",
    entry=Rule((Condition(CLOSE, "<", Operand("BBANDS.lowerband", "close", (20.0, 1.5))),), 2),
    exit=Rule((Condition(CLOSE, ">", Operand("BBANDS.middleband", "close", (20.0,))),), 1),
    stop=Distance("percent", 8.0),
    time_stop=15,
    size=Size("confidence", 1.0),
    learners=(LEARNER,),
    gate=Gate(trend="bull"),
)
