"""A portfolio as one JSON document: the strategies of its members and their weights, with an id that is their hash."""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from strategies.errors import StrategyError
from strategies.strategy import Strategy
from strategies.strategy_json import strategy_from_dict

SCHEMA: Final = "studbook/portfolio/1"
MOST_MEMBERS: Final = 1000
MAX_TEXT: Final = 100_000_000
_KEYS: Final = ("schema", "id", "members")
_TOLERANCE: Final = 1e-9


@dataclass(frozen=True)
class PortfolioDocument:
    """Strategies and their weights, by id.

    Attributes:
        members: strategy and weight, in the order of the ids: weights are 0 or more and sum to 1.
    """

    members: tuple[tuple[Strategy, float], ...]

    @cached_property
    def id(self) -> str:
        """The first 16 hex digits of the SHA-256 of the canonical JSON without id."""
        content = json.dumps(self._content(), sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values, id and all."""
        return {"id": self.id, **self._content()}

    def to_json(self) -> str:
        """Return it as text for a file."""
        return json.dumps(self.to_dict(), sort_keys=True, indent=2, allow_nan=False) + "\n"

    def _content(self) -> dict[str, Any]:
        members = [{"weight": weight, "strategy": strategy.to_dict()} for strategy, weight in self.members]
        return {"schema": SCHEMA, "members": members}


def document_of(members: Sequence[tuple[Strategy, float]]) -> PortfolioDocument:
    """Return the document of strategies and weights, in any order.

    Raises:
        StrategyError: no members or too many, one twice, or weights that are negative or don't sum to 1.
    """
    if not 0 < len(members) <= MOST_MEMBERS:
        raise StrategyError(f"A portfolio must have 1 to {MOST_MEMBERS} members, but had {len(members)}.")
    ids = [strategy.id for strategy, _ in members]
    twice = next((one for one in ids if ids.count(one) > 1), None)
    if twice is not None:
        raise StrategyError(f"A portfolio must hold a strategy once, but held {twice} more often: add up its weights.")
    for strategy, weight in members:
        if not 0.0 <= weight <= 1.0:
            raise StrategyError(f"A weight must be from 0 to 1, but was {weight!r} (member {strategy.id}).")
    total = math.fsum(weight for _, weight in members)
    if abs(total - 1.0) > _TOLERANCE:
        raise StrategyError(f"The weights of a portfolio must sum to 1, but sum to {total!r}: divide them by it.")
    return PortfolioDocument(tuple(sorted(members, key=lambda one: one[0].id)))


def document_from_json(text: str, where: str = "portfolio") -> PortfolioDocument:
    """Return the portfolio that `text` describes; `where` names its origin in errors.

    Raises:
        StrategyError: not JSON, another schema, an unknown key, a strategy that is none, weights that are none, or an
            id that is not the hash of the rest.
    """
    if len(text) > MAX_TEXT:
        raise StrategyError(f"{where} must be at most {MAX_TEXT} characters, but was {len(text)}.")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise StrategyError(f"{where} is not JSON: {error}. Export the portfolio again.") from None
    _check_keys(data, _KEYS, where)
    if data["schema"] != SCHEMA:
        raise StrategyError(f"{where}: schema must be {SCHEMA!r}, but was {data['schema']!r:.80}.")
    if not isinstance(data["members"], list):
        raise StrategyError(f"{where}: members must be a list, but was {data['members']!r:.80}.")
    found = document_of([_member(one, f"{where}: members[{n}]") for n, one in enumerate(data["members"])])
    if data["id"] != found.id:
        raise StrategyError(
            f"{where}: id must be the hash of the members, {found.id}, but was {data['id']!r:.80}: the file was "
            "changed after its export. Export the portfolio again."
        )
    return found


def _member(data: object, where: str) -> tuple[Strategy, float]:
    values = _check_keys(data, ("weight", "strategy"), where)
    weight = values["weight"]
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not math.isfinite(weight):
        raise StrategyError(f"{where}.weight must be a number, but was {weight!r:.80}.")
    return strategy_from_dict(values["strategy"], f"{where}.strategy"), float(weight)


def _check_keys(data: object, keys: Sequence[str], where: str) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise StrategyError(f"{where} must be an object, but was {data!r:.80}.")
    odd = sorted(str(key) for key in set(data).symmetric_difference(keys))
    if odd:
        rule = "has an unknown key" if odd[0] in data else "must have the key"
        raise StrategyError(f"{where} {rule} {odd[0]!r:.80}: it has {', '.join(keys)} and no other.")
    return data
