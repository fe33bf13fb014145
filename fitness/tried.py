"""What was tried to find a candidate, in figures: the N of every statistic, and what luck makes of so many tries."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Tried:
    """One job's trials and those of earlier jobs on the same bars.

    Attributes:
        n: distinct ways of trading that were ever tried on these bars, at least 1.
        n_jobs: jobs that tried them.
        variance: of the per-bar Sharpe ratios of generation 0 on permuted bars, which is luck; NaN below two.
        n_effective: independent trials that these amount to; NaN where it is not known.
        n_sampled: ways of trading of this job that SPA and PBO looked at.
        spa_p: p-value of the best of these (Hansen's consistent one).
        pbo: probability of back-test overfitting of choosing among these.
    """

    n: int
    n_jobs: int = 1
    variance: float = math.nan
    n_effective: float = math.nan
    n_sampled: int = 0
    spa_p: float = math.nan
    pbo: float = math.nan

    def text(self) -> str:
        """How many, in words.

        >>> Tried(7312, n_jobs=2).text()
        '7,312 ways of trading tried in 2 jobs'
        """
        ways = f"{self.n:,} ways of trading tried" if self.n != 1 else "1 way of trading tried"
        return f"{ways} in {self.n_jobs} jobs" if self.n_jobs > 1 else ways
