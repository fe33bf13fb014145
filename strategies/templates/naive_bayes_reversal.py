"""Naive Bayes learns which short-term extremes are taken back within three bars (after Lehmann 1990)."""

from strategies.strategy import Condition, Distance, Learner, Operand, Rule, Strategy

LEARNER = Learner(
    algorithm="naive_bayes",
    target="direction",
    horizon=3,
    hyper=(400.0,),
    features=(
        Operand("RSI", "close", (2.0,)),
        Operand("ROC", "close", (3.0,)),
        Operand("BOP", None, ()),
        Operand("RVOL", None, (10.0,)),
    ),
    weight=1,
    edge=0.1,
)

STRATEGY = Strategy(
    direction="both",
    entry=Rule((), 1),
    exit=Rule((Condition(Operand("LEARNER.score", None, (0.0,)), "<", level=0.0),), 1),
    stop=Distance("atr", 2.5),
    time_stop=5,
    learners=(LEARNER,),
)
