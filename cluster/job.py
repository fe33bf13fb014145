"""The job machine: events in, commands out, nothing else. No clock, no file, no Ray.

`apply(state, event) -> (state, commands)` is all a job knows about order. Epoch 0 of an island founds its generation 0
and breeds `epoch_generations` generations on; every later epoch breeds on from the one before. Migration is fenced, not
timed: epoch `e` of an island takes the emigrants of its neighbours' epoch `e - lag`, whenever these were finished. So
the inputs of an epoch, and with them its births, do not depend on who was slow, who died or what came twice.

An epoch that is lost is run again. Lost twice, it is *watched*, which tells what was being evaluated when it was lost a
third time: those genomes are *examined* one by one, and who kills or hangs is put aside for good (`quarantine.py`).
"""

from dataclasses import dataclass, field, replace
from typing import Final

from evolution import islands

EpochKey = tuple[int, int]
LOSSES_BEFORE_SUSPICION: Final = 2
"""An epoch lost so often is watched: workers die of many things, but seldom twice at the same place."""


@dataclass(frozen=True)
class Plan:
    """What is to be done: so many epochs of so many islands, with migration by a topology of `evolution.islands`."""

    n_islands: int
    n_epochs: int
    topology: str = "ring"
    lag: int = 1
    max_repairs: int = 5
    seed: int = 0


@dataclass(frozen=True)
class Started:
    """The driver is ready. `done[i]` epochs of island `i` are in the journal already (empty: none of any)."""

    done: tuple[int, ...] = ()
    promoted: bool = False


@dataclass(frozen=True)
class EpochFinished:
    """An epoch's births and state are in the journal."""

    island: int
    epoch: int


@dataclass(frozen=True)
class EpochLost:
    """An epoch will never answer: its worker died, or took too long.

    `suspects`: it is known which genomes were being evaluated. `watched`: it was evaluated by an evaluator of its own.
    """

    island: int
    epoch: int
    reason: str
    suspects: bool = False
    watched: bool = False


@dataclass(frozen=True)
class Examined:
    """The suspects of an epoch were looked at one by one; `found` says whether any is poisonous."""

    island: int
    epoch: int
    found: bool


@dataclass(frozen=True)
class Promoted:
    """The candidates are judged and their records are in the journal."""


Event = Started | EpochFinished | EpochLost | Examined | Promoted


@dataclass(frozen=True)
class RunEpoch:
    """Run this epoch; `sources` are the (island, epoch) whose emigrants it takes.

    `watched`: evaluate in an evaluator of its own, so that it is known which genomes were being evaluated if that dies.
    """

    island: int
    epoch: int
    sources: tuple[EpochKey, ...]
    watched: bool = False


@dataclass(frozen=True)
class Examine:
    """Look at the suspects of this epoch one by one."""

    island: int
    epoch: int


@dataclass(frozen=True)
class Promote:
    """All islands are done: judge the candidates."""


@dataclass(frozen=True)
class Finish:
    """All is done: close the job."""


@dataclass(frozen=True)
class GiveUp:
    """One epoch was lost too often: end the job with an error; it can be resumed."""

    island: int
    epoch: int
    reason: str


Command = RunEpoch | Examine | Promote | Finish | GiveUp


@dataclass(frozen=True)
class JobState:
    """Where a job stands: epochs finished per island, epochs asked for and not yet answered, losses per epoch."""

    plan: Plan
    done: tuple[int, ...]
    running: frozenset[EpochKey] = frozenset()
    losses: dict[EpochKey, int] = field(default_factory=dict)
    phase: str = "new"  # new, breeding, promoting, finished, failed


def new_job(plan: Plan) -> JobState:
    """Return the state of a job of which nothing is done."""
    return JobState(plan, done=(0,) * plan.n_islands)


def apply(state: JobState, event: Event) -> tuple[JobState, tuple[Command, ...]]:
    """Return the state after `event`, and what must be done because of it. Late and double events do nothing."""
    match event:
        case Started():
            done = event.done or state.done
            state = replace(state, done=done, running=frozenset(), phase="breeding")
            return _finish(state) if event.promoted else _go_on(state)
        case EpochFinished():
            return _epoch_finished(state, event)
        case EpochLost():
            return _epoch_lost(state, event)
        case Examined():
            return _examined(state, event)
        case Promoted():
            return _finish(state) if state.phase == "promoting" else (state, ())


def sources_of(plan: Plan, island: int, epoch: int) -> tuple[EpochKey, ...]:
    """Return the (island, epoch) whose emigrants an epoch takes, in the order it takes them."""
    return islands.sources(epoch, island, plan.n_islands, plan.topology, plan.lag, plan.seed)


def _epoch_finished(state: JobState, event: EpochFinished) -> tuple[JobState, tuple[Command, ...]]:
    key = (event.island, event.epoch)
    if state.phase != "breeding" or event.epoch != state.done[event.island]:
        return state, ()
    done = tuple(n + (island == event.island) for island, n in enumerate(state.done))
    losses = {lost: n for lost, n in state.losses.items() if lost != key}
    return _go_on(replace(state, done=done, running=state.running - {key}, losses=losses))


def _epoch_lost(state: JobState, event: EpochLost) -> tuple[JobState, tuple[Command, ...]]:
    key = (event.island, event.epoch)
    if state.phase != "breeding" or key not in state.running:
        return state, ()
    n_lost = state.losses.get(key, 0) + 1
    state = replace(state, losses={**state.losses, key: n_lost})
    if n_lost > state.plan.max_repairs:
        return replace(state, phase="failed", running=state.running - {key}), (GiveUp(*key, event.reason),)
    once_more = n_lost >= LOSSES_BEFORE_SUSPICION
    if event.suspects and (once_more or event.watched):
        return state, (Examine(*key),)
    return state, (RunEpoch(*key, sources_of(state.plan, *key), watched=once_more),)


def _examined(state: JobState, event: Examined) -> tuple[JobState, tuple[Command, ...]]:
    key = (event.island, event.epoch)
    if state.phase != "breeding" or key not in state.running:
        return state, ()
    if event.found:  # what was poisonous is out of the way: nobody's losses count any more
        state = replace(state, losses={})
    return state, (RunEpoch(*key, sources_of(state.plan, *key), watched=event.found),)


def _go_on(state: JobState) -> tuple[JobState, tuple[Command, ...]]:
    plan = state.plan
    if min(state.done) >= plan.n_epochs:
        return replace(state, phase="promoting"), (Promote(),)
    ready = tuple((island, epoch) for island, epoch in enumerate(state.done) if _is_ready(state, island, epoch))
    commands = tuple(RunEpoch(island, epoch, sources_of(plan, island, epoch)) for island, epoch in ready)
    return replace(state, running=state.running | set(ready)), commands


def _is_ready(state: JobState, island: int, epoch: int) -> bool:
    if epoch >= state.plan.n_epochs or (island, epoch) in state.running:
        return False
    return all(state.done[source] > sent for source, sent in sources_of(state.plan, island, epoch))


def _finish(state: JobState) -> tuple[JobState, tuple[Command, ...]]:
    return replace(state, phase="finished"), (Finish(),)
