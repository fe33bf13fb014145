"""Files of trials: whole, or a `JournalError` that names the file, even where the seal fits what is wrong."""

import hashlib
import json

import numpy as np
import pytest

from cluster.trial_file import MAGIC, Trials, trials_from_bytes, trials_to_bytes
from strategies.errors import JournalError
from tests.fuzz.law import hold
from tests.fuzz.mutations import ODD_LENGTHS, as_json, damaged_bytes, damaged_tree

pytestmark = pytest.mark.chaos

TRIALS = Trials(
    name="tiny-20260101T000000-00ff",
    what="job",
    shard_hashes=("a" * 64, "b" * 64),
    created_at="2026-01-01T00:00:00.000+00:00",
    source="c" * 64,
    n_births=9,
    n_evaluated=5,
    n_screened=1,
    n_refined=0,
    keys=np.arange(6, dtype=np.uint64).reshape(3, 2),
    behaviours=np.arange(2, dtype=np.uint64),
)
DATA = trials_to_bytes(TRIALS)
START = len(MAGIC) + 8


def sealed(content):
    return content + hashlib.sha256(content).digest()


def case(rng):
    """Damaged bytes; or a wrong header, wrong lengths or wrong digests under a seal that fits."""
    what = rng.random()
    if what < 0.3:
        return damaged_bytes(rng, DATA)
    stop = START + int.from_bytes(DATA[len(MAGIC) : START], "little")
    header, body = json.loads(DATA[START:stop]), DATA[stop:-32]
    if what < 0.8:
        header = damaged_tree(rng, header)
    elif what < 0.9:
        header |= {rng.choice(("n_genomes", "n_behaviours")): rng.choice((*ODD_LENGTHS, -1, -3))}
    else:
        body = damaged_bytes(rng, body)
    text = as_json(header).encode()
    n = len(text) if rng.random() < 0.95 else rng.choice(ODD_LENGTHS)
    return sealed(MAGIC + n.to_bytes(8, "little") + text + body)


def comes_back(data):
    trials = trials_from_bytes(data, where="x.trials")
    assert trials_to_bytes(trials_from_bytes(trials_to_bytes(trials), where="again")) == trials_to_bytes(trials)
    assert trials.order
    json.dumps(trials.facts(), allow_nan=False)


def test_trials_with_any_damage_are_trials_or_refused_by_name(amount):
    found = hold(case, comes_back, n=amount(2_000, 100_000), errors=JournalError, named="x.trials")
    assert min(found.values()) > 0
