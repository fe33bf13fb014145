"""Whether Ray itself is still there: its own processes on this machine, and the head of a cluster.

Where the head is gone, Ray's client blocks, and after a while it ends the whole process without a word. So the head is
asked from a thread of its own, and Ray is given more patience (`RAY_gcs_rpc_server_reconnect_timeout_s`) than we have:
the driver journals what happened and opens a new session, or ends with an error that says how to go on.
"""

import threading
import time
from types import TracebackType
from typing import Any, Final, Self

ASK_EVERY_S: Final = 5.0
PATIENCE_S: Final = 60.0
NEEDED: Final = ("gcs_server", "raylet")


class Watch:
    """Watches the session that `ray` has open, from `with` to its end."""

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        self._own = own_node(ray)
        self._done = threading.Event()
        self._answered_at = time.monotonic()
        self._gone, self._n_free = "", 0
        self._thread = threading.Thread(target=self._ask, name="studbook-ray-watch", daemon=True)

    def __enter__(self) -> Self:
        if self._own is None:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        if self._thread.ident is not None:
            self._thread.join(1.0)

    def trouble(self) -> str:
        """Return what is gone, in words; empty while all is well."""
        if self._own is not None:
            dead = [name for name, _ in self._own.dead_processes() if name in NEEDED]
            return f"the {dead[0]} of our Ray session ended" if dead else ""
        silent_s = time.monotonic() - self._answered_at
        if silent_s > PATIENCE_S:
            return f"the head of the Ray cluster has not answered for {silent_s:.0f} s"
        return self._gone

    def n_free(self) -> int:
        """Return the CPUs of a cluster that nobody uses, as of a moment ago; 0 for a session of our own, all ours."""
        return self._n_free

    def _ask(self) -> None:
        here = self._ray.get_runtime_context().get_node_id()
        while not self._done.wait(ASK_EVERY_S):
            try:
                alive = {node["NodeID"] for node in self._ray.nodes() if node["Alive"]}
                self._n_free = int(self._ray.available_resources().get("CPU", 0))
            except Exception as error:  # noqa: BLE001 - whatever it is, it was no answer
                self._gone = f"the head of the Ray cluster failed: {type(error).__name__}: {error}"[:300]
                continue
            self._answered_at = time.monotonic()
            self._gone = "" if here in alive else "the Ray node of this machine has left its cluster"


def own_node(ray: Any) -> Any:
    """Return Ray's record of the processes that it started for us, None where the session is somebody else's."""
    node = getattr(ray._private.worker, "_global_node", None)  # noqa: SLF001 - Ray tells it nowhere else
    return node if node is not None and node.head and hasattr(node, "dead_processes") else None
