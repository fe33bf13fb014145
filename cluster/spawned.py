"""Tasks in processes of their own: text in, text out, results as they are finished.

For commands that run many searches. A process that dies, or a task that raises, ends the whole with an error; what was
answered before stays answered.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Final

from cluster.signals import Interrupted
from strategies.errors import ClusterError

POLL_S: Final = 0.2
_ONE_THREAD: Final = ("POLARS_MAX_THREADS", "NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def in_processes(
    function: Callable[[str], str], tasks: Sequence[str], *, workers: int, stop: threading.Event
) -> Iterator[str]:
    """Yield what `function`, a function of a module, answers to each task, in the order in which they are done.

    Each process uses one thread and ignores Ctrl-C: stopping is ours. Leaving the loop ends all processes.

    Raises:
        Interrupted: `stop` was set.
        ClusterError: a process died.
        StudbookError: what a task raised.
    """
    context = multiprocessing.get_context("spawn")
    before = set(multiprocessing.active_children())
    with contextlib.ExitStack() as ending:
        ending.enter_context(_one_thread())
        executor = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin)
        ending.callback(_end, executor, before)
        waiting: set[Future[str]] = {executor.submit(function, task) for task in tasks}
        while waiting:
            if stop.is_set():
                raise Interrupted("stopped between two searches")
            done, waiting = wait(waiting, timeout=POLL_S, return_when=FIRST_COMPLETED)
            for future in done:
                yield _answer(future)


def _answer(future: "Future[str]") -> str:
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise ClusterError(
            "A process must answer its task, but died (out of memory?). What is finished is kept; take fewer workers "
            "and run the same command again."
        ) from error


def _end(executor: ProcessPoolExecutor, before: set[multiprocessing.process.BaseProcess]) -> None:
    """End every process that was started here, at once."""
    executor.shutdown(wait=False, cancel_futures=True)
    mine = [process for process in multiprocessing.active_children() if process not in before]
    for process in mine:
        process.terminate()
    for process in mine:
        process.join()


def _begin() -> None:
    """Leave Ctrl-C to the parent, and end with it, however it ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(multiprocessing.parent_process(),), daemon=True).start()


def _end_with(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os._exit(1)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Processes that are started meanwhile use one thread each: they are as many as there is to do."""
    held = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in held.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
