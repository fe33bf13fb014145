"""Turn of the month: hold from the month's last days to the third trading day of the next (Lakonishok, Smidt 1988)."""

from strategies.strategy import Condition, Distance, Operand, Rule, Strategy

DAYS_LEFT, TRADING_DAY = (Operand(f"TURN_OF_MONTH.{name}", None, ()) for name in ("daysleft", "tradingday"))

STRATEGY = Strategy(
    direction="long",
    entry=Rule((Condition(DAYS_LEFT, "<", level=2.5),), 1),
    exit=Rule((Condition(TRADING_DAY, ">", level=2.5), Condition(DAYS_LEFT, ">", level=10.5)), 2),
    stop=Distance("atr", 5.0),
)
