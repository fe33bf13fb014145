"""Markets without edge: two that are made up, two that are real bars in another order."""

from collections.abc import Callable
from functools import cache
from typing import Final

from fitness.null_bars import Walk, bootstrapped, garch_walk, gaussian_walk, permuted
from fitness.samples import sample
from fitness.shards import Shard, shard_of

N_BARS: Final = 5031  # as long as the real ones
BLOCK: Final = 5.0  # bars that a block of the bootstrap has on average: volatility still clusters, foresight fades
REAL: Final = ("SPX", "IXIC")


@cache
def _real(symbol: str) -> Shard:
    return shard_of(sample(symbol), symbol, "1d", bars_per_year=252.0)


def _gaussian(seed: int) -> Shard:
    return gaussian_walk(Walk(N_BARS), seed)


def _garch(seed: int) -> Shard:
    return garch_walk(Walk(N_BARS), seed)


def _permuted(seed: int) -> Shard:
    return permuted([_real(REAL[seed % len(REAL)])], seed)[0]


def _bootstrapped(seed: int) -> Shard:
    return bootstrapped([_real(REAL[seed % len(REAL)])], seed, block=BLOCK)[0]


KINDS: Final[dict[str, Callable[[int], Shard]]] = {
    "gaussian": _gaussian,
    "garch": _garch,
    "permuted": _permuted,
    "bootstrapped": _bootstrapped,
}


def noise_market(kind: str, seed: int) -> Shard:
    """Return the market of one kind and seed."""
    return KINDS[kind](seed)
