"""Elites in MLflow: a child run, a model and a version each, once, however often they are told and whatever is missing.

Here with the SQLite store of a laptop; `test_tracking_server.py` tells them to a server that fails.
"""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from cluster.journal import read_journal
from cluster.mlflow_artifacts import elite_files, pooled_curve
from cluster.mlflow_elites import metrics_of, params_of
from cluster.mlflow_lineage import lineages_of
from cluster.mlflow_registry import ALIASES_TAG, MANUAL, by_standing
from cluster.mlflow_telling import description_of, told_of
from cluster.run_folder import BIRTHS_FILE
from cluster.tracking import replay
from cluster.tracking_store import prepare_environment, quiet
from strategies.strategy import Strategy
from strategies.templates import TEMPLATES

MakeRun = Callable[..., Path]
N_ELITES = 3
MODEL = "studbook-hand"


def births_of(run: Path) -> None:
    """births.parquet of the candidates of a run made by hand: 1 is the founder of 0, 2 and 3."""
    columns = {
        "birth_id": [0, 1, 2, 3],
        "strategy_id": [f"{number:016x}" for number in range(4)],
        "operator": ["crossover", "template", "mutation", "mutation"],
        "parent_a": [1, -1, 1, 2],
        "parent_b": [2, -1, -1, -1],
        "family": [1, 1, 1, 1],
    }
    pl.DataFrame(columns).write_parquet(run / BIRTHS_FILE)


@pytest.fixture
def run(make_run: MakeRun) -> Path:
    """A finished job of three elites, with its births."""
    made = make_run(n_elites=N_ELITES)
    births_of(made)
    return made


def track(run: Path) -> str:
    return replay(run, uri=None, root=run.parent, experiment="studbook").run_id


def client_of(run: Path) -> Any:
    prepare_environment()
    with quiet():
        from mlflow.tracking import MlflowClient

        client = MlflowClient(tracking_uri=f"sqlite:///{run.parent}/mlflow.db")
        client.search_experiments()
        client.search_registered_models()
    return client


def state_of(client: Any) -> dict[str, Any]:
    """All that the store holds of elites."""
    elites = client.search_runs(["1"], "tags.`studbook.kind` = 'elite'")
    versions = client.search_model_versions(f"name = '{MODEL}'")
    return {
        "runs": sorted((one.info.run_id, one.info.run_name, one.info.status) for one in elites),
        "parents": {one.data.tags["mlflow.parentRunId"] for one in elites},
        "models": sorted(one.model_id for one in client.search_logged_models(["1"])),
        "versions": sorted((int(one.version), one.tags["strategy_id"], one.model_id) for one in versions),
        "aliases": client.get_registered_model(MODEL).aliases,
    }


def test_elites_are_told_best_first_with_where_they_come_from(run: Path) -> None:
    job = told_of(run)
    assert [one.rank for one in job.elites] == [1, 2, 3]
    first = job.elites[0]
    assert first.name == f"{first.id} ta"
    assert first.tags["job_id"] == run.name
    by_birth = {one.tags["birth_id"]: one.tags for one in job.elites}
    assert by_birth["0"]["operator"] == "crossover"
    assert by_birth["0"]["founder"] == f"{1:016x}"
    assert (by_birth["0"]["parent_a"], by_birth["0"]["parent_b"]) == (f"{1:016x}", f"{2:016x}")
    assert by_birth["2"]["parent_a_birth"] == "1"
    assert "parent_b" not in by_birth["2"]
    assert not [name for name in by_birth["1"] if name.startswith("parent")]
    assert "max_drawdown 0.16 (limit 0.5)" in first.tags["gates"]
    assert {"sharpe.lockbox", "strategy_id", "species", "family", "rank"} <= set(first.version_tags)


def test_a_job_without_elites_tells_none(make_run: MakeRun) -> None:
    assert told_of(make_run("none", n_elites=0)).elites == ()


@pytest.mark.parametrize("spoil", [Path.unlink, lambda file: file.write_bytes(b"PAR1"), lambda file: None])
def test_births_that_tell_nothing_cost_the_tags_alone(make_run: MakeRun, spoil: Callable[[Path], Any]) -> None:
    run = make_run()
    spoil(run / BIRTHS_FILE)
    assert lineages_of(run, [0]) == {}
    assert told_of(run).elites[0].tags["family"] == "1"


def test_metrics_are_every_finite_figure_of_the_record(run: Path) -> None:
    record = told_of(run).elites[0].record
    metrics = metrics_of({**record, "sharpe_beyond": {"validation": 0.25, "lockbox": None}})
    assert metrics["sharpe.validation"] == 0.4
    assert metrics["gate.dsr"] == 0.97
    assert metrics["sharpe_beyond.validation"] == 0.25
    assert metrics["benchmark_sharpe.lockbox"] == 0.33
    assert "profit_factor.lockbox" in metrics
    assert "sharpe_beyond.lockbox" not in metrics
    assert metrics_of({"gates": [], "benchmark": {}, "validation": {"sharpe": float("nan")}}) == {}


@pytest.mark.parametrize("name", TEMPLATES)
def test_params_say_every_part_of_a_strategy(name: str) -> None:
    strategy = TEMPLATES[name]
    params = params_of(strategy)
    assert len([key for key in params if key.startswith("learner_")]) == len(strategy.learners)
    for key, part in {"entry": "when {}", "exit": "exit when {}", "stop": "stop {}", "size": "size {}"}.items():
        if params[key] != "none":
            assert part.format(params[key]) in strategy.text()
    assert params_of(replace(strategy, time_stop=9, cooldown=2))["time_stop"] == "9 bars"


def test_the_curve_goes_on_from_stretch_to_stretch(run: Path) -> None:
    import xml.etree.ElementTree as ET

    elite = told_of(run).elites[0]
    path = run / "candidates" / f"{elite.id}.equity.parquet"
    pooled, curves = pooled_curve(path), pl.read_parquet(path).filter(pl.col("symbol") == "POOL")
    assert pooled is not None
    ends = [part["equity"][-1] for part in curves.partition_by("segment", maintain_order=True)]
    assert pooled["equity"][-1] == pytest.approx(np.prod(ends))
    files = elite_files(run, elite)
    assert set(files) == {"strategy.json", "strategy.md", "strategy.py", "equity.csv", "equity.svg"}
    assert Strategy.from_json(files["strategy.json"].decode()) == elite.strategy
    drawing = ET.fromstring(files["equity.svg"])
    assert {"In sample", "Validation", "Lockbox"} <= {each.text for each in drawing.iter() if each.text}
    assert all(len(content) < 300_000 for content in files.values())
    path.unlink()
    assert "equity.svg" not in elite_files(run, elite)


def test_the_stretches_are_datasets_with_digests_of_their_own(run: Path) -> None:
    datasets = told_of(run).datasets
    assert [one.context for one in datasets] == ["training", "validation", "lockbox"] * 2
    assert len({one.digest for one in datasets}) == len(datasets) == 6
    assert {json.loads(one.profile)["num_rows"] for one in datasets} == {900, 300}
    assert [one.digest for one in told_of(run).datasets] == [one.digest for one in datasets]
    assert json.loads(datasets[0].source)["uri"] == "data/symbol=SPX/timeframe=1d/bars.parquet"


def test_the_description_names_what_is_there(run: Path) -> None:
    text = description_of(told_of(run), ["report.html", "journal.jsonl"])
    assert "3 of 4 candidates passed every gate." in text
    assert "`report.html`" in text
    assert "genealogy.html" not in text
    assert "studbook-hand" in text


def test_the_champion_is_the_best_of_the_newest_job() -> None:
    standings = [("2026-01-02", 2), ("2026-01-03", 2), ("2026-01-01", 1), ("2026-01-03", 1), ("2026-01-03", 10)]
    versions = [
        SimpleNamespace(version=str(number), tags={"job_started": day, "rank": str(rank)})
        for number, (day, rank) in enumerate(standings)
    ]
    spoilt = ({"rank": "1"}, {"rank": "best", "job_started": "2027-01-01"}, {"job_started": "2027-01-01"})
    versions += [SimpleNamespace(version="9", tags=tags) for tags in spoilt]
    wanted = [("2026-01-03", 1), ("2026-01-03", 2), ("2026-01-03", 10), ("2026-01-02", 2), ("2026-01-01", 1)]
    for order in (versions, versions[::-1]):
        found = [(one.tags["job_started"], int(one.tags["rank"])) for one in by_standing(order)]
        assert found == wanted


@pytest.mark.mlflow
def test_a_store_holds_each_elite_once_and_what_is_deleted_comes_back(
    run: Path, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told twice, changed by hand in every way, told again; then a newer job of the same name."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    parent = track(run)
    client = client_of(run)
    first = state_of(client)
    assert [status for _, _, status in first["runs"]] == ["FINISHED"] * N_ELITES
    assert first["parents"] == {parent}
    assert len(first["models"]) == N_ELITES
    assert [number for number, _, _ in first["versions"]] == [1, 2, 3]
    assert [strategy_id for _, strategy_id, _ in first["versions"]] == [one.id for one in told_of(run).elites]
    assert first["aliases"] == {"champion": 1, "challenger": 2}
    assert track(run) == parent
    assert state_of(client) == first
    _require_searchable(client, run)
    _require_loaded_elsewhere(run, told_of(run).elites[0].strategy)

    victim = client.search_runs(["1"], "tags.rank = '2'")[0].info.run_id
    client.delete_run(victim)
    client.delete_logged_model(first["models"][0])
    client.delete_model_version(MODEL, "1")
    track(run)
    mended = state_of(client)
    assert len(mended["runs"]) == len(mended["models"]) == len(mended["versions"]) == N_ELITES
    assert victim not in [run_id for run_id, _, _ in mended["runs"]]
    assert {key for _, key, _ in mended["versions"]} == {key for _, key, _ in first["versions"]}
    assert mended["aliases"] == {"champion": 4, "challenger": 2}

    client.delete_run(parent)  # the job's run is made again, and its children follow it
    renewed = track(run)
    assert state_of(client) == {**mended, "parents": {renewed}}

    newer = make_run("hand-newer", n_elites=1, extra={"seed": 8})
    _as_if_begun_later(newer)
    track(newer)
    assert client.get_registered_model(MODEL).aliases == {"champion": 5, "challenger": 4}
    track(run)
    assert client.get_registered_model(MODEL).aliases["champion"] == 5
    client.set_registered_model_tag(MODEL, ALIASES_TAG, MANUAL)
    client.set_registered_model_alias(MODEL, "champion", "2")
    track(run)
    assert client.get_registered_model(MODEL).aliases["champion"] == 2


def _require_searchable(client: Any, run: Path) -> None:
    """By family, parents, operator and figures, from MLflow's own search."""
    elites = {one.id: one for one in told_of(run).elites}

    def names(words: str) -> set[str]:
        return {found.data.tags["strategy_id"] for found in client.search_runs(["1"], words)}

    assert names("tags.family = '1'") == set(elites)
    assert names("tags.operator = 'crossover'") == {key for key, one in elites.items() if one.tags["birth_id"] == "0"}
    assert names(f"tags.founder = '{1:016x}' and tags.species = 'ta'") == set(elites)
    assert names(f"tags.parent_a = '{1:016x}'") == {key for key, one in elites.items() if "parent_a" in one.tags}
    assert names(f"tags.job_id = '{run.name}' and metrics.`sharpe.lockbox` > 0.7") == set(elites)
    assert len(client.search_model_versions("tags.family = '1'")) == N_ELITES
    job = client.search_runs(["1"], "tags.`studbook.job_id` LIKE '%'")[0]
    contexts = [one.tags[0].value for one in job.inputs.dataset_inputs]
    assert sorted(contexts) == sorted(["evolution", "training", "validation", "lockbox"] * 2)
    assert job.data.tags["mlflow.note.content"].startswith("3 of 4 candidates")


LOADS = """
import sys, numpy, pandas, mlflow
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model("models:/studbook-hand@champion")
found = model.predict(pandas.read_parquet(sys.argv[2]))
numpy.save(sys.argv[3], found[["long_entry", "long_exit", "short_entry", "short_exit"]].to_numpy().T)
"""


def _require_loaded_elsewhere(run: Path, strategy: Strategy) -> None:
    """Another process predicts with the champion what the kernel is given here, on real bars, bit for bit."""
    from evolution.genome_strategy import GenomeStrategy
    from fitness.bank import FeatureBank
    from fitness.played import play_of
    from fitness.samples import sample
    from fitness.shards import shard_of

    shard = shard_of(sample("AAPL")[:500], "AAPL", "1d", bars_per_year=252.0)
    bars, found = run.parent / "bars.parquet", run.parent / "found.npy"
    shard.frame().with_columns(pl.col("timestamp").dt.replace_time_zone(None)).write_parquet(bars)
    words = [sys.executable, "-c", LOADS, f"sqlite:///{run.parent}/mlflow.db", str(bars), str(found)]
    subprocess.run(words, check=True, env={**os.environ, "PYTHONWARNINGS": "ignore"}, cwd=run.parent)
    np.testing.assert_array_equal(
        np.load(found), play_of(GenomeStrategy.of_rules(strategy), shard, FeatureBank(shard)).masks
    )


def _as_if_begun_later(run: Path) -> None:
    """Write the journal again with a later clock."""
    from cluster.journal import Journal

    records = read_journal(run / "journal.jsonl").records
    (run / "journal.jsonl").unlink()
    times = iter(record.at.replace("2026-11-21", "2026-11-22") for record in records)
    with contextlib.closing(Journal.create(run / "journal.jsonl", clock=lambda: next(times))) as journal:
        for record in records:
            journal.append(record.kind, record.data)
