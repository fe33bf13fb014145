"""The table of births: the rows of births with what is derived from them, the same bytes each time, refused if cut."""

import shutil
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from cluster.births_file import parquet_bytes, read_births
from cluster.driver import run_job
from cluster.genealogy.lines import NOBODY
from cluster.genealogy.opening import made_pedigree, open_pedigree, strategy_of_birth
from cluster.genealogy.parts import FROM_SECOND, WORDS, changes
from cluster.genealogy.pedigree import LISTS
from cluster.genealogy.table import PEDIGREE_FILE, SCHEMA, read_pedigree, write_pedigree
from cluster.genealogy.traits import LEARNS_BY, traits
from cluster.view import read_job
from evolution.pedigree import NO_PARENT
from strategies.codec import express
from strategies.encoding import phenotype_of, strategy_of
from strategies.errors import JournalError
from strategies.sampler import random_genomes
from strategies.templates import TEMPLATES


def test_the_table_has_the_rows_of_births_and_the_same_bytes_each_time(view, real):
    births = read_births(view.run_dir, view.epochs)
    frame, told = made_pedigree(view), pl.read_parquet(view.run_dir / "births.parquet")
    assert frame.schema == SCHEMA
    for name in ("birth_id", "strategy_id", "island", "generation", "family", "evaluated"):
        assert frame[name].to_list() == told[name].to_list()
    for name in ("operator", "species", "reason"):
        assert frame[name].cast(pl.String).to_list() == told[name].to_list()
    for name in ("parent_a", "parent_b"):
        assert frame[name].fill_null(NO_PARENT).to_list() == told[name].to_list()
    fitness = told["objective.steady_sharpe"].fill_nan(None)
    assert frame["fitness_after"].to_list() == fitness.to_list()
    assert len(frame) == len(births) == view.n_births
    content = parquet_bytes(frame)
    assert content == parquet_bytes(made_pedigree(view)) == (view.run_dir / PEDIGREE_FILE).read_bytes()
    assert read_pedigree(view.run_dir / PEDIGREE_FILE).equals(frame)


def test_epochs_are_those_of_the_journal(view, real):
    frame = real.frame
    for epoch in view.epochs:
        first, last = epoch["generations"]
        rows = (pl.col("island") == epoch["island"]) & (pl.col("epoch") == epoch["epoch"])
        born = frame.filter(rows)
        assert born.height == epoch["n_births"]
        assert born["generation"].is_between(first, last).all()


def test_a_gain_is_over_the_better_parent_whose_fitness_is_known(real):
    after = dict(zip(real.frame["birth_id"], real.frame["fitness_after"], strict=True))
    assert real.frame["gain"].count() > 50
    for row in real.frame.iter_rows(named=True):
        known = [after[p] for p in (row["parent_a"], row["parent_b"]) if p is not None and after[p] is not None]
        assert row["fitness_before"] == (max(known) if known else None)
        if known and row["fitness_after"] is not None:
            assert row["gain"] == row["fitness_after"] - max(known)
        else:
            assert row["gain"] is None


def test_a_migrant_changes_nothing_gains_nothing_and_says_where_it_came_from(made, real):
    for pedigree in (made, real):
        frame = pedigree.frame.with_columns(pedigree.read_lists("changed"))
        came = frame.filter(pl.col("operator") == "migrant")
        assert came.height > 3
        assert came["changed"].list.len().eq(0).all()
        assert came["gain"].drop_nulls().eq(0.0).all()
        source = came.join(frame, left_on="parent_a", right_on="birth_id", suffix="_of")
        assert source["from_island"].to_list() == source["island_of"].to_list()
        assert source["hops"].to_list() == (source["hops_of"] + 1).to_list()
        assert source["strategy_hops"].to_list() == (source["strategy_hops_of"] + 1).to_list()
        others = frame.filter(pl.col("operator") != "migrant")
        assert others["from_island"].null_count() == others.height
        assert others["strategy_hops"].eq(0).all()


def words_of(child, first, second):
    """The slow twin of `parts.changes` for conditions, learners and settings: by strategies, not by columns."""
    words = set()
    for name, items, theirs, others in (
        ("entry", child.entry.conditions, first.entry.conditions, second and second.entry.conditions),
        ("exit", child.exit.conditions, first.exit.conditions, second and second.exit.conditions),
        ("learner", child.learners, first.learners, second and second.learners),
    ):
        mine, left = list(enumerate(items)), list(enumerate(theirs))
        for place, item in list(mine):
            same = next((pair for pair in left if pair[1] == item), None)
            if same:
                left.remove(same)
                mine.remove((place, item))
        keys = (
            [lambda c: c.algorithm]
            if name == "learner"
            else [lambda c: c.left.kind, lambda c: c.right and c.right.kind]
        )
        for key in keys:
            for pair in list(mine):
                alike = next((other for other in left if key(other[1]) == key(pair[1]) is not None), None)
                if alike:
                    left.remove(alike)
                    mine.remove(pair)
                    end = FROM_SECOND if others and pair[1] in others else ""
                    words.add(f"~{name}.{pair[0]}.*{end}")
        words |= {f"-{name}.{place}" for place, _ in left}
        words |= {f"+{name}.{place}{FROM_SECOND if others and item in others else ''}" for place, item in mine}
    for name, get in {
        "risk.stop": lambda s: s.stop, "risk.target": lambda s: s.target, "risk.size": lambda s: s.size,
        "risk.trail": lambda s: s.trail, "risk.time_stop": lambda s: s.time_stop, "gate.trend": lambda s: s.gate.trend,
        "risk.breaker": lambda s: s.breaker, "entry.needed": lambda s: s.entry.needed,
        "risk.direction": lambda s: s.direction, "exit.needed": lambda s: s.exit.needed,
        "fusion.conflict": lambda s: s.conflict,
        "risk.cooldown": lambda s: s.cooldown, "gate.volatility": lambda s: s.gate.volatility,
    }.items():  # fmt: skip
        if get(child) != get(first):
            words.add(f"~{name}{FROM_SECOND if second and get(second) == get(child) else ''}")
    return words


def folded(word):
    """A word without the field that was changed of a condition or learner."""
    parts = word.removesuffix(FROM_SECOND).split(".")
    end = FROM_SECOND if word.endswith(FROM_SECOND) else ""
    return f"{parts[0]}.{parts[1]}.*{end}" if len(parts) == 3 else word


def test_what_changed_is_what_differs_between_the_strategies(births, made):
    strategies = [strategy_of(phenotype) for phenotype in express(births.genome)]
    lists, n_from_second = made.read_lists("changed").to_list(), 0
    for row, words in enumerate(lists):
        first, second = int(made.lines.first[row]), int(made.lines.second[row])
        if first == NOBODY:
            assert words is None
            continue
        expected = words_of(strategies[row], strategies[first], None if second == NOBODY else strategies[second])
        assert {folded(word) for word in words} == expected
        assert (not words) == (strategies[row] == strategies[first])
        assert words == sorted(set(words), key=WORDS.index)
        n_from_second += sum(word.endswith(FROM_SECOND) for word in words)
    assert n_from_second > 100


def test_what_differs_between_any_three_strategies_is_told_by_the_same_words():
    """Also between textbook strategies, which compare with prices and levels alike."""
    rng = np.random.default_rng(4)
    textbook = np.stack([phenotype_of(strategy) for strategy in TEMPLATES.values()])
    phenotypes = np.concatenate([textbook, express(random_genomes(30, rng))])
    rows = rng.integers(len(phenotypes), size=(3, 1500))
    has_second = rng.random(1500) < 0.5
    found = changes(*(phenotypes[part] for part in rows), has_second)
    strategies = [strategy_of(phenotype) for phenotype in phenotypes]
    for words, (child, first, second), has in zip(found, rows.T, has_second, strict=True):
        expected = words_of(strategies[child], strategies[first], strategies[second] if has else None)
        assert {folded(WORDS[number]) for number in np.flatnonzero(words)} == expected


def test_traits_are_the_operands_and_algorithms_of_the_strategy(births, made):
    phenotypes = express(births.genome[:200])
    listed = made.read_lists("traits").to_list()[:200]
    for phenotype, found in zip(phenotypes, listed, strict=True):
        strategy = strategy_of(phenotype)
        operands = [side for c in (*strategy.entry.conditions, *strategy.exit.conditions) for side in (c.left, c.right)]
        operands += [feature for learner in strategy.learners for feature in learner.features]
        names = {operand.kind for operand in operands if operand is not None}
        assert set(found) == names | {f"{LEARNS_BY}{learner.algorithm}" for learner in strategy.learners}
        assert len(found) == len(set(found))
    assert traits(phenotypes[:0]).shape == (0, 2)


def test_any_birth_is_read_back_from_its_epoch(view, real):
    for row in range(0, len(real), 23):
        birth = int(real.lines.birth_id[row])
        assert strategy_of_birth(view, birth).id == real.frame["strategy_id"][row]


# What breaks


def test_a_cut_or_changed_table_is_refused_by_name(made, tmp_path):
    whole = write_pedigree(tmp_path, made.frame.with_columns(*[made.read_lists(name) for name in LISTS])).read_bytes()
    path = tmp_path / PEDIGREE_FILE
    for content in (whole[: len(whole) // 2], whole[:3], b"", b"nonsense" * 100):
        path.write_bytes(content)
        with pytest.raises(JournalError, match=r"must be a whole Parquet file, but was not.*Remove it"):
            read_pedigree(path)
    path.unlink()
    with pytest.raises(JournalError, match="must be a whole Parquet file"):
        read_pedigree(path)
    pl.DataFrame({"birth_id": [1]}).write_parquet(path)
    with pytest.raises(JournalError, match="must have the columns"):
        read_pedigree(path)


def test_a_table_of_another_job_is_refused(view, real, tmp_path):
    path = view.run_dir / PEDIGREE_FILE
    whole = path.read_bytes()
    try:
        write_pedigree(view.run_dir, read_pedigree(path).head(10))
        with pytest.raises(JournalError, match=rf"must have the {view.n_births:,} births of its journal, but had 10"):
            open_pedigree(view)
    finally:
        path.write_bytes(whole)
    with pytest.raises(JournalError, match="must have every birth that its job names, but birth 99 was missing"):
        real.rows_of([99])


def test_a_job_under_way_has_the_pedigree_of_what_is_journalled(view, tmp_path):
    """A copy of the run, cut after some epochs, is an interrupted job."""
    run = tmp_path / "cut"
    shutil.copytree(view.run_dir, run)
    (run / PEDIGREE_FILE).unlink()
    (run / "births.parquet").unlink()
    lines = (run / "journal.jsonl").read_text().splitlines(keepends=True)
    kept = [line for line in lines if '"epoch_finished"' in line or '"job_created"' in line]
    (run / "journal.jsonl").write_text("".join(kept))
    cut = read_job(run)
    assert cut.status == "interrupted"
    found, whole = open_pedigree(cut), open_pedigree(view)
    assert found.frame.equals(whole.frame)
    assert found.read_lists("changed").equals(whole.read_lists("changed"))
    assert not (run / PEDIGREE_FILE).exists()
    assert found.population.tolist() == whole.population.tolist()
    last = max((epoch for epoch in cut.epochs if epoch["island"] == 1), key=lambda epoch: epoch["epoch"])
    (run / last["state"]["file"]).unlink()  # the driver has just put the next in its place
    here = open_pedigree(replace(cut, status="running"))
    assert here.population.tolist() == [row for row in whole.population if whole.frame["island"][int(row)] == 0]
    with pytest.raises(JournalError, match="must be there"):
        open_pedigree(cut)


def test_a_job_that_is_done_has_left_its_table(tiny_job, tmp_path):
    assert (run_job(tiny_job(), root=tmp_path).run_dir / PEDIGREE_FILE).is_file()
