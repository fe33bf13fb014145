"""Promise: kill the driver at any moment. At every call that changes the disk, before it, in it, and after it."""

import random
import shutil

import pytest

from cluster.driver import run_job
from cluster.journal import read_journal
from tests.chaos.watched_disk import WatchedDisk, content_of, put


class Snapshots:
    """Keeps what a kill would leave behind: the folder before and after every call that changes it, half writes too."""

    def __init__(self, patch, root, keep):
        self.root, self.keep, self.kept, self.calls = root, keep, [], []
        self._last = None
        WatchedDisk(patch, root, before=self._before, after=self._after)

    def _before(self, call):
        self.calls.append(str(call))
        content = self._keep_new(content_of(self.root) if self.root.exists() else {})
        if call.content:
            name = str(call.path.relative_to(self.root))
            half = content[name][: call.offset] + call.content[: len(call.content) // 2]
            self._keep_new({**content, name: half})

    def _after(self, call):
        self._keep_new(content_of(self.root))

    def _keep_new(self, content):
        if content != self._last and content:
            self._last = content
            self.kept.append(self.keep / f"{len(self.kept)}-{self.calls[-1].replace(' ', '-')}")
            put(content, self.kept[-1])
        return content


def acknowledged(root):
    """The records of the journal under a folder of runs that were on disk when the driver was killed."""
    journals = list(root.glob("*/journal.jsonl"))
    if not journals or b"\n" not in journals[0].read_bytes():
        return ()
    return read_journal(journals[0]).records


def check(kept, job, finish, reference, assert_same_job):
    """Resume a snapshot: the same job in the end, and every record that was there is there."""
    before = acknowledged(kept)
    view = finish(job, kept)
    assert_same_job(view, reference)
    if before:
        assert read_journal(view.run_dir / "journal.jsonl").records[: len(before)] == before
    assert len(view.lockbox_reads) <= 2
    shutil.rmtree(kept)
    return [read["again"] for read in view.lockbox_reads]


def test_killed_at_every_numbered_point_and_resumed(small, tmp_path, replay, finish, assert_same_job):
    with pytest.MonkeyPatch.context() as patch:
        snapshots = Snapshots(patch, tmp_path / "watched", tmp_path / "kept")
        reference = run_job(small, root=tmp_path / "watched", make_executor=replay)
    kinds = {call.split()[0] for call in snapshots.calls}
    assert kinds == {"create", "write", "fsync", "replace", "mkdir", "pwrite", "unlink"}
    again = [check(kept, small, finish, reference, assert_same_job) for kept in snapshots.kept]
    assert any(map(any, again)), "no cut fell between the reading of the lockbox and the record of what was in it"
    assert len(snapshots.kept) > 80


BIGGER = (
    {"islands": 3, "generations": 3, "population_size": 8},
    {"islands": 2, "generations": 3, "population_size": 10, "screen": {"enabled": True, "min_agreement": 0.0}},
    {"islands": 4, "generations": 2, "population_size": 6, "migration": {"topology": "full", "migrants": 2, "lag": 1}},
)


@pytest.mark.chaos
def test_killed_at_random_points_of_bigger_jobs(job_of, tmp_path, replay, finish, assert_same_job, amount):
    rng, n_points = random.Random(6), amount(6, 300)
    for number, evolution in enumerate(BIGGER):
        job, root = job_of(**evolution), tmp_path / str(number)
        with pytest.MonkeyPatch.context() as patch:
            snapshots = Snapshots(patch, root / "watched", root / "kept")
            reference = run_job(job, root=root / "watched", make_executor=replay)
        for kept in rng.sample(snapshots.kept, min(n_points // len(BIGGER), len(snapshots.kept))):
            check(kept, job, finish, reference, assert_same_job)
