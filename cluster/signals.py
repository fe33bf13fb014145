"""Being asked to stop: the first signal asks, the second leaves at once."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

from strategies.errors import StudbookError

INTERRUPTED = 75


class Interrupted(StudbookError):  # noqa: N818 - nothing went wrong
    """A job that stopped because it was asked to; all that was journalled is kept and `studbook resume` goes on.

    `exit_code` is 130 after Ctrl-C, 143 after SIGTERM, 75 when the caller set the stop event itself.
    """

    exit_code = INTERRUPTED

    def __init__(self, message: str, exit_code: int = INTERRUPTED) -> None:
        super().__init__(message, exit_code)
        self.exit_code = exit_code

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass
class StopRequest:
    """The event to hand to the driver, and the signal that set it (0: none)."""

    event: threading.Event = field(default_factory=threading.Event)
    signal_number: int = 0

    @property
    def exit_code(self) -> int:
        """Return the exit code that fits the signal."""
        return 128 + self.signal_number if self.signal_number else INTERRUPTED

    def receive(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        del frame
        if self.event.is_set():
            os._exit(128 + number)
        self.signal_number = number
        self.event.set()
        os.write(2, b"\nStopping: finished epochs are kept. Once more to leave at once.\n")


@contextmanager
def install_stop_handlers() -> Iterator[StopRequest]:
    """Yield a request that SIGINT and SIGTERM set, and restore the handlers; outside the main thread do nothing."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    numbers = [signal.SIGINT, signal.SIGTERM]
    before = {number: signal.signal(number, request.receive) for number in numbers}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        sys.stderr.flush()
