"""A shard of bars as one of MLflow's datasets: its digest, columns, size, and where it lies."""

import json
from collections.abc import Mapping
from typing import Any, Final

from cluster.tracking_store import DataSet
from fitness.shard import VALUES

WHOLE: Final = "evolution"
DIGEST: Final = 32
"""Characters of a digest; MLflow takes 36."""


def shard_dataset(shard: Mapping[str, Any], root: str) -> DataSet:
    """Return a whole shard as a dataset; its digest begins its content hash.

    Args:
        shard: what the journal records of it.
        root: folder or URL of the store it was read from, as the job file has it.
    """
    name = f"{shard['symbol']} {shard['timeframe']}"
    facts = {key: shard.get(key) for key in ("start", "end", "quality", "content_hash")}
    return dataset_of(
        name, str(shard["content_hash"])[:DIGEST], WHOLE, int(shard["n_bars"]), facts, source_of(shard, root)
    )


def dataset_of(
    name: str, digest: str, context: str, n_bars: int, facts: Mapping[str, Any], source: tuple[str, str]
) -> DataSet:
    """Return some bars as a dataset; `facts` are said beside their number, `source` is type and place."""
    columns = [{"type": "datetime", "name": "timestamp", "required": True}]
    columns += [{"type": "double", "name": column, "required": True} for column in VALUES]
    profile = {"num_rows": n_bars, "num_elements": n_bars * len(columns), **facts}
    return DataSet(
        name=name,
        digest=digest,
        source_type=source[0],
        source=source[1],
        schema=json.dumps({"mlflow_colspec": columns}),
        profile=json.dumps(profile),
        context=context,
    )


def source_of(shard: Mapping[str, Any], root: str) -> tuple[str, str]:
    """Type and place of a shard's file, in a form that `mlflow.data.get_source` reads back."""
    from fitness.shard_file import FILE_NAME

    scheme = root.partition("://")[0] if "://" in root else "local"
    place = f"{root.rstrip('/')}/symbol={shard['symbol']}/timeframe={shard['timeframe']}/{FILE_NAME}"
    return scheme, json.dumps({"uri": place})
