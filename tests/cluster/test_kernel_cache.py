"""Compiled kernels are kept per version and source, in a folder that can be written."""

import os
import subprocess
import sys
from pathlib import Path

from cluster.kernel_cache import (
    COMPILED_LAYERS,
    _folder_of_this_process,
    kernel_cache_folder,
    kernel_digest,
    package_version,
)


def test_the_folder_is_named_after_version_and_source(tmp_path, monkeypatch):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = kernel_cache_folder()
    assert folder == tmp_path / "studbook" / f"numba-{package_version()}-{kernel_digest()}"
    assert folder.is_dir()


def test_a_given_folder_is_kept_and_no_home_is_no_fault(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "mine"))
    assert kernel_cache_folder() == tmp_path / "mine"
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert kernel_cache_folder().is_dir()


def test_a_folder_that_others_could_write_to_is_not_used(tmp_path, monkeypatch):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    _folder_of_this_process.cache_clear()
    first = kernel_cache_folder()
    assert (first.is_relative_to(tmp_path / "home"), first.stat().st_mode & 0o077) == (True, 0)
    first.chmod(0o777)
    second = kernel_cache_folder()
    assert second.is_relative_to(tmp_path / f"studbook-{os.getuid()}")
    second.chmod(0o720)
    third = kernel_cache_folder()
    assert third.name.startswith("studbook-numba-")
    assert kernel_cache_folder() == third, "one for each process, not for each question"
    _folder_of_this_process.cache_clear()


EXPORTED = "    from numba import njit\n\n    compiled = njit("  # a line of exported files, which compile themselves


def test_every_compiled_function_is_in_the_digest():
    root = Path(__file__).parents[2]
    assert {"strategies", "fitness", "evolution", "cluster"} - set(COMPILED_LAYERS) == {"cluster"}
    assert not [
        path for path in (root / "cluster").rglob("*.py") if "import njit" in path.read_text().replace(EXPORTED, "")
    ]


def test_the_command_line_shares_them(tmp_path):
    code = "from cluster.kernel_cache import *; share_kernels(); print(os.environ['NUMBA_CACHE_DIR'])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": "/usr/bin:/bin", "XDG_CACHE_HOME": str(tmp_path)},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith(str(tmp_path))
