"""Statistics that say how much of a result is luck. Pure functions of arrays; Sharpe ratios are per bar.

sharpe.py      standard error, probabilistic and deflated Sharpe ratio, the best of N by luck, minimum track records
effective.py   how many independent trials there are among correlated ones
pbo.py         probability of back-test overfitting, by symmetric splits of blocks
purged.py      combinatorial purged cross-validation, and the paths of choosing the best
bootstrap.py   the stationary bootstrap: draws, block length, intervals
superior.py    is the best of many better than nothing (SPA); which of a few are (StepM)
"""

from fitness.statistics.bootstrap import (
    Interval,
    block_signs,
    common_block,
    draw_counts,
    interval,
    optimal_block,
    stationary_indices,
)
from fitness.statistics.effective import EffectiveTrials, effective_trials
from fitness.statistics.pbo import Overfitting, block_sums, overfitting
from fitness.statistics.purged import (
    SelectionPaths,
    Split,
    combinatorial_purged,
    group_edges,
    path_splits,
    selection_paths,
)
from fitness.statistics.sharpe import (
    Moments,
    deflated_sharpe,
    expected_maximum,
    luck_sharpe,
    minimum_backtest_years,
    minimum_track_record,
    moments,
    probabilistic_sharpe,
    sharpe_standard_error,
)
from fitness.statistics.superior import StepM, SuperiorAbility, long_run_variances, step_m, superior_ability

__all__ = [
    "Moments",
    "moments",
    "sharpe_standard_error",
    "probabilistic_sharpe",
    "expected_maximum",
    "luck_sharpe",
    "deflated_sharpe",
    "minimum_track_record",
    "minimum_backtest_years",
    "EffectiveTrials",
    "effective_trials",
    "Overfitting",
    "block_sums",
    "overfitting",
    "Split",
    "SelectionPaths",
    "combinatorial_purged",
    "group_edges",
    "path_splits",
    "selection_paths",
    "stationary_indices",
    "draw_counts",
    "block_signs",
    "optimal_block",
    "common_block",
    "Interval",
    "interval",
    "SuperiorAbility",
    "superior_ability",
    "StepM",
    "step_m",
    "long_run_variances",
]
