"""A small real job with elites, for pages: bred on bundled bars before a rising end, gates open, in one process."""

from pathlib import Path
from typing import Any

from cluster.driver import run_job
from cluster.settings import config_from
from cluster.view import JobView

OPEN_GATES = {
    **dict.fromkeys(("max_drawdown", "dsr", "validation_sharpe", "spa", "pbo", "regimes", "stability")),
    "min_trades": 1,
    "battery": False,
    "benchmark": "cash",
    "lockbox_alpha": 0.999,
    "candidates": 5,
}
VALUES: dict[str, Any] = {
    "name": "paged",
    "seed": 11,
    "data": {"source": "files", "end": "2018-09-28", "shards": [{"symbol": "SPX"}, {"symbol": "IXIC"}]},
    "split": {"folds": 2, "validation": 0.2, "lockbox": 0.2, "embargo": 5, "warm_up": 100},
    "evolution": {
        "islands": 3,
        "population_size": 16,
        "generations": 8,
        "epoch_generations": 2,
        "migration": {"migrants": 2, "lag": 1},
    },
    "gates": OPEN_GATES,
    "cluster": {"executor": "serial", "workers": 1},
    "tracking": {"enabled": False},
}


def finished_job(bars_root: Path, root: Path) -> JobView:
    """The view of a finished job in `root`, which ran just now."""
    values = {**VALUES, "data": {**VALUES["data"], "root": str(bars_root)}, "output": {"root": str(root)}}
    return run_job(config_from(values, where="tests/pages"))
