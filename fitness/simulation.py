"""The checked edge of the kernel: arrays of any origin in, tallies or a whole simulation out."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fitness.account import N_ACCOUNT
from fitness.bits import n_words
from fitness.costs import N_RISK, Costs
from fitness.kernel import MASK_ROLES, simulate_many_nb, simulate_nb
from fitness.kernel_bars import KernelBars, PriceBars, kernel_bars
from fitness.tally import N_TALLY, N_TRADE, Simulation, Tally
from strategies.errors import UsageError

Float64 = NDArray[np.float64]
Words = NDArray[np.uint64]

N_ROLES = len(MASK_ROLES)


def simulate_many(
    *,
    bars: PriceBars,
    atr: Float64,
    masks: Words,
    mask_rows: NDArray[np.int64],
    windows: NDArray[np.int64],
    risks: Float64,
    costs: Costs,
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

    Raises:
        UsageError: an array of the wrong shape, a mask row or a window out of range, a risk that is not finite.
    """
    prepared = kernel_bars(bars, atr, costs)
    return simulate_prepared(bars=prepared, masks=masks, mask_rows=mask_rows, windows=windows, risks=risks)


def simulate_prepared(
    *, bars: KernelBars, masks: Words, mask_rows: NDArray[np.int64], windows: NDArray[np.int64], risks: Float64
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
    windows = _checked_windows(windows, bars.n_bars)
    tallies = np.empty((len(risks), len(windows), N_TALLY))
    outputs = tallies, np.empty((0, N_TRADE)), np.empty(0), np.empty((len(risks), N_ACCOUNT))
    simulate_many_nb(bars.blocks, bars.fills, masks, rows, windows, risks, bars.costs, *outputs)
    return tallies


def simulate_one(
    *, bars: PriceBars, atr: Float64, masks: Words, window: tuple[int, int], risk: Float64, costs: Costs
) -> Simulation:
    """Tally, trades and equity of one strategy in one window.

    Args:
        bars: of the whole shard.
        atr: `(n_bars,)`, NaN in its warm-up.
        masks: packed `(N_ROLES, n_words)`, in the order of `MASK_ROLES`.
        window: start and stop.
        risk: `(N_RISK,)`.
        costs: of the market.

    Raises:
        UsageError: as `simulate_many`.
    """
    prepared = kernel_bars(bars, atr, costs)
    words = _frozen(masks, np.uint64)
    shape = (N_ROLES, n_words(prepared.n_bars))
    _require(words.shape == shape, f"`masks` must be {shape}", words.shape)
    risks = _checked_risks(np.reshape(risk, (1, -1)))
    start, stop = (int(bound) for bound in _checked_windows(np.array([window]), prepared.n_bars)[0])
    tally, trades, equity = np.empty(N_TALLY), np.empty((stop - start, N_TRADE)), np.empty(stop - start)
    outputs = tally, trades, equity, np.empty(N_ACCOUNT)
    simulate_nb(prepared.blocks, prepared.fills, *words, start, stop, risks[0], prepared.costs, *outputs)
    return Simulation(tally, trades[: int(tally[Tally.N_TRADES])].copy(), equity)


def _checked_risks(risks: Float64) -> Float64:
    risks = _frozen(risks, np.float64)
    _require(risks.ndim == 2 and risks.shape[1] == N_RISK, f"A risk row must have {N_RISK} columns", risks.shape)
    finite = np.isfinite(risks).all(axis=1)
    _require(bool(finite.all()), "A risk row must be finite", risks[~finite].tolist())
    return risks


def _checked_windows(windows: NDArray[np.int64], n_bars: int) -> NDArray[np.int64]:
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
