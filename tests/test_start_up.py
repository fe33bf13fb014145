"""What a worker loads before its first result: as little as that takes. Seconds are for `benchmarks/cold_start.py`."""

import subprocess
import sys

import pytest

EVALUATE = """
import sys
import numpy as np
from fitness.bank import FeatureBank
from fitness.costs import Costs
from fitness.evaluate import evaluate
from fitness.folds import Window
from fitness.shard import Shard
from strategies.encoding import phenotype_of
from strategies.templates import TEMPLATES
close = 100.0 + np.cumsum(np.random.default_rng(1).standard_normal(400))
shard = Shard("X", "1d", np.arange(400), close, close + 1.0, close - 1.0, close, close, 252.0, "hash", 1.0)
both_sides = phenotype_of(TEMPLATES["sma_cross"])[None]
tallies = evaluate(both_sides, shard, [Window("a", 50, 400)], Costs(fee=0.0, slippage=0.0), FeatureBank(shard))
assert np.isfinite(tallies).all()
"""
LOADED = "print(*sorted(sys.modules))"


def run(code: str) -> str:
    """What a fresh process prints."""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return told.stdout.strip()


def test_the_first_result_needs_no_data_frames_no_scipy_and_no_discovery():
    loaded = set(run(EVALUATE + LOADED).split())
    assert "strategies.codec" in loaded
    heavy = {"pandas", "polars", "scipy.linalg", "pyarrow", "exchange_calendars", "deap", "pydantic", "ray", "mlflow"}
    assert not loaded & (heavy | {"strategies.discovery", "strategies.examination", "strategies.mirror_search"})


def test_what_runs_on_workers_imports_no_data_frames_no_tracking_and_no_terminal():
    loaded = set(run(f"import sys, cluster.actors, cluster.worker\n{LOADED}").split())
    assert {"cluster.actors", "cluster.worker", "fitness.bank", "evolution.advance"} <= loaded
    heavy = {"pandas", "polars", "scipy.linalg", "pyarrow", "fsspec", "optuna", "ribs", "mlflow", "plotly"}
    assert not loaded & (heavy | {"rich", "typer", "exchange_calendars", "cluster.cli", "cluster.tracking"})


def test_the_command_line_imports_no_numbers_before_a_command_does():
    loaded = set(run(f"import sys, cluster.cli\n{LOADED}").split())
    assert "typer" in loaded
    assert not loaded & {"numpy", "numba", "polars", "pydantic", "ray", "mlflow", "rich.progress"}


def test_a_shard_from_another_process_needs_no_data_frames():
    code = """
import pickle, sys
import numpy as np
from fitness.shard import Shard
shard = Shard("X", "1d", np.arange(3), *np.ones((5, 3)), 252.0, "hash", 1.0)
sent = pickle.dumps(shard)
"""
    loaded = set(run(f"{code}pickle.loads(sent)\n{LOADED}").split())
    assert not loaded & {"polars", "pandas", "numba", "talib"}


def test_pandas_can_be_imported_after_talib_was_without_it():
    code = """
import hashlib, sys
import numpy as np
from strategies.operands import column
from strategies.catalogue import kind_index
from strategies.probes import walk
bars = walk(number=1, volatility=0.01)
names = ("SMA", "MACD.macd", "ATR", "STOCH.slowk")
values = [column(kind_index(name), 3, (9.0, 20.0, 4.0), bars).tobytes() for name in names]
assert "talib" in sys.modules
seen = "pandas" in sys.modules
import pandas, polars
assert pandas.Series([1.0]).sum() == polars.Series([1.0]).sum() == 1.0
print(seen, hashlib.sha256(b"".join(values)).hexdigest())
"""
    alone, together = run(code).split(), run(f"import pandas, talib\n{code}").split()
    assert (alone[0], together[0]) == ("False", "True")
    assert alone[1] == together[1]


def test_talib_takes_data_frames_where_pandas_was_there_first():
    code = """
import pandas
from strategies.catalogue import catalogue
from strategies import talib_library
talib_library.function("SMA")
import talib
print(talib.SMA(pandas.Series([1.0, 2.0, 3.0]), 2).tolist())
"""
    assert run(code) == "[nan, 1.5, 2.5]"


@pytest.mark.parametrize("before", ["", "import scipy.linalg, numba.np.arraymath\n"])
def test_numba_still_finds_scipy_for_those_who_multiply_matrices(before):
    code = """
import sys
from strategies.numba_start import load_numba
load_numba()
seen = "scipy.linalg" in sys.modules
import numba, numba.np.arraymath
import numpy as np
product = numba.njit(lambda a, b: a @ b)(np.eye(2), np.ones((2, 2)))
print(seen, numba.np.arraymath._HAVE_BLAS, product.sum())
"""
    assert run(before + code) == f"{bool(before)} True 4.0"
