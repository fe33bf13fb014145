"""`studbook trials`: what was tried on which bars, what it makes of a job, and what luck makes of so many tries."""

import json
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from cluster.cli import app
from cluster.cli.trials import bar_rows, luck_of
from cluster.driver import run_job
from cluster.settings import config_from
from cluster.trial_file import Trials, trials_path
from cluster.trial_ledger import count_trials, tried_line, write_trials
from cluster.view import read_job
from fitness.statistics import luck_sharpe


def studbook(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def document(*words):
    reply = studbook(*words, "--json")
    return reply.exit_code, json.loads(reply.stdout)


def keep(root, name, numbers, *, shards="a", day=21, what="tune"):
    """Write the trials of a search whose strategies and behaviours are `numbers`."""
    digests = np.asarray(numbers, dtype=np.uint64)
    return write_trials(root, name=name, what=what, shard_hashes=[one * 64 for one in shards],
                        created_at=f"2026-11-{day}T10:00:00.000+00:00", keys=np.stack([digests, digests], axis=1),
                        behaviours=digests % 10)  # fmt: skip


@pytest.fixture
def searches(tmp_path):
    """A folder with three searches: two on one set of bars, and one that shares a shard with them."""
    keep(tmp_path, "first", [1, 2, 11])
    keep(tmp_path, "second", [2, 3], day=22)
    keep(tmp_path, "wide", [4, 5, 6, 7], shards="ab", day=23, what="walk-forward")
    keep(tmp_path, "elsewhere", [8, 9], shards="z", day=20)
    return tmp_path


@pytest.fixture(scope="module")
def finished(tiny_values, tmp_path_factory, replay):
    evolution = {**tiny_values["evolution"], "generations": 1}
    job = config_from({**tiny_values, "evolution": evolution, "gates": {"candidates": 1}}, where="test")
    return run_job(job, root=tmp_path_factory.mktemp("runs"), make_executor=replay)


def test_a_row_for_each_set_of_bars_with_all_that_touched_them(searches):
    code, found = document("trials", "--root", searches)
    assert (code, found["problems"]) == (0, [])
    rows = [["".join(shard["name"][0] for shard in row["shards"]), row["searches"], row["n_jobs"], row["n_evaluated"],
             row["n_genomes"], row["n_behaviours"]] for row in found["bars"]]  # fmt: skip
    assert rows == [
        ["ab", ["first", "second", "wide"], 3, 9, 8, 7],
        ["a", ["first", "second", "wide"], 3, 9, 8, 7],
        ["z", ["elsewhere"], 1, 2, 2, 2],
    ]
    assert all(row["luck_sharpe"] is None for row in found["bars"])  # no job is there that measured how they differ


def test_one_search_with_those_before_it(searches):
    code, found = document("trials", "second", "--root", searches)
    assert (code, found["job"], [one["name"] for one in found["earlier"]]) == (0, "second", ["first"])
    assert (found["n_evaluated"], found["n_genomes"], found["n_behaviours"], found["n_jobs"]) == (5, 4, 3, 2)
    assert (found["own"]["n_genomes"], found["own"]["n_behaviours"], found["own"]["what"]) == (2, 2, "tune")
    shown = studbook("trials", "second", "--root", searches).stdout.splitlines()
    cells = [line.split() for line in shown if line.startswith((" first", " second"))]
    assert [(row[0], row[-4:]) for row in cells] == [("first", ["3", "3", "2", "2"]), ("second", ["2", "2", "2", "1"])]
    assert shown[-1] == "5 tried on these bars: 4 by genome, 3 by behaviour, in 2 jobs (this one and 1 before it)."


@pytest.mark.parametrize(("name", "found"), [("latest", "wide"), ("sec", "second"), ("elsewhere", "elsewhere")])
def test_a_search_is_found_by_name_beginning_and_age(searches, name, found):
    assert document("trials", name, "--root", searches)[1]["job"] == found


@pytest.mark.parametrize(("name", "message"), [
    ("nothing", "JOB must be the name of a search, or its beginning, or `latest`, but was 'nothing' (searches in "),
    ("s", "JOB must name one search, but was 's' (searches in "),
])  # fmt: skip
def test_a_name_that_is_none_or_several_is_refused(searches, name, message):
    keep(searches, "sixth", [1])
    code, found = document("trials", name, "--root", searches)
    assert (code, found["exit_code"]) == (2, 2)
    assert message in found["error"]["message"]


def test_nothing_tried_says_what_to_do(tmp_path):
    assert studbook("trials", "--root", tmp_path).stdout == (
        f"Nothing was tried yet in {tmp_path}. `studbook run configs/quickstart.yaml` does.\n"
    )
    assert document("trials", "--root", tmp_path / "none")[1]["bars"] == []
    code, found = document("trials", "latest", "--root", tmp_path)
    assert code == 2
    assert "(searches in" in found["error"]["message"]


def test_damage_is_told_and_stops_only_a_count_that_needs_it(searches):
    path = trials_path(searches, "elsewhere")
    path.write_bytes(path.read_bytes()[:-1])
    reply = studbook("trials", "--root", searches)
    assert reply.exit_code == 0
    assert "warning: A file of trials must match its seal" in reply.stderr
    assert document("trials", "--root", searches)[1]["problems"][0]["place"] == str(path)
    code, found = document("trials", "second", "--root", searches)  # nobody knows on which bars it was
    assert code == 3
    assert f"({path})" in found["error"]["message"]


def test_a_real_job_names_its_bars_and_measures_luck(finished):
    root = finished.run_dir.parent
    code, found = document("trials", "--root", root)
    ((row),) = found["bars"]
    assert code == 0
    assert {shard["name"] for shard in row["shards"]} == {"SPX 1d", "IXIC 1d"}
    assert {shard["content_hash"] for shard in row["shards"]} == {one["content_hash"] for one in finished.shards}
    expected = luck_sharpe(n_trials=row["n_behaviours"], trial_variance=finished.chosen["trial_variance"])
    assert row["luck_sharpe"] == pytest.approx(expected * max(one["bars_per_year"] for one in finished.shards) ** 0.5)
    shown = studbook("trials", "--root", root).stdout
    assert f"{row['luck_sharpe']:.2f}" in shown
    assert tried_line(count_trials(finished)) in studbook("trials", finished.id, "--root", root).stdout


def test_a_job_whose_folder_is_gone_is_still_shown(finished, tmp_path):
    root = tmp_path / "runs"
    shutil.copytree(finished.run_dir.parent, root)
    before = document("trials", finished.id, "--root", root)
    shutil.rmtree(root / finished.id)
    assert document("trials", finished.id, "--root", root) == before
    ((row),) = document("trials", "--root", root)[1]["bars"]
    assert row["n_evaluated"] == finished.n_evaluated
    assert {shard["name"] for shard in row["shards"]} == {one["content_hash"][:8] for one in finished.shards}


def test_luck_grows_with_the_number_of_tries_and_needs_a_measured_spread(finished, make_run):
    lucks = [luck_of(n, [finished]) for n in (2, 20, 200)]
    assert lucks == sorted(lucks)
    assert luck_of(20, []) is None
    assert luck_of(0, [finished]) is None
    assert luck_of(20, [read_job(make_run(finished=False))]) is None
    assert luck_of(20, [read_job(make_run("b-1")), finished]) == luck_of(20, [finished])  # the last that measured it


def test_rows_count_what_shares_a_shard_and_nothing_else():
    def one(name, shards, n):
        digests = np.arange(n, dtype=np.uint64)
        return Trials(name, "job", tuple(shards), f"2026-11-{20 + n}T10:00:00+00:00", "", n, n, 0, 0,
                      np.stack([digests, digests], axis=1), digests)  # fmt: skip

    entries = [one("a", "x", 1), one("b", "xy", 2), one("c", "y", 3), one("d", "z", 4)]
    rows = bar_rows(entries, {})
    assert [(row["searches"], row["n_behaviours"], row["n_evaluated"]) for row in rows] == [
        (["d"], 4, 4),
        (["b", "c"], 3, 5),
        (["a", "b", "c"], 3, 6),
        (["a", "b"], 2, 3),
    ]


def test_help_teaches():
    shown = studbook("trials", "--help").stdout
    assert "looks good by luck alone" in shown
    assert "Deleting a run folder deletes no trials" in shown
    assert "studbook trials latest --json" in shown
