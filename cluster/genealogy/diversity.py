"""When diversity fell: families, their effective number, and how alike strategies were, generation by generation."""

from typing import Any, Final

import numpy as np
import polars as pl

from cluster.genealogy.answers import Answer
from cluster.genealogy.lines import NOBODY
from cluster.genealogy.pedigree import Pedigree

QUESTION: Final = "When did diversity fall?"


def diversity_by_generation(pedigree: Pedigree) -> pl.DataFrame:
    """Return one row a generation, of all islands together.

    Columns: births; founded: births without parents; families_bred: families with a birth; families_alive: founded by
    now and bred, bearing or in a population later or now; effective_families: inverse of the chance that two births of
    the generation are of one family (Simpson 1949); distinct_share: different strategies among its births; and, means
    over islands of what the journal says of populations (null where it says nothing): population_families,
    gene_spread, population_distinct_share.
    """
    frame = pedigree.frame
    size = pl.col("len").cast(pl.Int64)
    families = (
        frame.group_by("generation", "family")
        .len()
        .group_by("generation")
        .agg(families_bred=pl.len(), effective_families=size.sum() ** 2 / (size * size).sum())
    )
    births = frame.group_by("generation").agg(
        births=pl.len(),
        founded=pl.col("parent_a").is_null().sum(),
        distinct_share=pl.col("strategy_id").n_unique() / pl.len(),
    )
    table = births.join(families, on="generation").join(_alive(pedigree), on="generation", how="left")
    order = ("generation", "births", "founded", "families_alive", "families_bred", "effective_families")
    return (
        table.join(_populations(pedigree), on="generation", how="left")
        .select(*order, "distinct_share", "population_families", "gene_spread", "population_distinct_share")
        .sort("generation")
    )


def fall_of_diversity(pedigree: Pedigree) -> Answer:
    """Return when the effective number of families fell, by how much, and the generation of the steepest fall."""
    table = diversity_by_generation(pedigree)
    numbers, generations = table["effective_families"].to_numpy(), table["generation"].to_numpy()
    falls = -np.diff(numbers)
    figures: dict[str, Any] = {"first": float(numbers[0]), "last": float(numbers[-1])}
    start = f"{numbers[0]:.1f} effective families in generation {generations[0]}"
    if not len(falls) or falls.max() <= 0.0:
        end = f"{numbers[-1]:.1f} in generation {generations[-1]}"
        return Answer(QUESTION, f"It did not fall: {start}, {end}.", figures, table)
    steepest = int(np.argmax(falls))
    figures |= {"steepest": int(generations[steepest + 1]), "steepest_fall": float(falls[steepest])}
    halved = generations[numbers <= numbers[0] / 2.0]
    figures["halved"] = int(halved[0]) if len(halved) else None
    sentence = (
        f"It fell most in generation {generations[steepest + 1]}: from {numbers[steepest]:.1f} to "
        f"{numbers[steepest + 1]:.1f} effective families. There were {start} and {numbers[-1]:.1f} in generation "
        f"{generations[-1]}"
    )
    sentence += f"; half were gone by generation {halved[0]}." if len(halved) else "; half were never gone."
    return Answer(QUESTION, sentence, figures, table)


def _alive(pedigree: Pedigree) -> pl.DataFrame:
    """How many families are alive in each generation: founded by then, and not yet seen for the last time."""
    lines = pedigree.lines
    founders = np.flatnonzero(lines.first == NOBODY)
    last = np.full(len(pedigree), -1, dtype=np.int64)
    np.maximum.at(last, lines.founder, pedigree.last_generation)
    n = int(lines.generation.max()) + 1
    come = np.bincount(lines.generation[founders], minlength=n)
    gone = np.bincount(last[founders] + 1, minlength=n + 1)[:n]
    alive = np.cumsum(come) - np.cumsum(gone)
    return pl.DataFrame({"generation": np.arange(n, dtype=np.int32), "families_alive": alive})


def _populations(pedigree: Pedigree) -> pl.DataFrame:
    schema = {
        "generation": pl.Int32,
        "population_families": pl.Float64,
        "gene_spread": pl.Float64,
        "population_distinct_share": pl.Float64,
    }
    names = ("generation", "n_families", "gene_spread", "distinct_share")
    rows = [[stats[name] for name in names] for stats in pedigree.generations]
    return pl.DataFrame(rows, schema=schema, orient="row").group_by("generation").mean()
