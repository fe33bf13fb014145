"""Our own features: operands that TA-Lib has not. A new one is a file, or a few lines in one, and its line below.

Declarations load without numba; what computes a feature is imported when it is first computed.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from strategies.features.calendars import CALENDAR_FEATURES
from strategies.features.extra import EXTRA
from strategies.features.feature import Feature
from strategies.features.liquidity import LIQUIDITY_FEATURES
from strategies.features.regimes import REGIME
from strategies.features.session import SESSION_FEATURES
from strategies.features.structure import STRUCTURE_FEATURES
from strategies.features.volatility import VOLATILITY_FEATURES

_ALL: Final[tuple[Feature, ...]] = (
    *STRUCTURE_FEATURES,
    *VOLATILITY_FEATURES,
    *LIQUIDITY_FEATURES,
    *SESSION_FEATURES,
    *CALENDAR_FEATURES,
    REGIME,
    *EXTRA,
)

FEATURES: Final[Mapping[str, Feature]] = MappingProxyType({feature.name: feature for feature in _ALL})
"""Every feature by name, in the order of the catalogue."""
