"""The one seam for parallelism: what an epoch needs, what it gives back, and what may carry it there.

Tasks and replies are frozen values of plain JSON and bytes. They cross the seam as bytes, on Ray and in one process
alike (`to_wire`, `from_wire`), so nothing can be shared by accident and no pickle is involved.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Protocol, TypeVar

from strategies.errors import ClusterError


@dataclass(frozen=True)
class EpochTask:
    """One epoch of one island: pure data in.

    Attributes:
        island: number of the island.
        epoch: 0 founds the population and breeds `generations` on; later epochs breed on from `state`.
        generations: generations to breed.
        state: packed state at the end of the epoch before; empty for epoch 0.
        immigrants: packed emigrants of the neighbours, in the order they are taken.
    """

    island: int
    epoch: int
    generations: int
    state: bytes
    immigrants: tuple[bytes, ...]


@dataclass(frozen=True)
class EpochResult:
    """What an epoch gave.

    Attributes:
        island: number of the island.
        epoch: number of the epoch.
        state: packed state at its end.
        births: packed births, in order.
        emigrants: packed best few of its end, for the neighbours.
        facts: plain JSON for the journal: counts, statistics of each generation, the best individual's validation.
    """

    island: int
    epoch: int
    state: bytes
    births: bytes
    emigrants: bytes
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class EpochFailure:
    """An epoch that will never answer and may be run again: `what` died (as "island 1"), and why."""

    island: int
    epoch: int
    what: str
    reason: str


Reply = EpochResult | EpochFailure


class Executor(Protocol):
    """Runs epochs somewhere.

    An implementation must answer every submitted task at least once through `wait`, in any order: with its result, or
    with an `EpochFailure` if what ran it died, in which case the same task may be submitted again at once and must find
    a working place. It may answer a task twice. An ordinary exception of the task itself (a bug, bad data) is raised by
    `wait`. After `close` nothing it started is running; closing twice is nothing.
    """

    def submit(self, task: EpochTask) -> None:
        """Take a task and return at once."""
        ...

    def wait(self, timeout_s: float) -> tuple[Reply, ...]:
        """Return what has been answered since the last call, waiting up to `timeout_s` for the first."""
        ...

    def close(self) -> None:
        """Stop everything this executor started."""
        ...


Message = TypeVar("Message", EpochTask, EpochResult, EpochFailure)


def to_wire(message: EpochTask | EpochResult | EpochFailure) -> bytes:
    """Return the message as bytes: header length, JSON header, then its byte strings one after the other."""
    header: dict[str, Any] = {"type": type(message).__name__}
    blobs: list[bytes] = []
    for field in fields(message):
        value = getattr(message, field.name)
        if isinstance(value, bytes):
            header[field.name], value = {"blobs": [len(value)], "one": True}, [value]
            blobs += value
        elif isinstance(value, tuple):
            header[field.name] = {"blobs": [len(blob) for blob in value], "one": False}
            blobs += value
        else:
            header[field.name] = {"json": value}
    text = json.dumps(header, allow_nan=False).encode()
    return b"".join([len(text).to_bytes(8, "little"), text, *blobs])


def from_wire(kind: type[Message], data: bytes) -> Message:
    """Return the message that `to_wire` wrote.

    Raises:
        ClusterError: the bytes are another kind of message.
    """
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    if header.pop("type") != kind.__name__:
        raise ClusterError(f"A message must be a {kind.__name__}, but was {json.loads(data[8:start])['type']} (wire).")
    values: dict[str, Any] = {}
    for name, part in header.items():
        if "json" in part:
            values[name] = part["json"]
            continue
        blobs = []
        for size in part["blobs"]:
            blobs.append(data[start : start + size])
            start += size
        values[name] = blobs[0] if part["one"] else tuple(blobs)
    return kind(**values)
