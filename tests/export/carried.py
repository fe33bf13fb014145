"""An exported file, imported as its user would import it."""

import importlib.util
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

from fitness.shards import Shard


def imported(source: str, *, numba: bool = False) -> ModuleType:
    """The module of an exported file; without numba, as where it isn't installed, unless asked for."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "exported.py"
        path.write_text(source, encoding="utf-8")
        spec = importlib.util.spec_from_file_location("exported", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        away = {} if numba else {"numba": None}
        with patch.dict(sys.modules, {"exported": module, **away}):  # dataclasses look their module up
            spec.loader.exec_module(module)
    return module


def columns(shard: Shard) -> dict[str, Any]:
    """Bars as `signals` and `backtest` of an exported file take them."""
    names = ("open", "high", "low", "close", "volume", "timestamps", "timeframe", "bars_per_year")
    return {name: getattr(shard, name) for name in names} | {"extra": dict(shard.extra)}
