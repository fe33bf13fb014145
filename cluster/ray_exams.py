"""Examinations on Ray: suspects are looked at beside the cells, a few epochs' at a time, and none for ever.

The driver hands an examiner one suspect after the other, so that it knows how long an answer may take.
"""

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from cluster.actors import READY_TIMEOUT_S
from cluster.evaluation import Rows
from cluster.executor import EpochFailure, Examination, ExamineTask, Reply
from cluster.ray_cells import Actors
from cluster.ray_faults import cause_of, reason_of
from strategies.errors import StudbookError
from strategies.genes import N_GENES

MOST_EXAMS: Final = 2
"""Epochs whose suspects are examined at the same time: each takes an evaluator of all shards beside the cells."""
TRIES: Final = 2
ANSWER_S: Final = 30.0


@dataclass
class _Exam:
    """The suspects (n, N_GENES) of an epoch, how many were looked at, who failed, and when the next answer is due."""

    task: ExamineTask
    examiner: Any
    rows: Rows
    due_at: float = 0.0
    n_done: int = 0
    found: list[tuple[int, str]] = field(default_factory=list)

    @property
    def is_done(self) -> bool:
        """Whether all were looked at, or so many fail that it is not the genomes."""
        return self.n_done == len(self.rows) or self.is_void

    @property
    def is_void(self) -> bool:
        """Whether more than half of the suspects failed."""
        return 2 * len(self.found) > max(len(self.rows), 2)


class Exams:
    """The examinations of a session of Ray."""

    def __init__(self, ray: Any, actors: Actors) -> None:
        self._ray, self._actors = ray, actors
        self._waiting: deque[ExamineTask] = deque()
        self._calls: dict[Any, _Exam] = {}

    @property
    def references(self) -> tuple[Any, ...]:
        """What is to be waited for."""
        return tuple(self._calls)

    def submit(self, task: ExamineTask) -> None:
        """Queue an examination."""
        self._waiting.append(task)
        self._begin()

    def answer(self, reference: Any) -> list[Reply]:
        """What came of a call: nothing yet, as long as there are suspects left.

        Raises:
            StudbookError: what looking at a suspect raised.
        """
        exam = self._calls.pop(reference)
        try:
            reason = self._ray.get(reference, timeout=ANSWER_S)
        except Exception as error:
            self._end(exam)
            cause = cause_of(error)
            if isinstance(cause, StudbookError):
                raise cause from error
            return [_failure(exam.task, reason_of(cause))]
        if reason:
            exam.found.append((exam.n_done, reason))
        exam.n_done += 1
        if not exam.is_done:
            self._ask(exam)
            return []
        self._end(exam)
        poison = () if exam.is_void else tuple(exam.found)
        return [Examination(exam.task.island, exam.task.epoch, poison, exam.task.suspects, exam.task.segment)]

    def overdue(self) -> list[Reply]:
        """Give up examiners that do not answer."""
        now = time.monotonic()
        late = [reference for reference, exam in self._calls.items() if now > exam.due_at]
        exams = [self._calls.pop(reference) for reference in late]
        for exam in exams:
            self._end(exam)
        return [_failure(exam.task, "no answer in time") for exam in exams]

    def close(self) -> None:
        """Kill the examiners and forget what waits."""
        self._waiting.clear()
        for exam in self._calls.values():
            self._actors.kill(exam.examiner)
        self._calls = {}

    def _begin(self) -> None:
        while self._waiting and len(self._calls) < MOST_EXAMS:
            task = self._waiting.popleft()
            rows = np.frombuffer(task.suspects, dtype=np.float64).reshape(-1, N_GENES)
            self._ask(_Exam(task, self._actors.examiner(), rows))

    def _ask(self, exam: _Exam) -> None:
        row = np.ascontiguousarray(exam.rows[exam.n_done : exam.n_done + 1])
        exam.due_at = time.monotonic() + (TRIES + 1) * (self._actors.genome_timeout_s + READY_TIMEOUT_S)
        self._calls[exam.examiner.fault_of.remote(row, exam.task.segment)] = exam

    def _end(self, exam: _Exam) -> None:
        self._actors.kill(exam.examiner)
        self._begin()


def _failure(task: ExamineTask, reason: str) -> EpochFailure:
    return EpochFailure(task.island, task.epoch, "examiner", reason, task.suspects, task.segment)
