"""What a layer pulls in when it is imported: the lower ones are a library without Ray, MLflow or a command line."""

import subprocess
import sys

import pytest

HEAVY = ("ray", "mlflow", "typer", "rich", "plotly", "deap", "optuna", "arch", "exchange_calendars", "pandas")


def modules_after(statement):
    code = f"import sys; {statement}; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    return set(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split())


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ("import strategies.codec, strategies.templates", set()),
        ("import fitness.evaluate, fitness.gates, fitness.shards", set()),
        ("import evolution.advance", {"deap"}),
    ],
)
def test_a_layer_imports_nothing_heavy(statement, allowed):
    assert modules_after(statement) & set(HEAVY) <= allowed


def test_errors_cost_nothing():
    assert not modules_after("import strategies.errors") & {*HEAVY, "numpy", "talib", "numba", "polars"}
