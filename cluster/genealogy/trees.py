"""The pedigree of one birth as a tree of parents: as plain values, and for the terminal."""

from typing import Any

import numpy as np
from rich.text import Text
from rich.tree import Tree

from cluster.genealogy.dynasty import described
from cluster.genealogy.lines import NOBODY
from cluster.genealogy.pedigree import Pedigree

OPERATOR_STYLES = {"founder": "cyan", "template": "cyan", "newcomer": "cyan", "restart": "cyan", "migrant": "magenta"}


def parents_tree(pedigree: Pedigree, row: int, depth: int) -> dict[str, Any]:
    """Return a birth with its parents, theirs, and so on, `depth` generations of parents up.

    The birth's columns, `changed`, `parents`, and `seen`: whether its own parents are told at another place of the tree
    (the first, depth first), for a pedigree closes; `more`: parents that are not told for the depth.
    """
    known: set[int] = set()
    root = _node(pedigree, row)
    waiting = [(root, row, 0)]
    while waiting:
        node, at, level = waiting.pop()
        both = [int(rows[at]) for rows in (pedigree.lines.first, pedigree.lines.second) if rows[at] != NOBODY]
        node["seen"], node["more"] = at in known and bool(both), 0
        if node["seen"]:
            continue
        if level == depth:
            node["more"] = len(both)
            continue
        known.add(at)
        node["parents"] = [_node(pedigree, parent) for parent in both]
        waiting += [(child, parent, level + 1) for child, parent in zip(node["parents"], both, strict=True)][::-1]
    _fill_changes(pedigree, root)
    return root


def _node(pedigree: Pedigree, row: int) -> dict[str, Any]:
    return {"row": row, **described(pedigree, row), "parents": []}


def _fill_changes(pedigree: Pedigree, root: dict[str, Any]) -> None:
    """Read what was changed of all births of a tree at once."""
    nodes = [root]
    for node in nodes:  # grows as it is walked
        nodes += node["parents"]
    rows = np.array([node.pop("row") for node in nodes], dtype=np.int32)
    for node, changed in zip(nodes, pedigree.read_lists("changed", rows).to_list(), strict=True):
        node["changed"] = changed


def tree_text(root: dict[str, Any]) -> Tree:
    """Return the tree for the terminal."""
    shown = Tree(birth_line(root), guide_style="dim")
    waiting = [(shown, root)]
    while waiting:
        branch, node = waiting.pop()
        waiting += [(branch.add(birth_line(parent)), parent) for parent in node["parents"]]
        if node["seen"]:
            branch.add(Text("its parents are told elsewhere", style="dim"))
        if node["more"]:
            branch.add(Text("more with --depth", style="dim"))
    return shown


def birth_line(birth: dict[str, Any]) -> Text:
    """Return a birth in one line: strategy, place, operator, fitness and gain, what changed."""
    operator = birth["operator"]
    text = Text.assemble((birth["strategy_id"], "bold"), f"  {place_of(birth)}  ")
    text.append(birth.get("template") or operator, style=OPERATOR_STYLES.get(operator, "green"))
    if birth["from_island"] is not None:
        text.append(f" from island {birth['from_island']}")
    text.append(f"  {number(birth['fitness_after'])}" if not birth["reason"] else f"  {birth['reason']}")
    if birth["gain"] is not None and operator != "migrant":
        text.append(f" ({number(birth['gain'])})", style="green" if birth["gain"] > 0.0 else "red")
    words = birth.get("changed") or []
    text.append(f"  {' '.join(words)}" if words else "", style="dim")
    return text


def place_of(birth: dict[str, Any]) -> str:
    """Return where a birth was: ISLAND.GENERATION.INDEX."""
    return f"{birth['island']}.{birth['generation']}.{birth['index']}"


def number(value: object) -> str:
    """Return a fitness or gain as text; a dash where unknown."""
    return f"{value:+.3f}" if isinstance(value, float) else "-"
