"""Ridge regression on random Fourier features: how much further prices rise than fall (Rahimi, Recht 2007)."""

from strategies.strategy import Condition, Distance, Learner, Operand, Rule, Strategy

LEARNER = Learner(
    algorithm="fourier_ridge",
    target="excursion",
    horizon=8,
    hyper=(0.5, 0.999),
    features=(
        Operand("ROC", "close", (8.0,)),
        Operand("ER", "close", (20.0,)),
        Operand("NATR", None, (14.0,)),
        Operand("PERCENTRANK", "close", (50.0,)),
    ),
    weight=1,
    edge=0.1,
)

STRATEGY = Strategy(
    direction="both",
    entry=Rule((), 1),
    exit=Rule((Condition(Operand("LEARNER.score", None, (0.0,)), "<", level=0.0),), 1),
    stop=Distance("atr", 2.5),
    target=Distance("atr", 5.0),
    time_stop=15,
    learners=(LEARNER,),
)
