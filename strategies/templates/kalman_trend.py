"""The slope of a local linear trend, filtered by Kalman's equations, gives the side (Harvey 1989)."""

from strategies.strategy import Condition, Distance, Learner, Operand, Rule, Strategy

LEARNER = Learner(
    algorithm="kalman_trend", target="return", horizon=10, hyper=(1.0, 0.0001), features=(), weight=1, edge=0.05
)

STRATEGY = Strategy(
    direction="both",
    entry=Rule((), 1),
    exit=Rule((Condition(Operand("LEARNER.score", None, (0.0,)), "<", level=0.0),), 1),
    stop=Distance("atr", 4.0),
    learners=(LEARNER,),
)
