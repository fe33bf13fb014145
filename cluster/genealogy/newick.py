"""The first-parent tree of a job in Newick form, which every program for phylogenies reads.

A node is a birth, its label the birth id and the strategy id, its branch as long as the generations from its first
parent; a founder's as long as its own generation. All founders hang on one root without a name, so that the distance
of any birth from the root is its generation.

Source: Olsen 1990, "Interpretation of the Newick's 8:45 tree format standard".
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cluster.genealogy.lines import NOBODY
from cluster.genealogy.pedigree import Pedigree


def newick(pedigree: Pedigree) -> Iterator[str]:
    """Yield the text of the tree, piece by piece: a million births are 50 MB."""
    lines = pedigree.lines
    lengths = lines.generation - np.where(lines.first == NOBODY, 0, lines.generation[lines.first])
    tails = [f"{birth}-{name}:{length}" for birth, name, length in zip(
        lines.birth_id.tolist(), pedigree.frame["strategy_id"].to_list(), lengths.tolist(), strict=True
    )]  # fmt: skip
    starts, found = _children(pedigree)
    yield "("
    root = found[starts[0] : starts[1]]
    stack = [iter(root)]
    path: list[int] = []
    fresh = True
    while stack:
        child = next(stack[-1], None)
        if child is None:
            stack.pop()
            if path:
                yield ")" + tails[path.pop()]
            continue
        yield "" if fresh else ","
        inner = found[starts[child + 1] : starts[child + 2]]
        fresh = bool(inner)
        if inner:
            yield "("
            path.append(child)
            stack.append(iter(inner))
        else:
            yield tails[child]
    yield ");\n"


def _children(pedigree: Pedigree) -> tuple[list[int], list[int]]:
    """Children by first parent: those of row r at `found[starts[r + 1] : starts[r + 2]]`, founders at the front."""
    first: NDArray[np.int64] = pedigree.lines.first.astype(np.int64) + 1
    order = np.argsort(first, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(first, minlength=len(pedigree) + 1))])
    return starts.tolist(), order.tolist()
