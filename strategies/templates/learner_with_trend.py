"""A small neural network decides, but only above the 200-bar average and where volatility is low.

Network: Rumelhart, Hinton, Williams 1986. Why calm: Moreira, Muir 2017, volatility-managed portfolios.
"""

from strategies.strategy import Breaker, Condition, Distance, Gate, Learner, Operand, Rule, Size, Strategy

LEARNER = Learner(
    algorithm="perceptron",
    target="direction",
    horizon=5,
    hyper=(0.01, 4.0),
    features=(
        Operand("ROC", "close", (5.0,)),
        Operand("RSI", "close", (14.0,)),
        Operand("CCI", None, (20.0,)),
        Operand("RVOL", None, (20.0,)),
    ),
    weight=2,
)

STRATEGY = Strategy(
    direction="long",
    entry=Rule((Condition(Operand("PRICE", "close", ()), ">", Operand("SMA", "close", (200.0,))),), 3),
    exit=Rule((Condition(Operand("LEARNER.score", None, (0.0,)), "<", level=0.0),), 1),
    stop=Distance("atr", 3.0),
    time_stop=20,
    size=Size("confidence", 1.0),
    learners=(LEARNER,),
    gate=Gate(volatility="low"),
    breaker=Breaker(0.2, 60),
)
