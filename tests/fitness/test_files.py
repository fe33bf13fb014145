"""A file is whole or not there, whatever fails and whenever."""

import os
import stat
from pathlib import Path

import pytest

from fitness.files import atomic_write_bytes, atomic_write_text, make_folder


def test_writes_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "a.bin"
    atomic_write_bytes(path, b"one")
    assert path.read_bytes() == b"one"
    atomic_write_bytes(path, b"two")
    assert path.read_bytes() == b"two"
    assert [p.name for p in path.parent.iterdir()] == ["a.bin"]


def test_text_keeps_its_newlines_and_is_utf8(tmp_path: Path) -> None:
    atomic_write_text(tmp_path / "a.txt", "ä\r\n\n")
    assert (tmp_path / "a.txt").read_bytes() == "ä\r\n\n".encode()


def test_file_has_the_permissions_of_any_other_new_file(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_bytes(b"")
    atomic_write_bytes(tmp_path / "a", b"")
    assert (tmp_path / "a").stat().st_mode == plain.stat().st_mode


@pytest.mark.parametrize("fault", ["fsync", "replace", "write"])
@pytest.mark.parametrize("existed", [True, False])
def test_a_fault_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, existed: bool
) -> None:
    path = tmp_path / "a.bin"
    if existed:
        path.write_bytes(b"old")

    def fail(*_args: object, **_kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    target = {"fsync": (os, "fsync"), "replace": (Path, "replace"), "write": (Path, "open")}[fault]
    monkeypatch.setattr(*target, fail)
    with pytest.raises(OSError, match="No space left"):
        atomic_write_bytes(path, b"new")
    monkeypatch.undo()
    assert [p.name for p in tmp_path.iterdir()] == (["a.bin"] if existed else [])
    if existed:
        assert path.read_bytes() == b"old"


def test_the_file_is_synced_before_the_rename_and_the_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[str] = []
    replace = Path.replace

    def synced(descriptor: int) -> None:
        happened.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")

    def renamed(self: Path, target: Path) -> Path:
        happened.append("rename")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    atomic_write_bytes(tmp_path / "a.bin", b"x")
    assert happened == ["file", "rename", "folder"]


def test_an_interrupt_in_the_middle_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_fd: int) -> None:
        raise KeyboardInterrupt("stop")

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt, match="stop"):
        atomic_write_bytes(tmp_path / "a.bin", b"new")
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_of_a_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(OSError, match="a"):
        make_folder(tmp_path / "a" / "b")
