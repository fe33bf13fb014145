"""Two learners that see different things must agree: stumps on indicators, and a Kalman filter on the price alone.

Forecasts that err apart are better together (Bates, Granger 1969).
"""

from strategies.strategy import Condition, Distance, Learner, Operand, Rule, Strategy

STUMPS = Learner(
    algorithm="stumps",
    target="direction",
    horizon=10,
    hyper=(100.0, 0.01),
    features=(
        Operand("RSI", "close", (14.0,)),
        Operand("ADX", None, (14.0,)),
        Operand("ROC", "close", (60.0,)),
        Operand("RVOL", None, (20.0,)),
    ),
    weight=1,
)
KALMAN = Learner(algorithm="kalman_trend", target="direction", horizon=10, hyper=(1.0, 0.0001), features=(), weight=1)

STRATEGY = Strategy(
    direction="both",
    entry=Rule((), 2),
    exit=Rule((Condition(Operand("LEARNER.score", None, (1.0,)), "<", level=0.0),), 1),
    stop=Distance("atr", 3.0),
    time_stop=30,
    learners=(STUMPS, KALMAN),
)
