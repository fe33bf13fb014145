"""Ancestors, descendants and dynasties, as plain values and for the terminal."""

from typing import Any

import numpy as np
from rich.text import Text

from cluster.genealogy.dynasty import described
from cluster.genealogy.founders import founders_of
from cluster.genealogy.lines import Rows, ancestors, contributions, descendants
from cluster.genealogy.pedigree import Pedigree
from cluster.genealogy.trees import number, place_of
from cluster.report.numbers import count
from cluster.tables import plain_table

_LISTED_FOUNDERS = 8
_BAR = 40


def ancestors_of(pedigree: Pedigree, row: int, limit: int) -> dict[str, Any]:
    """Return the ancestors of a birth as plain values: how many, the youngest with their shares, its founders."""
    rows = np.array([row], dtype=np.int32)
    found = ancestors(pedigree.lines, rows)
    shares = contributions(pedigree.lines, rows)
    births = _listed(pedigree, found, limit)
    for birth, at in births:
        birth["share"] = float(shares[at])
    founders = founders_of(pedigree, rows)
    return {"of": described(pedigree, row), **_counted(pedigree, found, births), "founders": founders.to_dicts()}


def descendants_of(pedigree: Pedigree, row: int, limit: int) -> dict[str, Any]:
    """Return the descendants of a birth as plain values: how many, the youngest, which of them are elites, or live."""
    found = descendants(pedigree.lines, np.array([row], dtype=np.int32))
    births = _listed(pedigree, found, limit)
    more = {
        "elites": pedigree.frame["strategy_id"].gather(np.intersect1d(found, pedigree.elites)).to_list(),
        "living": len(np.intersect1d(found, pedigree.population)),
    }
    return {"of": described(pedigree, row), **_counted(pedigree, found, births), **more}


def _listed(pedigree: Pedigree, rows: Rows, limit: int) -> list[tuple[dict[str, Any], int]]:
    """The youngest births of `rows`, at most `limit` of them (0: all), each with its row."""
    order = rows[np.lexsort((-rows, -pedigree.lines.generation[rows]))]
    return [(described(pedigree, int(row)), int(row)) for row in (order[:limit] if limit else order)]


def _counted(pedigree: Pedigree, rows: Rows, births: list[tuple[dict[str, Any], int]]) -> dict[str, Any]:
    generations, counts = np.unique(pedigree.lines.generation[rows], return_counts=True)
    sizes = [{"generation": int(at), "births": int(n)} for at, n in zip(generations, counts, strict=True)]
    return {"n": len(rows), "generations": sizes, "births": [birth for birth, _ in births]}


def relatives_view(document: dict[str, Any]) -> list[Any]:
    """Return ancestors or descendants for the terminal."""
    of, is_up = document["of"], "founders" in document
    what = "ancestor" if is_up else "descendant"
    head = f"{of['strategy_id']} ({place_of(of)}) has {count(document['n'], what)}"
    head += (
        "."
        if is_up
        else f", {document['living']:,} in the last populations, {count(len(document['elites']), 'elite')}."
    )
    table = plain_table(
        "Strategy", "Birth", "Born", "By", "Fitness", "Gain", *(["Share"] if is_up else []), numeric_from=4
    )
    for birth in document["births"]:
        share = [f"{birth['share']:.2%}"] if is_up else []
        where = (birth["strategy_id"], str(birth["birth_id"]), place_of(birth), birth["template"] or birth["operator"])
        table.add_row(*where, number(birth["fitness_after"]), number(birth["gain"]), *share)
    hidden = document["n"] - len(document["births"])
    rest = [Text(f"and {hidden:,} more with --limit 0.", style="dim")] if hidden else []
    return [head, table, *rest, *([_founders_table(document["founders"])] if is_up else [])]


def _founders_table(founders: list[dict[str, Any]]) -> Any:
    table = plain_table("Founder", "Birth", "Born", "By", "Share of genes", numeric_from=4)
    for one in founders[:_LISTED_FOUNDERS]:
        born = f"{one['island']}.{one['generation']}"
        by = one["template"] or one["operator"]
        table.add_row(one["strategy_id"], str(one["birth_id"]), born, by, f"{one['share']:.1%}")
    hidden = founders[_LISTED_FOUNDERS:]
    if hidden:
        table.add_row(f"{len(hidden)} more", "", "", "", f"{sum(one['share'] for one in hidden):.1%}")
    return table


def dynasty_view(document: dict[str, Any]) -> list[Any]:
    """Return a dynasty for the terminal."""
    founder, best, died = document["founder"], document["best"], document["died_out"]
    end = f"died out after generation {died}" if died is not None else f"{document['living']:,} live in the end"
    islands = ", ".join(f"{one['island']} (generation {one['reached']})" for one in document["islands"])
    told = f"{founder['strategy_id']} ({place_of(founder)}, {founder['template'] or founder['operator']})"
    size = f"{count(document['n_births'], 'birth')}, {document['share_of_births']:.1%} of all"
    genes = f"Genes of its founder in the {document['genes']['of']}: {document['genes']['share']:.1%}."
    lines = [
        f"Family {document['family']}, founded by {told}: {size}; {end}.",
        f"Islands: {islands}.",
        f"Elites: {', '.join(document['elites']) or 'none'}. {genes}",
    ]
    if best is not None:
        lines.append(f"Best: {best['strategy_id']} ({place_of(best)}), {number(best['fitness_after'])}.")
    table = plain_table("Generation", "Births", "Share", "", numeric_from=0)
    most = max(one["births"] for one in document["generations"])
    for one in document["generations"]:
        bar = Text("#" * round(_BAR * one["births"] / most), style="green", justify="left")
        table.add_row(str(one["generation"]), f"{one['births']:,}", f"{one['share']:.1%}", bar)
    return [*lines, table]
