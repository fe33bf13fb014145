"""`studbook bench`: exact before it is timed, nothing lost between the parts, one table in three dresses."""

import dataclasses
import json
import os
import re
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

from cluster import bench
from cluster.bench import cold_start as start
from cluster.bench import exactness, measuring, sparse_brood, stopwatch, where
from cluster.bench.breeding import SETTLING, brood_cost
from cluster.bench.cold_start import cold_start
from cluster.bench.kernel_rows import kernel_rows, long_row
from cluster.bench.measuring import Effort, measure_all
from cluster.bench.page import render_bench
from cluster.bench.populations import DENSE, HELD, SPARSE, minute_bars, population, random_masks
from cluster.bench.stopwatch import Seconds, best_of, median_of, one_core, timed
from cluster.bench.where import BREEDING, COLUMNS, JOURNAL, KERNEL, MASKS, PARTS, RANKING, Ledger, part_of
from cluster.cli import app
from cluster.market import open_market
from fitness.bank import FeatureBank
from fitness.bits import unpack
from fitness.evaluate import evaluate
from fitness.folds import Window
from strategies.codec import express
from strategies.errors import ClusterError, UsageError
from strategies.sampler import random_genomes

ROOT = Path(bench.__file__).parents[2]
TINY = Effort(
    n_exact=2, n_strategies=8, enough_s=0.0, long_bars=4000, long_strategies=2, n_generations=SETTLING + 3, n_cold=1
)
KEYS = ["sparse", "held", "dense", "brood", "empty", "sparse_brood", "long", "generation", "cold"]


@pytest.fixture(scope="module")
def job(tiny_values):
    from cluster.settings import config_from

    return config_from(tiny_values, where="test")


@pytest.fixture(scope="module")
def market(job):
    return open_market(job)


@pytest.fixture(scope="module")
def found(job):
    """A bench in which no process is started."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measuring, "cold_start", lambda *_, **__: Seconds(0.5, 0.7, 1))
        return measure_all(job, TINY, lambda _: None)


def test_a_negated_brood_reads_the_same_columns_through_other_masks(market):
    shard = market.shards[0]
    rows = express(random_genomes(60, np.random.default_rng(2)))
    negated = sparse_brood._negated(rows)
    np.testing.assert_array_equal(sparse_brood._negated(negated), rows)
    bank = FeatureBank(shard)
    windows = [Window("all", 100, shard.n_bars)]
    evaluate(negated, shard, windows, market.costs, bank)
    before = bank.statistics()
    evaluate(rows, shard, windows, market.costs, bank)
    after = bank.statistics()
    assert after.columns.made == before.columns.made > 0
    assert after.masks.made > before.masks.made


# The clock and the work.


def test_time_is_divided_and_the_best_and_the_middle_are_chosen():
    assert Seconds(6.0, 9.0, 2).divided(3) == Seconds(2.0, 3.0, 2)
    assert median_of([Seconds(1.0, 9.0), Seconds(3.0, 7.0), Seconds(2.0, 8.0)]) == Seconds(2.0, 8.0, 3)


def test_the_best_of_cpu_and_of_wall_are_chosen_and_the_first_run_is_not_counted(monkeypatch):
    runs = iter([(9.0, 9.0), (3.0, 5.0), (1.0, 7.0), (2.0, 6.0)])
    now = [0.0, 0.0]

    def work():
        cpu, wall = next(runs)
        now[0], now[1] = now[0] + cpu, now[1] + wall

    clock = SimpleNamespace(process_time=lambda: now[0], perf_counter=lambda: now[1])
    monkeypatch.setattr(stopwatch, "time", clock)
    assert best_of(work, enough_s=6.0, at_least=2) == Seconds(1.0, 5.0, 3)


def test_waiting_is_wall_time_and_no_cpu_time():
    took = timed(lambda: time.sleep(0.05))
    assert took.wall >= 0.05 > took.cpu


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not say which core to take")
def test_one_core_is_taken_and_given_back():
    before = os.sched_getaffinity(0)
    with one_core():
        assert len(os.sched_getaffinity(0)) == 1
    assert os.sched_getaffinity(0) == before


@pytest.mark.parametrize("habit", [SPARSE, HELD, DENSE], ids=lambda habit: habit.name)
def test_random_masks_come_by_their_chances_and_from_their_seed(habit):
    masks = np.stack(list(random_masks(habit, n_strategies=20, n_bars=5000, seed=3)))
    chances = [habit.entry / 2, habit.exit, habit.entry / 2, habit.exit]
    np.testing.assert_allclose(masks.mean(axis=(0, 2)), chances, rtol=0.15)
    again = random_masks(habit, n_strategies=20, n_bars=5000, seed=3)
    ready = population(again, stop=1.0, target=2.0)
    np.testing.assert_array_equal(unpack(ready.words[ready.rows], 5000), masks)


def test_minute_bars_hold_their_open_and_close():
    bars = minute_bars(5000)
    assert (bars.low <= np.minimum(bars.open, bars.close)).all()
    assert (bars.high >= np.maximum(bars.open, bars.close)).all()
    np.testing.assert_array_equal(bars.open[1:], bars.close[:-1])
    np.testing.assert_array_equal(np.diff(bars.timestamps), 60_000_000)


def test_the_habits_trade_as_their_names_say(market):
    sparse, held, dense = kernel_rows(market.shards[0], market.costs, n_strategies=40, enough_s=0.0)
    a_bar = {row.key: row.work.n_trades / row.work.n_bars for row in (sparse, held, dense)}
    assert 10 / 5000 < a_bar["sparse"] < 20 / 5000
    assert 10 / 5000 < a_bar["held"] < 20 / 5000
    assert 1 / 13 < a_bar["dense"] < 1 / 8
    assert sparse.work.exposure < 0.1
    assert 0.35 < held.work.exposure < 0.65


def test_a_long_shard_is_compared_with_its_beginning(market):
    row = long_row(market.costs, n_bars=3000, n_short=1000, n_strategies=2, enough_s=0.0)
    assert row.work.n_bars == 3000
    assert row.further["times_short"] > 0.0
    assert row.reached == (row.further["times_short"] <= 1.5)


# Exactness.


def test_the_kernel_is_exact_on_the_bars_of_the_job(market):
    proof = exactness.require_exact(market, n_strategies=3)
    assert proof.n_tallies == 3 * len(market.shards)
    assert proof.n_trades > 0
    assert "to the last bit" in proof.text()


def test_a_single_bit_that_differs_stops_the_bench(market, monkeypatch):
    right = exactness.evaluate

    def wrong(*arguments):
        tallies = right(*arguments).copy()
        tallies.view(np.int64)[1, 0, 1] ^= 1
        return tallies

    monkeypatch.setattr(exactness, "evaluate", wrong)
    with pytest.raises(exactness.NotExactError, match="1 of 3 strategies differ on SPX 1d"):
        exactness.require_exact(market, n_strategies=3)


# Where the time goes.


def stack(*files):
    """The innermost frame of functions that call each other, each compiled as if it stood in one of these files."""
    frames = []

    def innermost():
        import sys

        frames.append(sys._getframe(1))

    call = innermost
    for file in reversed(files):
        scope = {"inner": call}
        exec(compile("def call():\n    inner()", str(ROOT / file), "exec"), scope)
        call = scope["call"]
    call()
    return frames[0]


@pytest.mark.parametrize(
    ("files", "part"),
    [
        (("cluster/worker.py", "evolution/advance.py", "evolution/variation.py", "strategies/codec.py"), BREEDING),
        (("evolution/variation.py", "evolution/deap_bridge.py", "../deap/tools.py"), BREEDING),
        (("cluster/evaluation.py", "fitness/evaluate.py", "fitness/bank.py", "strategies/operands.py"), COLUMNS),
        (("fitness/bank.py", "strategies/operands.py", "strategies/indicators.py", "../talib/func.py"), COLUMNS),
        (("fitness/evaluate.py", "fitness/bank.py"), MASKS),
        (("cluster/evaluation.py", "fitness/evaluate.py", "fitness/simulation.py"), KERNEL),
        (("cluster/worker.py", "fitness/objectives.py"), RANKING),
        (("cluster/worker.py", "evolution/advance.py", "evolution/selection.py"), RANKING),
        (("cluster/session.py", "cluster/journal.py", "../json/encoder.py"), JOURNAL),
        (("cluster/worker.py", "strategies/encoding.py"), BREEDING),
    ],
)
def test_time_is_booked_on_the_innermost_code_of_ours(files, part):
    assert part_of(stack(*files)) == part


def test_time_outside_of_studbook_is_nobodys():
    assert part_of(stack("../talib/func.py")) == ""
    assert part_of(None) == ""


def test_all_time_is_booked_once():
    ledger = Ledger()
    before = signal.getsignal(signal.SIGALRM)
    with where.looking(ledger):
        cpu, wall = ledger.last
        end = time.process_time() + 0.05
        while time.process_time() < end:
            pass
    ledger.book("rest")
    assert sum(ledger.cpu.values()) == pytest.approx(ledger.last[0] - cpu)
    assert sum(ledger.wall.values()) == pytest.approx(ledger.last[1] - wall)
    assert ledger.cpu["rest"] < 0.04  # the looks took their share
    assert signal.getsignal(signal.SIGALRM) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_generations_are_counted_from_the_end_of_the_first_epoch(job):
    cost = where.generation_cost(job, n_generations=4)
    assert cost.n_generations == 2 * (1 + 4) - 2  # two islands, founders and four; without the first one's first two
    assert 0 < cost.n_evaluated <= cost.n_generations * job.evolution.population_size
    assert set(cost.cpu) == set(cost.wall) == set(PARTS)
    assert cost.total_cpu > 0.0


@pytest.mark.parametrize("screened", [False, True])
def test_a_brood_is_met_with_the_bank_as_it_is_and_with_an_empty_one(tiny_job, market, screened):
    job = tiny_job(evolution={"screen": {"enabled": screened}})
    cost = brood_cost(job, market, n_generations=SETTLING + 3)
    assert cost.warm.n_runs == 3
    assert cost.cold.n_runs == 1
    assert 0 < cost.n_strategies <= job.evolution.population_size
    bars = [window.n_bars for cut in market.splits for window in cut.folds]
    assert cost.n_bars == pytest.approx(sum(bars) / len(market.shards))
    assert 0.0 < cost.exposure < 1.0


def test_a_bench_without_a_brood_says_so(job, market):
    with pytest.raises(UsageError, match="but 2 generations had none"):
        brood_cost(job, market, n_generations=2)


def test_a_worker_starts_and_has_a_result(market):
    took = cold_start(market.shards[0], market.costs, n_runs=1)
    assert took.cpu > 0.0
    assert took.n_runs == 1


def test_a_worker_that_ends_without_a_result_is_told(market, monkeypatch):
    monkeypatch.setattr(start, "WORKER", "raise SystemExit(3)")
    with pytest.raises(ClusterError, match="its process ended with 3"):
        cold_start(market.shards[0], market.costs, n_runs=1)


# The table.


def test_every_row_is_there_with_what_is_counted(found):
    assert [row.key for row in found.rows] == KEYS
    assert all(row.counted and row.took.cpu > 0.0 for row in found.rows)
    for row in found.rows:
        assert (row.work is None) == (row.key in ("generation", "cold"))


def test_the_page_needs_no_network_and_names_every_row(found):
    text = render_bench(found)
    outside_plotly = re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    assert "http" not in outside_plotly
    assert "<link" not in outside_plotly
    for row in found.rows:
        assert row.name in text
    figures = json.loads(re.search(r'id="figures">(.*?)</script>', text, re.DOTALL)[1])
    assert len(figures) == 2
    parts = {trace["name"]: trace["x"][0] for trace in figures[1]["data"]}
    assert list(parts) == list(PARTS)


def test_the_page_does_without_a_generation(found):
    text = render_bench(dataclasses.replace(found, generation=None))
    assert "A whole generation" not in text


@pytest.fixture
def run(monkeypatch, tmp_path, tiny_values):
    """Runs the command on a tiny job with a tiny effort."""
    import yaml

    monkeypatch.setattr(measuring, "QUICK", TINY)
    monkeypatch.setattr(measuring, "cold_start", lambda *_, **__: Seconds(0.5, 0.7, 1))
    file = tmp_path / "job.yaml"
    file.write_text(yaml.safe_dump(tiny_values))
    return lambda *options: CliRunner().invoke(app, ["bench", str(file), "--quick", *options])


def test_json_is_one_document_and_the_folder_holds_the_page(run, tmp_path):
    result = run("--json", "--out", str(tmp_path / "speed"))
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert [row["key"] for row in document["rows"]] == KEYS
    assert "to the last bit" in document["exactness"]["text"]
    assert document["rows"][0]["peers"][0]["source"].endswith("CPU time")
    assert (tmp_path / "speed" / "bench.html").read_text().startswith("<!doctype html>")
    assert json.loads((tmp_path / "speed" / "bench.json").read_text())["rows"] == document["rows"]


def test_the_table_fits_a_narrow_terminal(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    result = run()
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    for name in ("sparse trading", "dense trading", "brood of evolution", "long shard", "cold start"):
        assert any(line.strip().startswith(name) for line in lines), name
    assert "reading bars" in result.stderr


def test_a_job_that_can_not_begin_is_told_as_ever(tmp_path):
    result = CliRunner().invoke(app, ["bench", str(tmp_path / "nowhere.yaml")])
    assert result.exit_code == 3
    assert "nowhere.yaml" in result.stderr
