"""The driver killed at every point at which it changes the disk, and a disk that refuses: resumed, nothing is lost."""

import errno
import os
import shutil

import pytest

from cluster.driver import open_market, resume_job, run_job
from cluster.journal import FILE_NAME
from cluster.settings import config_from
from strategies.errors import StudbookError

OFF = ("max_drawdown", "dsr", "validation_sharpe", "spa", "pbo", "regimes", "stability")
EASY = {"min_trades": 1, **dict.fromkeys(OFF), "battery": False, "candidates": 1}
DISK_CALLS = ("fsync", "pwrite", "replace", "mkdir", "unlink", "ftruncate", "rename")


def content_of(root):
    return {str(path.relative_to(root)): path.read_bytes() if path.is_file() else b"" for path in root.rglob("*")}


class Snapshots:
    """Keeps what a kill would leave behind: the folder before every call that changes the disk, half writes too."""

    def __init__(self, monkeypatch, root, keep):
        self.root, self.keep, self.kept = root, keep, []
        self._last = None
        for name in DISK_CALLS:
            monkeypatch.setattr(os, name, self._watched(name, getattr(os, name)))

    def _watched(self, name, real):
        def call(*arguments, **options):
            if self.root.exists():
                self._snapshot()
                if name == "pwrite":
                    torn = self._copy()
                    (journal,) = torn.glob(f"*/{FILE_NAME}")
                    with journal.open("ab") as stream:
                        stream.write(arguments[1][: len(arguments[1]) // 2])
            return real(*arguments, **options)

        return call

    def _snapshot(self):
        content = content_of(self.root)
        if content != self._last:
            self._last = content
            self._copy()

    def _copy(self):
        target = self.keep / str(len(self.kept))
        for name, content in content_of(self.root).items():  # not shutil: it uses what is watched
            path = target / name
            if content or not (self.root / name).is_dir():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            elif not path.exists():
                path.mkdir(parents=True)
        self.kept.append(target)
        return target


class FullDisk:
    """Fails the n-th call that changes the disk, and only that."""

    def __init__(self, monkeypatch, *, at):
        self.count, self.at = 0, at
        for name in DISK_CALLS:
            monkeypatch.setattr(os, name, self._guarded(getattr(os, name)))

    def _guarded(self, real):
        def call(*arguments, **options):
            self.count += 1
            if self.count == self.at:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(*arguments, **options)

        return call


def finish(job, root, replay):
    """Resume what is in `root`, or begin anew if nothing was acknowledged."""
    journals = list(root.glob(f"*/{FILE_NAME}")) if root.exists() else []
    if not journals or not journals[0].read_bytes().count(b"\n"):
        return run_job(job, root=root / "anew", make_executor=replay)
    return resume_job(journals[0].parent, make_executor=replay)


@pytest.fixture
def small(tiny_values, monkeypatch):
    """As little as has every kind of crash point. Its bars are loaded once, since no fault is aimed at them here."""
    values = {**tiny_values, "gates": EASY}
    values["data"] = {**values["data"], "shards": [{"symbol": "SPX"}]}
    values["evolution"] = {**values["evolution"], "generations": 2, "population_size": 6}
    config = config_from(values, where="test")
    market = open_market(config)
    monkeypatch.setattr("cluster.driver.open_market", lambda config: market)
    return config


def test_killed_at_every_numbered_point_and_resumed(small, tmp_path, replay, assert_same_job):
    with pytest.MonkeyPatch.context() as patch:
        snapshots = Snapshots(patch, tmp_path / "watched", tmp_path / "kept")
        reference = run_job(small, root=tmp_path / "watched", make_executor=replay)
    assert len(snapshots.kept) > 40
    again = []
    for root in snapshots.kept:
        view = finish(small, root, replay)
        assert_same_job(view, reference)
        again += [read["again"] for read in view.lockbox_reads]
        assert len(view.lockbox_reads) <= 2
        shutil.rmtree(root)
    assert any(again), "no cut fell between the reading of the lockbox and the record of what was in it"


def test_a_full_disk_is_an_error_by_name_and_can_be_resumed(small, tmp_path, replay, assert_same_job):
    with pytest.MonkeyPatch.context() as patch:
        disk = FullDisk(patch, at=-1)
        reference = run_job(small, root=tmp_path / "reference", make_executor=replay)
    for at in range(1, disk.count + 1, 4):
        root = tmp_path / str(at)
        with pytest.MonkeyPatch.context() as patch:
            FullDisk(patch, at=at)
            with pytest.raises(StudbookError, match="No space left on device"):
                run_job(small, root=root, make_executor=replay)
        assert_same_job(finish(small, root, replay), reference)
