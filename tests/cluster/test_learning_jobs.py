"""Jobs whose strategies learn, on bars with extra columns: imported, bred, judged, killed, resumed; the same bytes."""

import threading

import numpy as np
import polars as pl
import pytest
import yaml
from typer.testing import CliRunner

from cluster.births_file import read_births
from cluster.cli import app
from cluster.driver import resume_job, run_job
from cluster.settings import config_from
from cluster.signals import Interrupted
from cluster.view import read_job
from cluster.worker import language_of
from fitness.samples import random_walk
from strategies.catalogue import catalogue, kind_index
from strategies.codec import express
from strategies.encoding import strategy_of
from strategies.species import SPECIES, species_of

OFF = ("max_drawdown", "dsr", "validation_sharpe", "spa", "pbo", "regimes", "stability")
EASY = {"min_trades": 1, **dict.fromkeys(OFF), "battery": False, "candidates": 2}
EXTRA = ("bid", "ask", "funding_rate")
HOUR_US = 3_600_000_000


def studbook(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def put_bars(path, seed, names):
    """Hourly bars as a Parquet file, with extra columns that a few bars lack."""
    walk = random_walk(seed, 800)
    rng, close = np.random.default_rng(seed), walk["close"].to_numpy()
    extra = {"bid": close * 0.9995, "ask": close * 1.0005, "funding_rate": rng.normal(0.0, 1e-4, 800)}
    stamps = pl.Series("timestamp", 1_577_836_800_000_000 + np.arange(800) * HOUR_US).cast(pl.Datetime("us", "UTC"))
    gaps = pl.Series([None if place % 50 == 7 else 1.0 for place in range(800)])
    walk = walk.with_columns(stamps, *(pl.Series(name, extra[name]) * gaps for name in names))
    walk.write_parquet(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A working folder: two shards with extra columns, imported, and one without."""
    root = tmp_path_factory.mktemp("learning")
    for seed, (symbol, names) in enumerate({"ONE": EXTRA, "TWO": EXTRA, "BARE": ()}.items()):
        put_bars(root / f"{symbol}.parquet", seed, names)
        told = studbook(
            "data", "import", root / f"{symbol}.parquet", "-s", symbol, "-t", "1h", "--calendar", "24/7",
            "--root", root / "data",
        )  # fmt: skip
        assert told.exit_code == 0, told.output
    return root


def values_for(folder, *symbols, **changes):
    values = {
        "name": "learning",
        "seed": 5,
        "data": {
            "root": str(folder / "data"),
            "source": "files",
            "shards": [{"symbol": symbol, "timeframe": "1h"} for symbol in symbols],
        },
        "split": {"folds": 2, "validation": 0.2, "lockbox": 0.2, "embargo": 5, "warm_up": 100},
        "evolution": {
            "islands": 2,
            "population_size": 40,
            "generations": 2,
            "epoch_generations": 1,
            "template_share": 0.0,
            "founders": {"ta": 0.4, "ml": 0.3, "hybrid": 0.3},
            "migration": {"migrants": 2, "lag": 1},
        },
        "gates": EASY,
        "cluster": {"executor": "serial", "workers": 1},
        "tracking": {"enabled": False},
    }
    return {**values, **changes}


def operands_of(strategy):
    conditions = (*strategy.entry.conditions, *strategy.exit.conditions)
    read = [side for each in conditions for side in (each.left, each.right) if side is not None]
    return read + [feature for learner in strategy.learners for feature in learner.features]


def columns_read(strategy):
    return {name for each in operands_of(strategy) for name in catalogue()[kind_index(each.kind)].requires}


@pytest.fixture(scope="module")
def finished(folder, tmp_path_factory):
    return run_job(config_from(values_for(folder, "ONE", "TWO"), where="t"), root=tmp_path_factory.mktemp("runs"))


def test_strategies_on_extra_columns_are_bred_and_scored(finished):
    assert finished.config.language.columns == tuple(sorted(EXTRA))
    births = read_births(finished.run_dir, finished.epochs)
    rows = express(births.genome, language_of(finished.config))
    assert [SPECIES[code] for code in births.species] == [SPECIES[code] for code in species_of(rows)]
    assert {SPECIES[code] for code in births.species[births.generation == 0]} == set(SPECIES)
    strategies = [strategy_of(row) for row in rows]
    readers = np.array([bool(columns_read(strategy)) for strategy in strategies])
    assert readers.sum() >= 3
    assert set().union(*map(columns_read, strategies)) <= set(EXTRA)
    fresh = readers & births.evaluated
    assert np.isfinite(births.objectives[fresh & (births.reason == 0)]).all()
    assert (births.reason[fresh] == 0).any()  # and some of them are feasible
    assert any(operand.timeframe for strategy in strategies for operand in operands_of(strategy))
    frame = pl.read_parquet(finished.run_dir / "births.parquet")
    assert frame["strategy_id"].to_list() == [strategy.id for strategy in strategies]


def test_the_same_job_gives_the_same_bytes_killed_or_not(finished, folder, tmp_path, assert_same_job):
    config = config_from(values_for(folder, "ONE", "TWO"), where="t")
    stop = threading.Event()

    def observer(record):
        if record.kind == "epoch_finished":
            stop.set()

    with pytest.raises(Interrupted, match="stopped between two epochs"):
        run_job(config, root=tmp_path, observers=[observer], stop=stop)
    (run,) = tmp_path.glob("*-*")
    assert 1 <= len(read_job(run).epochs) < 4
    assert_same_job(resume_job(run), finished)


def test_a_candidate_that_learns_can_be_shown_traded_and_exported(finished, folder):
    strategy_id = finished.candidates[0]["id"]
    runs = finished.run_dir.parent
    words = "backtest", strategy_id, "-s", "ONE", "-t", "1h", "--root", folder / "data", "--runs", runs, "--json"
    for command in (("show", strategy_id, "--root", runs, "--json"), words):
        told = studbook(*command)
        assert told.exit_code == 0, told.output


def test_columns_that_one_shard_lacks_are_not_read_or_refused_by_name(folder, tmp_path):
    values = values_for(folder, "ONE", "BARE")
    values["evolution"] = {**values["evolution"], "generations": 1, "islands": 1}
    view = run_job(config_from(values, where="t"), root=tmp_path / "runs")
    assert view.config.language.columns == ()
    births = read_births(view.run_dir, view.epochs)
    rows = express(births.genome, language_of(view.config))
    assert not any(columns_read(strategy_of(row)) for row in rows)
    job = tmp_path / "job.yaml"
    job.write_text(yaml.safe_dump(values | {"language": {"columns": ["bid"]}, "output": {"root": str(tmp_path)}}))
    told = studbook("run", job)
    assert told.exit_code == 3
    assert "`language.columns` must be in the bars of every shard, but 'bid' is not in BARE 1h" in told.output
