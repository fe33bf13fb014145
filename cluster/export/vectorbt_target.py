"""Strategies as a file for vectorbt: an order function that makes the trades of Studbook's own simulation."""

from collections.abc import Mapping
from typing import Any, Final

from cluster.export.engine_text import engine_text, judged_with
from strategies.strategy import Strategy

ENGINE: Final = "1.2.0"
"""The version that exported files were verified with, and refuse to run without."""
_MANUAL: Final = f"""
Trades on vectorbt {ENGINE}, which it was verified with and refuses to run without; also needs NumPy, pandas, numba
and TA-Lib. The first run compiles for some ten seconds.

    python THIS_FILE bars.csv --cash 1000000 --fees 0.001    # the trades; --trades FILE writes them
    portfolio(frame, fees=0.001, freq="1D").stats()          # from Python: a vectorbt.Portfolio
    trades(frame, fees=0.001)                                # its trades, with the reason of each exit

`fees` is Studbook's fee, a fraction of the notional on each side; `slippage` worsens entries and exits, targets
excepted; `init_cash` should not be small, since the engine takes sizes and sums below 1e-12 for 0. Longs can't
borrow: the cap on leverage is 1. `FEE`, `SLIPPAGE` and `TIMEFRAME` below are the defaults: those of the job where it
is known, else none. `bars_per_year` matters to a size by volatility alone.

How it trades: `Portfolio.from_order_func` with a flexible order function, which may give several orders a bar.
Decisions at a close fill at the next open. Stops and targets lie from the fill and live from the entry bar on; a stop
comes before a target. The trailing stop follows the best close. The last position is closed at the last close. A
short that loses more than the account is closed and trading ends; the engine's own curves then go below 0, where
Studbook's stay at 0. Costs that are the market's and no part of a strategy (spread by volatility, impact, a share of
volume, carry, fees per unit) are not modelled.
"""


def vectorbt_text(strategy: Strategy, record: Mapping[str, Any] | None) -> str:
    """Return the source of a file for vectorbt.

    Raises:
        StrategyError: the strategy reads extra columns, or an operand that TA-Lib can't compute here.
    """
    return engine_text(strategy, record, engine="vectorbt", manual=_MANUAL, constants=judged_with(record))
