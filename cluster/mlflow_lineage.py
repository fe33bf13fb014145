"""Where elites come from, out of births.parquet: operator, parents and founder, as tags to search by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from cluster.run_folder import BIRTHS_FILE
from evolution.pedigree import NO_PARENT

COLUMNS: Final = ("birth_id", "strategy_id", "operator", "parent_a", "parent_b", "family")
"""Of births.parquet; genomes and figures are not read."""


@dataclass(frozen=True)
class Lineage:
    """Parents and founder of one birth.

    Attributes:
        operator: how it was born.
        parents: strategy id and birth id of each parent; of a founder, none.
        founder: strategy id of the founder of its family.
    """

    operator: str
    parents: tuple[tuple[str, int], ...]
    founder: str

    def tags(self) -> dict[str, str]:
        """Return it as tags: `parent_a` and `founder` are strategy ids, `parent_a_birth` is a birth id."""
        tags = {"operator": self.operator, "founder": self.founder}
        for letter, (strategy_id, birth_id) in zip("ab", self.parents, strict=False):
            tags |= {f"parent_{letter}": strategy_id, f"parent_{letter}_birth": str(birth_id)}
        return tags


def lineages_of(run_dir: Path, birth_ids: Sequence[int]) -> dict[int, Lineage]:
    """Return the lineage of each of the births that births.parquet holds; none where the file does not tell them.

    A damaged file costs the tags, not the run: the journal's own elites are logged without.
    """
    path = run_dir / BIRTHS_FILE
    try:
        births = pl.scan_parquet(path).select(COLUMNS)
        born = {row["birth_id"]: row for row in _rows(births, birth_ids)}
        named = {place for row in born.values() for place in (row["parent_a"], row["parent_b"], row["family"])}
        ids = {row["birth_id"]: row["strategy_id"] for row in _rows(births, sorted(named - {NO_PARENT}))}
    except (OSError, pl.exceptions.PolarsError):
        return {}
    return {birth_id: _lineage(row, ids) for birth_id, row in born.items()}


def _rows(births: pl.LazyFrame, birth_ids: Sequence[int]) -> list[dict[str, Any]]:
    wanted = pl.Series(birth_ids, dtype=pl.Int64)
    return births.filter(pl.col("birth_id").is_in(wanted.implode())).collect().to_dicts()


def _lineage(row: Mapping[str, Any], ids: Mapping[int, str]) -> Lineage:
    parents = [row[name] for name in ("parent_a", "parent_b") if row[name] != NO_PARENT]
    found = tuple((ids[birth_id], int(birth_id)) for birth_id in parents)
    return Lineage(str(row["operator"]), found, str(ids[row["family"]]))
