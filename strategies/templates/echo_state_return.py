"""An echo-state network carries the recent past in its reservoir and predicts the next bars' return (Jaeger 2001)."""

from strategies.strategy import Condition, Distance, Learner, Operand, Rule, Strategy

LEARNER = Learner(
    algorithm="echo_state",
    target="return",
    horizon=3,
    hyper=(0.9, 0.999),
    features=(Operand("ROC", "close", (2.0,)), Operand("BOP", None, ()), Operand("RVOL", None, (20.0,))),
    weight=1,
    edge=0.05,
)

STRATEGY = Strategy(
    direction="both",
    entry=Rule((), 1),
    exit=Rule((Condition(Operand("LEARNER.score", None, (0.0,)), "<", level=0.0),), 1),
    stop=Distance("atr", 3.0),
    time_stop=10,
    learners=(LEARNER,),
)
