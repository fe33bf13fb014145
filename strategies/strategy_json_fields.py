"""The fields of JSON that is read as data: each is checked and refused by name."""

import difflib
import math
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from strategies.errors import StrategyError


def refuse(where: str, rule: str, mend: str) -> NoReturn:
    """Raise the error that says where, which rule, what was met, and how to mend it."""
    raise StrategyError(f"{where} {rule}: {mend}.")


def mapping(data: object, where: str, keys: Iterable[str]) -> Mapping[str, Any]:
    """Return an object that has these keys and no others.

    Raises:
        StrategyError: no object, a key too many or too few.
    """
    if not isinstance(data, dict):
        refuse(where, f"must be an object, but was {data!r:.80}", "export the strategy again")
    known = tuple(keys)
    for key in data:
        if key not in known:
            refuse(where, f"has no key {key!r:.80}", f"known keys are {', '.join(known)}{near(str(key), known)}")
    for key in known:
        if key not in data:
            refuse(where, f"must have the key {key!r}, but has none", "export the strategy again")
    return data


def near(name: str, known: Iterable[str]) -> str:
    """Return the known names that are near, as the end of a sentence, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=3)
    return f"; did you mean {' or '.join(close)}?" if close else ""


def name_of(value: object, known: tuple[str, ...], where: str) -> str:
    """Return one of the known names.

    Raises:
        StrategyError: another value.
    """
    if not isinstance(value, str) or value not in known:
        refuse(
            where, f"must be one of {', '.join(known)}, but was {value!r:.80}", f"correct it{near(str(value), known)}"
        )
    return value


def real(value: object, low: float, high: float, where: str) -> float:
    """Return a finite number of a range, both ends included.

    Raises:
        StrategyError: another value.
    """
    fits = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
    if not fits or not math.isfinite(float(value)):  # type: ignore[arg-type]
        refuse(where, f"must be a number from {low:g} to {high:g}, but was {value!r:.80}", "correct it")
    return float(value)  # type: ignore[arg-type]


def whole(value: object, low: int, high: int, where: str) -> int:
    """Return a whole number of a range, both ends included.

    Raises:
        StrategyError: another value.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        refuse(where, f"must be a whole number from {low} to {high}, but was {value!r:.80}", "correct it")
    return value
