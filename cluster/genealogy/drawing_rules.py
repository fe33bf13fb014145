"""The rules of the births that matter, for the genealogy page: parts in words, each text once; and their equity."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from cluster.genealogy.lines import Lines, ancestors
from cluster.report.equity import POOL, read_equity, stretches
from evolution.pedigree import Births
from strategies.codec import express
from strategies.encoding import strategy_of
from strategies.language import Language
from strategies.strategy import Rule, Strategy
from strategies.wording import condition_text, gate_texts, setting_texts, vote_text, voters_of

if TYPE_CHECKING:
    from cluster.view import JobView

THUMBNAIL_POINTS: Final = 60
"""Of one stretch of an equity curve."""
_SIDES: Final = {"both": "long, and short on the mirrored rule"}
_SETTINGS: Final = {
    "trailing stop": "trailing stop",
    "stop": "stop",
    "target": "target",
    "leave": "time stop",
    "then wait": "cooldown",
    "size": "size",
    "halt": "breaker",
    "learner": "learner",
}
_CONFLICTS: Final = {"net": "votes for the other side are subtracted", "veto": "no entry against a confident learner"}


@dataclass(frozen=True)
class Rules:
    """What k strategies say, in parts.

    Attributes:
        rows: of their births.
        ids: their strategy ids.
        parts: of each, numbers of `texts`.
        texts: label and words of each part.
        n_wanted: births that matter, of which the budget may have left some out.
    """

    rows: list[int]
    ids: list[str]
    parts: list[list[int]]
    texts: list[tuple[str, str]]
    n_wanted: int


def rules_of(births: Births, wanted: Sequence[int], language: Language, *, budget_bytes: int) -> Rules:
    """Return the rules of the `wanted` rows, in their order, until their texts would take more than the budget."""
    numbers: dict[tuple[str, str], int] = {}
    rows: list[int] = []
    ids: list[str] = []
    parts: list[list[int]] = []
    spent = 0
    for start in range(0, len(wanted), 4096):
        chunk = list(wanted[start : start + 4096])
        for row, phenotype in zip(chunk, express(births.genome[chunk], language), strict=True):
            strategy = strategy_of(phenotype)
            told = rule_parts(strategy)
            new = [part for part in told if part not in numbers]
            spent += 40 + 6 * len(told) + sum(len(label) + len(words) + 8 for label, words in new)
            if spent > budget_bytes:
                return Rules(rows, ids, parts, list(numbers), len(wanted))
            rows.append(int(row))
            ids.append(strategy.id)
            parts.append([numbers.setdefault(part, len(numbers)) for part in told])
    return Rules(rows, ids, parts, list(numbers), len(wanted))


def rule_parts(strategy: Strategy) -> list[tuple[str, str]]:
    """Return what a strategy says, part by part: a label and its words."""
    parts = [("side", _SIDES.get(strategy.direction, strategy.direction))]
    parts += _votes("enter", strategy.entry, [vote_text(*voter) for voter in voters_of(strategy)], strategy)
    parts += _votes("leave", strategy.exit, [], strategy)
    if strategy.conflict in _CONFLICTS:
        parts.append(("conflict", _CONFLICTS[strategy.conflict]))
    parts += [("gate", text) for text in gate_texts(strategy)]
    return parts + [(_label(text), text) for text in setting_texts(strategy)]


def _votes(label: str, rule: Rule, voters: list[str], strategy: Strategy) -> list[tuple[str, str]]:
    weights = [one.weight for one in rule.conditions]
    weights += [learner.weight for _, learner in voters_of(strategy)][: len(voters)]
    texts = [*map(condition_text, rule.conditions), *voters]
    many = [
        f"{text} (counts {weight} times)" if weight > 1 else text for text, weight in zip(texts, weights, strict=True)
    ]
    needed = [] if rule.needed >= sum(weights) else [(f"{label}: votes needed", f"{rule.needed} of {sum(weights)}")]
    return [(label, text) for text in many] + needed


def _label(text: str) -> str:
    return next(label for begin, label in _SETTINGS.items() if text.startswith(begin))


def mattering(births: Births, lines: Lines, judged: Sequence[int]) -> list[int]:
    """Return the rows whose rules are told, those first that matter most.

    First who was `judged`, then its ancestors, the youngest first, then the best of each generation of each island.
    """
    rows = ancestors(lines, np.array(judged, dtype=np.int32))
    older = rows[np.lexsort((rows, -births.generation[rows]))].tolist()
    return list(dict.fromkeys([*judged, *older, *generation_bests(births).tolist()]))


def generation_bests(births: Births) -> NDArray[np.int64]:
    """Return the row of the best of each generation of each island by the first objective; none where none has one."""
    rows = np.flatnonzero(births.reason == 0)
    order = rows[np.lexsort((rows, -births.objectives[rows, 0], births.generation[rows], births.island[rows]))]
    place = np.stack([births.island[order], births.generation[order]])
    first = np.ones(len(order), dtype=np.bool_)
    first[1:] = (place[:, 1:] != place[:, :-1]).any(axis=0)
    return np.sort(order[first])


def judged_births(view: "JobView", lines: Lines) -> list[dict[str, Any]]:
    """Return what the page says of each candidate: row, id, whether it is an elite, gates, Sharpe ratios, equity."""
    known = [(lines.row(int(record["birth_id"])), record) for record in view.candidates]
    return [_judged(view, row, record) for row, record in known if row >= 0]


def _judged(view: "JobView", row: int, record: Mapping[str, Any]) -> dict[str, Any]:
    sharpes = {name: (record.get(name) or {}).get("sharpe") for name in ("in_sample", "validation", "lockbox")}
    return {
        "row": row,
        "id": record["id"],
        "elite": bool(record["passed"]),
        "failed": [gate["name"] for gate in record["gates"] if not gate["passed"]],
        "sharpe": {name: None if value is None else round(value, 4) for name, value in sharpes.items()},
        "equity": _thumbnail(view, record["id"]),
    }


def _thumbnail(view: "JobView", strategy_id: str) -> list[dict[str, Any]]:
    """The curve of all shards as one account, thinned; empty where the run folder has none."""
    frame = read_equity(view.run_dir, strategy_id)
    found = [] if frame is None else stretches(frame, POOL, chained=False)
    return [
        {
            "segment": one.segment,
            "from": one.dates[0][:10],
            "to": one.dates[-1][:10],
            "equity": _thin(one.growth["equity"]),
            "benchmark": _thin(one.growth["benchmark"]),
        }
        for one in found
    ]


def _thin(values: list[float]) -> list[float]:
    at = np.unique(np.linspace(0, len(values) - 1, min(len(values), THUMBNAIL_POINTS)).astype(int))
    return [round(values[place], 4) for place in at]
