"""Descent in a pedigree, and the answers to questions about it, are what a plain reading of births says."""

import numpy as np
import polars as pl
import pytest

from cluster.genealogy.diversity import diversity_by_generation
from cluster.genealogy.dynasty import dynasties, dynasty_of
from cluster.genealogy.founders import founders_of
from cluster.genealogy.lines import NOBODY, ancestors, contributions, descendants, first_line, founder_shares
from cluster.genealogy.operators import line_gains, operator_gains
from cluster.genealogy.questions import QUESTIONS, answers
from cluster.genealogy.spread import trait_counts, trait_frequencies
from evolution.pedigree import MIGRANT, NO_PARENT, OPERATORS


def naive_ancestors(births, row):
    """The slow twin: parents, and theirs, by id."""
    at = {birth: number for number, birth in enumerate(births.birth_id.tolist())}
    found: set[int] = set()
    waiting = [row]
    while waiting:
        here = waiting.pop()
        for parent in (births.parent_a[here], births.parent_b[here]):
            if parent != NO_PARENT and at[int(parent)] not in found:
                found.add(at[int(parent)])
                waiting.append(at[int(parent)])
    return found


def one(row):
    """The rows of one birth."""
    return np.array([row], dtype=np.int32)


# Descent


def test_ancestors_are_those_of_the_recursive_definition(births, made):
    for row in np.random.default_rng(1).integers(len(births), size=60):
        assert set(ancestors(made.lines, one(row)).tolist()) == naive_ancestors(births, int(row))


def test_descendants_are_the_inverse_of_ancestors(made):
    n = len(made)
    up, down = np.zeros((n, n), dtype=bool), np.zeros((n, n), dtype=bool)
    for row in range(n):
        up[row, ancestors(made.lines, one(row))] = True
        down[row, descendants(made.lines, one(row))] = True
    assert (up == down.T).all()
    assert not (up & up.T).any()


def test_no_level_holds_a_parent_and_its_child(births, made):
    levels = made.lines.levels
    assert sorted(np.concatenate(levels).tolist()) == list(range(len(births)))
    level = np.empty(len(births), dtype=int)
    for number, rows in enumerate(levels):
        level[rows] = number
    for parents in (made.lines.first, made.lines.second):
        has = parents != NOBODY
        assert (level[parents[has]] < level[has]).all()


def test_what_founders_gave_to_any_birth_sums_to_one(made):
    for row in range(0, len(made), 7):
        shares = founder_shares(made.lines, one(row))
        assert shares.sum() == pytest.approx(1.0)
        assert (shares >= 0.0).all()
        assert set(np.flatnonzero(shares)) <= {row, *ancestors(made.lines, one(row)).tolist()}


def test_contributions_are_those_of_the_tabular_method(births, made):
    """Slow twin: share[child] = mean of its parents' shares, founder by founder."""
    shares = np.zeros((len(births), len(births)))
    for rows in made.lines.levels:
        for row in rows:
            parents = [int(p[row]) for p in (made.lines.first, made.lines.second) if p[row] != NOBODY]
            shares[row] = np.mean([shares[p] for p in parents], axis=0) if parents else np.eye(len(births))[row]
    found = founder_shares(made.lines, made.elites)
    assert found == pytest.approx(shares[made.elites].mean(axis=0))
    assert contributions(made.lines, made.elites)[made.elites].sum() >= 1.0


def test_families_are_the_roots_of_first_parent_lines(births, made):
    assert (births.birth_id[made.lines.founder] == births.family).all()
    for row in range(0, len(births), 31):
        line = first_line(made.lines, row)
        assert line[0] == made.lines.founder[row]
        assert line[-1] == row
        assert (births.operator[line] == MIGRANT).sum() == made.lines.hops[row]


# Questions


def test_gains_of_operators_sum_to_the_total_gain(made, real):
    for pedigree in (made, real):
        table, gains = operator_gains(pedigree).table, pedigree.frame["gain"].drop_nulls()
        assert table["summed_gain"].sum() == pytest.approx(gains.sum())
        assert table["earned"].sum() == pytest.approx(gains.filter(gains > 0.0).sum())
        assert table["improved"].sum() == (gains > 0.0).sum()
        assert table["compared"].sum() == len(gains)
        assert table["births"].sum() == len(pedigree)
        assert table["earned_share"].sum() == pytest.approx(1.0)
        assert set(table["operator"].to_list()) == set(pedigree.frame["operator"].to_list()) <= set(OPERATORS)


def test_gains_on_a_line_sum_to_what_it_gained_since_its_founder(made):
    fitness = made.column("fitness_after")
    for row in made.elites:
        line = first_line(made.lines, int(row))
        known = fitness[line][np.isfinite(fitness[line])]
        expected = known[-1] - known[0] if len(known) else 0.0
        assert line_gains(made, one(row))["line_gain"].sum() == pytest.approx(expected)


def test_shares_of_founders_sum_to_one_through_all_parents_and_through_first_ones(made, real):
    for pedigree in (made, real):
        table = founders_of(pedigree, pedigree.judged[1])
        assert table["share"].sum() == pytest.approx(1.0)
        assert table["line_share"].sum() == pytest.approx(1.0)
        assert set(table["operator"].cast(pl.String)) <= {"founder", "template", "newcomer"}
    templates = founders_of(real, real.population).filter(pl.col("operator") == "template")
    assert templates["template"].null_count() == 0


def test_generations_of_diversity_sum_to_the_births(made, real):
    for pedigree in (made, real):
        table = diversity_by_generation(pedigree)
        assert table["births"].sum() == len(pedigree)
        assert table["founded"].sum() == (pedigree.lines.first == NOBODY).sum()
        for row in table.iter_rows(named=True):
            families = pedigree.frame.filter(pl.col("generation") == row["generation"])["family"]
            shares = families.value_counts()["count"] / len(families)
            assert row["effective_families"] == pytest.approx(1.0 / (shares**2).sum())
            assert 1.0 <= row["effective_families"] <= row["families_bred"] <= row["families_alive"]
    last = diversity_by_generation(made).row(-1, named=True)
    assert last["families_alive"] >= made.frame[made.population]["family"].n_unique()


def test_the_journal_says_how_populations_were(view, real):
    table = diversity_by_generation(real)
    for row in table.iter_rows(named=True):
        stats = [s for epoch in view.epochs for s in epoch["stats"] if s["generation"] == row["generation"]]
        assert row["gene_spread"] == pytest.approx(np.mean([s["gene_spread"] for s in stats]))
        assert row["population_families"] == pytest.approx(np.mean([s["n_families"] for s in stats]))


def test_frequencies_of_traits_sum_to_the_population(made, real):
    for pedigree in (made, real):
        counts, lists = trait_counts(pedigree), pedigree.read_lists("traits")
        assert counts.sizes.sum() == len(pedigree)
        assert counts.counts.sum() == lists.list.len().sum()
        assert (counts.counts <= counts.sizes[:, None]).all()
        table = trait_frequencies(pedigree)
        sums = table.group_by("generation").agg(pl.col("births").sum()).sort("generation")
        grouped = pedigree.frame.select("generation", n=lists.list.len()).group_by("generation")
        assert sums["births"].to_list() == grouped.agg(pl.col("n").sum()).sort("generation")["n"].to_list()
        for number in range(0, len(counts.names), 17):
            having = lists.list.contains(counts.names[number]).arg_true().to_numpy()
            oldest = min(having, key=lambda row: (pedigree.lines.generation[row], row))
            assert counts.first[number] == oldest


def test_a_dynasty_is_a_family_and_dynasties_are_all_births(made, real):
    for pedigree in (made, real):
        table = dynasties(pedigree)
        assert table["births"].sum() == len(pedigree)
        assert table["living"].sum() == len(pedigree.population)
        for row in table.head(3).iter_rows(named=True) if pedigree is made else table.iter_rows(named=True):
            told = dynasty_of(pedigree, pedigree.lines.row(row["family"]))
            assert told["n_births"] == row["births"] == sum(one["births"] for one in told["generations"])
            assert told["living"] == row["living"]
            assert [len(told["islands"]), told["founder"]["generation"]] == [row["islands"], row["founded"]]
            assert told["died_out"] == (None if row["living"] else row["last_seen"])


def test_every_question_has_an_answer_in_words_figures_and_rows(real):
    for name, answer in answers(real).items():
        told = answer.to_dict()
        assert told["question"].endswith("?")
        assert told["answer"].endswith(".")
        assert len(told["rows"]) == answer.table.height > 0, name
    assert list(answers(real)) == list(QUESTIONS)
