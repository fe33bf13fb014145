"""Strategies as a NautilusTrader `Strategy`: the export core, and a class that trades it (`runtime/nautilus.txt`)."""

from collections.abc import Mapping
from typing import Any, Final

from cluster.export.trading_text import trading_text
from strategies.strategy import Strategy

ENGINE: Final = "1.221.0"
"""The version of nautilus_trader that exported files were verified with."""
_MANUAL: Final = f"""
A Strategy for NautilusTrader, verified with nautilus_trader {ENGINE}: its BacktestEngine makes the trades of
Studbook's own simulation. Needs TA-Lib; numba makes learners quicker.

    engine = BacktestEngine(BacktestEngineConfig())
    engine.add_venue(venue=venue, oms_type=OmsType.NETTING, account_type=AccountType.MARGIN, base_currency=money,
                     starting_balances=[Money(1_000_000, money)], trade_execution=True, bar_execution=False)
    engine.add_instrument(instrument)
    engine.add_data(market_data(instrument, bar_type, columns))
    strategy = {{name}}(StudbookConfig(instrument_id=instrument.id, bar_type=bar_type))
    strategy.prepare(columns)    # signals of all bars at once; without it anew at each bar
    engine.add_strategy(strategy)
    engine.run()

`columns` are arrays by the names open, high, low, close, volume and timestamp (of the open, microseconds UTC). The
fee is the instrument's `taker_fee` and `maker_fee`. `BARS_PER_YEAR` below is what a size by volatility reads: 252
is for days on which exchanges are open.

How it trades: decides at the close of a bar and acts on the first trade tick after it. Each open puts its orders
anew: a stop-market, and a limit for the target; they are cancelled at the bar's close. So an open beyond the stop
leaves there, at the market, where NautilusTrader would fill a resting stop at its own price. In a back-test
`market_data` walks each bar twice, as ticks: open, high, low with the stop alone, then again with the target. So
the stop comes first, whatever order the high and the low came in, which bars don't say. Live both are put at once,
for ticks have no such labels.

Live it needs trade ticks and bars whose `ts_event` is their close; `n_history` bars are asked for at its start.
What it holds, and the trades that cooldown, breaker and Kelly's size look at, are in memory: start it flat.

What NautilusTrader does by itself: it rounds prices and sizes to the instrument's steps, sums them as doubles, has
no slippage unless its fill model has, and asks for the instrument's margin. What is held at the end leaves at the
last close.
"""


def nautilus_text(strategy: Strategy, record: Mapping[str, Any] | None) -> str:
    """Return the source of a file for NautilusTrader.

    Raises:
        StrategyError: the strategy reads extra columns, or an operand that TA-Lib can't compute here.
    """
    return trading_text(strategy, record, engine="nautilus", manual=_MANUAL)
