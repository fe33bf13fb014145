"""Strategies as a freqtrade `IStrategy`: the export core, and a class that trades it (`runtime/freqtrade.txt`)."""

from collections.abc import Mapping
from typing import Any, Final

from cluster.export.trading_text import trading_text
from strategies.strategy import Strategy

ENGINE: Final = "2026.9"
"""The version of freqtrade that exported files were verified with."""
_MANUAL: Final = f"""
An IStrategy for freqtrade, verified with version {ENGINE}: its backtester makes the trades of Studbook's own
simulation. Needs TA-Lib; numba makes learners quicker. Put this file into user_data/strategies, then

    freqtrade backtesting --strategy {{name}} --fee 0.001

with this in the configuration, so that freqtrade trades all of the account, as Studbook did:

    "max_open_trades": 1, "stake_amount": "unlimited", "tradable_balance_ratio": 1.0,
    "entry_pricing": {{"price_side": "other"}}, "exit_pricing": {{"price_side": "other"}}

A strategy that sells short needs "trading_mode": "futures", "margin_mode": "isolated"; leverage is 1. One that only
buys trades spot. `BARS_PER_YEAR` below is what a size by volatility reads: 252 is for days on which exchanges are
open.

How it trades: signals at the close of a candle fill at the next open. The stop is freqtrade's, set at the fill and
moved before each candle by the closes up to the last; a candle that opens beyond it leaves at its open. The target
is a custom ROI, so the stop comes first. Sizes, cooldown, breaker and reversals ask freqtrade's own list of trades
of the pair.

What freqtrade does by itself: it rounds prices and amounts to the exchange's steps, has no slippage, charges
funding, liquidates isolated shorts at about twice their entry, closes what is left at the last candle's open, and
begins after `startup_candle_count` candles. On a live market orders go out when a candle has closed, not at its
first price.
"""


def freqtrade_text(strategy: Strategy, record: Mapping[str, Any] | None) -> str:
    """Return the source of a file for freqtrade, to be put into `user_data/strategies`.

    Raises:
        StrategyError: the strategy reads extra columns, or an operand that TA-Lib can't compute here.
    """
    return trading_text(strategy, record, engine="freqtrade", manual=_MANUAL)
