"""The table of learners: what may be learnt, by what, and how each may be set. Data alone: loads without numba.

A new algorithm is an entry here and a kernel in `kernels.KERNELS`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

HORIZONS: Final = (1.0, 2.0, 3.0, 5.0, 8.0, 10.0, 15.0, 20.0)
"""Bars ahead that a target looks."""

TARGETS: Final = ("direction", "return", "excursion")
"""What is predicted: the sign of the return over the horizon; that return, in units of its usual size; how much further
prices rise than fall within the horizon, in the same units."""

MAX_FEATURES: Final = 4
N_HYPER: Final = 2


@dataclass(frozen=True)
class Hyper:
    """A hyper-parameter: its name and its values, ascending; the middle one is a sane default."""

    name: str
    grid: tuple[float, ...]

    @property
    def default(self) -> float:
        """The middle value."""
        return self.grid[len(self.grid) // 2]


@dataclass(frozen=True)
class Algorithm:
    """One way to learn.

    Attributes:
        classifies: its raw prediction is the probability that the target is positive; else the target's expected value.
        hyper: at most two hyper-parameters.
        uses_features: False where it looks at closes alone.
        source: paper and equation.
    """

    classifies: bool
    hyper: tuple[Hyper, ...]
    source: str
    uses_features: bool = True


_RATES: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
_RIDGES: Final = (0.0001, 0.001, 0.01, 0.1, 1.0)
_FORGETTING: Final = (0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 1.0)
_SLOW_FORGETTING: Final = _FORGETTING[1:]  # 0.95 remembers 20 samples: too few for 16 weights
_HALF_LIVES: Final = (50.0, 100.0, 200.0, 400.0, 800.0)

ALGORITHMS: Final[Mapping[str, Algorithm]] = MappingProxyType(
    {
        "logistic": Algorithm(True, (Hyper("rate", _RATES), Hyper("l2", _RIDGES)), "Robbins, Monro 1951; log loss"),
        "linear": Algorithm(
            False, (Hyper("rate", _RATES), Hyper("l2", _RIDGES)), "Widrow, Hoff 1960; Toulis, Airoldi 2017"
        ),
        "passive_aggressive": Algorithm(
            True, (Hyper("aggressiveness", (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)),), "Crammer et al. 2006, PA-I"
        ),
        "ftrl": Algorithm(
            True,
            (Hyper("alpha", (0.01, 0.02, 0.05, 0.1, 0.2)), Hyper("l1", (0.0, 0.01, 0.1, 1.0, 3.0))),
            "McMahan et al. 2013, algorithm 1",
        ),
        "recursive_least_squares": Algorithm(
            False, (Hyper("forgetting", _FORGETTING), Hyper("ridge", _RIDGES)), "Haykin, Adaptive Filter Theory, RLS"
        ),
        "kalman_trend": Algorithm(
            False,
            (Hyper("level_noise", (0.001, 0.01, 0.1, 1.0, 10.0)), Hyper("slope_noise", (1e-6, 1e-5, 1e-4, 1e-3, 1e-2))),
            "Harvey 1989, local linear trend",
            uses_features=False,
        ),
        "naive_bayes": Algorithm(True, (Hyper("half_life", _HALF_LIVES),), "Gaussian naive Bayes, forgetting moments"),
        "nearest_neighbours": Algorithm(
            True,
            (Hyper("window", (100.0, 200.0, 300.0, 400.0, 500.0)), Hyper("neighbours", (3.0, 5.0, 9.0, 15.0, 25.0))),
            "Cover, Hart 1967, on a sliding window",
        ),
        "stumps": Algorithm(
            True,
            (Hyper("grace", (50.0, 100.0, 200.0)), Hyper("delta", (0.001, 0.01, 0.1))),
            "Domingos, Hulten 2000, Hoeffding bound",
        ),
        "fourier_ridge": Algorithm(
            False,
            (Hyper("bandwidth", (0.5, 1.0, 1.5, 2.0, 4.0)), Hyper("forgetting", _SLOW_FORGETTING)),
            "Rahimi, Recht 2007, random Fourier features",
        ),
        "perceptron": Algorithm(
            True,
            (Hyper("rate", (0.005, 0.01, 0.02, 0.05, 0.1)), Hyper("hidden", (2.0, 4.0, 8.0))),
            "Rumelhart et al. 1986, one hidden layer",
        ),
        "echo_state": Algorithm(
            False,
            (Hyper("radius", (0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99)), Hyper("forgetting", _SLOW_FORGETTING)),
            "Jaeger 2001, leaky reservoir, RLS read-out",
        ),
        "hedge": Algorithm(
            True,
            (Hyper("eta", (0.1, 0.2, 0.5, 1.0, 2.0)), Hyper("share", (0.0, 0.001, 0.01, 0.05, 0.1))),
            "Freund, Schapire 1997; fixed share, Herbster, Warmuth 1998",
        ),
    }
)
