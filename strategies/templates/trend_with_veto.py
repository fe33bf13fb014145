"""An average crossover that a learner may forbid: a second opinion on a rule's signals (Lopez de Prado 2018, ch. 3).

The learner alone never enters: the rule has two votes, the learner one, and two are needed.
"""

from strategies.strategy import Condition, Distance, Learner, Operand, Rule, Strategy

FAST, SLOW = Operand("EMA", "close", (20.0,)), Operand("EMA", "close", (50.0,))
LEARNER = Learner(
    algorithm="logistic",
    target="direction",
    horizon=10,
    hyper=(0.01, 0.01),
    features=(
        Operand("ADX", None, (14.0,)),
        Operand("NATR", None, (14.0,)),
        Operand("ROC", "close", (60.0,)),
        Operand("RVOL", None, (20.0,)),
    ),
    weight=1,
    edge=0.05,
)

STRATEGY = Strategy(
    direction="both",
    entry=Rule((Condition(FAST, "crosses above", SLOW, weight=2),), 2),
    exit=Rule((Condition(FAST, "crosses below", SLOW),), 1),
    stop=Distance("atr", 3.0),
    learners=(LEARNER,),
    conflict="veto",
)
