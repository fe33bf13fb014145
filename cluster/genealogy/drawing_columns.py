"""Births as compact columns for the genealogy page, and which of too many births are left out of it."""

import base64
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cluster.genealogy.drawing_rules import Rules
from cluster.genealogy.lines import NOBODY, Lines
from cluster.genealogy.parts import WORDS, changes
from evolution.pedigree import MIGRANT, Births, index_of
from strategies.codec import express
from strategies.language import Language

MOST_BIRTHS: Final = 250_000
"""On one page: about 40 bytes each once they are text."""
MOST_LISTED: Final = 100_000
"""Births on one page up to which it also says of each which parts it changed."""
_CHUNK: Final = 8192
_TYPES: Final = {
    "|u1": "Uint8Array",
    "<u2": "Uint16Array",
    "<u4": "Uint32Array",
    "<i4": "Int32Array",
    "<f4": "Float32Array",
}


def packed(values: NDArray[Any]) -> list[str]:
    """Return an array as the name of a JavaScript array and its little-endian bytes as base64."""
    kind = values.dtype.newbyteorder("<").str
    return [_TYPES[kind], base64.b64encode(np.ascontiguousarray(values, dtype=kind).tobytes()).decode()]


def unpacked(column: list[str]) -> NDArray[Any]:
    """Return the array that `packed` wrote."""
    kind = next(kind for kind, name in _TYPES.items() if name == column[0])
    return np.frombuffer(base64.b64decode(column[1]), dtype=kind)


def shown(births: Births, lines: Lines, kept: NDArray[np.bool_], most: int = MOST_BIRTHS) -> NDArray[np.bool_]:
    """Return which births (n,) the page has: all, or at most `most`, and every parent of any of them.

    Too many are thinned by leaving out those without children, the worst first, then those who are without children
    now, and so on; who is `kept` stays, and so do its ancestors, be they more than `most`.
    """
    found = np.ones(len(births), dtype=np.bool_)
    merit = np.where(births.reason == 0, births.objectives[:, 0], -np.inf)
    while found.sum() > most:
        here = np.flatnonzero(found)
        parent = np.zeros(len(births), dtype=np.bool_)
        for of in (lines.first[here], lines.second[here]):
            parent[of[of != NOBODY]] = True
        barren = here[~parent[here] & ~kept[here]]
        if not len(barren):
            break
        worst = barren[np.lexsort((barren, merit[barren]))]
        found[worst[: found.sum() - most]] = False
    return found


def birth_columns(births: Births, lines: Lines, place: NDArray[np.int32], rank: NDArray[np.int64]) -> dict[str, Any]:
    """Return the columns of births in ascending order of id; parents are rows of `lines`, of which -1 is none.

    `family` numbers the families in the order in which they stand, `families` are their founders' birth ids as text.
    """
    ranks, family = np.unique(rank, return_inverse=True)
    founders = np.zeros(len(ranks), dtype=np.int64)
    founders[family] = births.family
    fitness = np.where(births.reason == 0, births.objectives[:, 0], np.nan)
    columns = {
        "island": births.island.astype("<u2"),
        "generation": births.generation.astype("<u4"),
        "index": index_of(births.birth_id).astype("<u4"),
        "first": lines.first.astype("<i4"),
        "second": lines.second.astype("<i4"),
        "place": place.astype("<u4"),
        "family": family.astype("<u4"),
        "operator": births.operator.astype("|u1"),
        "species": births.species.astype("|u1"),
        "reason": births.reason.astype("|u1"),
        "fitness": fitness.astype("<f4"),
    }
    return {**{name: packed(values) for name, values in columns.items()}, "families": [str(one) for one in founders]}


def change_columns(births: Births, lines: Lines, language: Language) -> dict[str, Any]:
    """Return what each birth changed, as codes of `words` one after the other, and how many codes each has."""
    counts = np.zeros(len(births), dtype="<u2")
    codes = []
    bred = np.flatnonzero((lines.first != NOBODY) & (births.operator != MIGRANT))
    for start in range(0, len(bred), _CHUNK):
        rows = bred[start : start + _CHUNK]
        second = lines.second[rows]
        first, has = lines.first[rows], second != NOBODY
        child, one, other = (express(births.genome[of], language) for of in (rows, first, np.where(has, second, first)))
        at, code = np.nonzero(changes(child, one, other, has))
        counts[rows] = np.bincount(at, minlength=len(rows))
        codes.append(code)
    flat = np.concatenate([*codes, np.zeros(0, dtype=np.int64)])
    return {"words": list(WORDS), "counts": packed(counts), "codes": packed(flat.astype("<u2"))}


def rule_columns(rules: Rules) -> dict[str, Any]:
    """Return the rules as columns: rows, ids, texts, and the numbers of each one's texts one after the other."""
    counts = np.array([len(parts) for parts in rules.parts], dtype="<u2")
    flat = np.array([number for parts in rules.parts for number in parts], dtype="<u4")
    return {
        "rows": packed(np.array(rules.rows, dtype="<u4")),
        "ids": rules.ids,
        "texts": [list(text) for text in rules.texts],
        "counts": packed(counts),
        "codes": packed(flat),
        "n_wanted": rules.n_wanted,
    }
