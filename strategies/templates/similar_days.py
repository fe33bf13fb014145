"""What followed the fifteen days most like today, of the last 500 (nearest neighbours: Cover, Hart 1967)."""

from strategies.strategy import Condition, Distance, Learner, Operand, Rule, Strategy

LEARNER = Learner(
    algorithm="nearest_neighbours",
    target="direction",
    horizon=5,
    hyper=(500.0, 15.0),
    features=(
        Operand("ROC", "close", (2.0,)),
        Operand("ROC", "close", (10.0,)),
        Operand("WILLR", None, (14.0,)),
        Operand("RVOL", None, (20.0,)),
    ),
    weight=1,
    edge=0.1,
)

STRATEGY = Strategy(
    direction="both",
    entry=Rule((), 1),
    exit=Rule((Condition(Operand("LEARNER.score", None, (0.0,)), "<", level=0.0),), 1),
    stop=Distance("atr", 3.0),
    time_stop=10,
    learners=(LEARNER,),
)
