"""Strategies as an MLflow model: a folder that `mlflow.pyfunc.load_model` takes, made without a tracking server.

`predict` maps bars to signals from `strategy.json` alone, by Studbook's own kernel code, which must be installed where
the model is loaded. There is no pickle and no code in the folder.
"""

from collections.abc import Mapping
from typing import Any

from cluster.mlflow_model import DEFAULT_TIMEFRAME
from strategies.strategy import Strategy


def mlflow_files(strategy: Strategy, record: Mapping[str, Any] | None) -> dict[str, bytes]:
    """Return the files of the model by name.

    Args:
        strategy: the rules and the risk plan.
        record: a candidate record, of which the timeframe is taken; whoever predicts on others, says so.
    """
    from cluster.mlflow_folder import model_files
    from fitness.calendars import bars_per_year

    shards = (record or {}).get("per_shard") or [{}]
    timeframe = str(shards[0].get("timeframe", DEFAULT_TIMEFRAME))
    rate = float((record or {}).get("bars_per_year") or bars_per_year(timeframe, "XNYS"))
    return model_files(strategy, timeframe=timeframe, bars_per_year=rate)
