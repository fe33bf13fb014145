"""What each layer offers by `from LAYER import …`: exactly the names of its map, each documented and from the layer."""

import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = ("strategies", "fitness", "evolution", "cluster")
NAMES = [(package, name) for package in PACKAGES for name in importlib.import_module(package).__all__]


@pytest.mark.parametrize(("package", "name"), NAMES)
def test_a_public_name_exists_and_says_what_it_is(package, name):
    value = getattr(importlib.import_module(package), name)
    if inspect.isclass(value) or inspect.isfunction(value):
        assert inspect.getdoc(value)
        assert value.__module__.startswith(f"{package}.")
    assert not inspect.ismodule(value)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_map_has_no_name_twice_and_no_name_of_a_module(package):
    names = importlib.import_module(package).__all__
    assert len(set(names)) == len(names)
    folder = Path(str(importlib.import_module(package).__file__)).parent
    modules = {path.stem for path in folder.iterdir()}
    eager = {"advance", "evolve"} if package == "evolution" else set()  # bound over their modules when it is imported
    assert set(names) & modules == eager


@pytest.mark.parametrize("package", PACKAGES)
def test_a_layer_says_what_it_is_and_refuses_other_names(package):
    layer = importlib.import_module(package)
    assert layer.__doc__
    with pytest.raises(AttributeError, match="has no attribute 'nothing_such'"):
        _ = layer.nothing_such


def test_a_layer_costs_nothing_before_a_name_is_asked_for():
    code = "import sys, strategies, fitness, cluster; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"numpy", "numba", "polars", "pydantic", "talib"} & set(loaded)
