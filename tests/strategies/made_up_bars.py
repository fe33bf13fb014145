"""Bars made up for the tests of operands: with times, in which there are gaps, and with every extra column there is."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np

from strategies.catalogue import CLOSE, SOURCES, catalogue

HOUR_US = 3_600_000_000
START_US = 1_704_153_600_000_000  # Tuesday 2024-01-02, midnight UTC
COLUMNS = sorted({name for kind in catalogue() for name in kind.requires})
OF_PRICE = {"ask", "bid"}
OF_NOTHING = {"funding_rate", "n_trades"}


@dataclass(frozen=True, eq=False)
class MadeUpBars:
    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volume: np.ndarray
    timestamps: np.ndarray
    timeframe: str = "1h"
    extra: Mapping[str, np.ndarray] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, change) -> "MadeUpBars":
        columns = {name: np.ascontiguousarray(change(getattr(self, name))) for name in (*SOURCES, "timestamps")}
        extra = {name: np.ascontiguousarray(change(values)) for name, values in self.extra.items()}
        return replace(self, **columns, extra=extra)

    def arrays(self) -> list[np.ndarray]:
        return [*(getattr(self, name) for name in (*SOURCES, "timestamps")), *self.extra.values()]

    def locked(self) -> "MadeUpBars":
        bars = self.of(np.copy)
        for array in bars.arrays():
            array.flags.writeable = False
        return bars


def random_bars(seed: int, n_bars: int = 420) -> MadeUpBars:
    """Hourly bars, some of them missing, now and then for a night."""
    rng = np.random.default_rng(seed)
    close = 80.0 * np.exp(np.cumsum(0.015 * rng.standard_t(4, n_bars)))
    opening = np.concatenate([[80.0], close[:-1]]) * np.exp(0.004 * rng.standard_normal(n_bars))
    high = np.maximum(opening, close) * (1.0 + 0.01 * rng.random(n_bars))
    low = np.minimum(opening, close) * (1.0 - 0.01 * rng.random(n_bars))
    volume = np.round(1e4 * np.exp(rng.standard_normal(n_bars)))
    hours = rng.choice([1, 1, 1, 1, 1, 1, 2, 9], n_bars)
    timestamps = START_US + np.cumsum(hours) * HOUR_US
    return MadeUpBars(opening, high, low, close, volume, timestamps, extra=extra_columns(rng, close, volume))


def extra_columns(rng: np.random.Generator, close: np.ndarray, volume: np.ndarray) -> dict[str, np.ndarray]:
    made = {name: volume * (0.1 + 0.8 * rng.random(close.size)) for name in COLUMNS}
    made |= {"bid": close * 0.999, "ask": close * (1.0 + 0.002 * rng.random(close.size))}
    made |= {
        "funding_rate": 1e-4 * rng.standard_normal(close.size),
        "n_trades": np.round(5.0 + 50.0 * rng.random(close.size)),
    }
    return {name: made[name] for name in COLUMNS}


def joined(*parts: MadeUpBars, anchor: int = -1) -> MadeUpBars:
    """One after the other, an hour apart; the times of the part `anchor` stay as they are."""
    stamps = [part.timestamps - part.timestamps[0] for part in parts]
    for place in range(1, len(parts)):
        stamps[place] = stamps[place] + stamps[place - 1][-1] + HOUR_US
    moved = parts[anchor].timestamps[0] - stamps[anchor][0]
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in SOURCES}
    extra = {name: np.concatenate([part.extra[name] for part in parts]) for name in parts[0].extra}
    return MadeUpBars(**columns, timestamps=np.concatenate(stamps) + moved, extra=extra)


def scaled(bars: MadeUpBars, *, price: float = 1.0, volume: float = 1.0) -> MadeUpBars:
    by = {name: price if name in OF_PRICE else 1.0 if name in OF_NOTHING else volume for name in bars.extra}
    columns = {name: getattr(bars, name) * (volume if name == "volume" else price) for name in SOURCES}
    return replace(bars, **columns, extra={name: values * by[name] for name, values in bars.extra.items()})


def sources_of(kind: int) -> tuple[int, ...]:
    """Close, volume and one more of a kind that has a choice."""
    return tuple(dict.fromkeys((CLOSE, len(SOURCES) - 1, kind % 3))) if catalogue()[kind].takes_source else (CLOSE,)


def choices_of(kind: int, n_choices: int = 2, longest: float = 60.0) -> list[tuple[float, ...]]:
    """The defaults and a few other parameter values from the grids; always the same ones."""
    rng = np.random.default_rng(kind)
    grids = [[value for value in p.grid if value <= longest] for p in catalogue()[kind].parameters]
    defaults = tuple(p.default for p in catalogue()[kind].parameters)
    return [defaults, *(tuple(float(rng.choice(grid)) for grid in grids) for _ in range(n_choices if grids else 0))]
