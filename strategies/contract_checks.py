"""What is asked of a strategy's decisions before they are traded: shape and type, and no look at later bars."""

import traceback
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from strategies.contract import CONFIDENCE, ROLES, AnyStrategy, Decisions, MarketBars
from strategies.errors import DataError, StrategyError, StudbookError

N_CUTS: Final = 8
"""Numbers of bars spread over a shard, beside those at decisions, at which a look ahead is looked for."""


def checked_decisions(strategy: AnyStrategy, bars: MarketBars) -> Decisions:
    """Return what a strategy decides, with the shape and type that a decision must have.

    Raises:
        StrategyError: bars it is not for, or `decide` fails or returns something else than `Decisions` of these bars.
    """
    _require_data(strategy, bars)
    try:
        found = strategy.decide(bars)
    except (StudbookError, MemoryError):
        raise
    except Exception as error:
        raise StrategyError(
            f"`decide` of {strategy.name} must return Decisions, but raised {type(error).__name__}: {error} "
            f"({place_of(error)}). Mend the strategy."
        ) from error
    if not isinstance(found, Decisions):
        raise StrategyError(
            f"`decide` of {strategy.name} must return Decisions, but returned {type(found).__name__}: "
            "use strategies.contract.Decisions."
        )
    for role in ROLES:
        _check_column(getattr(found, role), f"`{role}` of {strategy.name}", bars.close.size, np.dtype(np.bool_))
    _check_strength(found.strength, strategy, bars.close.size)
    return found


def _check_strength(strength: NDArray[np.float64] | None, strategy: AnyStrategy, n_bars: int) -> None:
    where, by_strength = f"`strength` of {strategy.name}", strategy.risk.size.kind == CONFIDENCE
    if by_strength != (strength is not None):
        given = "none" if strength is None else "given"
        raise StrategyError(
            f"{where} must be given where the size is `{CONFIDENCE}`, and only there, but was {given} with the size "
            f"`{strategy.risk.size.kind}`: change one of them."
        )
    if strength is None:
        return
    _check_column(strength, where, n_bars, np.dtype(np.float64))
    wrong = np.flatnonzero(~((strength >= 0.0) & (strength <= 1.0)))
    if wrong.size:
        raise StrategyError(
            f"{where} must be from 0 to 1 at every bar, but was {strength[wrong[0]]} at bar {wrong[0]}: "
            "divide it by its largest value, and give 0 where it is not known."
        )


def place_of(error: BaseException) -> str:
    """Return the file and line that an error was raised at, the file without its folders."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{Path(error.filename).name}, line {error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else "place unknown"


def require_causal(strategy: AnyStrategy, bars: MarketBars) -> Decisions:
    """Return the decisions of a strategy on all bars, once they were found not to depend on later bars.

    It decides again on the bars up to some t, and must come to the same: for `N_CUTS` t spread over the bars, and at
    the first, the middle and the last bar of each decision, where a look at the next bar shows. Deciding twice on the
    same bars must give the same as well. A finding is a proof; that nothing was found is none.

    Raises:
        StrategyError: a decision depends on later bars (the first such bar is named), or differs from call to call.
    """
    whole = checked_decisions(strategy, bars)
    n_bars = bars.close.size
    for cut in (n_bars, *_cuts(whole, n_bars)):
        part = checked_decisions(strategy, bars if cut == n_bars else bars.head(cut))
        found = _first_difference(whole.head(cut), part)
        if found is None:
            continue
        role, bar = found
        day = np.datetime64(int(bars.timestamps[bar]), "us").astype("datetime64[s]")
        if cut == n_bars:
            raise StrategyError(
                f"A strategy must decide the same on the same bars, but `{role}` of {strategy.name} was another the "
                f"second time at bar {bar} ({day}). Keep nothing between calls and draw no unseeded numbers."
            )
        raise StrategyError(
            f"A decision must depend on bars up to its own, but `{role}` of {strategy.name} at bar {bar} ({day}) is "
            f"another when the bars from bar {cut} on are not known yet: it looks ahead. Use only bars[: t + 1] at t."
        )
    return whole


def _cuts(decisions: Decisions, n_bars: int) -> tuple[int, ...]:
    """Numbers of bars, ascending, below `n_bars`, at which a look ahead is likely to show."""
    cuts = {n_bars * step // (N_CUTS + 1) for step in range(1, N_CUTS + 1)} | {n_bars - 1}
    for row in decisions.stacked():
        bars = np.flatnonzero(row)
        if bars.size:
            cuts |= {int(bars[place]) + 1 for place in (0, bars.size // 2, bars.size - 1)}
    return tuple(sorted(cut for cut in cuts if 0 < cut < n_bars))


def _first_difference(one: Decisions, other: Decisions) -> tuple[str, int] | None:
    """The first decision in which two differ, as role and bar; None if they are equal."""
    ones = [1.0 if decisions.strength is None else decisions.strength for decisions in (one, other)]
    differs = np.vstack(
        [one.stacked() != other.stacked(), np.not_equal(*np.broadcast_arrays(*ones, one.long_entry)[:2])]
    )
    if not differs.any():
        return None
    bar = int(np.flatnonzero(differs.any(axis=0))[0])
    return (*ROLES, "strength")[int(np.flatnonzero(differs[:, bar])[0])], bar


def _check_column(column: object, where: str, n_bars: int, dtype: np.dtype[Any]) -> None:
    if not isinstance(column, np.ndarray):
        raise StrategyError(f"{where} must be a NumPy array, but was {type(column).__name__}: make it one.")
    if column.dtype != dtype:
        raise StrategyError(f"{where} must be of {dtype}, but was of {column.dtype}: compare, or use `.astype`.")
    if column.shape != (n_bars,):
        raise StrategyError(f"{where} must be ({n_bars},), but was {column.shape}: one value for each bar.")


def _require_data(strategy: AnyStrategy, bars: MarketBars) -> None:
    needs = strategy.requires
    if needs.timeframes and bars.timeframe not in needs.timeframes:
        raise StrategyError(
            f"{strategy.name} must be traded on {' or '.join(needs.timeframes)}, but the bars of {bars.symbol} are "
            f"{bars.timeframe}: choose other bars."
        )
    extra = getattr(bars, "extra", {})
    missing = [name for name in needs.columns if name not in extra]
    if missing:
        raise DataError(
            f"{strategy.name} must have the columns {', '.join(needs.columns)}, but {bars.symbol} {bars.timeframe} has "
            f"no {missing[0]}: import bars with it."
        )
