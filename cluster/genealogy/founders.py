"""Which founder owns the elites."""

from typing import Final

import numpy as np
import polars as pl

from cluster.genealogy.answers import Answer
from cluster.genealogy.lines import NOBODY, Rows, founder_shares
from cluster.genealogy.pedigree import Pedigree

QUESTION: Final = "Which founder owns the elites?"


def founders_of(pedigree: Pedigree, rows: Rows) -> pl.DataFrame:
    """Return the founders of `rows`, one row each, by their share.

    Columns: birth_id, strategy_id, island, generation, operator, species; template: that it came from, if from one;
    share: expected share of the genes of `rows`, through all parents (sums to 1); line_share: share of `rows` that
    descend from it through first parents, which is its family (sums to 1); fitness: its own.
    """
    shares = founder_shares(pedigree.lines, rows)
    owned = np.zeros(len(pedigree))
    np.add.at(owned, pedigree.lines.founder[rows], 1.0 / max(len(rows), 1))
    found = np.flatnonzero((shares > 0.0) | (owned > 0.0))
    names = ("birth_id", "strategy_id", "island", "generation", "operator", "species", "fitness_after")
    table = pedigree.frame.select(names)[found].rename({"fitness_after": "fitness"})
    template = pl.Series([pedigree.templates.get(birth) for birth in table["birth_id"]], dtype=pl.String)
    return table.with_columns(
        template=template, share=pl.lit(shares[found]), line_share=pl.lit(owned[found])
    ).sort("share", "birth_id", descending=[True, False])  # fmt: skip


def founder_ownership(pedigree: Pedigree) -> Answer:
    """Return which founders own what the job came to: its elites, or else its candidates, or its best birth."""
    name, rows = pedigree.judged
    table = founders_of(pedigree, rows)
    n_founders = int((pedigree.lines.first == NOBODY).sum())
    figures = {"of": name, "n": len(rows), "founders": n_founders, "with_a_share": table.height}
    if not table.height:
        return Answer(QUESTION, "No birth had a fitness, so nothing is to be owned.", figures, table)
    half = int((table["share"].cum_sum() < 0.5).sum()) + 1
    first = table.row(0, named=True)
    family = table.sort("line_share", "share", descending=True).row(0, named=True)
    figures |= {"first": first["birth_id"], "first_share": first["share"], "hold_half": half}
    told = first["template"] or first["operator"]
    sentence = (
        f"{table.height:,} of {n_founders:,} founders have a share in the {name} ({len(rows):,}), and {half} of them "
        f"hold half. Founder {first['birth_id']} ({told}, island {first['island']}) has the largest, "
        f"{first['share']:.0%} of the genes by descent; the family of {family['birth_id']} has "
        f"{family['line_share']:.0%} of them by first parents."
    )
    return Answer(QUESTION, sentence, figures, table)
