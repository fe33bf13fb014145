"""One conformance kit for every executor, and laws of what crosses the seam."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.evaluation import Share, assign, gather
from cluster.executor import EpochFailure, EpochResult, EpochTask, Notice, from_wire, to_wire
from cluster.market import open_market
from cluster.serial_executor import SerialExecutor, local_evaluator
from cluster.worker import breeding_of, run_epoch
from strategies.errors import ClusterError, JournalError

SCREEN = {"evolution": {"screen": {"enabled": True, "keep": 0.4, "min_agreement": 0.0}}}
FOUNDING = (EpochTask(0, 0, 1, b"", ()), EpochTask(1, 0, 1, b"", ()))


def drain(executor, n, patience=240):
    """Collect n answers; what is said of the cluster meanwhile is none."""
    replies = []
    while len(replies) < n and patience > 0:
        replies += [reply for reply in executor.wait(0.5) if not isinstance(reply, Notice)]
        patience -= 0.5
    return replies


@pytest.fixture(scope="module")
def market(tiny_values):
    from cluster.settings import config_from

    return open_market(config_from(tiny_values, where="test"))


@pytest.fixture(params=["serial", pytest.param("ray", marks=pytest.mark.ray)])
def executor(request, tiny_job, market):
    if request.param == "serial":
        made = SerialExecutor(tiny_job(**SCREEN), market)
    else:
        request.getfixturevalue("ray_once")
        from cluster.ray_executor import RayExecutor

        made = RayExecutor(tiny_job(cluster={"executor": "ray", "workers": 2}, **SCREEN), market)
    yield made
    made.close()


def test_conformance(executor, tiny_job, market):
    """The whole kit on one executor, so that Ray's actors are started once; with a screen, which asks for most."""
    breeding = breeding_of(tiny_job(**SCREEN), market.bars_per_year, market.n_folds)
    evaluate = local_evaluator(tiny_job(**SCREEN), market)

    assert executor.wait(0.01) == ()  # nothing asked, nothing answered

    for task in FOUNDING:
        executor.submit(task)
    founded = {reply.island: reply for reply in drain(executor, 2)}
    assert set(founded) == {0, 1}
    for task in FOUNDING:
        direct, there = run_epoch(task, breeding, evaluate), founded[task.island]
        assert isinstance(there, EpochResult)
        assert (there.state, there.births, there.emigrants) == (direct.state, direct.births, direct.emigrants)
        assert {**there.facts, "seconds": 0} == {**direct.facts, "seconds": 0}
        assert there.facts["n_screened_out"] > 0

    later = EpochTask(0, 1, 1, founded[0].state, (founded[1].emigrants,))
    for _ in range(2):  # the same task twice is the same answer twice
        executor.submit(later)
    first, second = drain(executor, 2)
    direct = run_epoch(later, breeding, evaluate)
    assert first.births == second.births == direct.births
    assert first.state == second.state == direct.state

    executor.submit(EpochTask(0, 1, 1, founded[0].state[:-1], ()))
    with pytest.raises(JournalError, match="The state bytes must match their"):
        drain(executor, 1)
    executor.submit(later)  # an error of one task leaves the executor fit for the next
    assert drain(executor, 1)[-1].births == direct.births

    executor.close()
    executor.close()
    assert executor.wait(0.01) == ()


@given(
    state=st.binary(max_size=50),
    immigrants=st.lists(st.binary(max_size=20), max_size=4),
    island=st.integers(0, 10**6),
)
def test_wire_round_trip(state, immigrants, island):
    task = EpochTask(island, 3, 2, state, tuple(immigrants))
    assert from_wire(EpochTask, to_wire(task)) == task
    result = EpochResult(island, 3, state, b"births", b"", {"n": 1, "best": None, "text": "ä", "list": [1.5]})
    assert from_wire(EpochResult, to_wire(result)) == result
    failure = EpochFailure(island, 3, "island 1", "killed")
    assert from_wire(EpochFailure, to_wire(failure)) == failure


def test_wire_refuses_another_kind_of_message():
    with pytest.raises(ClusterError, match="must be a EpochResult, but was 'EpochTask'"):
        from_wire(EpochResult, to_wire(FOUNDING[0]))


@given(n_shards=st.integers(1, 9), n_workers=st.integers(1, 20), n_rows=st.integers(0, 40))
@settings(max_examples=200)
def test_shares_cover_every_genome_on_every_shard_once(n_shards, n_workers, n_rows):
    shares = assign(n_shards, n_workers)
    assert len(shares) == n_workers
    assert all(shares), "a worker without work"
    seen = np.zeros((n_shards, n_rows), dtype=int)
    for share in (share for own in shares for share in own):
        seen[share.shard, share.rows(n_rows)] += 1
    assert (seen == 1).all()


@given(n_shards=st.integers(1, 5), n_workers=st.integers(1, 8), n_rows=st.integers(0, 12), seed=st.integers(0, 999))
def test_gathered_pieces_do_not_depend_on_who_computed_them_or_when(n_shards, n_workers, n_rows, seed):
    rng = np.random.default_rng(seed)
    whole = rng.random((n_rows, n_shards, 2, 3))  # two windows a shard, three fields a tally
    shares = [share for own in assign(n_shards, n_workers) for share in own]
    pieces = [whole[share.rows(n_rows), share.shard] for share in shares]
    order = rng.permutation(len(shares))
    found = gather([shares[place] for place in order], [pieces[place] for place in order])
    assert np.array_equal(found, whole.reshape(n_rows, n_shards * 2, 3))


def test_a_share_is_a_contiguous_part():
    assert [Share(0, part, 3).rows(10) for part in range(3)] == [slice(0, 3), slice(3, 6), slice(6, 10)]
