"""Logistic regression on momentum and its extremes: the likelier side of the next five bars (Robbins, Monro 1951)."""

from strategies.strategy import Condition, Distance, Learner, Operand, Rule, Strategy

LEARNER = Learner(
    algorithm="logistic",
    target="direction",
    horizon=5,
    hyper=(0.01, 0.001),
    features=(
        Operand("ROC", "close", (5.0,)),
        Operand("ROC", "close", (20.0,)),
        Operand("RSI", "close", (14.0,)),
        Operand("CCI", None, (20.0,)),
    ),
    weight=1,
    edge=0.05,
)

STRATEGY = Strategy(
    direction="both",
    entry=Rule((), 1),
    exit=Rule((Condition(Operand("LEARNER.score", None, (0.0,)), "<", level=0.0),), 1),
    stop=Distance("atr", 3.0),
    learners=(LEARNER,),
)
