"""Promise: full disk, I/O error, read-only, no HOME. A fault at the n-th change of the disk, for every n."""

import errno
import json
import os
import subprocess
import sys

import pytest
import yaml

from cluster.driver import run_job
from strategies.errors import StudbookError
from tests.chaos.watched_disk import WatchedDisk


class Refusals:
    """Refuses the n-th call that changes the disk, and all that follow if the disk stays as it is."""

    def __init__(self, patch, root, *, at, code=errno.ENOSPC, for_good=False):
        self.calls, self.refused = [], []
        self._at, self._code, self._for_good = at, code, for_good
        WatchedDisk(patch, root, before=self._before)

    def _before(self, call):
        self.calls.append(str(call))
        n = len(self.calls)
        frees = call.name in ("unlink", "ftruncate") and self._code == errno.ENOSPC  # a full disk lets go
        if (n == self._at or (self._for_good and n > self._at > 0)) and not frees:
            self.refused.append(str(call))
            raise OSError(self._code, os.strerror(self._code), str(call.path))


def attempt(job, root, replay, **fault):
    """Run a job on a disk that refuses; return its view if it got over that, what was refused, and what was said."""
    with pytest.MonkeyPatch.context() as patch:
        refusals = Refusals(patch, root, **fault)
        try:
            view, said = run_job(job, root=root, make_executor=replay), ""
        except StudbookError as error:
            view, said = None, str(error)
    return view, refusals, said


@pytest.mark.chaos
def test_a_fault_at_every_change_is_an_error_by_name_and_can_be_resumed(
    small, tmp_path, replay, finish, assert_same_job, amount
):
    reference, none, _ = attempt(small, tmp_path / "reference", replay, at=0)
    assert len(none.calls) > 100
    codes, survived = (errno.ENOSPC, errno.EIO, errno.EROFS), []
    for n in range(amount(1, 2 * len(codes)) * len(none.calls)):
        at, turn = n % len(none.calls) + 1, n // len(none.calls) + n
        fault = {"at": at, "code": codes[turn % len(codes)], "for_good": turn % 2 == 1}
        view, refusals, said = attempt(small, tmp_path / str(n), replay, **fault)
        if view is None:
            assert os.strerror(fault["code"]) in said, (fault, refusals.refused, said)
            assert "mend the disk, then `studbook resume" in said or "must be writable" in said
            view = finish(small, tmp_path / str(n))
        elif refusals.refused:
            survived.append(refusals.refused[0])
        assert_same_job(view, reference)
    assert len(survived) < n / 20, f"faults that nobody noticed: {survived}"


@pytest.mark.parametrize("home", [None, "/nonexistent/home"])
def test_a_job_needs_no_home(home, small, tmp_path):
    """The whole command, in a process whose HOME is missing or can't be written to."""
    job_file = tmp_path / "job.yaml"
    job_file.write_text(yaml.safe_dump(small.model_dump(mode="json", exclude_none=True)), encoding="utf-8")
    hidden = ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    if home is not None:
        environment["HOME"] = home
    command = [sys.executable, "-m", "cluster.cli", "run", str(job_file), "--set", f"output.root={tmp_path / 'runs'}"]
    ran = subprocess.run(
        [*command, "--json"], env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["status"] == "finished"
    assert "Traceback" not in ran.stderr
