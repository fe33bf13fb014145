"""How far a learner may be trusted at a bar, by nothing but its own matured predictions up to there.

The share of predictions whose sign was right, the older the lighter (half-life 200 of them), is a guess about the
next one; what may be relied on is its lower confidence bound. Labels that overlap say less: a horizon of h bars makes
each sample count for 1/h. Confidence is how far the bound is above one half, twice: 0 for a coin, 1 for an oracle.

Source: Wilson 1927, score interval, one-sided at one standard error (84 %); Kish 1965, effective sample size
(sum of weights)^2 / (sum of squared weights).
"""

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from strategies.numba_start import load_numba

load_numba()

Float64 = NDArray[np.float64]

HALF_LIFE: Final = 200.0
"""In matured predictions."""
DECAY: Final = 0.5 ** (1.0 / HALF_LIFE)
"""Weight of a sample as soon as there is one more."""
STANDARD_ERRORS: Final = 1.0

_jit = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)


@_jit
def confidence_nb(signed: Float64, y: Float64, horizon: int, decay: float, out: Float64) -> None:
    """Writes the confidence at each bar, `(n_bars,)`, from predictions whose label is known by then.

    Args:
        signed: `(n_bars,)` predictions, of which the sign counts; NaN and 0 say nothing and are not counted.
        y: `(n_bars,)` targets; NaN and 0 are not counted either.
        horizon: bars until a target is known.
        decay: weight of a sample as soon as there is one more.
        out: `(n_bars,)`, in [0, 1]; 0 as long as nothing has matured.
    """
    right = weight = squares = 0.0
    for bar in range(y.size):
        sample = bar - horizon
        if sample >= 0:
            # Comparisons with NaN are False, so a sample counts where both have a sign.
            said, happened = signed[sample], y[sample]
            if (said > 0.0 or said < 0.0) and (happened > 0.0 or happened < 0.0):
                right = decay * right + (1.0 if (said > 0.0) == (happened > 0.0) else 0.0)
                weight = decay * weight + 1.0
                squares = decay * decay * squares + 1.0
        out[bar] = 0.0
        if weight > 0.0:
            samples = weight * weight / squares / max(1, horizon)
            out[bar] = max(0.0, 2.0 * lower_bound_nb(right / weight, samples) - 1.0)


@_jit
def lower_bound_nb(share: float, samples: float) -> float:
    """Wilson's lower bound of a probability that was seen as `share` of so many samples."""
    squared = STANDARD_ERRORS * STANDARD_ERRORS
    centre = share + squared / (2.0 * samples)
    width = STANDARD_ERRORS * np.sqrt(share * (1.0 - share) / samples + squared / (4.0 * samples * samples))
    return (centre - width) / (1.0 + squared / samples)
