"""The rows of the table: what is measured, what is counted, what was aimed at, and what others take."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cluster.bench.stopwatch import Seconds

_OURS = "measured on our machine with benchmarks/kernel_vs_vectorbt.py, three metrics, CPU time"


@dataclass(frozen=True)
class Peer:
    """What others take for the same work, and who says so; `bars_per_s` where it can be drawn beside ours."""

    name: str
    figure: str
    source: str
    bars_per_s: float | None = None


VECTORBT_SPARSE: Final = Peer("vectorbt 1.2", "1,100 us", _OURS, 4.6e6)
VECTORBT_DENSE: Final = Peer("vectorbt 1.2", "1,450 us", _OURS, 3.5e6)
MANIFOLD: Final = Peer("Manifold-BT", "200 M bars/s", "published, one core", 200e6)
VECTORBT_PRO: Final = Peer("vectorbt PRO", "580 M bars/s", "published, fills alone, one core", 580e6)
ELSEWHERE: Final = Peer("elsewhere", "3.5 s", "seen with another engine's workers")


@dataclass(frozen=True)
class Work:
    """What one strategy does on one shard, on average: bars traded, trades, share of the bars in the market."""

    n_bars: float
    n_trades: float
    exposure: float


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        key: for programs.
        name: of the work.
        counted: what the time includes.
        took: per strategy and shard; of the whole thing where there is no `work`.
        work: of one strategy.
        target: what was aimed at, in words.
        reached: whether it was; None where there is no target.
        peers: what others take.
        by_the_clock: whether wall time is what counts.
        further: more figures, by name.
    """

    key: str
    name: str
    counted: str
    took: Seconds
    work: Work | None = None
    target: str = ""
    reached: bool | None = None
    peers: tuple[Peer, ...] = ()
    by_the_clock: bool = False
    further: Mapping[str, Any] = field(default_factory=dict)

    @property
    def bars_per_s(self) -> float | None:
        """Strategy-bars a CPU second."""
        return None if self.work is None else self.work.n_bars / self.took.cpu

    def to_dict(self) -> dict[str, Any]:
        """The row as plain JSON values; seconds are of one strategy on one shard where there are bars."""
        work = self.work
        return {
            "key": self.key,
            "name": self.name,
            "counted": self.counted,
            "cpu_s": self.took.cpu,
            "wall_s": self.took.wall,
            "n_runs": self.took.n_runs,
            "bars": work and work.n_bars,
            "trades": work and work.n_trades,
            "exposure": work and work.exposure,
            "strategies_per_s": work and 1.0 / self.took.cpu,
            "strategy_bars_per_s": self.bars_per_s,
            "target": self.target or None,
            "reached": self.reached,
            "peers": [{"name": peer.name, "figure": peer.figure, "source": peer.source} for peer in self.peers],
            **self.further,
        }
