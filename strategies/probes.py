"""Synthetic bars, on which the catalogue asks each function what it is.

The bars come from one counter-based generator with fixed keys and from additions, products and quotients alone, so
they are the same bits on every machine. Nothing here is meant to look like a market; it has to move, rest, rise, fall.
"""

import functools
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

N_BARS = 640
_KEY = 20_261_121
_PRICE = 37.3  # neither round nor near 1, so that CEIL, LN and their like show what they do


@dataclass(frozen=True, eq=False)
class SyntheticBars:
    """Bars made up for probing: five read-only float64 columns, `(n_bars,)`; equal to itself alone."""

    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    volume: NDArray[np.float64]

    def __post_init__(self) -> None:
        for field in fields(self):
            getattr(self, field.name).flags.writeable = False


@functools.lru_cache(maxsize=64)
def walk(*, number: int, volatility: float, drift: float = 0.0, n_bars: int = N_BARS) -> SyntheticBars:
    """A random walk whose trend turns now and then, and in which calm and storm take turns.

    Args:
        number: Which walk; different numbers share no draw.
        volatility: Standard deviation of a bar's return, as a fraction.
        drift: Size of the trend's return a bar, as a fraction; its sign turns every few dozen bars.
        n_bars: How many bars.
    """
    generator = np.random.Generator(np.random.Philox(key=[_KEY, number]))
    draws = generator.random((n_bars, 13))
    trend = np.where(np.cumsum(draws[:, 4] < 1.0 / 40.0) % 2 == 0, drift, -drift)
    size = volatility * np.where(np.cumsum(draws[:, 12] < 1.0 / 40.0) % 2 == 0, 0.6, 1.3)
    noise = (draws[:, :4].sum(axis=1) - 2.0) * (size * 3.0**0.5)
    close = _PRICE * np.cumprod(1.0 + noise + trend)
    before = np.concatenate([[_PRICE], close[:-1]])
    opening = before * (1.0 + (draws[:, 5] - 0.5) * size)
    high = np.maximum(opening, close) * (1.0 + draws[:, 6] * draws[:, 7] * size)
    low = np.minimum(opening, close) * (1.0 - draws[:, 8] * draws[:, 9] * size)
    volume = 1e5 * (0.4 + 1.6 * draws[:, 10] * (0.5 + draws[:, 11]))
    return SyntheticBars(opening, high, low, close, volume)


def one_way(*, step: float, n_bars: int = N_BARS) -> SyntheticBars:
    """Bars that go one way without rest, `step` a bar as a fraction, and close at their far end."""
    close = _PRICE * np.cumprod(np.full(n_bars, 1.0 + step))
    opening = np.concatenate([[_PRICE], close[:-1]])
    volume = 1e5 * (1.0 + np.arange(n_bars) % 7 / 10.0)
    return SyntheticBars(opening, np.maximum(opening, close), np.minimum(opening, close), close, volume)


def swelling(*, n_bars: int = N_BARS) -> SyntheticBars:
    """Bars whose highs rise while their lows fall, then the other way about."""
    half = np.abs(n_bars // 2 - np.arange(n_bars)) / n_bars + 0.1
    high, low = _PRICE * (1.0 + half), _PRICE * (1.0 - half)
    close = np.where(np.arange(n_bars) % 5 < 2, high * 0.9 + low * 0.1, high * 0.2 + low * 0.8)
    return SyntheticBars(np.full(n_bars, _PRICE), high, low, close, np.full(n_bars, 1e5))


@functools.cache
def ordinary() -> tuple[SyntheticBars, ...]:
    """Steady, calm, trending and wild: the walks that ranges are measured on."""
    return (
        walk(number=1, volatility=0.012),
        walk(number=2, volatility=0.005),
        walk(number=3, volatility=0.01, drift=0.003),
        walk(number=4, volatility=0.025),
    )


@functools.cache
def mirrored() -> tuple[SyntheticBars, ...]:
    """The ordinary walks upside down, so that a range owes nothing to the way a walk happened to go."""
    return tuple(_mirrored(bars) for bars in ordinary())


def _mirrored(bars: SyntheticBars) -> SyntheticBars:
    prices = [_PRICE**2 / column for column in (bars.open, bars.low, bars.high, bars.close)]
    return SyntheticBars(*[*prices, bars.volume])


@functools.cache
def extreme() -> tuple[SyntheticBars, ...]:
    """Straight up, straight down, swelling: where natural bounds are reached."""
    return one_way(step=0.004), one_way(step=-0.004), swelling()


@functools.lru_cache(maxsize=64)
def scaled(bars: SyntheticBars, *, price: float = 1.0, volume: float = 1.0, shift: float = 0.0) -> SyntheticBars:
    """The bars with all prices multiplied, then shifted, and all volumes multiplied."""
    prices = [column * price + shift for column in (bars.open, bars.high, bars.low, bars.close)]
    return SyntheticBars(*[*prices, bars.volume * volume])


@functools.lru_cache(maxsize=64)
def joined(before: SyntheticBars, after: SyntheticBars) -> SyntheticBars:
    """The bars of one after those of the other."""
    pairs = ((getattr(before, field.name), getattr(after, field.name)) for field in fields(SyntheticBars))
    return SyntheticBars(*(np.concatenate(pair) for pair in pairs))


@functools.lru_cache(maxsize=64)
def head(bars: SyntheticBars, stop: int) -> SyntheticBars:
    """The first `stop` bars."""
    return SyntheticBars(*(getattr(bars, field.name)[:stop] for field in fields(SyntheticBars)))


@functools.lru_cache(maxsize=64)
def tail(bars: SyntheticBars, start: int) -> SyntheticBars:
    """All bars from `start` on."""
    return SyntheticBars(*(getattr(bars, field.name)[start:] for field in fields(SyntheticBars)))
