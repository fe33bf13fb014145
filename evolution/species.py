"""How many of each species: among the founders, among those that live on, and among the places to be born in.

A share is a tuple in the order of `strategies.species.SPECIES`. The last places of every brood belong to the species
that have a floor, as many as the floor: who is born there has parents of that species alone, or is a newcomer where
none of it is left. Were all parents chosen by merit, a species at the bottom of a tenth of the order would have one
parent in a hundred, and would live on without ever breeding.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from strategies.errors import ConfigError
from strategies.species import SPECIES, TA

Shares = tuple[float, ...]
Counts = tuple[int, ...]

FREE: Final = -1
"""Stands for no species: a place in a brood that belongs to none, or a strategy that is not feasible."""
FLOOR: Final = 0.1
_EVEN: Final = {"ta": 0.5, "ml": 0.5}
_NEAR: Final = 1e-9
"""What is nearer to a whole number or to 1 is taken for it: 0.1 * 30 is a little more than 3."""


def founder_shares(given: Mapping[str, float] | Shares | None, *, learners: bool) -> Shares:
    """Return the shares of each species among the founders; None is half ta and half ml, or ta where nobody learns.

    Raises:
        ConfigError: an unknown species, a share out of range, shares that do not add up to 1, or learners where the
            language has none.
    """
    shares = _shares("founders", given if given is not None else _EVEN if learners else {"ta": 1.0})
    if abs(math.fsum(shares) - 1.0) > _NEAR:
        raise ConfigError(
            f"`founders` must add up to 1, but was {_text(shares)}, {math.fsum(shares):g} together (evolution). "
            "Change a share."
        )
    _check_language("founders", shares, learners=learners)
    return shares


def floor_shares(given: Mapping[str, float] | Shares | float | None, founders: Shares, *, learners: bool) -> Shares:
    """Return the least share of each species; a number is that of ta and ml, None a tenth for those of them that found.

    Raises:
        ConfigError: an unknown species, a share out of range, or learners where the language has none.
    """
    if given is None:
        given = {name: FLOOR for name, share in zip(SPECIES, founders, strict=True) if name in _EVEN and share > 0.0}
        given = given if learners else {}
    if isinstance(given, int | float):
        given = dict.fromkeys(_EVEN, given)
    shares = _shares("floor", given)
    _check_language("floor", shares, learners=learners)
    return shares


def _shares(name: str, given: Mapping[str, float] | Shares) -> Shares:
    values = dict(given) if isinstance(given, Mapping) else dict(zip(SPECIES, given, strict=True))
    for species, share in values.items():
        if species not in SPECIES:
            raise ConfigError(
                f"`{name}` must name species out of {', '.join(SPECIES)}, but was {species!r} (evolution). "
                "Choose one of these."
            )
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0.0 <= share <= 1.0:
            raise ConfigError(
                f"`{name}.{species}` must be between 0 and 1, but was {share!r} (evolution). Write it as a fraction."
            )
    return tuple(float(values.get(species, 0.0)) for species in SPECIES)


def _check_language(name: str, shares: Shares, *, learners: bool) -> None:
    if not learners and any(share > 0.0 for species, share in enumerate(shares) if species != TA):
        raise ConfigError(
            f"`{name}` must be of ta alone where the language has no learners, but was {_text(shares)} (evolution). "
            "Give ta alone, or a language with learners."
        )


def _text(shares: Shares) -> str:
    return ", ".join(f"{name} {share:g}" for name, share in zip(SPECIES, shares, strict=True) if share)


def apportioned(shares: Sequence[float], n: int) -> Counts:
    """Return whole numbers in the proportions of `shares`, which add up to 1, that add up to `n`.

    By largest remainders (Hamilton); of equal ones the first.

    >>> apportioned((0.5, 0.5, 0.0), 7), apportioned((0.3, 0.3, 0.4), 4)
    ((4, 3, 0), (1, 1, 2))
    """
    exact = [share * n for share in shares]
    counts = [math.floor(part + _NEAR) for part in exact]
    by_remainder = sorted(range(len(counts)), key=lambda place: (round(counts[place] - exact[place], 9), place))
    for place in by_remainder[: n - sum(counts)]:
        counts[place] += 1
    return tuple(counts)


def least(shares: Sequence[float], n: int) -> Counts:
    """Return for each share the smallest whole number that is that share of `n` or more.

    >>> least((0.1, 0.1, 0.0), 30), least((0.1, 0.11, 0.0), 12)
    ((3, 3, 0), (2, 2, 0))
    """
    return tuple(math.ceil(share * n - _NEAR) for share in shares)


def places(floors: Counts, n: int) -> NDArray[np.int64]:
    """Return (n,) the species that each place of a brood belongs to: the last ones to those with a floor.

    >>> places((1, 2, 0), 5).tolist()
    [-1, -1, 0, 1, 1]
    """
    out = np.full(n, FREE, dtype=np.int64)
    out[n - sum(floors) :] = np.repeat(np.arange(len(floors)), floors)
    return out
