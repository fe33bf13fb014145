"""A dynasty: the family of one founder, from its founding until it died out."""

from typing import Any

import numpy as np
import polars as pl

from cluster.genealogy.lines import NOBODY, Rows, contributions
from cluster.genealogy.pedigree import Pedigree


def dynasty_of(pedigree: Pedigree, row: int) -> dict[str, Any]:
    """Return what became of the family of a birth, as plain values.

    Its founder; births and share of all births; best: its birth of the highest fitness; islands: reached, with the
    generation of the first birth there; generations: births in each, and their share; elites, candidates; living:
    members of the last populations; died_out: the generation after which nobody of it was bred, bore or lived, None
    while some live; genes: its founder's expected share of what the job came to, also outside the family.
    """
    lines = pedigree.lines
    founder = int(lines.founder[row])
    members = np.flatnonzero(lines.founder == founder).astype(np.int32)
    frame = pedigree.frame[members]
    name, judged = pedigree.judged
    last = int(pedigree.last_generation[members].max())
    living = np.intersect1d(members, pedigree.population)
    best = frame["fitness_after"].arg_max()
    return {
        "family": int(lines.birth_id[founder]),
        "founder": described(pedigree, founder),
        "n_births": len(members),
        "share_of_births": len(members) / len(pedigree),
        "n_strategies": frame["strategy_id"].n_unique(),
        "best": None if best is None else described(pedigree, int(members[int(best)])),
        "islands": _islands(frame),
        "generations": _sizes(pedigree, frame),
        "candidates": _ids(pedigree, members, pedigree.candidates),
        "elites": _ids(pedigree, members, pedigree.elites),
        "living": len(living),
        "died_out": None if len(living) else last,
        "genes": {"of": name, "share": float(contributions(lines, judged)[founder])},
    }


def dynasties(pedigree: Pedigree) -> pl.DataFrame:
    """Return one row a family, the largest first: family, births, first and last generation, islands, living, best."""
    lines = pedigree.lines
    living = np.zeros(len(pedigree), dtype=np.bool_)
    living[pedigree.population] = True
    frame = pedigree.frame.select("family", "generation", "island", "fitness_after").with_columns(
        last=pl.Series(pedigree.last_generation), lives=pl.Series(living)
    )
    table = frame.group_by("family").agg(
        births=pl.len(),
        founded=pl.col("generation").min(),
        last_seen=pl.col("last").max(),
        islands=pl.col("island").n_unique(),
        living=pl.col("lives").sum(),
        best=pl.col("fitness_after").max(),
    )
    assert table.height == int((lines.first == NOBODY).sum()), "a family has one founder"
    return table.sort("births", "family", descending=[True, False])


def described(pedigree: Pedigree, row: int) -> dict[str, Any]:
    """Return one birth as plain values, without its lists."""
    values: dict[str, Any] = pedigree.frame.row(row, named=True)
    values["template"] = pedigree.templates.get(values["birth_id"])
    return values


def _islands(frame: pl.DataFrame) -> list[dict[str, Any]]:
    reached = frame.group_by("island").agg(reached=pl.col("generation").min(), births=pl.len())
    return reached.sort("reached", "island").to_dicts()


def _sizes(pedigree: Pedigree, frame: pl.DataFrame) -> list[dict[str, Any]]:
    every = pedigree.frame.group_by("generation").agg(of=pl.len())
    sizes = frame.group_by("generation").agg(births=pl.len()).join(every, on="generation").sort("generation")
    return sizes.with_columns(share=pl.col("births") / pl.col("of")).drop("of").to_dicts()


def _ids(pedigree: Pedigree, members: Rows, rows: Rows) -> list[str]:
    return pedigree.frame["strategy_id"].gather(rows[np.isin(rows, members)]).to_list()
