"""A 20-bar breakout counts double, high volume and a learner once each; three votes are needed, less those against.

Volume on breakouts is from Edwards and Magee 1948; voting with weights from Littlestone and Warmuth 1994.
"""

from strategies.strategy import Condition, Distance, Learner, Operand, Rule, Size, Strategy

LEARNER = Learner(
    algorithm="recursive_least_squares",
    target="return",
    horizon=10,
    hyper=(0.999, 0.1),
    features=(Operand("ROC", "close", (20.0,)), Operand("ER", "close", (20.0,)), Operand("NATR", None, (14.0,))),
    weight=1,
)

STRATEGY = Strategy(
    direction="both",
    entry=Rule(
        (
            Condition(Operand("PRICE", "close", ()), ">", Operand("DONCHIAN.upperband", None, (20.0,), 1), weight=2),
            Condition(Operand("RVOL", None, (20.0,)), ">", level=1.2),
        ),
        3,
    ),
    exit=Rule((Condition(Operand("PRICE", "close", ()), "<", Operand("DONCHIAN.lowerband", None, (10.0,), 1)),), 1),
    stop=Distance("atr", 2.0),
    size=Size("risk", 0.01),
    learners=(LEARNER,),
    conflict="net",
)
