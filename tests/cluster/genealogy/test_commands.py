"""`studbook pedigree`, `diff`, `ancestors`, `descendants`, `dynasty`, `genealogy`, on a real job and of nonsense."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from cluster.cli import app
from cluster.genealogy.finding import row_of
from cluster.genealogy.lines import ancestors, descendants
from cluster.genealogy.table import PEDIGREE_FILE, read_pedigree
from cluster.journal import FILE_NAME
from strategies.templates import TEMPLATES

COMMANDS = ("pedigree", "diff", "ancestors", "descendants", "dynasty", "genealogy")


@pytest.fixture
def studbook(view):
    """Run a command on the runs of the job; its document, or its text, or with `code` its message."""

    def run(*words: object, code: int = 0, text: bool = False) -> Any:
        flags = [] if text else ["--json"]
        found = CliRunner().invoke(app, [*map(str, words), "--root", str(view.run_dir.parent), *flags])
        assert found.exit_code == code, found.output
        document = found.stdout if text else json.loads(found.stdout)
        return document if text or not code else document["error"]["message"]

    return run


def test_the_commands_stand_under_a_heading_of_their_own_and_teach(studbook):
    text = CliRunner().invoke(app, ["--help"]).stdout
    assert re.search(r"Pedigree:\n" + "".join(rf"  {name} .*\n" for name in COMMANDS), text)
    for name in COMMANDS:
        assert f"    studbook {name} " in CliRunner().invoke(app, [name, "--help"]).stdout


def test_the_tree_has_the_parents_of_every_birth_it_tells(studbook, real):
    told = studbook("pedigree", "elite", "--depth", 30)
    lines, known = real.lines, set()
    waiting = [told["tree"]]
    while waiting:
        node = waiting.pop()
        row = lines.row(node["birth_id"])
        parents = [int(lines.birth_id[of[row]]) for of in (lines.first, lines.second) if of[row] >= 0]
        assert node["seen"] or [one["birth_id"] for one in node["parents"]] == parents
        known.add(row)
        waiting += node["parents"]
    elite = int(real.elites[0])
    assert known - {elite} == set(ancestors(lines, np.array([elite])).tolist())
    assert told["ancestors"] == len(known) - 1
    assert told["tree"]["strategy_id"] in studbook("pedigree", "elite", text=True)


def test_depth_cuts_the_tree_and_says_so(studbook):
    told = studbook("pedigree", "elite", "--depth", 1)
    assert all(parent["parents"] == [] for parent in told["tree"]["parents"])
    assert ("more with --depth" in studbook("pedigree", "elite", "--depth", 1, text=True)) == any(
        parent["more"] for parent in told["tree"]["parents"]
    )


def test_a_birth_has_several_names(studbook, real):
    row = int(real.elites[0])
    birth = real.frame.row(row, named=True)
    names = [birth["birth_id"], birth["strategy_id"], birth["strategy_id"][:12], "elite"]
    names.append(f"{birth['island']}.{birth['generation']}.{birth['index']}")
    assert [row_of(str(name), real) for name in names] == [row] * len(names)
    best = row_of("best", real)
    assert real.frame["fitness_after"][best] == real.frame["fitness_after"].max()


def test_a_strategy_born_twice_is_its_first_birth_unless_one_was_judged(real):
    ids = real.frame["strategy_id"]
    judged = set(real.candidates.tolist())
    twice = ids.filter(ids.is_duplicated()).unique().sort().to_list()
    assert twice
    for name in twice:
        rows = [row for row in range(len(ids)) if ids[row] == name]
        expected = [row for row in rows if row in judged] or rows
        assert row_of(name, real) == min(expected, key=lambda row: (real.lines.generation[row], row))


def test_relatives_are_counted_and_listed(studbook, real):
    row = int(real.elites[0])
    up, down = studbook("ancestors", "elite", "--limit", 0), studbook("descendants", "0.0.0", "--limit", 3)
    assert up["n"] == len(up["births"]) == len(ancestors(real.lines, np.array([row])))
    assert sum(one["births"] for one in up["generations"]) == up["n"]
    assert sum(one["share"] for one in up["founders"]) == pytest.approx(1.0)
    assert down["n"] == len(descendants(real.lines, np.array([real.lines.row(0)])))
    assert len(down["births"]) == min(3, down["n"])
    assert "Share of genes" in studbook("ancestors", "elite", text=True)
    assert "in the last populations" in studbook("descendants", "0.0.0", text=True)


def test_a_dynasty_is_told(studbook, real):
    told, text = studbook("dynasty", "elite"), studbook("dynasty", "elite", text=True)
    assert told["family"] == real.frame["family"][int(real.elites[0])]
    assert told["elites"]
    assert f"Family {told['family']}, founded by {told['founder']['strategy_id']}" in text
    lost = next(
        one for one in studbook("genealogy", "--ask", "families")["answers"]["families"]["rows"] if not one["living"]
    )
    assert f"died out after generation {lost['last_seen']}" in studbook("dynasty", lost["family"], text=True)


def test_all_questions_are_answered_with_figures(studbook, view):
    told, text = studbook("genealogy"), studbook("genealogy", "latest", text=True)
    assert (told["job"], told["n_births"]) == (view.id, view.n_births)
    assert list(told["answers"]) == ["operators", "founders", "diversity", "conditions", "families"]
    flat = " ".join(text.split())
    for answer in told["answers"].values():
        assert answer["question"] in text
        assert " ".join(answer["answer"].split()) in flat
    assert list(studbook("genealogy", "latest", "--ask", "operators")["answers"]) == ["operators"]


def test_a_pedigree_is_carried_away(studbook, tmp_path, real):
    told = studbook("genealogy", "latest", "--to", "parquet", "--out", tmp_path / "p.parquet")
    assert read_pedigree(Path(told["file"])).height == told["n_births"] == len(real)
    studbook("genealogy", "latest", "--to", "newick", "--out", tmp_path / "t.nwk", text=True)
    assert (tmp_path / "t.nwk").read_text().endswith(");\n")


def test_any_two_strategies_are_compared(studbook, tmp_path, real):
    path = tmp_path / "mine.json"
    path.write_text(TEMPLATES["rsi_reversion"].to_json())
    assert studbook("diff", "rsi_reversion", path)["changes"] == []
    assert "No difference" in studbook("diff", path, "rsi_reversion", text=True)
    elite = real.frame["strategy_id"][int(real.elites[0])]
    told = studbook("diff", "0.0.0", elite)
    assert told["b"]["id"] == elite
    assert told["a"]["id"] == real.frame["strategy_id"][0]
    text = studbook("diff", "0.0.0", elite, text=True)
    assert elite in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["pedigree", "zzz"], "A birth must be named by its id, ISLAND.GENERATION.INDEX"),
        (["pedigree", ""], "A birth must be named by its id"),
        (["pedigree", "9.9.9"], "A birth must have been born, but 9.9.9 was not"),
        (["pedigree", "0.99999999999.1"], "islands 0 to 1, generations 0 to 6"),
        (["pedigree", "99999999999999999999999"], "A birth must have been born"),
        (["ancestors", "ffffffffffffffff"], "ID must be one that was born, but was 'ffffffffffffffff'"),
        (["diff", "rsi_reversoin", "macd"], "did you mean rsi_reversion?"),
        (["diff", "nowhere.json", "macd"], "A strategy file must exist"),
        (["genealogy", "latest", "--ask", "operator"], "did you mean 'operators'?"),
        (["genealogy", "latest", "--to", "nexus"], "`--to` must be one of newick, graphml, parquet, but was 'nexus'"),
        (["dynasty", "elite", "--job", "nosuch"], "JOB must be the id of a job"),
    ],
)
def test_nonsense_is_refused_with_a_way_out(studbook, words, message):
    assert message in studbook(*words, code=2)


def test_near_names_are_told_and_beginnings_of_several_refused(studbook, real):
    ids = sorted(set(real.frame["strategy_id"].to_list()))
    name = ids[7][:6] + "zz"
    assert "A birth must be named" in studbook("ancestors", name, code=2)
    near = ids[7][:8] + ("0" if ids[7][8] != "0" else "1") + ids[7][9:]
    assert ids[7] in studbook("ancestors", near, code=2)
    first = next(one[0] for one in ids if one[0].isalpha() and sum(other[0] == one[0] for other in ids) > 6)
    assert re.search(
        rf"ID must name one strategy, but was '{first}' .* and \d+ more", studbook("pedigree", first, code=2)
    )


def test_a_cut_table_and_a_job_without_births_are_refused(view, tmp_path):
    def fails(root: Path, code: int) -> str:
        found = CliRunner().invoke(app, ["genealogy", "latest", "--root", str(root), "--json"])
        assert found.exit_code == code, found.output
        return str(json.loads(found.stdout)["error"]["message"])

    for name in ("cut", "empty"):
        (tmp_path / name / "job").mkdir(parents=True)
        (tmp_path / name / "job" / FILE_NAME).write_bytes((view.run_dir / FILE_NAME).read_bytes())
    (tmp_path / "cut" / "job" / PEDIGREE_FILE).write_bytes((view.run_dir / PEDIGREE_FILE).read_bytes()[:-100])
    assert "Remove it: `studbook genealogy` makes it anew" in fails(tmp_path / "cut", 3)
    journal = tmp_path / "empty" / "job" / FILE_NAME
    journal.write_bytes(journal.read_bytes().splitlines(keepends=True)[0])
    assert "A job must have births to have a pedigree" in fails(tmp_path / "empty", 2)
    assert "must have been run" in fails(tmp_path / "nothing", 2)
