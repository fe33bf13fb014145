"""Kernels are compiled ahead of the workers, once a cache."""

import pytest

from cluster.compile_ahead import PARTS, CompileAhead, done_mark


@pytest.mark.parametrize("part", PARTS)
def test_every_part_runs_on_made_up_bars(part):
    PARTS[part]()


@pytest.mark.parametrize(("program", "is_marked"), [("true", True), ("false", False)])
def test_the_cache_is_marked_only_when_all_parts_succeeded(tmp_path, monkeypatch, capsys, program, is_marked):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr("sys.executable", program)
    with CompileAhead() as ahead:
        ahead.wait()
    assert done_mark(tmp_path).exists() == is_marked
    assert "compiling kernels, once" in capsys.readouterr().err
    with CompileAhead() as again:
        again.wait()
    assert ("compiling" in capsys.readouterr().err) != is_marked


def test_what_still_runs_is_stopped_on_the_way_out(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    sleeper = tmp_path / "sleeper"
    sleeper.write_text("#!/bin/sh\nexec sleep 60\n")
    sleeper.chmod(0o700)
    monkeypatch.setattr("sys.executable", str(sleeper))
    with CompileAhead() as ahead:
        processes = ahead._running
        assert all(process.poll() is None for process in processes)
    assert all(process.poll() is not None for process in processes)
    assert not done_mark(tmp_path).exists()
