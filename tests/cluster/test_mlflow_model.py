"""A strategy as an MLflow model: from JSON alone, bit for bit what the kernel is given, and nothing in it that runs."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from cluster.export import EXPORTS, export_files
from cluster.mlflow_folder import model_files
from cluster.mlflow_model import MODEL_FILES, StrategyModel, _load_pyfunc, read_strategy
from cluster.tracking_store import prepare_environment, quiet
from evolution.genome_strategy import GenomeStrategy
from fitness.bank import FeatureBank
from fitness.played import play_of
from fitness.samples import sample
from fitness.shard import VALUES, Shard
from fitness.shards import shard_of
from strategies.codec import express
from strategies.contract import ROLES
from strategies.encoding import strategy_of
from strategies.errors import DataError, StrategyError
from strategies.language import Language
from strategies.sampler import random_genomes
from strategies.strategy import Strategy
from strategies.templates import TEMPLATES

N_STRATEGIES = 30
BASE = TEMPLATES["rsi_reversion"]


@pytest.fixture(scope="module", autouse=True)
def _mlflow_warns_at_import() -> None:
    """Its own type hints and the deprecations of what it imports are not ours."""
    prepare_environment()
    with quiet():
        import mlflow.pyfunc
        import mlflow.pyfunc.scoring_server

        assert mlflow.pyfunc


@cache
def bars() -> Shard:
    return shard_of(sample("IBM")[:700], "IBM", "1d", bars_per_year=252.0)


@cache
def bank() -> FeatureBank:
    return FeatureBank(bars())


def frame_of(shard: Shard) -> Any:
    import pandas as pd

    times = shard.timestamps.astype("datetime64[us]")
    return pd.DataFrame({"timestamp": times, **{name: getattr(shard, name) for name in VALUES}, **shard.extra})


def require_equal(found: Any, strategy: Strategy) -> None:
    """A prediction is what the kernel is given of the strategy, to the bit."""
    play = play_of(GenomeStrategy.of_rules(strategy), bars(), bank())
    for role, mask in zip(ROLES, play.masks, strict=True):
        assert found[role].dtype == np.bool_
        np.testing.assert_array_equal(found[role].to_numpy(), mask)
    scale = np.ones(bars().n_bars) if play.scale is None else play.scale
    np.testing.assert_array_equal(found["scale"].to_numpy(), scale)
    np.testing.assert_array_equal(found["atr"].to_numpy(), bank().atr())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The model of a template."""
    return write(tmp_path / "model", model_files(BASE))


def write(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def test_predictions_are_what_the_kernel_is_given() -> None:
    rows = express(random_genomes(N_STRATEGIES, np.random.default_rng(20261122)))
    strategies = [strategy_of(row) for row in rows]
    for strategy in strategies:
        require_equal(StrategyModel(strategy).predict(frame_of(bars())), strategy)
    assert {one.size.kind for one in strategies} >= {"volatility", "confidence", "fixed"}
    assert any(one.learners for one in strategies)


def test_a_folder_is_text_and_the_same_every_time() -> None:
    files = model_files(BASE, metadata={"job_id": "j"})
    assert files == model_files(BASE, metadata={"job_id": "j"})
    assert set(files) <= MODEL_FILES
    assert Strategy.from_json(files["strategy.json"].decode()) == BASE
    for content in files.values():
        assert all(line.isprintable() for line in content.decode("ascii").splitlines())
    assert b"pickle" not in b"".join(files.values())


@pytest.mark.mlflow
def test_mlflow_loads_the_folder_and_holds_it_to_its_signature(folder: Path) -> None:
    import mlflow.pyfunc
    from mlflow.exceptions import MlflowException

    model = mlflow.pyfunc.load_model(str(folder))
    frame = frame_of(bars())
    require_equal(model.predict(frame), BASE)
    assert list(model.predict(model.input_example).columns) == [*ROLES, "atr", "scale"]
    for wrong, told in (
        (frame.drop(columns="close"), r"missing inputs \['close'\]"),
        (frame.assign(close="high"), "Incompatible input types for column close"),
        (frame.assign(timestamp=frame["timestamp"].dt.tz_localize("UTC")), "timezone-naive"),
    ):
        with pytest.raises(MlflowException, match=told):
            model.predict(wrong)
    with pytest.raises(DataError, match="timestamps must ascend"):
        model.predict(frame[::-1].reset_index(drop=True))
    with pytest.raises(DataError, match="timeframe must be one of"):
        model.predict(frame, params={"timeframe": "1x"})


@pytest.mark.mlflow
def test_mlflows_scoring_answers_the_serving_example(folder: Path) -> None:
    """What `mlflow models serve` does with a request, without its server."""
    import mlflow.pyfunc
    from mlflow.pyfunc.scoring_server import invocations

    model = mlflow.pyfunc.load_model(str(folder))
    schema, request = model.metadata.get_input_schema(), (folder / "serving_input_example.json").read_text()
    answer = invocations(request, "application/json", model, schema)
    assert answer.status == 200
    rows = json.loads(answer.response)["predictions"]
    assert [row["long_entry"] for row in rows] == [False] * 5
    lacking = {"dataframe_split": {"columns": ["timestamp", "open"], "data": [["2024-01-02", 1.0]]}}
    with pytest.raises(Exception, match="missing inputs"):
        invocations(json.dumps(lacking), "application/json", model, schema)


def test_a_size_by_volatility_is_measured_by_the_years_that_are_named() -> None:
    rows = express(random_genomes(200, np.random.default_rng(1)))
    strategy = next(one for one in map(strategy_of, rows) if one.size.kind == "volatility")
    model, frame = StrategyModel(strategy), frame_of(bars())
    hours = model.predict(frame, {"bars_per_year": 252.0 * 4})["scale"]
    np.testing.assert_allclose(hours, model.predict(frame)["scale"] / 2)


def test_extra_columns_are_asked_for_and_read() -> None:
    language = Language(columns=("open_interest",))
    rows = express(random_genomes(400, np.random.default_rng(2), language), language)
    found = [one for one in map(strategy_of, rows) if GenomeStrategy.of_rules(one).requires.columns]
    assert b"open_interest" not in model_files(BASE)["MLmodel"]
    assert b"open_interest" in model_files(found[0])["MLmodel"]
    table = bars().frame().with_columns(open_interest=pl.col("close") * pl.col("volume").rank())
    shard = shard_of(table, "IBM", "1d", bars_per_year=252.0)
    for strategy in found[:5]:
        wanted = play_of(GenomeStrategy.of_rules(strategy), shard, FeatureBank(shard)).masks
        found_masks = StrategyModel(strategy).predict(frame_of(shard))[list(ROLES)].to_numpy().T
        np.testing.assert_array_equal(found_masks, wanted)
        with pytest.raises(StrategyError, match="but lacked open_interest"):
            StrategyModel(strategy).predict(frame_of(bars()))


@pytest.mark.parametrize("name", ["python_model.pkl", "strategy.json.bak", "code", "data"])
def test_anything_else_in_the_folder_is_refused_by_name(folder: Path, name: str) -> None:
    assert read_strategy(folder) == BASE
    (folder / name).mkdir() if "." not in name else (folder / name).write_bytes(b"\x80\x04.")
    with pytest.raises(StrategyError, match=rf"nothing but MLmodel.*but held the f\w+ '{name}'"):
        _load_pyfunc(str(folder))


def _link(file: Path) -> None:
    target = file.parent.parent / "elsewhere.json"
    file.replace(target)
    file.symlink_to(target)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (Path.unlink, "must hold strategy.json, but did not"),
        (_link, "held the link 'strategy.json'"),
        (lambda file: file.write_text(file.read_text()[:-20]), "is not JSON"),
        (lambda file: file.write_text("{}"), "schema"),
        (lambda file: file.write_text(" " * 5_000_000), "must be at most"),
        (lambda file: file.write_bytes(b"\xff\xfe"), "is not JSON"),
    ],
)
def test_a_spoilt_strategy_is_refused(folder: Path, spoil: Callable[[Path], Any], told: str) -> None:
    spoil(folder / "strategy.json")
    with pytest.raises(StrategyError, match=told):
        read_strategy(folder)


@pytest.mark.mlflow
def test_export_makes_the_folder_without_a_server(tmp_path: Path) -> None:
    import mlflow.pyfunc

    record = {"per_shard": [{"symbol": "X", "timeframe": "1h"}]}
    files = export_files(BASE, "mlflow", record)
    assert EXPORTS["mlflow"].is_folder
    model = mlflow.pyfunc.load_model(str(write(tmp_path / "exported", files)))
    defaults = {one.name: one.default for one in model.metadata.get_params_schema().params}
    assert defaults == {"timeframe": "1h", "bars_per_year": 1638.0}
    require_equal(model.predict(frame_of(bars()), params={"timeframe": "1d", "bars_per_year": 252.0}), BASE)
