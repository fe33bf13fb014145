"""Promise: no leak. Five minutes (two hours under `make chaos`) of jobs: memory, files, shared memory stay bounded.

What is allowed is said below. Samples of the first third of a phase are warm-up: kernels are loaded, banks fill up.
Medians of the two thirds after it are compared, so one sample that was taken at a bad moment decides nothing.
"""

import json
from pathlib import Path
from statistics import median

import pytest

pytestmark = pytest.mark.chaos

MIB = 2**20
OWN_BYTES = 16 * MIB
"""By so much may the memory of a process grow from the second to the last third, however long they are ..."""
JOB_BYTES, EPOCH_BYTES = 64 * 1024, 8 * 1024
"""... besides so much for each short job, and for each epoch of the long one, whose journal the driver holds."""
FILES, THREADS, TEMPORARY = 8, 8, 40
LEAST_SAMPLES = 9


@pytest.fixture(scope="module")
def samples(soak):
    """All samples of the run by phase, when it has ended well."""
    code, errors = soak.result()
    assert code == 0, errors
    lines = [json.loads(line) for line in (soak.folder / "samples.jsonl").read_text().splitlines()]
    phases = {}
    for line in lines:
        phases.setdefault(line["phase"], []).append(line)
    return phases


def thirds(values):
    """The second and the last third."""
    third = len(values) // 3
    return values[third : 2 * third], values[2 * third :]


def growth(values):
    """From the second to the last third, in medians."""
    before, after = thirds(values)
    return median(after) - median(before)


def stayed(phase):
    """The processes that are in all samples of the last two thirds."""
    before, after = thirds(phase)
    return sorted(set.intersection(*(set(one["processes"]) for one in (*before, *after))))


@pytest.mark.parametrize("phase", ["short jobs", "long job"])
def test_no_process_grows(samples, phase):
    found = samples[phase]
    assert len(found) >= LEAST_SAMPLES
    steady = stayed(found)
    assert steady
    n_done = max(one["done"] for one in found) - found[len(found) // 3]["done"]
    allowed = OWN_BYTES + n_done * (JOB_BYTES if phase == "short jobs" else EPOCH_BYTES)
    for process in steady:
        seen = [one["processes"][process] for one in found if process in one["processes"]]
        for what, most in (("own", allowed), ("files", FILES), ("threads", THREADS)):
            grown = growth([one[what] for one in seen])
            assert grown <= most, f"{seen[-1]['name']} ({process}) has {grown:,.0f} more {what} than before"


@pytest.mark.parametrize("phase", ["short jobs", "long job"])
def test_shared_memory_and_temporary_files_are_bounded(samples, phase):
    found = samples[phase]
    assert growth([one["shared_bytes"] for one in found]) <= MIB
    assert growth([len(one["shared"]) for one in found]) <= 0
    assert growth([len(one["processes"]) for one in found]) <= 0
    assert growth([one["temporary"] for one in found]) <= TEMPORARY


def test_nothing_is_left_when_all_is_closed(samples):
    (after,) = samples["after"]
    assert len(after["processes"]) == 1, after["processes"]
    used = {name for phase in samples.values() for one in phase for name in one["shared"]}
    assert not [name for name in used if Path("/dev/shm", name).exists()]
    assert after["folders"] == []
