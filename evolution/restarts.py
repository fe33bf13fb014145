"""When a population has become one family, and what then happens: all but its best are founded anew.

Source: Eshelman 1991, "The CHC adaptive search algorithm", whose cataclysmic mutation restarts a converged population
from its best; here from strangers, drawn by the law of the founders.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evolution.checking import check_share, check_whole


@dataclass(frozen=True, kw_only=True)
class RestartSettings:
    """When an island begins anew.

    Attributes:
        spread: mean distance of two members per gene, 0 to 1, below which a population has collapsed.
        patience: for how many generations on end.
        keep: share of the population, its best, that stays.
    """

    spread: float = 0.03
    patience: int = 5
    keep: float = 0.1

    def __post_init__(self) -> None:
        """Check every setting.

        Raises:
            ConfigError: a setting out of its range.
        """
        check_share("restart.spread", self.spread)
        check_whole("restart.patience", self.patience, 1, 1000)
        check_share("restart.keep", self.keep)


def is_due(n_collapsed: int, settings: RestartSettings | None) -> bool:
    """Return whether a population that has been collapsed for so many generations is to begin anew."""
    return settings is not None and n_collapsed >= settings.patience


def collapsed_for(n_collapsed: int, spread: float, settings: RestartSettings | None) -> int:
    """Return for how many generations on end a population of this `spread` has been collapsed, this one included."""
    return 0 if settings is None or spread >= settings.spread else n_collapsed + 1


def kept(order: NDArray[np.int64], settings: RestartSettings, n: int) -> NDArray[np.int64]:
    """Return the rows, best first, that outlive a restart of a population of `n`: its share, but at least one."""
    return order[: max(1, round(settings.keep * n))]
