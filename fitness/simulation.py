"""The checked edge of the kernel: arrays of any origin in, tallies or a whole simulation out."""

from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import DTypeLike, NDArray

from fitness.account import N_ACCOUNT
from fitness.bits import n_words
from fitness.costs import N_RISK, Costs, OrderKind, Risk, SizeKind
from fitness.kernel import MASK_ROLES, simulate_many_nb, simulate_nb
from fitness.kernel_bars import KernelBars, PriceBars, kernel_bars
from fitness.tally import N_TALLY, N_TRADE, Simulation, Tally
from strategies.errors import UsageError

Float64 = NDArray[np.float64]
Words = NDArray[np.uint64]
Integers = NDArray[np.int64]

N_ROLES = len(MASK_ROLES)
NO_SCALE: Final = -1
"""The scale row of a strategy without one."""
_SIZE_KIND: Final = int(Risk.SIZE_KIND)
_KINDS: Final = (
    *((int(column), int(max(OrderKind))) for column in (Risk.STOP_KIND, Risk.TARGET_KIND, Risk.TRAIL_KIND)),
    (_SIZE_KIND, int(max(SizeKind))),
)
_BY_VOLATILITY, _BY_CONFIDENCE = int(SizeKind.VOLATILITY), int(SizeKind.CONFIDENCE)


def simulate_many(
    *,
    bars: PriceBars,
    atr: Float64,
    masks: Words,
    mask_rows: Integers,
    windows: Integers,
    risks: Float64,
    costs: Costs,
    scales: Float64 | None = None,
    scale_rows: Integers | None = None,
) -> Float64:
    """The tallies `(n, n_windows, N_TALLY)` of `n` strategies, each in every window.

    Args:
        bars: of the whole shard.
        atr: `(n_bars,)`, NaN in its warm-up.
        masks: packed `(n_masks, n_words)`, each distinct mask once.
        mask_rows: `(n, N_ROLES)`: the rows of `masks` that a strategy uses, in the order of `MASK_ROLES`.
        windows: `(n_windows, 2)` start and stop.
        risks: `(n, N_RISK)`.
        costs: of the market.
        scales: `(n_rows, n_bars)`, what sizes of a kind in `SCALED` are multiplied with; NaN or not above 0 where a bar
            decides no entry.
        scale_rows: `(n,)`, the row of `scales` that a strategy uses, `NO_SCALE` for none, as by default.

    Raises:
        UsageError: an array of the wrong shape, a mask row, scale row, window or kind out of range, a risk that is not
            finite, a size of a kind in `SCALED` without a scale.
    """
    prepared = kernel_bars(bars, atr, costs)
    return simulate_prepared(
        bars=prepared, masks=masks, mask_rows=mask_rows, windows=windows, risks=risks, scales=scales,
        scale_rows=scale_rows,
    )  # fmt: skip


def simulate_prepared(
    *,
    bars: KernelBars,
    masks: Words,
    mask_rows: Integers,
    windows: Integers,
    risks: Float64,
    scales: Float64 | None = None,
    scale_rows: Integers | None = None,
) -> Float64:
    """As `simulate_many`, on bars and costs that have been prepared: worth it where they are used more than once.

    Raises:
        UsageError: as `simulate_many`.
    """
    masks = _frozen(masks, np.uint64)
    wide = masks.ndim == 2 and masks.shape[1] == n_words(bars.n_bars)
    _require(wide, "`masks` must be (n_masks, n_words)", masks.shape)
    rows, risks = _frozen(mask_rows, np.int64), _checked_risks(risks)
    _require(rows.shape == (len(risks), N_ROLES), f"`mask_rows` must be ({len(risks)}, {N_ROLES})", rows.shape)
    known = (rows >= 0) & (rows < len(masks))
    _require(bool(known.all()), f"A mask row must be in [0, {len(masks)})", rows[~known].tolist())
    scales, scale_rows = _checked_scales(scales, scale_rows, risks, bars.n_bars)
    windows = _checked_windows(windows, bars.n_bars)
    tallies = np.empty((len(risks), len(windows), N_TALLY))
    outputs = tallies, np.empty((0, N_TRADE)), np.empty(0), np.empty((len(risks), N_ACCOUNT))
    simulate_many_nb(bars.blocks, bars.fills, masks, rows, windows, risks, bars.costs, scales, scale_rows, *outputs)
    return tallies


def simulate_one(
    *,
    bars: PriceBars,
    atr: Float64,
    masks: Words,
    window: tuple[int, int],
    risk: Float64,
    costs: Costs,
    scale: Float64 | None = None,
) -> Simulation:
    """Tally, trades and equity of one strategy in one window.

    Args:
        bars: of the whole shard.
        atr: `(n_bars,)`, NaN in its warm-up.
        masks: packed `(N_ROLES, n_words)`, in the order of `MASK_ROLES`.
        window: start and stop.
        risk: `(N_RISK,)`.
        costs: of the market.
        scale: `(n_bars,)` as a row of `scales`, or None.

    Raises:
        UsageError: as `simulate_many`.
    """
    prepared = kernel_bars(bars, atr, costs)
    words = _frozen(masks, np.uint64)
    shape = (N_ROLES, n_words(prepared.n_bars))
    _require(words.shape == shape, f"`masks` must be {shape}", words.shape)
    risks = _checked_risks(np.reshape(risk, (1, -1)))
    n_bars = prepared.n_bars
    if scale is not None:
        _require(np.shape(scale) == (n_bars,), f"`scale` must be ({n_bars},)", np.shape(scale))
    row, place = (None, NO_SCALE) if scale is None else (np.reshape(scale, (1, n_bars)), 0)
    scales, _ = _checked_scales(row, np.array([place]), risks, n_bars)
    start, stop = (int(bound) for bound in _checked_windows(np.array([window]), prepared.n_bars)[0])
    tally, trades, equity = np.empty(N_TALLY), np.empty((stop - start, N_TRADE)), np.empty(stop - start)
    outputs = tally, trades, equity, np.empty(N_ACCOUNT)
    used = scales.reshape(-1)  # one row, or none
    simulate_nb(prepared.blocks, prepared.fills, *words, start, stop, risks[0], prepared.costs, used, *outputs)
    return Simulation(tally, trades[: int(tally[Tally.N_TRADES])].copy(), equity)


def _checked_risks(risks: Float64) -> Float64:
    risks = _frozen(risks, np.float64)
    _require(risks.ndim == 2 and risks.shape[1] == N_RISK, f"A risk row must have {N_RISK} columns", risks.shape)
    return risks


def _checked_scales(
    scales: Float64 | None, rows: Integers | None, risks: Float64, n_bars: int
) -> tuple[Float64, Integers]:
    """Scales and the row of each strategy; every strategy can now be played."""
    scales = _frozen(np.empty((0, n_bars)) if scales is None else scales, np.float64)
    _require(scales.ndim == 2 and scales.shape[1] == n_bars, f"`scales` must be (n_rows, {n_bars})", scales.shape)
    rows = _frozen(np.full(len(risks), NO_SCALE) if rows is None else rows, np.int64)
    _require(rows.shape == (len(risks),), f"`scale_rows` must be ({len(risks)},)", rows.shape)
    wrong = unplayable_nb(risks, rows, len(scales))
    if wrong >= 0:
        _explain(risks[wrong], int(rows[wrong]), len(scales), wrong)
    return scales, rows


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
def unplayable_nb(risks: Float64, scale_rows: Integers, n_scales: int) -> int:
    """The first strategy of risk rows `(n, N_RISK)` that the kernel must not be given, -1 without one."""
    for i in range(risks.shape[0]):
        for column in range(risks.shape[1]):
            if not np.isfinite(risks[i, column]):
                return i
        for column, last in _KINDS:
            kind = risks[i, column]
            if not (0.0 <= kind <= last and kind == np.floor(kind)):
                return i
        needs_scale = risks[i, _SIZE_KIND] == _BY_VOLATILITY or risks[i, _SIZE_KIND] == _BY_CONFIDENCE
        if not (0 if needs_scale else NO_SCALE) <= scale_rows[i] < n_scales:
            return i
    return -1


def _explain(risk: Float64, scale_row: int, n_scales: int, number: int) -> None:
    """Raise what `unplayable_nb` found of a strategy."""
    _require(bool(np.isfinite(risk).all()), "A risk row must be finite", risk.tolist())
    for column, last in _KINDS:
        kind = float(risk[column])
        rule = f"`{Risk(column).name.lower()}` of a risk row must be a whole number in [0, {last}]"
        _require(0.0 <= kind <= last and kind.is_integer(), rule, kind)
    _require(NO_SCALE <= scale_row < n_scales, f"A scale row must be in [{NO_SCALE}, {n_scales})", scale_row)
    _require(False, "A size by volatility or confidence must have a scale", f"none for strategy {number}")


def _checked_windows(windows: Integers, n_bars: int) -> Integers:
    windows = _frozen(windows, np.int64)
    _require(windows.ndim == 2 and windows.shape[1] == 2, "`windows` must be (n_windows, 2)", windows.shape)
    inside = (windows[:, 0] >= 0) & (windows[:, 0] < windows[:, 1]) & (windows[:, 1] <= n_bars)
    _require(bool(inside.all()), f"A window must hold 0 <= start < stop <= {n_bars}", windows[~inside].tolist())
    return windows


def _frozen(array: NDArray[np.generic], dtype: DTypeLike) -> NDArray[Any]:
    """A C-contiguous read-only view, a copy only where the layout or the type differs."""
    view = np.ascontiguousarray(array, dtype=dtype).view()
    view.flags.writeable = False
    return view


def _require(holds: bool, rule: str, value: object) -> None:
    if not holds:
        raise UsageError(f"{rule}, but was {value}: pass arrays of one shard.")
