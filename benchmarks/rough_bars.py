"""Random bars that hurt, for comparisons with other engines: gaps, locked prices, flat stretches, violent ranges."""

from types import SimpleNamespace

import numpy as np


def rough_bars(rng: np.random.Generator, style: str, scale: float, n_bars: int) -> SimpleNamespace:
    """Consistent bars `(n_bars,)` of a random walk with this volatility a bar."""
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, scale, n_bars)))
    before = np.append(100.0, close[:-1])
    open_ = before * np.exp(rng.normal(0.0, 0.08 if style in ("gaps", "wild") else 0.002, n_bars))
    if style == "flat":
        still = rng.random(n_bars) < 0.8
        open_[still] = close[still] = 100.0
    high = np.maximum(open_, close) * np.exp(np.abs(rng.normal(0.0, scale, n_bars)))
    low = np.minimum(open_, close) * np.exp(-np.abs(rng.normal(0.0, scale, n_bars)))
    if style in ("limit moves", "flat"):
        locked = rng.random(n_bars) < 0.5
        for prices in (open_, high, low):
            prices[locked] = close[locked]
    return SimpleNamespace(open=open_, high=high, low=low, close=close)
