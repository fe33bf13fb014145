"""The extra columns that bars may bring along: what each is called, holds and becomes in a coarser bar. Data alone."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

EXTRA_COLUMNS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "ask": "lowest price asked at the end of the bar",
        "ask_size": "volume offered at that price",
        "bid": "highest price bid at the end of the bar",
        "bid_size": "volume wanted at that price",
        "buy_volume": "volume of the trades that a buyer began, in the unit of `volume`",
        "funding_rate": "what longs pay shorts at the next settlement, a fraction of the position",
        "long_liquidations": "volume of long positions closed by force, in the unit of `volume`",
        "n_trades": "number of trades",
        "open_interest": "contracts open at the end of the bar",
        "short_liquidations": "volume of short positions closed by force, in the unit of `volume`",
    }
)
"""Columns besides open to volume, sorted by name. A value may be missing (NaN)."""

SUMMED: Final = ("buy_volume", "long_liquidations", "n_trades", "short_liquidations")
"""Those that add up over time; a coarser bar has the last value of the others."""
