"""The genealogy page without a browser: nobody is lost or misplaced, nothing leaves the page, and the budget holds."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cluster.genealogy.drawing import crossings, family_ranks, places
from cluster.genealogy.drawing_columns import change_columns, shown, unpacked
from cluster.genealogy.drawing_rules import generation_bests, mattering, rule_parts, rules_of
from cluster.genealogy.lines import NOBODY, ancestors
from cluster.genealogy.page import page_data, render_genealogy, write_genealogy
from cluster.genealogy.table import lines_of_births
from cluster.run_folder import GENEALOGY_FILE
from cluster.view import JobView, read_job
from cluster.worker import language_of
from evolution.pedigree import MIGRANT, Births, births_to_bytes, check_closed
from strategies.codec import express
from strategies.encoding import strategy_of
from strategies.errors import JournalError
from strategies.language import DEFAULT
from strategies.wording import condition_text, setting_texts
from tests.pages.bred import bred

MakeRun = Callable[..., Path]
EVIL = "</script><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def births() -> Births:
    found = bred(islands=3, generations=9, brood=24)
    check_closed(found)
    return found


@pytest.fixture
def view(make_run: MakeRun, births: Births) -> JobView:
    """A job of these births whose candidates are the last of them."""
    run = read_job(make_run())
    last = births.birth_id[-len(run.candidates) :].tolist()
    found = tuple({**one, "birth_id": birth} for one, birth in zip(run.candidates, last, strict=True))
    return replace(run, n_births=len(births), candidates=found)


def written(text: str) -> dict[str, Any]:
    """What the page's script reads."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    return dict(json.loads(found.group(1)))


def test_columns_hold_every_birth_and_its_parents(view: JobView, births: Births) -> None:
    columns = written(render_genealogy(view, births))["births"]
    read = {name: unpacked(column) for name, column in columns.items() if name != "families"}
    ids = (read["island"].astype(np.int64) << 40) | (read["generation"].astype(np.int64) << 20) | read["index"]
    assert ids.tolist() == births.birth_id.tolist()
    for name, of in (("first", births.parent_a), ("second", births.parent_b)):
        assert np.where(read[name] == NOBODY, -1, ids[read[name]]).tolist() == of.tolist()
    assert [int(columns["families"][number]) for number in read["family"]] == births.family.tolist()
    fitness = np.where(births.reason == 0, births.objectives[:, 0], np.nan).astype(np.float32)
    np.testing.assert_array_equal(read["fitness"], fitness)
    for name in ("operator", "species", "reason"):
        assert read[name].tolist() == getattr(births, name).tolist()


@pytest.mark.parametrize("seed", range(4))
def test_each_place_is_taken_once_and_a_family_stands_together(seed: int) -> None:
    births = bred(islands=2, generations=6, brood=15, seed=seed)
    lines = lines_of_births(births)
    place, rank = places(births, lines), family_ranks(births, lines)
    for island in range(2):
        for generation in range(6):
            rows = np.flatnonzero((births.island == island) & (births.generation == generation))
            assert sorted(place[rows]) == list(range(len(rows)))
            assert (np.diff(rank[rows[np.argsort(place[rows])]]) >= 0).all()
    assert len(np.unique(rank)) == len(np.unique(births.family))
    assert len(np.unique(np.stack([rank, births.family]), axis=1).T) == len(np.unique(rank))


def test_lines_cross_less_than_in_the_order_of_birth(births: Births) -> None:
    lines = lines_of_births(births)
    ordered = crossings(lines, births.generation.astype(np.int64), births.island + places(births, lines) / 1000)
    unordered = crossings(lines, births.generation.astype(np.int64), np.arange(len(births), dtype=np.float64))
    assert ordered < 0.3 * unordered


def test_crossings_of_two_pairs() -> None:
    births = bred(islands=1, generations=2, brood=4)
    lines = lines_of_births(births)
    straight = np.concatenate([np.arange(4.0), lines.first[4:].astype(float)])
    assert crossings(lines, births.generation.astype(np.int64), straight) == 0
    turned = np.concatenate([np.arange(4.0), -lines.first[4:].astype(float)])
    apart = sum(a != b for n, a in enumerate(lines.first[4:]) for b in lines.first[4:][:n])
    assert crossings(lines, births.generation.astype(np.int64), turned) == apart


@pytest.mark.parametrize("most", [1, 50, 200, 400, 10_000])
def test_who_is_left_out_is_nobodys_ancestor(births: Births, most: int) -> None:
    lines = lines_of_births(births)
    kept = np.zeros(len(births), dtype=np.bool_)
    kept[-3:] = True
    on_page = shown(births, lines, kept, most)
    closed = np.union1d(np.flatnonzero(on_page), ancestors(lines, np.flatnonzero(on_page).astype(np.int32)))
    assert closed.tolist() == np.flatnonzero(on_page).tolist()
    assert on_page[-3:].all()
    needed = len(np.union1d(np.flatnonzero(kept), ancestors(lines, np.flatnonzero(kept).astype(np.int32))))
    assert on_page.sum() == min(len(births), max(most, needed))


def test_rules_are_told_of_the_judged_their_ancestors_and_the_best(view: JobView, births: Births) -> None:
    data = written(render_genealogy(view, births))
    rows, lines = unpacked(data["rules"]["rows"]), lines_of_births(births)
    judged = np.array([lines.row(int(one["birth_id"])) for one in view.candidates], dtype=np.int32)
    expected = {*judged.tolist(), *ancestors(lines, judged).tolist(), *generation_bests(births).tolist()}
    assert set(rows.tolist()) == expected
    assert len(rows) == len(expected) == data["rules"]["n_wanted"]
    counts, codes = unpacked(data["rules"]["counts"]), unpacked(data["rules"]["codes"])
    parts = np.split(codes, np.cumsum(counts)[:-1])
    for row, told, name in zip(rows, parts, data["rules"]["ids"], strict=True):
        strategy = strategy_of(express(births.genome[[row]], language_of(view.config))[0])
        assert [tuple(data["rules"]["texts"][code]) for code in told] == rule_parts(strategy)
        assert name == strategy.id


def test_parts_of_a_strategy_say_all_that_its_text_says(births: Births) -> None:
    for phenotype in express(births.genome[:200], DEFAULT):
        strategy = strategy_of(phenotype)
        words = [text for _, text in rule_parts(strategy)]
        for text in (*map(condition_text, strategy.entry.conditions), *map(condition_text, strategy.exit.conditions)):
            assert any(one.startswith(text) for one in words)
        assert words[-len(setting_texts(strategy)) :] == setting_texts(strategy)


def test_strategies_differ_exactly_where_their_parts_do(births: Births) -> None:
    strategies = [strategy_of(phenotype) for phenotype in express(births.genome[:300], DEFAULT)]
    assert len({one.id for one in strategies}) == len({tuple(rule_parts(one)) for one in strategies}) > 100


def test_best_of_each_generation_against_a_plain_search(births: Births) -> None:
    found = set(generation_bests(births).tolist())
    for row in range(len(births)):
        here = (births.island == births.island[row]) & (births.generation == births.generation[row])
        fitness = np.where((births.reason == 0) & here, births.objectives[:, 0], -np.inf)
        assert (row in found) == (np.isfinite(fitness[row]) and row == int(np.argmax(fitness)))


def test_a_small_budget_keeps_the_judged_first(births: Births) -> None:
    wanted = mattering(births, lines_of_births(births), [100, 7])
    whole = rules_of(births, wanted, DEFAULT, budget_bytes=2**20)
    some = rules_of(births, wanted, DEFAULT, budget_bytes=4000)
    assert whole.rows == wanted
    assert wanted[:2] == [100, 7]
    assert 0 < len(some.rows) < len(whole.rows) == some.n_wanted
    assert some.rows == wanted[: len(some.rows)]
    assert sum(len(label) + len(text) for label, text in some.texts) < 4000


def test_a_child_changed_something_exactly_if_its_phenotype_did(births: Births) -> None:
    lines = lines_of_births(births)
    counts = unpacked(change_columns(births, lines, DEFAULT)["counts"])
    phenotypes = express(births.genome, DEFAULT)
    for row in np.flatnonzero(lines.first != NOBODY):
        same = np.array_equal(phenotypes[row], phenotypes[lines.first[row]])
        assert (counts[row] == 0) == (same or births.operator[row] == MIGRANT)


def test_candidates_carry_gates_and_a_thin_curve(view: JobView, births: Births) -> None:
    found = written(render_genealogy(view, births))["candidates"]
    assert [one["id"] for one in found] == [one["id"] for one in view.candidates]
    assert [one["elite"] for one in found] == [one["passed"] for one in view.candidates]
    read = [[part["segment"] for part in one["equity"]] for one in found]
    assert read[0] == ["in_sample", "validation", "lockbox"]
    assert read[3] == ["in_sample", "validation"]
    assert all(1 < len(part["equity"]) <= 60 for one in found for part in one["equity"])
    (view.run_dir / "candidates" / f"{found[0]['id']}.equity.parquet").write_bytes(b"cut")
    assert written(render_genealogy(view, births))["candidates"][0]["equity"] == []


def test_the_page_is_whole_the_same_every_time_and_reaches_for_nothing(view: JobView, births: Births) -> None:
    named = replace(view, name=EVIL, id=EVIL)
    path = write_genealogy(named, births)
    text = path.read_text(encoding="utf-8")
    assert path == view.run_dir / GENEALOGY_FILE
    assert text == render_genealogy(named, births)
    assert EVIL not in text
    assert text.count("</script>") == 2
    assert set(re.findall(r"https?://[^\s\"']+", text)) == {"http://www.w3.org/2000/svg"}
    for word in ("fetch(", "XMLHttpRequest", "localStorage", "import(", "<link", "window.open", "<form", "url("):
        assert word not in text
    assert not [path.name for path in view.run_dir.iterdir() if path.name.endswith(".tmp")]


def test_births_are_read_from_the_run_folder_as_journalled(view: JobView, births: Births) -> None:
    import hashlib

    content = births_to_bytes(births)
    entry = {"file": "epochs/i000-e0000.births", "sha256": hashlib.sha256(content).hexdigest(), "n": len(births)}
    (view.run_dir / "epochs").mkdir(exist_ok=True)
    (view.run_dir / entry["file"]).write_bytes(content)
    stored = replace(view, epochs=({**view.epochs[0], "births": entry},))
    assert page_data(stored) == page_data(view, births)
    (view.run_dir / entry["file"]).write_bytes(content[:-9])
    with pytest.raises(JournalError, match="i000-e0000"):
        write_genealogy(stored)


def test_a_job_without_births_says_so(view: JobView) -> None:
    text = render_genealogy(replace(view, n_births=0, epochs=(), status="running"))
    assert "Nothing was born yet" in text
    assert "<script" not in text
    assert "running, drawn as far as it is journalled" in text


def test_one_generation_is_drawn_too(view: JobView) -> None:
    founders = bred(islands=2, generations=1, brood=5)
    data = page_data(replace(view, n_births=10, candidates=()), founders)
    assert data["candidates"] == []
    assert unpacked(data["births"]["first"]).tolist() == [NOBODY] * 10


def test_a_page_of_many_births_stays_small(view: JobView) -> None:
    births = bred(islands=4, generations=50, brood=63)
    size = len(render_genealogy(replace(view, n_births=len(births), candidates=()), births))
    assert size / len(births) < 120  # bytes; at 250,000 births below 30 MB
