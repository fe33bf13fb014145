"""What the driver's machine is doing, as MLflow's own system metrics: CPU, memory, disk and network.

They are no part of the journal: samples taken while MLflow is away are lost.
"""

import time
from typing import Any, Final

from cluster.tracking_store import Point, prepare_environment

PERIOD_S: Final = 10.0


class SystemMetrics:
    """A sampler that is due every `PERIOD_S`."""

    def __init__(self, started_ms: int) -> None:
        self._started_ms = started_ms
        self._due = 0.0
        self._monitors: list[Any] = []

    def wait_s(self) -> float:
        """Return how long to wait for the next sample."""
        return max(self._due - time.monotonic(), 0.0)

    def points(self) -> list[Point]:
        """Return a sample under MLflow's names, its step the seconds since the job began; nothing if none is due."""
        if self.wait_s() > 0:
            return []
        self._due = time.monotonic() + PERIOD_S
        at_ms = time.time_ns() // 1_000_000
        step = (at_ms - self._started_ms) // 1000
        return [Point(f"system/{name}", float(value), at_ms, step) for name, value in self._values().items()]

    def _values(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for monitor in self._opened():
            monitor.collect_metrics()
            found |= monitor.aggregate_metrics()
            monitor.clear_metrics()
        return found

    def _opened(self) -> list[Any]:
        if not self._monitors:
            prepare_environment()
            from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
            from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
            from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor

            self._monitors = [CPUMonitor(), DiskMonitor(), NetworkMonitor()]
        return self._monitors
