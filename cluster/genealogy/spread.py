"""Which conditions spread: how often the births of each generation have a trait, and where it came from."""

from typing import Any, Final, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cluster.genealogy.answers import Answer
from cluster.genealogy.pedigree import Pedigree

QUESTION: Final = "Which conditions spread?"
PART: Final = 0.2
"""Of the generations, at each end, that "at first" and "at last" are means over."""


class Counts(NamedTuple):
    """How many births have each trait.

    Attributes:
        generations: (n_generations,) those with births, ascending.
        sizes: (n_generations,) births of each.
        names: every trait that was met, by name.
        counts: (n_generations, n_traits) births that have it.
        first: (n_traits,) row of the oldest birth that has it.
        judged: (n_traits,) how many of those that the job came to have it.
    """

    generations: NDArray[np.int32]
    sizes: NDArray[np.int64]
    names: tuple[str, ...]
    counts: NDArray[np.int64]
    first: NDArray[np.int64]
    judged: NDArray[np.int64]


def trait_counts(pedigree: Pedigree) -> Counts:
    """Return how many births of each generation have each trait."""
    lists = pedigree.read_lists("traits")
    lengths = lists.list.len().to_numpy()
    flat = lists.list.explode(keep_nulls=False, empty_as_null=False)
    names, number = _numbered(flat)
    row = np.repeat(np.arange(len(lists)), lengths)
    generations, place, sizes = np.unique(pedigree.lines.generation, return_inverse=True, return_counts=True)
    n = len(names)
    counts = np.bincount(place[row] * n + number, minlength=len(generations) * n).reshape(len(generations), n)
    judged = np.zeros(n, dtype=np.int64)
    np.add.at(judged, number[np.isin(row, pedigree.judged[1])], 1)
    return Counts(generations, sizes, names, counts, _oldest(pedigree, row, number, n), judged)


def _numbered(flat: pl.Series) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    names = flat.unique().sort()
    numbers = flat.cast(pl.Enum(names)).to_physical().to_numpy().astype(np.int64)
    return tuple(names.to_list()), numbers


def _oldest(pedigree: Pedigree, row: NDArray[np.int64], number: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """The oldest birth (n,) with each trait, by generation, then by id."""
    order = np.lexsort((pedigree.lines.birth_id, pedigree.lines.generation))
    age = np.empty(len(order), dtype=np.int64)
    age[order] = np.arange(len(order))
    first = np.full(n, len(order), dtype=np.int64)
    np.minimum.at(first, number, age[row])
    return order[first]


def trait_frequencies(pedigree: Pedigree) -> pl.DataFrame:
    """Return how many births of each generation have each trait: generation, trait, births, share of the generation."""
    found = trait_counts(pedigree)
    at, trait = np.nonzero(found.counts)
    births = found.counts[at, trait]
    return pl.DataFrame(
        {
            "generation": found.generations[at],
            "trait": [found.names[number] for number in trait],
            "births": births,
            "share": births / found.sizes[at],
        }
    )


def spread_of_traits(pedigree: Pedigree) -> Answer:
    """Return every trait with how often it was met at first and at last, by how much it rose.

    Columns: trait; births: that have it; first_generation, first_birth: of the oldest birth that has it; at_first,
    at_last: its mean share of the births of the first and last fifth of the generations; change; judged: share of what
    the job came to that has it.
    """
    found = trait_counts(pedigree)
    name, rows = pedigree.judged
    shares = found.counts / found.sizes[:, None]
    n = max(int(PART * len(found.generations)), 1)
    at_first, at_last = shares[:n].mean(axis=0), shares[-n:].mean(axis=0)
    table = pl.DataFrame(
        {
            "trait": found.names,
            "births": found.counts.sum(axis=0),
            "first_generation": pedigree.lines.generation[found.first],
            "first_birth": pedigree.lines.birth_id[found.first],
            "at_first": at_first,
            "at_last": at_last,
            "change": at_last - at_first,
            "judged": found.judged / max(len(rows), 1),
        }
    ).sort("change", "trait", descending=[True, False])
    return Answer(QUESTION, *_told(table, name), table)


def _told(table: pl.DataFrame, name: str) -> tuple[str, dict[str, Any]]:
    rising, falling = table.filter(pl.col("change") > 0.0).head(3), table.filter(pl.col("change") < 0.0).tail(3)[::-1]
    figures = {"traits": table.height, "rising": rising["trait"].to_list(), "falling": falling["trait"].to_list()}
    if not rising.height:
        return f"None of {table.height} spread.", figures
    first = rising.row(0, named=True)
    sentence = (
        f"{_listed(rising)} spread most. {first['trait']} was first met in generation {first['first_generation']} "
        f"(birth {first['first_birth']}), and {first['judged']:.0%} of the {name} have it."
    )
    if falling.height:
        sentence += f" {_listed(falling)} were lost most."
    return sentence, figures


def _listed(rows: pl.DataFrame) -> str:
    return ", ".join(f"{row['trait']} ({row['at_first']:.0%} to {row['at_last']:.0%})" for row in rows.to_dicts())
