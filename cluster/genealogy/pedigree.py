"""The pedigree of one job, opened: its births as a table, their lines of descent, and who is left at the end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cluster.genealogy.lines import NOBODY, Lines, Rows, lines_of
from cluster.genealogy.table import SCHEMA
from evolution.pedigree import NO_PARENT
from strategies.errors import JournalError

LISTS: Final = ("changed", "traits")
LEAN: Final = tuple(name for name in SCHEMA if name not in LISTS)
"""Columns that are kept in memory; lists are read when they are asked for."""

NOWHERE: Final = np.zeros(0, dtype=np.int32)


@dataclass(frozen=True, eq=False)
class Pedigree:
    """The births of a job, as rows in ascending order of birth id.

    Attributes:
        job: its id.
        objective: the job's first, which fitness and gain are of.
        frame: the columns `LEAN`, see `table.SCHEMA`.
        lists: the columns `LISTS` of the same rows, still to be read.
        population: rows of the members of all islands' last populations.
        candidates, elites: rows of the births that were judged, and of those that passed.
        templates: names of the templates that founders came from, by birth id.
        generations: what the journal says of the populations of each generation of each island.
    """

    job: str
    objective: str
    frame: pl.DataFrame
    lists: pl.LazyFrame
    population: Rows = field(default_factory=lambda: NOWHERE)
    candidates: Rows = field(default_factory=lambda: NOWHERE)
    elites: Rows = field(default_factory=lambda: NOWHERE)
    templates: Mapping[int, str] = field(default_factory=dict)
    generations: Sequence[Mapping[str, Any]] = ()

    def __len__(self) -> int:
        return self.frame.height

    @cached_property
    def lines(self) -> Lines:
        """Who is whose child."""
        return lines_of(
            self.column("birth_id"),
            self.column("generation"),
            self.frame["operator"].to_physical().to_numpy().astype(np.int8),
            parent_a=self.frame["parent_a"].fill_null(NO_PARENT).to_numpy(),
            parent_b=self.frame["parent_b"].fill_null(NO_PARENT).to_numpy(),
        )

    def column(self, name: str) -> NDArray[Any]:
        """Return a column (n,) as an array; NaN for null."""
        return self.frame[name].to_numpy()

    def rows_of(self, birth_ids: Sequence[int] | NDArray[np.int64]) -> Rows:
        """Return the rows of births.

        Raises:
            JournalError: one of them was not born here.
        """
        wanted, known = np.asarray(birth_ids, dtype=np.int64), self.lines.birth_id
        at = np.searchsorted(known, wanted)
        lost = (at == len(known)) | (known[np.minimum(at, len(known) - 1)] != wanted) if len(known) else at >= 0
        if lost.any():
            raise JournalError(
                f"A pedigree must have every birth that its job names, but birth {wanted[lost][0]} was missing "
                f"({self.job}). Remove pedigree.parquet: it is made anew from the journalled epochs."
            )
        return at.astype(np.int32)

    def read_lists(self, name: str, rows: Rows | None = None) -> pl.Series:
        """Return a column of lists: of `rows`, or of all births.

        Raises:
            JournalError: the file is damaged.
        """
        wanted = pl.col(name) if rows is None else pl.col(name).gather(rows)
        try:
            return self.lists.select(wanted).collect().to_series()
        except (OSError, pl.exceptions.PolarsError) as error:
            reason = str(error).splitlines()[0]
            raise JournalError(
                f"A pedigree must be a whole Parquet file, but `{name}` was not to be read: {reason} ({self.job}). "
                "Remove pedigree.parquet: it is made anew from the journalled epochs."
            ) from error

    @property
    def judged(self) -> tuple[str, Rows]:
        """What the job came to, and its rows: its elites; without any, its candidates; else its best birth."""
        for name, rows in (("elites", self.elites), ("candidates", self.candidates)):
            if len(rows):
                return name, rows
        best = self.best
        return "best birth", NOWHERE if best == NOBODY else np.array([best], dtype=np.int32)

    @property
    def best(self) -> int:
        """The row of the birth of the highest fitness, the oldest of equals; `NOBODY` if none is known."""
        found = self.frame["fitness_after"].arg_max()
        return NOBODY if found is None else int(found)

    @cached_property
    def last_generation(self) -> NDArray[np.int32]:
        """The last generation (n,) in which each birth bred or was bred, or lives in a last population."""
        lines = self.lines
        last = lines.generation.copy()
        for parents in (lines.first, lines.second):
            has = parents != NOBODY
            np.maximum.at(last, parents[has], lines.generation[has])
        if len(self.population):
            last[self.population] = max(int(lines.generation.max()), 0)
        return last
