"""The snapshot is what would be discovered, says so under its key, and says nothing under another one."""

import ast
import json
from dataclasses import replace
from pathlib import Path

import pytest

from strategies import catalogue_snapshot, genes
from strategies.catalogue import catalogue, discovery
from strategies.catalogue_snapshot import DISCOVERING, PATH, key, load, text_of, write
from strategies.discovery import discover
from strategies.scales import Scale

STALE = "the catalogue's snapshot is of other code or another TA-Lib: run `python -m strategies.catalogue_snapshot`"


@pytest.fixture(scope="module")
def found():
    return discover()


def test_the_shipped_snapshot_is_what_is_discovered_now(found):
    assert load() is not None, STALE
    assert PATH.read_text(encoding="utf-8") == text_of(found), STALE


def test_what_is_read_is_what_was_written_to_the_type(found):
    known = load()
    assert known == found
    assert repr(known.kinds) == repr(found.kinds)  # the fingerprint of the gene table is made of this
    assert [type(mirror.flips) for mirror in known.mirrors] == [bool] * len(found.kinds)
    assert list(known.put_aside.items()) == sorted(found.put_aside.items())


def test_the_fingerprint_is_the_same_with_and_without_the_snapshot(monkeypatch, found):
    fingerprint = genes.fingerprint.__wrapped__()
    ours = catalogue()[len(found.kinds) :]
    monkeypatch.setattr(genes, "catalogue", lambda: (*found.kinds, *ours))
    assert genes.fingerprint.__wrapped__() == fingerprint
    changed = (replace(found.kinds[1], scale=Scale(2.0, 0.0, False)), *found.kinds[2:], *ours)
    monkeypatch.setattr(genes, "catalogue", lambda: changed)
    assert genes.fingerprint.__wrapped__() != fingerprint


def test_writing_again_writes_nothing(tmp_path, found, monkeypatch):
    monkeypatch.setattr("strategies.discovery.discover", lambda: found)
    path = tmp_path / "catalogue.json"
    assert write(path)
    assert path.read_bytes() == PATH.read_bytes()
    assert not write(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["catalogue.json"]


@pytest.mark.parametrize("place", range(4))
def test_another_key_says_nothing(tmp_path, place):
    data = json.loads(PATH.read_text(encoding="utf-8"))
    data["key"][place] += "0"
    (tmp_path / "catalogue.json").write_text(json.dumps(data), encoding="utf-8")
    assert load(tmp_path / "catalogue.json") is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "7", '{"key": []}'])
def test_what_is_no_snapshot_says_nothing(tmp_path, text):
    path = tmp_path / "catalogue.json"
    assert load(path) is None
    path.write_text(text, encoding="utf-8")
    assert load(path) is None


def test_a_damaged_snapshot_says_nothing(tmp_path):
    data = json.loads(PATH.read_text(encoding="utf-8"))
    for damage in ({"grids": []}, {"mirrors": [[1, 2, 3]]}, {"kinds": [{"name": "RSI"}]}):
        (tmp_path / "catalogue.json").write_text(json.dumps({**data, **damage}), encoding="utf-8")
        assert load(tmp_path / "catalogue.json") is None, damage


def test_without_a_snapshot_the_catalogue_is_discovered(monkeypatch, found):
    monkeypatch.setattr(catalogue_snapshot, "load", lambda: None)
    assert discovery.__wrapped__() == found


def test_the_key_changes_with_each_line_of_the_code_that_discovers(tmp_path, monkeypatch):
    for name in DISCOVERING:
        (tmp_path / f"{name}.py").write_bytes(PATH.with_name(f"{name}.py").read_bytes())
    plain = key()
    monkeypatch.setattr(catalogue_snapshot, "PATH", tmp_path / PATH.name)
    assert key() == plain
    seen = {plain[-1]}
    for name in DISCOVERING:
        with (tmp_path / f"{name}.py").open("a") as file:
            file.write("\n")
        seen.add(key()[-1])
    assert len(seen) == len(DISCOVERING) + 1


def imported_by(name: str) -> set[str]:
    """The modules of this package that a module imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(PATH.with_name(f"{name}.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "strategies":
            parts = (node.module or "").split(".")[1:]
            names |= {parts[0]} if parts else {alias.name for alias in node.names}
    return {each for each in names if Path(PATH.with_name(f"{each}.py")).is_file()}


def test_the_key_is_of_all_code_that_discovers():
    reached, left = set(), {"discovery"}
    while left:
        reached |= left
        left = set().union(*(imported_by(name) for name in left)) - reached
    assert reached == set(DISCOVERING)
