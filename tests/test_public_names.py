"""What `from evolution import …` offers: exactly the names of its map, each documented and from the layer itself."""

import importlib
import inspect

import pytest

import evolution

PACKAGES = ("strategies", "fitness", "evolution", "cluster")


@pytest.mark.parametrize("name", evolution.__all__)
def test_a_public_name_exists_and_says_what_it_is(name):
    value = getattr(evolution, name)
    if inspect.isclass(value) or inspect.isfunction(value):
        assert inspect.getdoc(value)
        assert value.__module__.startswith("evolution.")


def test_the_map_has_no_name_twice():
    assert len(set(evolution.__all__)) == len(evolution.__all__)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_layer_says_what_it_is(package):
    assert importlib.import_module(package).__doc__
