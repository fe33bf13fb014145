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
from strategies.templates import (
    aroon,
    bollinger,
    breakout_by_vote,
    cci_trend,
    chandelier_exit,
    connors_rsi2,
    dip_in_bull_regime,
    directional_movement,
    donchian_breakout,
    echo_state_return,
    engulfing_reversal,
    fourier_excursion,
    golden_cross,
    ichimoku,
    kalman_trend,
    learner_with_trend,
    least_squares_return,
    logistic_momentum,
    macd,
    naive_bayes_reversal,
    obv_trend,
    parabolic_sar,
    regime_breakout,
    rsi_reversion,
    similar_days,
    sma_cross,
    squeeze_breakout,
    stochastic_pullback,
    supertrend,
    time_series_momentum,
    trend_with_veto,
    triple_ema,
    triple_screen,
    turn_of_month,
    two_opinions,
    williams_r,
)

_TECHNICAL: Final = {
    "sma_cross": sma_cross.STRATEGY,
    "rsi_reversion": rsi_reversion.STRATEGY,
    "donchian_breakout": donchian_breakout.STRATEGY,
    "macd": macd.STRATEGY,
    "bollinger": bollinger.STRATEGY,
    "golden_cross": golden_cross.STRATEGY,
    "triple_ema": triple_ema.STRATEGY,
    "connors_rsi2": connors_rsi2.STRATEGY,
    "squeeze_breakout": squeeze_breakout.STRATEGY,
    "directional_movement": directional_movement.STRATEGY,
    "stochastic_pullback": stochastic_pullback.STRATEGY,
    "cci_trend": cci_trend.STRATEGY,
    "williams_r": williams_r.STRATEGY,
    "ichimoku": ichimoku.STRATEGY,
    "parabolic_sar": parabolic_sar.STRATEGY,
    "supertrend": supertrend.STRATEGY,
    "time_series_momentum": time_series_momentum.STRATEGY,
    "aroon": aroon.STRATEGY,
    "obv_trend": obv_trend.STRATEGY,
    "chandelier_exit": chandelier_exit.STRATEGY,
    "engulfing_reversal": engulfing_reversal.STRATEGY,
    "triple_screen": triple_screen.STRATEGY,
    "regime_breakout": regime_breakout.STRATEGY,
    "turn_of_month": turn_of_month.STRATEGY,
}
_LEARNING: Final = {
    "logistic_momentum": logistic_momentum.STRATEGY,
    "least_squares_return": least_squares_return.STRATEGY,
    "kalman_trend": kalman_trend.STRATEGY,
    "similar_days": similar_days.STRATEGY,
    "naive_bayes_reversal": naive_bayes_reversal.STRATEGY,
    "fourier_excursion": fourier_excursion.STRATEGY,
    "echo_state_return": echo_state_return.STRATEGY,
    "two_opinions": two_opinions.STRATEGY,
}
_HYBRID: Final = {
    "trend_with_veto": trend_with_veto.STRATEGY,
    "breakout_by_vote": breakout_by_vote.STRATEGY,
    "dip_in_bull_regime": dip_in_bull_regime.STRATEGY,
    "learner_with_trend": learner_with_trend.STRATEGY,
}

TEMPLATES: Final[Mapping[str, Strategy]] = MappingProxyType({**_TECHNICAL, **_LEARNING, **_HYBRID})
"""All by name: those that read bars alone, those that learn, and those that do both."""

SPECIES_TEMPLATES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"ta": tuple(_TECHNICAL), "ml": tuple(_LEARNING), "hybrid": tuple(_HYBRID)}
)
"""The names of the templates of each species."""


def template_genomes() -> NDArray[np.float64]:
    """Return the genomes (n_templates, N_GENES) of all templates, in the order of `TEMPLATES`."""
    return np.stack([encode(strategy) for strategy in TEMPLATES.values()])
