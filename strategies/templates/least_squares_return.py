"""Recursive least squares predict the next five bars' return from trend, volatility and volume (Haykin 2002)."""

from strategies.strategy import Condition, Distance, Learner, Operand, Rule, Strategy

LEARNER = Learner(
    algorithm="recursive_least_squares",
    target="return",
    horizon=5,
    hyper=(0.998, 0.01),
    features=(
        Operand("ROC", "close", (5.0,)),
        Operand("ROC", "close", (60.0,)),
        Operand("NATR", None, (14.0,)),
        Operand("RVOL", None, (20.0,)),
    ),
    weight=1,
    edge=0.05,
)

STRATEGY = Strategy(
    direction="both",
    entry=Rule((), 1),
    exit=Rule((Condition(Operand("LEARNER.score", None, (0.0,)), "<", level=0.0),), 1),
    stop=Distance("atr", 3.0),
    time_stop=20,
    learners=(LEARNER,),
)
