"""From tallies to what evolution ranks by: objectives, all to be maximised, or the reason why there are none.

A cell is one window of one shard. Objectives are statistics over the cells, each cell of equal weight: a strategy is
to earn in every fold and on every shard, not to make one fortune in one of them. So folds are not merged here. Counts
(trades, wins, bars held) are summed over all cells. A cell in which every return is 0 has a Sharpe, Sortino and Calmar
of 0: money that lies still earns nothing at no risk. A strategy that breaks a rule has NaN objectives and a reason;
there are no sentinel values.
"""

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fitness import measures
from fitness.tally import N_TALLY, Tally
from strategies.errors import ConfigError, UsageError

Float64 = NDArray[np.float64]

REASONS: Final = (
    "",
    "failed",
    "ruined",
    "never trades",
    "too few trades",
    "not finite",
    "screened out",
    "breaks a constraint",
    "quarantined",
)
"""Why a strategy has no objectives, by code; code 0 means that it has. The first that applies, from left to right.

The last three are no rules of `score`: evolution gives two of them to what it looked at on some cells only
(`evolution.screen`) and to what breaks a constraint of the job (`evolution.constraints`), the cluster the third to what
killed its workers (`cluster.quarantine`).
"""
FAILED, RUINED, NEVER_TRADES, TOO_FEW_TRADES, NOT_FINITE, SCREENED_OUT, CONSTRAINED, QUARANTINED = range(
    1, len(REASONS)
)

STEADINESS: Final = 0.5
"""Standard deviations over cells that `steady_sharpe` takes off the mean."""


@dataclass(frozen=True)
class Objective:
    """One thing to maximise.

    Attributes:
        function: tallies `(n, n_cells, N_TALLY)` and bars per year `(n_cells,)` to `(n,)`, larger is better.
        title: for a table's head.
        sign: 1, or -1 where the value is a measure with its sign turned.
    """

    function: Callable[[Float64, Float64], Float64]
    title: str
    sign: int = 1


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What is known of `n` strategies.

    Attributes:
        objectives: `(n, m)`, all maximised; a whole row is NaN where there is a reason.
        reasons: `(n,)` int16 places in `REASONS`, 0 where the objectives are valid.
        measures: `(n, len(MEASURE_COLUMNS))`, recorded with every birth; NaN where undefined.
    """

    objectives: Float64
    reasons: NDArray[np.int16]
    measures: Float64


def sharpe_by_cell(tallies: Float64, bars_per_year: Float64) -> Float64:
    """Annual Sharpe ratio of each cell `(n, n_cells)`; 0 in a cell where every return is 0."""
    return _or_still(measures.sharpe(tallies, bars_per_year), tallies)


def _or_still(values: Float64, tallies: Float64) -> Float64:
    return np.where(tallies[..., Tally.SUM_R2] == 0.0, 0.0, values)


def _sharpe(tallies: Float64, bars_per_year: Float64) -> Float64:
    return np.asarray(sharpe_by_cell(tallies, bars_per_year).mean(axis=1))


def _steady_sharpe(tallies: Float64, bars_per_year: Float64) -> Float64:
    cells = sharpe_by_cell(tallies, bars_per_year)
    return np.asarray(cells.mean(axis=1) - STEADINESS * cells.std(axis=1))


def _worst_sharpe(tallies: Float64, bars_per_year: Float64) -> Float64:
    return np.asarray(sharpe_by_cell(tallies, bars_per_year).min(axis=1))


def _sortino(tallies: Float64, bars_per_year: Float64) -> Float64:
    return np.asarray(_or_still(measures.sortino(tallies, bars_per_year), tallies).mean(axis=1))


def _calmar(tallies: Float64, bars_per_year: Float64) -> Float64:
    return np.asarray(_or_still(measures.calmar(tallies, bars_per_year), tallies).mean(axis=1))


def _total_return(tallies: Float64, _bars_per_year: Float64) -> Float64:
    return np.asarray(measures.total_return(tallies).mean(axis=1))


def _drawdown(tallies: Float64, _bars_per_year: Float64) -> Float64:
    return np.asarray(measures.max_drawdown(tallies).mean(axis=1))


def _turnover(tallies: Float64, bars_per_year: Float64) -> Float64:
    return np.asarray(measures.turnover(tallies, bars_per_year).mean(axis=1))


def _trades(tallies: Float64, _bars_per_year: Float64) -> Float64:
    return np.asarray(tallies[..., Tally.N_TRADES].sum(axis=1))


def _win_rate(tallies: Float64, _bars_per_year: Float64) -> Float64:
    return measures.win_rate(tallies.sum(axis=1))


def _exposure(tallies: Float64, _bars_per_year: Float64) -> Float64:
    return measures.exposure(tallies.sum(axis=1))


OBJECTIVES: Final[dict[str, Objective]] = {
    "sharpe": Objective(_sharpe, "Mean Sharpe"),
    "steady_sharpe": Objective(_steady_sharpe, "Steady Sharpe"),
    "worst_sharpe": Objective(_worst_sharpe, "Worst Sharpe"),
    "sortino": Objective(_sortino, "Mean Sortino"),
    "calmar": Objective(_calmar, "Mean Calmar"),
    "total_return": Objective(_total_return, "Mean return"),
    "max_drawdown": Objective(lambda tallies, rate: -_drawdown(tallies, rate), "Mean drawdown", sign=-1),
    "turnover": Objective(lambda tallies, rate: -_turnover(tallies, rate), "Mean turnover", sign=-1),
}
"""What a job may maximise, by name."""

_RECORDED: Final[dict[str, Callable[[Float64, Float64], Float64]]] = {
    "sharpe": _sharpe,
    "steady_sharpe": _steady_sharpe,
    "total_return": _total_return,
    "max_drawdown": _drawdown,
    "n_trades": _trades,
    "win_rate": _win_rate,
    "exposure": _exposure,
    "turnover": _turnover,
}
MEASURE_COLUMNS: Final = tuple(_RECORDED)
"""Figures of every birth: means over cells, but trades in total, win rate of all trades, exposure of all bars."""


def score(
    tallies: Float64, bars_per_year: Float64, objective_names: Sequence[str], *, min_trades: int = 1
) -> Evaluation:
    """Objectives, reasons and measures of `n` strategies.

    Args:
        tallies: `(n, n_cells, N_TALLY)`; a NaN anywhere in a strategy's rows means that it failed.
        bars_per_year: `(n_cells,)` of each cell's shard.
        objective_names: names in `OBJECTIVES`.
        min_trades: fewest trades over all cells.

    Raises:
        ConfigError: an objective of no such name, or none.
        UsageError: shapes that don't belong together.
    """
    check_objectives(objective_names)
    rates = np.asarray(bars_per_year, dtype=np.float64)
    if tallies.ndim != 3 or tallies.shape[1] < 1 or tallies.shape[2] != N_TALLY or rates.shape != tallies.shape[1:2]:
        raise UsageError(
            f"`tallies` must be (n, n_cells, {N_TALLY}) and `bars_per_year` (n_cells,) with one cell or more, but were "
            f"{tallies.shape} and {rates.shape}. Join the shards' tallies along the second axis."
        )
    values = [OBJECTIVES[name].function(tallies, rates) for name in objective_names]
    objectives = np.stack(values, axis=1) + 0.0
    reasons = _reasons(tallies, objectives, min_trades)
    objectives[reasons > 0] = np.nan
    recorded = np.stack([function(tallies, rates) for function in _RECORDED.values()], axis=1)
    return Evaluation(objectives, reasons, recorded)


def check_objectives(names: Sequence[str], where: str = "objectives") -> None:
    """Raise a `ConfigError` unless `names` are distinct names in `OBJECTIVES`, at least one."""
    for name in names:
        if name not in OBJECTIVES:
            near = difflib.get_close_matches(name, OBJECTIVES, n=2, cutoff=0.4)
            hint = f"did you mean {' or '.join(near)}? " if near else ""
            raise ConfigError(
                f"an objective must be one of {', '.join(OBJECTIVES)}, but was {name!r} ({where}): "
                f"{hint}correct the name."
            )
    if not names or len(set(names)) < len(names):
        raise ConfigError(f"`{where}` must be one or more different names, but was {list(names)}. Try steady_sharpe.")


def _reasons(tallies: Float64, objectives: Float64, min_trades: int) -> NDArray[np.int16]:
    """The first rule that each strategy breaks `(n,)`."""
    trades = tallies[..., Tally.N_TRADES].sum(axis=1)
    broken = {
        FAILED: np.isnan(tallies).any(axis=(1, 2)),
        RUINED: (tallies[..., Tally.RUINED] > 0.0).any(axis=1),
        NEVER_TRADES: trades == 0.0,
        TOO_FEW_TRADES: trades < min_trades,
        NOT_FINITE: ~np.isfinite(objectives).all(axis=1),
    }
    codes = np.zeros(len(tallies), dtype=np.int16)
    for code in sorted(broken, reverse=True):
        codes[broken[code]] = code
    return codes
