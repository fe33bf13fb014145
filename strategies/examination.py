"""The examination of one TA-Lib function: what each of its outputs is, found by computing it on synthetic bars.

Nothing here knows a function by name. Each question is put as an experiment on `probes`: multiply the prices, shift
them, change the future, change the past, turn one parameter, and look at what the output does.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from strategies import grids, indicators, probes, scales
from strategies.indicators import INTEGER, REAL, Indicator
from strategies.operand_kind import DIFFERENCE, ENDLESS, FADING, LEVEL, OTHERWISE, WINDOW, Parameter
from strategies.probes import SyntheticBars
from strategies.scales import Scale

Column = NDArray[np.float64]
Run = Callable[[SyntheticBars, tuple[float, ...]], Column]

LOOKS_AHEAD = "looks ahead: a later bar changes an earlier value"
NEVER_FINITE = "never finite on prices above 1"
NOT_HOMOGENEOUS = "changes meaning with a split: not homogeneous in price or volume"

_FACTORS = (8.0, 3.0, 1.0 / 64.0)  # two that binary numbers take exactly, one that they don't, one that goes below 1
_SHIFT = 16.0
_TAIL = probes.N_BARS // 3
_ABOUT = 0.1  # how far from the shift of prices a level's own may be, as a share
FADED = 1e-6  # of the largest value: below this the start of the bars no longer matters
_EXACT = 1e-9
_N_BEFORE = 120
_MAX_EVOLVED = 3


@dataclass(frozen=True)
class Finding:
    """What one output of one function is.

    Attributes:
        put_aside: Why it can't be an operand; empty where it can.
        scale: Its scale, when a function of one price reads a price.
        moves_as: How it answers a shift of all prices by `c`: "level" by about `c`, "difference" not at
            all, or "otherwise".
        memory: "window" (the value depends on the lookback alone), "fading" (the bars before matter ever less) or
            "endless" (the first bar matters for ever).
        is_index: It counts bars from the first one, and so must be turned into bars since.
        declared: Its range is a natural one that it keeps (RSI 0..100), not one that was measured (ROC -15..15).
        price_range: Tidy range of its values: of the value itself where it is dimensionless, in percent of the close
            where it is a difference of prices, else None.
        volume_range: The same where its source is the volume and it is dimensionless, else None.
        evolved: Places of the parameters that change it and may evolve, at most three, with their grids.
    """

    put_aside: str
    scale: Scale
    moves_as: str
    memory: str
    is_index: bool
    declared: bool
    price_range: tuple[float, float] | None
    volume_range: tuple[float, float] | None
    evolved: tuple[tuple[int, Parameter], ...]


def examine(indicator: Indicator, output: int) -> Finding:
    """What one output of a function is; the same on every machine."""
    run, defaults, others = runner(indicator, output), indicator.defaults, _others(indicator)
    reason = _fault(run, defaults)
    if reason:
        return _aside(reason)
    is_index = _is_index(run, defaults)
    run = runner(indicator, output, is_index=is_index)
    scale = _scale(indicator, run, defaults)
    if scale is None or (others != defaults and _scale(indicator, run, others) != scale):
        return _aside(NOT_HOMOGENEOUS)
    declared = scales.declared_range(_all_values(run, (defaults, others))) if scale.dimensionless else None
    on_volume = runner(indicator, output, source="volume", is_index=is_index)
    return Finding(
        put_aside="",
        scale=scale,
        moves_as=_moves_as(run, defaults),
        memory=_memory(indicator, run),
        is_index=is_index,
        declared=declared is not None,
        price_range=declared or _measured(run, defaults, scale),
        volume_range=(declared or _measured(on_volume, defaults, scale)) if indicator.takes_source else None,
        evolved=_evolved(indicator, run),
    )


def _aside(reason: str) -> Finding:
    return Finding(reason, Scale(0.0, 0.0, False), OTHERWISE, WINDOW, False, False, None, None, ())


def runner(indicator: Indicator, output: int, *, source: str = "close", is_index: bool = False) -> Run:
    """One output of a function as a computation on bars: all NaN where TA-Lib refuses the parameters."""

    def run(bars: SyntheticBars, values: tuple[float, ...]) -> Column:
        columns = indicators.compute(indicator.name, source, values, bars)
        if columns is None:
            return np.full(bars.close.size, np.nan)
        return indicators.bars_since(columns[output]) if is_index else columns[output]

    return run


def _others(indicator: Indicator) -> tuple[float, ...]:
    """A second set of parameter values: periods twice as long, real numbers a quarter larger."""
    growth = {INTEGER: 2.0, REAL: 1.25}
    return tuple(setting.default * growth.get(setting.kind, 1.0) for setting in indicator.settings)


def _fault(run: Run, values: tuple[float, ...]) -> str:
    """Why the output can't be an operand, or an empty text."""
    bars = probes.ordinary()[0]
    plain = run(bars, values)
    if not np.isfinite(plain).any():
        return NEVER_FINITE
    other = probes.ordinary()[3]
    for stop in (97, 320, 611):
        changed = probes.joined(probes.head(bars, stop), probes.tail(other, stop))
        if not np.array_equal(run(changed, values)[:stop], plain[:stop], equal_nan=True):
            return LOOKS_AHEAD
    return ""


def _is_index(run: Run, values: tuple[float, ...]) -> bool:
    """Whether bars put in front raise the value by their number."""
    bars = probes.ordinary()[0]
    later = run(probes.joined(probes.head(probes.ordinary()[1], _N_BEFORE), bars), values)[_N_BEFORE:]
    return bool(np.all(later[-_TAIL:] - run(bars, values)[-_TAIL:] == _N_BEFORE))


def _scale(indicator: Indicator, run: Run, values: tuple[float, ...]) -> Scale | None:
    """The scale by which the value follows prices and volumes, or None where there is none."""
    bars = probes.ordinary()[0]
    plain = run(bars, values)
    prices = {_degree(plain, run(probes.scaled(bars, price=factor), values), factor) for factor in _FACTORS}
    volumes: set[float | None] = {0.0}
    if "volume" in indicator.inputs:
        volumes = {_degree(plain, run(probes.scaled(bars, volume=factor), values), factor) for factor in _FACTORS}
    price_degree, volume_degree = prices.pop(), volumes.pop()
    if price_degree is None or volume_degree is None or prices or volumes:
        return None
    return Scale(price_degree, volume_degree, price_degree != 0.0 and _moves_as(run, values) != DIFFERENCE)


def _degree(plain: Column, scaled: Column, factor: float) -> float | None:
    if not np.array_equal(np.isfinite(plain), np.isfinite(scaled)):
        return None
    kept = np.isfinite(plain)
    return scales.degree(plain[kept], scaled[kept], factor=factor)


def _moves_as(run: Run, values: tuple[float, ...]) -> str:
    """How the value answers a shift of prices: ACCBANDS moves by nearly as much, SUM by many times as much."""
    bars = probes.ordinary()[0]
    plain = run(bars, values)[-_TAIL:]
    moved = (run(probes.scaled(bars, shift=_SHIFT), values)[-_TAIL:] - plain) / _SHIFT
    kept = np.isfinite(moved)
    if np.all(np.abs(moved[kept]) <= 1e-6 * max(1.0, float(np.max(np.abs(plain[kept]))))):
        return DIFFERENCE
    return LEVEL if np.all(np.abs(moved[kept] - 1.0) <= _ABOUT) else OTHERWISE


def _memory(indicator: Indicator, run: Run) -> str:
    """How the value depends on the bars before its lookback; a flag that rarely turns is taken at TA-Lib's word."""
    difference = starts_differ(run, indicator.defaults, number=11)
    if not np.all(difference[-_TAIL // 4 :] <= FADED):
        return ENDLESS
    late = difference[indicators.lookback(indicator.name, indicator.defaults) :]
    return FADING if indicator.unstable or np.any(late > _EXACT) else WINDOW


def starts_differ(
    run: Run, values: tuple[float, ...], *, number: int, volatility: float = 0.012, n_bars: int = probes.N_BARS
) -> Column:
    """How far a computation on bars is from the same one when other bars went before.

    Args:
        run: The computation.
        values: Its parameter values.
        number: Which walks to take.
        volatility: Of the bars, per bar.
        n_bars: How many bars.

    Returns:
        Absolute differences as a share of the largest value, `(n_bars,)`, NaN where either is.
    """
    bars = probes.walk(number=number, volatility=volatility, n_bars=n_bars)
    before = probes.walk(number=number + 1, volatility=2.0 * volatility, n_bars=_N_BEFORE)
    fresh = run(bars, values)
    later = run(probes.joined(probes.scaled(before, price=1.3, volume=1.7), bars), values)[_N_BEFORE:]
    kept = np.isfinite(fresh) & np.isfinite(later)
    largest = float(np.max(np.abs(later[kept]), initial=0.0))
    return np.abs(fresh - later) / (largest or 1.0)


def _all_values(run: Run, settings: Sequence[tuple[float, ...]]) -> list[Column]:
    """Finite values on every probe there is."""
    common = [run(bars, values) for bars in probes.ordinary() for values in settings]
    return [_finite(column) for column in (*common, *(run(bars, settings[0]) for bars in probes.extreme()))]


def _measured(run: Run, values: tuple[float, ...], scale: Scale) -> tuple[float, float] | None:
    """The tidy range of a dimensionless value, or of a difference of prices in percent of the close, or None."""
    if not scale.dimensionless and scale != Scale(1.0, 0.0, False):
        return None
    pairs = [(run(bars, values), bars.close / 100.0) for bars in (*probes.ordinary(), *probes.mirrored())]
    columns = [_finite(column if scale.dimensionless else column / unit) for column, unit in pairs]
    return scales.measured_range(columns, centred=not scale.dimensionless)


def _finite(column: Column) -> Column:
    return column[np.isfinite(column)]


def _evolved(indicator: Indicator, run: Run) -> tuple[tuple[int, Parameter], ...]:
    """The first parameters that may evolve and that the output depends on: MACD itself has no use for its signal."""
    found: list[tuple[int, Parameter]] = []
    for place in range(len(indicator.settings)):
        parameter = grids.parameter(indicator, place) if len(found) < _MAX_EVOLVED else None
        if parameter is not None and _matters(run, indicator.defaults, place, parameter):
            found.append((place, parameter))
    return tuple(found)


def _matters(run: Run, defaults: tuple[float, ...], place: int, parameter: Parameter) -> bool:
    """Whether turning one parameter changes late values; many a parameter only changes where an average starts."""
    here = parameter.grid.index(parameter.default)
    for step in (-12, -4, 4, 12):
        value = parameter.grid[min(max(here + step, 0), len(parameter.grid) - 1)]
        values = (*defaults[:place], value, *defaults[place + 1 :])
        for bars in probes.ordinary():
            plain, turned = run(bars, defaults)[-_TAIL:], run(bars, values)[-_TAIL:]
            kept = np.isfinite(plain) & np.isfinite(turned)
            if not scales.agree(plain[kept], turned[kept]):
                return True
    return False
