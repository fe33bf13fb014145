"""The job machine: events in, commands out, nothing else. No clock, no file, no Ray.

`apply(state, event) -> (state, commands)` is all a job knows about order. Epoch 0 of an island founds its generation 0
and breeds `epoch_generations` generations on; every later epoch breeds on from the one before. Migration is fenced, not
timed: epoch `e` of an island takes the emigrants of its neighbours' epoch `e - lag`, whenever these were finished. So
the inputs of an epoch, and with them its births, do not depend on who was slow, who died or what came twice.
"""

from dataclasses import dataclass, field, replace

from evolution import islands

EpochKey = tuple[int, int]


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
    """An epoch will never answer: its worker died, or took too long."""

    island: int
    epoch: int
    reason: str


@dataclass(frozen=True)
class Promoted:
    """The candidates are judged and their records are in the journal."""


Event = Started | EpochFinished | EpochLost | Promoted


@dataclass(frozen=True)
class RunEpoch:
    """Run this epoch; `sources` are the (island, epoch) whose emigrants it takes."""

    island: int
    epoch: int
    sources: tuple[EpochKey, ...]


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


Command = RunEpoch | Promote | Finish | GiveUp


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
    return state, (RunEpoch(*key, sources_of(state.plan, *key)),)


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
