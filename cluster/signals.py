"""Being asked to stop: the first signal asks, the second leaves at once.

A handler written in Python runs only when the main thread is back in Python, which takes long while it waits inside Ray
or a compiler. So a thread of its own reads the signals, from the pipe of `signal.set_wakeup_fd`; it also sees those
that come while Ray, in starting, has put its own handlers in place of ours.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Final

from strategies.errors import StudbookError

INTERRUPTED = 75
_ASKING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
_OWN_CODES: Final = {signal.SIGINT: 130, signal.SIGTERM: 143}
_last_words: list[Callable[[int], None]] = []


class Interrupted(StudbookError):  # noqa: N818 - nothing went wrong
    """A job that stopped because it was asked to; all that was journalled is kept and `studbook resume` goes on.

    `exit_code` is 130 after Ctrl-C, 143 after SIGTERM, and 75 otherwise: when the terminal went away (SIGHUP), when a
    batch system gave warning (SIGUSR1), or when the caller set the stop event itself.
    """

    exit_code = INTERRUPTED

    def __init__(self, message: str, exit_code: int = INTERRUPTED) -> None:
        super().__init__(message, exit_code)
        self.exit_code = exit_code

    def __str__(self) -> str:
        return str(self.args[0])


class Terminated(KeyboardInterrupt):
    """SIGTERM where nothing is running that could be stopped in an orderly way."""


@dataclass
class StopRequest:
    """The event to hand to the driver, and the signal that set it (0: none)."""

    event: threading.Event = field(default_factory=threading.Event)
    signal_number: int = 0

    @property
    def exit_code(self) -> int:
        """Return the exit code that fits the signal."""
        return code_of(self.signal_number)

    def receive(self, number: int) -> None:
        """Take note of a signal: ask at the first, leave at the second."""
        if self.event.is_set():
            leave(code_of(number))
        self.signal_number = number
        self.event.set()
        os.write(2, b"\nStopping: finished epochs are kept. Once more to leave at once.\n")


def code_of(number: int) -> int:
    """Return the exit code of a process that a signal stopped."""
    return _OWN_CODES.get(signal.Signals(number), INTERRUPTED) if number else INTERRUPTED


@contextmanager
def last_words(speak: Callable[[int], None]) -> Iterator[None]:
    """Have `speak` called with the exit code, from another thread, if the process leaves at once."""
    _last_words.append(speak)
    try:
        yield
    finally:
        _last_words.remove(speak)


def leave(code: int) -> None:
    """End the process at once, without any of the endings that Python and libraries have in store."""
    for speak in _last_words:
        with contextlib.suppress(Exception):
            speak(code)
    os._exit(code)


@contextmanager
def install_stop_handlers() -> Iterator[StopRequest]:
    """Yield a request that SIGINT, SIGTERM, SIGHUP and SIGUSR1 set; outside the main thread do nothing.

    A signal that is ignored, as SIGHUP under nohup, stays so. Afterwards the handlers are those of before.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    numbers = [number for number in _ASKING if signal.getsignal(number) is not signal.SIG_IGN]
    with _read_signals(request.receive, frozenset(numbers)):
        before = {number: signal.signal(number, _nothing) for number in numbers}
        try:
            yield request
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            sys.stderr.flush()


@contextmanager
def ends_when_terminated() -> Iterator[None]:
    """Turn SIGTERM into `Terminated`, so that a command gets to say that it ended; only in the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _read_signals(receive: Callable[[int], None], numbers: frozenset[int]) -> Iterator[None]:
    """Have a thread call `receive` with every signal of `numbers` that this process gets."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    reader = threading.Thread(target=_pass_on, args=(reading, receive, numbers), name="signals", daemon=True)
    reader.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.write(writing, b"\0")
        reader.join()
        os.close(writing)
        os.close(reading)


def _pass_on(reading: int, receive: Callable[[int], None], numbers: frozenset[int]) -> None:
    while True:
        for number in os.read(reading, 1):
            if number == 0:
                return
            if number in numbers:
                receive(number)


def _nothing(number: int, frame: FrameType | None) -> None:
    """Keep Python from ending the process; the thread that reads the pipe does what is to be done."""


def _terminate(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise Terminated
