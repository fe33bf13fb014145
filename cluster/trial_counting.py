"""From births to trials: which strategies were tried, and which of them trade alike."""

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np

from cluster.trial_file import JOB, SUMS, Keys, Trials, distinct, hashes_of
from cluster.view import JobView
from evolution.pedigree import REFINED, Births
from fitness.objectives import FAILED, MEASURE_COLUMNS, SCREENED_OUT

_MEASURED, _UNMEASURED = np.uint64(1), np.uint64(2)


def behaviours_of(births: Births) -> Keys:
    """Return (n,) a digest of how each birth traded: equal if its first measures (`MEASURE_COLUMNS`) are, to the bit.

    -0 is 0 and every NaN the same. A strategy that never trades has the measures of all that never do. What was
    screened out or failed has no measures of its own: its digest is that of its key.
    """
    from strategies.blake2b import sparse_digests_nb

    n_measures = len(MEASURE_COLUMNS)
    measures = births.measures[:, :n_measures] + 0.0  # a copy, without -0
    measures[np.isnan(measures)] = np.nan
    rows = np.zeros((len(births), n_measures + 1), dtype=np.uint64)
    rows[:, : measures.shape[1]] = measures.view(np.uint64)
    rows[:, n_measures] = _MEASURED
    unmeasured = np.isin(births.reason, (SCREENED_OUT, FAILED))
    rows[unmeasured] = 0
    rows[unmeasured, :2] = births.key[unmeasured]
    rows[unmeasured, n_measures] = _UNMEASURED
    digests = np.empty((len(births), 2), dtype=np.uint64)
    sparse_digests_nb(rows, digests)
    return np.ascontiguousarray(digests[:, 0])


def trials_of(view: JobView, parts: Iterable[Births]) -> Trials:
    """Return the trials of a job from its births, in any number of parts; each is forgotten once it is counted."""
    sums = np.zeros(len(SUMS), dtype=np.int64)
    keys, behaviours = [np.zeros((0, 2), dtype=np.uint64)], [np.zeros(0, dtype=np.uint64)]
    for births in parts:
        tried = births.evaluated
        screened, refined = births.reason == SCREENED_OUT, births.operator == REFINED
        sums += [len(births), tried.sum(), (tried & screened).sum(), (tried & refined).sum()]
        keys.append(births.key[tried])
        behaviours.append(behaviours_of(births)[tried])
    return Trials(
        name=view.id,
        what=JOB,
        shard_hashes=hashes_of(shard["content_hash"] for shard in view.shards),
        created_at=view.created_at,
        source=source_of(view.epochs),
        **dict(zip(SUMS, sums.tolist(), strict=True)),
        keys=distinct(keys),
        behaviours=distinct(behaviours),
    )


def source_of(epochs: Iterable[dict[str, Any]]) -> str:
    """Return a digest of journalled epochs: another one as soon as there is one more."""
    return hashlib.sha256("".join(epoch["births"]["sha256"] for epoch in epochs).encode()).hexdigest()
