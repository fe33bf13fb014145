"""The job machine under a seeded scheduler: delays, shuffles, duplicates, losses and late replies change nothing."""

import random

import pytest

from cluster.job import (
    EpochFinished,
    EpochLost,
    Finish,
    GiveUp,
    Plan,
    Promote,
    Promoted,
    RunEpoch,
    Started,
    apply,
    new_job,
    sources_of,
)

PLAN = Plan(n_islands=3, n_epochs=4, topology="ring", lag=1, max_repairs=50)


def undisturbed(plan):
    """Every (island, epoch, inputs) of a plan, straight from the fence law."""
    return {
        (island, epoch, sources_of(plan, island, epoch))
        for island in range(plan.n_islands)
        for epoch in range(plan.n_epochs)
    }


def simulate(plan, seed):
    """Run a plan on a network that delays, shuffles, doubles and loses; return what was run, and what came of it."""
    rng = random.Random(seed)
    state, commands = apply(new_job(plan), Started())
    in_flight, accepted, ended = [], [], []
    while True:
        for command in commands:
            if isinstance(command, RunEpoch):
                in_flight += [command] * rng.choice([1, 1, 1, 2])
            else:
                ended.append(type(command).__name__)
        if isinstance(commands[-1] if commands else None, Finish | GiveUp):
            return accepted, ended, state
        if isinstance(commands[-1] if commands else None, Promote):
            state, commands = apply(state, Promoted())
            continue
        command = in_flight.pop(rng.randrange(len(in_flight)))
        key = (command.island, command.epoch)
        if rng.random() < 0.2:
            in_flight += [command] if rng.random() < 0.3 else []  # lost, though the answer comes later all the same
            state, commands = apply(state, EpochLost(*key, "a death"))
            continue
        for source, epoch in command.sources:
            assert state.done[source] > epoch, "an epoch was asked for before its inputs were there"
        before = state.done
        state, commands = apply(state, EpochFinished(*key))
        if state.done != before:
            accepted.append((*key, command.sources))


@pytest.mark.parametrize(
    "plan", [PLAN, Plan(1, 3), Plan(2, 5, lag=3, max_repairs=50), Plan(4, 3, topology="none", max_repairs=50)]
)
@pytest.mark.parametrize("seed", range(60))
def test_any_schedule_runs_the_same_epochs_with_the_same_inputs(plan, seed):
    if seed and plan.n_islands == 1:
        plan = Plan(1, 3, max_repairs=50)
    accepted, ended, state = simulate(plan, seed)
    if ended == ["GiveUp"]:
        assert plan.max_repairs < 50
        return
    assert ended == ["Promote", "Finish"]
    assert len(accepted) == len(set(accepted)), "an epoch counted twice"
    assert set(accepted) == undisturbed(plan)
    assert state.phase == "finished"
    assert not state.running


def test_epochs_of_an_island_are_accepted_in_order():
    accepted, _, _ = simulate(PLAN, 7)
    for island in range(PLAN.n_islands):
        assert [epoch for i, epoch, _ in accepted if i == island] == list(range(PLAN.n_epochs))


def test_a_slow_island_delays_its_neighbour_only_after_lag_epochs():
    plan = Plan(n_islands=3, n_epochs=6, lag=2)
    state, _ = apply(new_job(plan), Started())
    asked = []
    for _ in range(6):  # island 0 never answers
        for island in (1, 2):
            if (island, state.done[island]) in state.running:
                state, commands = apply(state, EpochFinished(island, state.done[island]))
                asked += commands
    assert state.done[1] == 2  # its neighbour, island 0, owes it the emigrants of epoch 0
    assert state.done[2] == 4  # and island 1 owes it those of epoch 2
    assert {command.epoch for command in asked} <= {1, 2, 3}


def test_late_and_double_replies_do_nothing():
    state, _ = apply(new_job(PLAN), Started())
    state, _ = apply(state, EpochFinished(0, 0))
    for event in (EpochFinished(0, 0), EpochLost(0, 0, "late"), EpochFinished(0, 3), Promoted()):
        assert apply(state, event) == (state, ())


def test_a_lost_epoch_is_run_again_with_the_same_inputs():
    state, commands = apply(new_job(PLAN), Started())
    state, again = apply(state, EpochLost(1, 0, "killed"))
    assert again == (commands[1],)
    assert state.losses == {(1, 0): 1}


def test_an_epoch_lost_too_often_ends_the_job():
    plan = Plan(n_islands=1, n_epochs=2, max_repairs=2)
    state, _ = apply(new_job(plan), Started())
    for watched in (False, True):
        state, commands = apply(state, EpochLost(0, 0, "killed"))
        assert commands == (RunEpoch(0, 0, (), watched=watched),)
    state, commands = apply(state, EpochLost(0, 0, "killed"))
    assert commands == (GiveUp(0, 0, "killed"),)
    assert state.phase == "failed"
    assert apply(state, EpochFinished(0, 0)) == (state, ())


def test_a_success_forgets_the_losses_of_its_epoch():
    state, _ = apply(new_job(PLAN), Started())
    state, _ = apply(state, EpochLost(0, 0, "killed"))
    state, _ = apply(state, EpochFinished(0, 0))
    assert state.losses == {}


@pytest.mark.parametrize("done", [(0, 0, 0), (2, 1, 2), (4, 3, 4), (4, 4, 4)])
def test_a_restart_asks_only_for_what_is_missing(done):
    state, commands = apply(new_job(PLAN), Started(done=done))
    if done == (4, 4, 4):
        assert commands == (Promote(),)
        return
    assert {(command.island, command.epoch) for command in commands} == {
        (island, epoch)
        for island, epoch in enumerate(done)
        if epoch < 4 and all(done[source] > sent for source, sent in sources_of(PLAN, island, epoch))
    }
    assert state.phase == "breeding"


def test_a_restart_after_promotion_only_finishes():
    state, commands = apply(new_job(PLAN), Started(done=(4, 4, 4), promoted=True))
    assert commands == (Finish(),)
    assert state.phase == "finished"
