"""Strategies that traders know by name. They seed populations, serve as examples and test what the grammar can say.

To add one: a file with a `STRATEGY`, and a line in `TEMPLATES`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from strategies.encoding import encode
from strategies.strategy import Strategy
from strategies.templates import bollinger, donchian_breakout, macd, rsi_reversion, sma_cross

TEMPLATES: Final[Mapping[str, Strategy]] = MappingProxyType(
    {
        "sma_cross": sma_cross.STRATEGY,
        "rsi_reversion": rsi_reversion.STRATEGY,
        "donchian_breakout": donchian_breakout.STRATEGY,
        "macd": macd.STRATEGY,
        "bollinger": bollinger.STRATEGY,
    }
)


def template_genomes() -> NDArray[np.float64]:
    """Return the genomes (n_templates, N_GENES) of all templates, in the order of `TEMPLATES`."""
    return np.stack([encode(strategy) for strategy in TEMPLATES.values()])
