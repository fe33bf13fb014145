"""pedigree.parquet: the births of a job as a table to ask questions of, the same bytes every time.

One row a birth, in ascending order of birth id. births.parquet has genomes and every measure; this table has what
is derived from births together: what a birth changed, what it gained, how its line moved between islands.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cluster.births_file import parquet_bytes
from cluster.genealogy.lines import NOBODY, Lines, lines_of
from cluster.genealogy.parts import WORDS, changes
from cluster.genealogy.traits import trait_names, traits
from evolution.pedigree import MIGRANT, NO_PARENT, OPERATORS, Births, island_of
from fitness.files import atomic_write_bytes
from fitness.objectives import REASONS
from strategies.codec import express
from strategies.errors import JournalError
from strategies.language import Language
from strategies.species import SPECIES

PEDIGREE_FILE: Final = "pedigree.parquet"
SCHEMA: Final = pl.Schema(
    {
        "birth_id": pl.Int64(),
        "strategy_id": pl.String(),
        "island": pl.Int32(),
        "generation": pl.Int32(),
        "epoch": pl.Int32(),
        "index": pl.Int32(),
        "operator": pl.Enum(OPERATORS),
        "species": pl.Enum(SPECIES),
        "family": pl.Int64(),
        "parent_a": pl.Int64(),
        "parent_b": pl.Int64(),
        "from_island": pl.Int32(),
        "hops": pl.Int32(),
        "strategy_hops": pl.Int32(),
        "evaluated": pl.Boolean(),
        "reason": pl.Enum(REASONS),
        "fitness_before": pl.Float64(),
        "fitness_after": pl.Float64(),
        "gain": pl.Float64(),
        "changed": pl.List(pl.Enum(WORDS)),
        "traits": pl.List(pl.String()),
    }
)
"""Columns of the table.

birth_id, strategy_id, island, generation, operator, species, family, evaluated, reason: as in births.parquet.
epoch: in which it was bred. index: of the birth in its generation.
parent_a, parent_b: birth ids, null where there is none; the parent of a migrant is its birth on the island it left.
from_island: which that was; null for all others.
hops: how often the line through first parents has migrated, itself included.
strategy_hops: how many islands this strategy has crossed unchanged to be born here; 0 for who is no migrant.
fitness_after: its first objective; fitness_before: the better parent's; gain: after less before. Null where unknown.
changed: what differs from the first parent, see `parts`; empty for a migrant, null without parents.
traits: operands it reads and algorithms it learns by, see `traits`.
"""
_CHUNK: Final = 8192


def pedigree_frame(
    births: Births, language: Language, *, epoch_generations: int, strategy_ids: "pl.Series | list[str]"
) -> pl.DataFrame:
    """Return the table of `births`, closed and in ascending order of id, of which `strategy_ids` (n,) are known."""
    lines = lines_of_births(births)
    before, after = _fitness(births, lines)
    changed, found = _lists(births, lines, language)
    columns: dict[str, Any] = {
        **{name: getattr(births, name) for name in ("birth_id", "island", "generation", "family", "evaluated")},
        "strategy_id": strategy_ids,
        "epoch": (np.maximum(births.generation, 1) - 1) // epoch_generations,
        "index": births.birth_id & ((1 << 20) - 1),
        "operator": _words(births.operator, OPERATORS),
        "species": _words(births.species, SPECIES),
        "reason": _words(births.reason, REASONS),
        "parent_a": _or_null(births.parent_a, births.parent_a == NO_PARENT),
        "parent_b": _or_null(births.parent_b, births.parent_b == NO_PARENT),
        "from_island": _or_null(island_of(births.parent_a), births.operator != MIGRANT),
        "hops": lines.hops,
        "strategy_hops": lines.strategy_hops,
        "fitness_before": _or_null(before, np.isnan(before)),
        "fitness_after": _or_null(after, np.isnan(after)),
        "gain": _or_null(after - before, np.isnan(after - before)),
        "changed": changed,
        "traits": found,
    }
    return pl.DataFrame({name: columns[name] for name in SCHEMA}).cast(SCHEMA)


def lines_of_births(births: Births) -> Lines:
    """Return who is whose child among `births`, which are in ascending order of id."""
    return lines_of(
        births.birth_id, births.generation, births.operator, parent_a=births.parent_a, parent_b=births.parent_b
    )


def write_pedigree(run_dir: Path, frame: pl.DataFrame) -> Path:
    """Write the table into the run folder and return where."""
    path = run_dir / PEDIGREE_FILE
    atomic_write_bytes(path, parquet_bytes(frame))
    return path


def read_pedigree(path: Path, columns: list[str] | None = None) -> pl.DataFrame:
    """Return the table at `path`, or some of its columns.

    Raises:
        JournalError: it is missing, cut, damaged, or another table.
    """
    wanted = columns or list(SCHEMA)
    mend = "Remove it: `studbook genealogy` makes it anew from the journalled epochs."
    try:
        found = pl.read_parquet_schema(path)
        frame = pl.read_parquet(path, columns=wanted) if found == dict(SCHEMA) else None
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise JournalError(
            f"A pedigree must be a whole Parquet file, but was not: {reason} ({path}). {mend}"
        ) from error
    if frame is None:
        odd = next((name for name in SCHEMA if found.get(name) != SCHEMA[name]), next(iter(found), "nothing"))
        raise JournalError(
            f"A pedigree must have the columns that docs/genealogy.md lists, but `{odd}` was "
            f"{found.get(odd, 'missing')} ({path}). {mend}"
        )
    return frame


def _words(codes: NDArray[Any], names: tuple[str, ...]) -> pl.Series:
    return pl.Series(codes, dtype=pl.UInt32).cat.to(pl.Enum(names))


def _or_null(values: NDArray[Any], unknown: NDArray[np.bool_]) -> pl.Series:
    return pl.select(pl.when(pl.lit(~unknown)).then(pl.lit(values))).to_series()


def _fitness(births: Births, lines: Lines) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the better parent's first objective and its own, each (n,), NaN where unknown."""
    after = np.where(births.reason == 0, births.objectives[:, 0], np.nan)
    parents = [np.where(rows == NOBODY, np.nan, after[rows]) for rows in (lines.first, lines.second)]
    return np.fmax(*parents), after


def _lists(births: Births, lines: Lines, language: Language) -> tuple[pl.Series, pl.Series]:
    """Return what each birth changed and what it is made of, without ever holding all phenotypes."""
    parts = list(_in_chunks(births, lines, language))
    words = _list_column([part[0] for part in parts], lines.first != NOBODY, WORDS)
    everyone = np.ones(len(births), dtype=np.bool_)
    return words, _list_column([part[1] for part in parts], everyone, trait_names())


def _in_chunks(births: Births, lines: Lines, language: Language) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    for start in range(0, len(births), _CHUNK):
        rows = np.arange(start, min(start + _CHUNK, len(births)))
        child = express(births.genome[rows], language)
        bred = np.flatnonzero((lines.first[rows] != NOBODY) & (births.operator[rows] != MIGRANT))
        first, second = lines.first[rows[bred]], lines.second[rows[bred]]
        has = second != NOBODY
        other = express(births.genome[np.where(has, second, first)], language)
        found = changes(child[bred], express(births.genome[first], language), other, has)
        at, word = np.nonzero(found)
        made = traits(child)
        made[:, 0] += start
        yield np.stack([bred[at] + start, word], axis=1), made


def _list_column(pairs: list[NDArray[Any]], has_list: NDArray[np.bool_], names: tuple[str, ...]) -> pl.Series:
    """Return lists of names (n,) from pairs (k, 2) of row and number, by row; null where a row has no list."""
    flat = np.concatenate([*pairs, np.zeros((0, 2), dtype=np.int64)])
    listed = pl.DataFrame({"row": flat[:, 0], "name": _words(flat[:, 1], names)})
    lists = listed.group_by("row", maintain_order=True).agg("name")
    every = pl.DataFrame({"row": np.arange(len(has_list)), "has": has_list}).join(lists, on="row", how="left")
    empty = pl.lit([], dtype=pl.List(pl.Enum(names)))
    kept = pl.when(pl.col("has")).then(pl.col("name").fill_null(empty))
    return every.sort("row").select(kept.alias("name")).to_series()
