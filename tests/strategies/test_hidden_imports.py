"""A library is hidden from one thread, for as long as asked, and nothing else changes."""

import importlib
import sys
import threading

import pytest

from strategies.hidden_imports import hidden


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A package on the path that nothing has imported, with a submodule."""
    folder = tmp_path / "seldom_seen"
    folder.mkdir()
    (folder / "__init__.py").write_text("value = 3\n")
    (folder / "part.py").write_text("value = 4\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "seldom_seen"
    for name in ("seldom_seen", "seldom_seen.part"):
        sys.modules.pop(name, None)


def test_a_hidden_library_is_not_there_and_then_is(library):
    finders = list(sys.meta_path)
    with hidden("other", library):
        with pytest.raises(ModuleNotFoundError, match="seldom_seen is hidden") as caught:
            importlib.import_module(library)
        assert caught.value.name == library  # by which TA-Lib tells a missing library from a broken one
        assert library not in sys.modules
    assert sys.meta_path == finders
    assert importlib.import_module(library).value == 3


def test_a_submodule_of_a_loaded_library_is_hidden_too(library):
    importlib.import_module(library)
    with hidden(library):
        assert importlib.import_module(library).value == 3
        with pytest.raises(ModuleNotFoundError, match=r"seldom_seen\.part is hidden"):
            importlib.import_module(f"{library}.part")
    assert importlib.import_module(f"{library}.part").value == 4


def test_other_threads_see_it(library):
    seen = []
    with hidden(library):
        thread = threading.Thread(target=lambda: seen.append(importlib.import_module(library).value))
        thread.start()
        thread.join()
    assert seen == [3]


def test_an_error_within_shows_it_again(library):
    with pytest.raises(ZeroDivisionError, match="division"), hidden(library):
        _ = 1 / 0
    assert importlib.import_module(library).value == 3
