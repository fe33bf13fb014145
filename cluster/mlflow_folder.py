"""The folder of a strategy as an MLflow model: `strategy.json` and MLflow's own text files, the same bytes every time.

The forms are MLflow's (its classes write them); no tracking server is asked. Nothing in the folder is code or a pickle.
"""

import json
from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from cluster.mlflow_model import BARS, DEFAULT_BARS_PER_YEAR, DEFAULT_TIMEFRAME, STRATEGY_FILE
from cluster.tracking_store import prepare_environment, quiet
from strategies.contract import ROLES
from strategies.strategy import Strategy

if TYPE_CHECKING:
    from mlflow.models import Model, ModelSignature

LOADER: Final = "cluster.mlflow_model"
PYTHON: Final = "3.11"
CREATED: Final = "1970-01-01 00:00:00"
"""A model is dated by its job, not by who wrote its folder: equal strategies, equal bytes."""
_ORIENT: Final = "split"
_EXAMPLE_DAYS: Final = ("2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05", "2024-01-08")
_EXAMPLE_PRICES: Final = (100.0, 101.5, 99.75, 102.25, 103.0)


def model_files(
    strategy: Strategy,
    *,
    timeframe: str = DEFAULT_TIMEFRAME,
    bars_per_year: float = DEFAULT_BARS_PER_YEAR,
    metadata: Mapping[str, str] | None = None,
    model_id: str | None = None,
) -> dict[str, bytes]:
    """Return the files of the strategy's model by name; `mlflow.pyfunc.load_model` takes the folder that holds them.

    Args:
        strategy: the rules and the risk plan.
        timeframe: what `predict` takes bars to be of where it is not told.
        bars_per_year: likewise.
        metadata: what else `MLmodel` says of it.
        model_id: MLflow's id of the logged model that the folder belongs to.
    """
    prepare_environment()
    columns = extra_columns(strategy)
    requirements = [f"studbook=={version('studbook')}", f"mlflow=={version('mlflow')}"]
    with quiet():
        signature = signature_of(columns, timeframe=timeframe, bars_per_year=bars_per_year)
        described = _model(strategy, signature, metadata=metadata, model_id=model_id).to_yaml()
    texts = {
        "MLmodel": described,
        STRATEGY_FILE: strategy.to_json(),
        "requirements.txt": "\n".join(requirements),
        "python_env.yaml": _yaml({"python": PYTHON, "dependencies": ["-r requirements.txt"]}),
        "conda.yaml": _yaml(_conda(requirements)),
        "input_example.json": json.dumps(_example(columns)),
        "serving_input_example.json": json.dumps({"dataframe_split": _example(columns)}, indent=2),
    }
    return {name: f"{text.rstrip()}\n".encode() for name, text in texts.items()}


def signature_of(columns: tuple[str, ...], *, timeframe: str, bars_per_year: float) -> "ModelSignature":
    """Return the signature: bars with their times in, a decision a role out, and what it is to know of the bars."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

    times, prices = ColSpec(DataType.datetime, "timestamp"), [ColSpec(DataType.double, name) for name in BARS]
    given = [ColSpec(DataType.double, name) for name in columns]
    decisions = [ColSpec(DataType.boolean, name) for name in ROLES]
    measures = [ColSpec(DataType.double, name) for name in ("atr", "scale")]
    settings = [
        ParamSpec("timeframe", DataType.string, timeframe),
        ParamSpec("bars_per_year", DataType.double, bars_per_year),
    ]
    return ModelSignature(Schema([times, *prices, *given]), Schema([*decisions, *measures]), ParamSchema(settings))


def extra_columns(strategy: Strategy) -> tuple[str, ...]:
    """Return the extra columns of bars that a strategy reads, by name."""
    from evolution.genome_strategy import GenomeStrategy

    return GenomeStrategy.of_rules(strategy).requires.columns


def _model(
    strategy: Strategy, signature: "ModelSignature", *, metadata: Mapping[str, str] | None, model_id: str | None
) -> "Model":
    from mlflow import pyfunc
    from mlflow.models import Model

    example = {
        "artifact_path": "input_example.json",
        "serving_input_path": "serving_input_example.json",
        "type": "dataframe",
        "pandas_orient": _ORIENT,
    }
    model = Model(
        utc_time_created=CREATED,
        signature=signature,
        saved_input_example_info=example,
        model_uuid=strategy.id,
        metadata={"strategy_id": strategy.id, "text": strategy.text(), **(metadata or {})},
        model_id=model_id,
    )
    pyfunc.add_to_model(model, LOADER, conda_env="conda.yaml", python_env="python_env.yaml")
    model.flavors[pyfunc.FLAVOR_NAME][pyfunc.PY_VERSION] = PYTHON
    return model


def _conda(requirements: list[str]) -> dict[str, Any]:
    packages = [f"python={PYTHON}", "pip", {"pip": requirements}]
    return {"channels": ["conda-forge"], "dependencies": packages, "name": "mlflow-env"}


def _example(columns: tuple[str, ...]) -> dict[str, Any]:
    """A few made-up bars, as `pandas` writes a frame."""
    rows = [
        [day, price - 0.5, price + 1.0, price - 1.0, price, 1000.0, *[0.0] * len(columns)]
        for day, price in zip(_EXAMPLE_DAYS, _EXAMPLE_PRICES, strict=True)
    ]
    return {"columns": ["timestamp", *BARS, *columns], "data": rows}


def _yaml(value: Mapping[str, Any]) -> str:
    import yaml

    return yaml.safe_dump(dict(value), default_flow_style=False, sort_keys=False)
