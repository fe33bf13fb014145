"""A pedigree that is carried away is read back as it was: Newick by its grammar, GraphML by networkx, Parquet."""

import io
import xml.etree.ElementTree as ET

import networkx as nx
import pytest

from cluster.genealogy.carrying import SUFFIXES, carry
from cluster.genealogy.graphml import graphml
from cluster.genealogy.newick import newick
from cluster.genealogy.pedigree import LISTS, Pedigree
from cluster.genealogy.table import SCHEMA, read_pedigree
from evolution.pedigree import NO_PARENT
from strategies.errors import UsageError


def parse_newick(text):
    """(label, length, children) of a Newick tree, by the grammar: tree = subtree ';', internal = '(' list ')' label."""
    stack, fresh = [[]], ""
    for character in text.strip():
        if character == "(":
            stack.append([])
        elif character in ",);":
            if fresh or not isinstance(stack[-1][-1] if stack[-1] else None, list):
                label, _, length = fresh.partition(":")
                children = stack[-1].pop() if stack[-1] and isinstance(stack[-1][-1], list) else []
                stack[-1].append((label, float(length or 0), children))
            else:
                stack[-1].append(("", 0.0, stack[-1].pop()))
            fresh = ""
            if character == ")":
                inner = stack.pop()
                stack[-1].append(inner)
        else:
            fresh += character
    (root,) = stack[0]
    return root


def test_newick_is_the_first_parent_tree_with_generations_as_lengths(births, made):
    label, length, founders = parse_newick("".join(newick(made)))
    assert (label, length) == ("", 0.0)
    found, waiting = {}, [(NO_PARENT, 0.0, node) for node in founders]
    while waiting:
        parent, distance, (label, length, children) = waiting.pop()
        birth, _, strategy = label.partition("-")
        found[int(birth)] = (parent, distance + length, strategy)
        waiting += [(int(birth), distance + length, child) for child in children]
    assert len(found) == len(births)
    for row, birth in enumerate(births.birth_id.tolist()):
        parent, distance, strategy = found[birth]
        assert parent == births.parent_a[row]
        assert distance == births.generation[row]
        assert strategy == made.frame["strategy_id"][row]


def test_graphml_is_read_back_as_the_pedigree(births, made):
    graph = nx.read_graphml(io.BytesIO("".join(graphml(made)).encode()), node_type=int)
    edges = {
        (int(p), int(c)) for ps in (births.parent_a, births.parent_b) for p, c in zip(ps, births.birth_id, strict=True)
    }
    assert set(graph.edges) == {edge for edge in edges if edge[0] != NO_PARENT}
    assert nx.is_directed_acyclic_graph(graph)
    for row in made.frame.rename({"fitness_after": "fitness"}).iter_rows(named=True):
        node = graph.nodes[row["birth_id"]]
        assert {name: row[name] for name in node} == node
        assert ("gain" in node) == (row["gain"] is not None)
    parents = {birth: pair for birth, *pair in zip(births.birth_id, births.parent_a, births.parent_b, strict=True)}
    for source, target, data in graph.edges(data=True):
        first, second = parents[target]
        assert data["parent"] == ("both" if first == second else "a" if source == first else "b")
    assert {data["parent"] for _, _, data in graph.edges(data=True)} == {"a", "b", "both"}


def test_a_job_name_can_not_break_the_graphml(made):
    odd = Pedigree('a<b>&"c', "x", made.frame.head(3), made.lists)
    root = ET.fromstring("".join(graphml(odd)))
    assert root[-1].get("id") == 'a<b>&"c'


def test_parquet_is_the_table_and_a_file_is_replaced_only_whole(made, tmp_path):
    for form, suffix in SUFFIXES.items():
        path = tmp_path / "deep" / f"out{suffix}"
        carry(made, form, path)
        carry(made, form, path)
        assert [one.name for one in path.parent.iterdir() if one.name.startswith(".")] == []
    table = read_pedigree(tmp_path / "deep" / "out.pedigree.parquet")
    assert table.schema == SCHEMA
    assert table.drop(LISTS).equals(made.frame)
    assert (tmp_path / "deep" / "out.nwk").read_text() == "".join(newick(made))


def test_an_unknown_form_is_refused(made, tmp_path):
    with pytest.raises(UsageError, match="`--to` must be one of newick, graphml, parquet, but was 'nexus'"):
        carry(made, "nexus", tmp_path / "x")
