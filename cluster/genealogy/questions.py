"""What is asked of a job's pedigree, by name, and the answers for the terminal."""

import difflib
from collections.abc import Callable, Mapping
from typing import Any, Final

import polars as pl
from rich.text import Text

from cluster.genealogy.answers import Answer
from cluster.genealogy.diversity import fall_of_diversity
from cluster.genealogy.dynasty import dynasties
from cluster.genealogy.founders import founder_ownership
from cluster.genealogy.operators import operator_gains
from cluster.genealogy.pedigree import Pedigree
from cluster.genealogy.spread import spread_of_traits
from cluster.tables import plain_table
from strategies.errors import UsageError

ALL: Final = "all"
_SHOWN: Final = 12
_HEADS: Final = {
    "earned_per_evaluation": "each",
    "population_families": "in populations",
    "population_distinct_share": "distinct there",
    "effective_families": "effective",
    "first_generation": "first met",
}


def family_sizes(pedigree: Pedigree) -> Answer:
    """Return every family, the largest first, see `dynasty.dynasties`."""
    table = dynasties(pedigree)
    living, islands = int((table["living"] > 0).sum()), int((table["islands"] > 1).sum())
    half = int((table["births"].cum_sum() < len(pedigree) / 2).sum()) + 1
    figures = {"families": table.height, "living": living, "on_several_islands": islands, "hold_half": half}
    sentence = (
        f"{table.height:,} families were founded and {living} live in the last populations; {islands} reached another "
        f"island. The largest {half} had half of all {len(pedigree):,} births."
    )
    return Answer("How large did families grow?", sentence, figures, table)


QUESTIONS: Final[dict[str, Callable[[Pedigree], Answer]]] = {
    "operators": operator_gains,
    "founders": founder_ownership,
    "diversity": fall_of_diversity,
    "conditions": spread_of_traits,
    "families": family_sizes,
}


def answers(pedigree: Pedigree, name: str = ALL) -> dict[str, Answer]:
    """Return the answer to one question, or to all of them, by name.

    Raises:
        UsageError: there is no such question.
    """
    if name == ALL:
        return {key: ask(pedigree) for key, ask in QUESTIONS.items()}
    if name not in QUESTIONS:
        near = difflib.get_close_matches(name, QUESTIONS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "ask for one of them."
        raise UsageError(f"`--ask` must be {ALL}, {', '.join(QUESTIONS)}, but was {name!r}; {hint}")
    return {name: QUESTIONS[name](pedigree)}


def answers_view(told: Mapping[str, Answer]) -> list[Any]:
    """Return answers for the terminal: the sentence, and the rows that matter most."""
    shown: list[Any] = []
    for name, answer in told.items():
        table = _ends(answer.table) if name == "conditions" else answer.table
        if name == "diversity":
            table = _thinned(table)
        shown += [Text(answer.question, style="bold"), answer.sentence, _rows(table, len(answer.table))]
    return shown


def _ends(table: pl.DataFrame) -> pl.DataFrame:
    """What rose most and what fell most."""
    half = _SHOWN // 2
    return table if table.height <= _SHOWN else pl.concat([table.head(half), table.tail(half)])


def _thinned(table: pl.DataFrame) -> pl.DataFrame:
    """Every so many rows, the first and the last among them."""
    step = -(-table.height // _SHOWN)
    return table.filter((pl.int_range(pl.len()) % step == 0) | (pl.int_range(pl.len()) == pl.len() - 1))


def _rows(table: pl.DataFrame, n: int) -> Any:
    some = table.head(_SHOWN + 1)
    texts = [some.schema[name] == pl.String or isinstance(some.schema[name], pl.Enum) for name in some.columns]
    shown = plain_table(title=None)
    for name, is_text in zip(some.columns, texts, strict=True):
        head = _HEADS.get(name, name.replace("_", " "))
        shown.add_column(head, justify="left" if is_text else "right", no_wrap=is_text or name == "birth_id")
    for row in some.iter_rows():
        shown.add_row(*(_cell(name, value) for name, value in zip(some.columns, row, strict=True)))
    if n > some.height:
        shown.caption = f"{some.height} of {n:,} rows; --json has all."
        shown.caption_justify = "left"
    return shown


def _cell(name: str, value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        if name.endswith("share") or name in ("at_first", "at_last", "change", "judged"):
            return f"{value:+.1%}" if name == "change" else f"{value:.1%}"
        return f"{value:.1f}" if name in ("effective_families", "population_families") else f"{value:.4g}"
    is_id = name in ("birth_id", "first_birth", "family")
    return f"{value:,}" if isinstance(value, int) and not is_id else str(value)
