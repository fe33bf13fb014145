"""The job machine when workers die again and again: run again, watch, examine, put aside, go on."""

import pytest

from cluster.job import EpochFinished, EpochLost, Examine, Examined, GiveUp, Plan, RunEpoch, Started, apply, new_job
from cluster.ray_cells import cell_sizes

PLAN = Plan(n_islands=2, n_epochs=2, max_repairs=4)


@pytest.fixture
def state():
    begun, _ = apply(new_job(PLAN), Started())
    return begun


def lose(state, n, **facts):
    commands = ()
    for _ in range(n):
        state, commands = apply(state, EpochLost(0, 0, "died", **facts))
    return state, commands


def test_an_epoch_lost_once_is_run_again_and_lost_twice_is_watched(state):
    state, commands = lose(state, 1)
    assert commands == (RunEpoch(0, 0, (), watched=False),)
    _, commands = lose(state, 1)
    assert commands == (RunEpoch(0, 0, (), watched=True),)


def test_one_loss_is_no_reason_to_suspect_anybody(state):
    state, commands = lose(state, 1, suspects=True)
    assert commands == (RunEpoch(0, 0, ()),)
    state, commands = lose(state, 1, suspects=True)
    assert commands == (Examine(0, 0),)


def test_a_watched_epoch_is_examined_at_once(state):
    _, commands = lose(state, 1, suspects=True, watched=True)
    assert commands == (Examine(0, 0),)


def test_what_was_found_clears_everybody_and_the_epoch_stays_watched(state):
    state, _ = apply(state, EpochLost(1, 0, "the same worker"))
    state, _ = lose(state, 2, suspects=True)
    state, commands = apply(state, Examined(0, 0, found=True))
    assert commands == (RunEpoch(0, 0, (), watched=True),)
    assert state.losses == {}


def test_nobody_found_means_the_losses_still_count(state):
    for n_lost in range(2, PLAN.max_repairs + 1):
        state, commands = lose(state, 2 if n_lost == 2 else 1, suspects=True)
        assert commands == (Examine(0, 0),)
        state, commands = apply(state, Examined(0, 0, found=False))
        assert commands == (RunEpoch(0, 0, ()),)
    state, commands = lose(state, 1, suspects=True)
    assert commands == (GiveUp(0, 0, "died"),)
    assert state.phase == "failed"


def test_an_examination_that_comes_too_late_does_nothing(state):
    state, _ = lose(state, 2, suspects=True)
    state, _ = apply(state, EpochFinished(0, 0))  # the lost reply came after all
    assert apply(state, Examined(0, 0, found=True)) == (state, ())


def test_cells_take_all_workers_and_are_as_many_as_can_be_busy():
    for n_workers in range(1, 40):
        for n_islands in range(1, 20):
            for group in (None, 1, 2, 7):
                sizes = cell_sizes(n_workers, n_islands, group)
                assert sum(sizes) == n_workers
                assert 1 <= len(sizes) <= min(n_workers, n_islands)
                assert max(sizes) - min(sizes) <= 1
                assert group is None or len(sizes) == n_islands or max(sizes) <= group
