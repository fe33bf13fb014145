"""Promise: scheduling can't change results. The job machine and the session under schedules made from a seed.

Epochs are made up: what one gives is a hash of all that went into it, so that an epoch that was given other emigrants,
another state, or another place in line would be other births, and so would all that follow from it. Delays, deaths of
whole cells, double, lost and late answers, and drivers that are killed between two messages must change none of it.
"""

import hashlib
import random

import pytest

from cluster import job as machine
from cluster.simulated_executor import NO_FAULTS, Answered, Faults, SimulatedNetwork

PLANS = (
    machine.Plan(3, 4, max_repairs=50),
    machine.Plan(2, 5, lag=2, max_repairs=50),
    machine.Plan(4, 3, topology="full", max_repairs=50),
    machine.Plan(3, 3, topology="random", max_repairs=50, seed=3),
    machine.Plan(2, 3, topology="none", max_repairs=50),
    machine.Plan(1, 4, max_repairs=50),
)
FAULTS = {
    "usual": Faults(),
    "worse": Faults(death=0.3, silence=0.2, double=0.4, patience=1.0, delay=1.0, n_cells=3, together=0.6),
    "impatient": Faults(death=0.05, silence=0.4, late=1.0, patience=0.5, n_cells=5, n_places=1),
}


class Driver:
    """What the session does, in memory: tasks from what is kept, and an epoch kept before the machine is told."""

    def __init__(self, plan, network):
        self.plan, self.network = plan, network
        self.kept, self.order, self.n_lost, self.n_double = {}, [], 0, 0

    def run(self, *, killed_after=None):
        """Carry out what the machine commands and return its end; None if it is killed after so many messages."""
        done = tuple(
            next((e for e in range(self.plan.n_epochs) if (i, e) not in self.kept), self.plan.n_epochs)
            for i in range(self.plan.n_islands)
        )
        state, commands = machine.apply(machine.new_job(self.plan), machine.Started(done))
        n_messages = 0
        while True:
            for command in commands:
                if isinstance(command, machine.Promote):
                    return machine.apply(state, machine.Promoted())
                if isinstance(command, machine.GiveUp):
                    return "given up"
                self.network.send(self._task(command))
            messages = self.network.receive()
            assert messages, "the job waits for nothing"
            commands = ()
            for message in messages:
                n_messages += 1
                if n_messages == killed_after:
                    return None
                state, more = machine.apply(state, self._event(message))
                commands += more

    def _task(self, command):
        island, epoch = command.island, command.epoch
        state = self.kept[island, epoch - 1][0] if epoch else b""
        return (island, epoch, state, *(self.kept[key][2] for key in command.sources))

    def _event(self, message):
        key = message.task[:2]
        if not isinstance(message, Answered):
            self.n_lost += 1
            return machine.EpochLost(*key, message.reason)
        if key not in self.kept:
            self.kept[key] = epoch_of(message.task)
            self.order.append(key)
        else:
            self.n_double += 1
            assert self.kept[key] == epoch_of(message.task), "a late answer was to another question"
        return machine.EpochFinished(*key)


def epoch_of(task):
    """The state, births and emigrants of an epoch: a hash of its inputs."""
    seal = hashlib.sha256(repr(task).encode()).digest()
    return seal, seal[::-1], seal[:16]


def undisturbed(plan):
    driver = Driver(plan, SimulatedNetwork(0, NO_FAULTS))
    driver.run()
    return driver.kept


def resumed_until_finished(plan, faults, seed):
    """Run a plan with drivers that are killed after a few messages each; return what was kept, and how many died."""
    rng, driver, n_killed = random.Random(seed), Driver(plan, SimulatedNetwork(seed, faults)), 0
    while driver.run(killed_after=rng.randrange(1, 12)) is None:
        n_killed += 1
        driver.network = SimulatedNetwork(seed + n_killed, faults)  # nothing of the old session is left
    return driver.kept, n_killed


@pytest.mark.chaos
@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS)
def test_every_schedule_comes_to_the_same(faults, amount):
    expected = [undisturbed(plan) for plan in PLANS]
    n_lost = 0
    for seed in range(amount(2_000, 1_000_000) // len(FAULTS)):
        plan = PLANS[seed % len(PLANS)]
        driver = Driver(plan, SimulatedNetwork(seed, faults))
        state, commands = driver.run()
        assert commands == (machine.Finish(),)
        assert driver.kept == expected[seed % len(PLANS)], seed
        assert not state.running
        for island in range(plan.n_islands):
            assert [epoch for i, epoch in driver.order if i == island] == list(range(plan.n_epochs)), seed
        n_lost += driver.n_lost
    assert n_lost > seed / 2, "hardly anything was lost"


@pytest.mark.chaos
@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS)
def test_drivers_killed_between_two_messages_come_to_the_same(faults, amount):
    expected = [undisturbed(plan) for plan in PLANS]
    all_killed = 0
    for seed in range(amount(600, 300_000) // len(FAULTS)):
        kept, n_killed = resumed_until_finished(PLANS[seed % len(PLANS)], faults, seed)
        assert kept == expected[seed % len(PLANS)], seed
        all_killed += n_killed
    assert all_killed > seed, "hardly a driver was killed"


def test_the_law_would_notice_a_machine_that_goes_by_time(monkeypatch):
    """Whoever takes the emigrants that happen to be there gets other births in another order of events."""
    driver = Driver(PLANS[0], SimulatedNetwork(0, NO_FAULTS))

    def newest(plan, island, epoch):
        neighbour = (island - 1) % plan.n_islands
        return tuple((i, e) for i, e in sorted(driver.kept) if i == neighbour)[-1:] if epoch else ()

    monkeypatch.setattr(machine, "sources_of", newest)
    found = []
    for seed in range(30):
        driver = Driver(PLANS[0], SimulatedNetwork(seed, Faults(death=0.0, silence=0.0, double=0.0)))
        driver.run()
        found.append(driver.kept)
    assert any(one != found[0] for one in found)


def test_a_schedule_is_a_function_of_its_seed():
    def told(seed):
        driver = Driver(PLANS[0], SimulatedNetwork(seed, FAULTS["worse"]))
        driver.run()
        return driver.order, driver.n_lost, driver.n_double

    assert told(1) == told(1)
    assert len({repr(told(seed)) for seed in range(10)}) > 5
    assert any(told(seed)[2] for seed in range(10)), "nothing came twice"


def test_epochs_lost_too_often_end_the_job_and_lose_nothing():
    plan, all_lost = machine.Plan(3, 4, max_repairs=0), Faults(death=0.1)
    expected, n_ended = undisturbed(plan), 0
    for seed in range(50):
        driver = Driver(plan, SimulatedNetwork(seed, all_lost))
        while (ended := driver.run()) == "given up":
            assert driver.kept.items() <= expected.items()
            n_ended += 1
        assert ended[1] == (machine.Finish(),)
        assert driver.kept == expected
    assert n_ended > 10
