"""Statistics that say how much of a Sharpe ratio is luck.

sharpe.py   standard error, probabilistic and deflated Sharpe ratio, the best of N by luck, minimum track records
"""

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
]
