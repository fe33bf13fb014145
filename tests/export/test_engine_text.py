"""Signals and an engine's runtime in one file: no name may mean two things, whatever the signals carry along."""

import ast
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import cluster.export.engine_text as engine_text_module
from cluster.export.backtesting_target import backtesting_text
from cluster.export.bundle import bundle
from cluster.export.engine_text import engine_text, names_imported, names_made, runtime_source
from cluster.export.vectorbt_target import vectorbt_text
from strategies.catalogue import catalogue
from strategies.errors import StrategyError
from strategies.extra_columns import EXTRA_COLUMNS
from strategies.features import FEATURES
from strategies.learners.kernels import KERNELS
from strategies.strategy import Condition, Operand, Rule
from strategies.templates import TEMPLATES

BASE = TEMPLATES["sma_cross"]
ENGINES = ("backtesting", "vectorbt")
WRITERS = (backtesting_text, vectorbt_text)


@pytest.fixture(scope="module")
def carried():
    """All that any strategy may carry along, as one text."""
    kernels = [(f"strategies.learners.{module}", name) for module, name in (one.split(".") for one in KERNELS.values())]
    features = {(one.compute.__module__, one.compute.__name__) for one in FEATURES.values()}
    return bundle([*kernels, *sorted(features), ("fitness.sizing", "inverse_volatility")])


@pytest.mark.parametrize("engine", ENGINES)
def test_no_name_of_a_runtime_is_one_that_signals_may_carry(engine, carried):
    runtime = runtime_source(engine)
    core = names_made(carried.source) | names_made(
        (Path(engine_text_module.__file__).parent / "runtime/core.txt").read_text()
    )
    assert len(core) > 100
    assert not core & (names_made(runtime) | names_imported(runtime))
    assert not names_imported("\n".join(carried.imports)) & names_made(runtime)


def test_a_name_with_two_meanings_is_refused(monkeypatch):
    monkeypatch.setattr(engine_text_module, "runtime_source", lambda _: "import math\n\n\ndef signals():\n    pass\n")
    with pytest.raises(StrategyError, match="must have one meaning, but signals would have two for nowhere"):
        engine_text(BASE, None, engine="nowhere", manual="")


@pytest.mark.parametrize("write", WRITERS)
def test_extra_columns_are_refused_by_name(write):
    rng = np.random.default_rng(3)
    kinds = [one for one in catalogue() if one.family == "extra"]
    kind = kinds[int(rng.integers(len(kinds)))]
    operand = Operand(kind.name, None, tuple(parameter.default for parameter in kind.parameters))
    strategy = replace(BASE, entry=Rule((Condition(operand, ">", replace(operand, lag=1)),), 1))
    assert set(kind.requires) <= set(EXTRA_COLUMNS)
    with pytest.raises(StrategyError, match=f"reads the columns {kind.requires[0]}"):
        write(strategy, None)


@pytest.mark.parametrize("engine", ENGINES)
def test_names_are_those_that_python_finds(engine, carried):
    for source in (runtime_source(engine), carried.source, "\n".join(carried.imports), "import a.b as c, d\n"):
        tops = ast.parse(source).body
        made = {node.name for node in tops if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        for node in (one for one in tops if isinstance(one, ast.Assign)):
            made |= {one.id for target in node.targets for one in ast.walk(target) if isinstance(one, ast.Name)}
        lines = [one for node in tops if isinstance(node, ast.Import | ast.ImportFrom) for one in node.names]
        assert names_made(source) == made
        assert names_imported(source) == {one.asname or one.name.partition(".")[0] for one in lines}
