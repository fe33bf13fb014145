"""The whole pedigree, both parents, as GraphML: what networkx, Gephi and yEd read.

A node is a birth with what the table says of it, an edge goes from parent to child and says which parent. What is
unknown is left out. It is written in pieces, so that a million births need no graph in memory.
"""

from collections.abc import Iterator
from html import escape
from typing import Final

import polars as pl

from cluster.genealogy.pedigree import Pedigree

_TYPES: Final = {
    "strategy_id": "string",
    "island": "int",
    "generation": "int",
    "epoch": "int",
    "operator": "string",
    "species": "string",
    "family": "long",
    "hops": "int",
    "evaluated": "boolean",
    "reason": "string",
    "fitness": "double",
    "gain": "double",
}
_ROWS: Final = 50_000


def graphml(pedigree: Pedigree) -> Iterator[str]:
    """Yield the document, piece by piece."""
    yield '<?xml version="1.0" encoding="UTF-8"?>\n<graphml xmlns="http://graphml.graphdrawing.org/xmlns">\n'
    for name, kind in _TYPES.items():
        yield f'<key id="{name}" for="node" attr.name="{name}" attr.type="{kind}"/>\n'
    yield '<key id="parent" for="edge" attr.name="parent" attr.type="string"/>\n'
    yield f'<graph id="{escape(pedigree.job)}" edgedefault="directed">\n'
    frame = pedigree.frame.rename({"fitness_after": "fitness"})
    for part in frame.iter_slices(_ROWS):
        yield "".join(part.select(_nodes()).to_series().to_list())
    for part in frame.iter_slices(_ROWS):
        yield "".join(part.select(_edges()).to_series().to_list())
    yield "</graph>\n</graphml>\n"


def _nodes() -> pl.Expr:
    values = []
    for name, kind in _TYPES.items():
        column = pl.col(name).cast(pl.String)
        said = (column != "") if kind == "string" else column.is_not_null()
        datum = pl.format('<data key="' + name + '">{}</data>', column)
        values.append(pl.when(said).then(datum).otherwise(pl.lit("")))
    opening = pl.format('<node id="{}">', "birth_id")
    return pl.concat_str([opening, *values, pl.lit("</node>\n")])


def _edges() -> pl.Expr:
    """An edge each parent; one edge where both are the same birth."""
    twice = pl.col("parent_a") == pl.col("parent_b")
    edge = '<edge source="{}" target="{}"><data key="parent">{}</data></edge>\n'
    which = pl.when(twice).then(pl.lit("both")).otherwise(pl.lit("a"))
    first = pl.when(pl.col("parent_a").is_not_null()).then(pl.format(edge, "parent_a", "birth_id", which))
    second = pl.when(pl.col("parent_b").is_not_null() & ~twice).then(
        pl.format(edge, "parent_b", "birth_id", pl.lit("b"))
    )
    return pl.concat_str([first.otherwise(pl.lit("")), second.otherwise(pl.lit(""))])
