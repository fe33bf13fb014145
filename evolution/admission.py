"""The one gate through which fitness enters evolution: what is not finite never reaches a ranking."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from evolution.constraints import Constraint, violations
from fitness.objectives import CONSTRAINED, NOT_FINITE, Evaluation
from strategies.errors import StudbookError

Rows = NDArray[np.float64]


class Evaluate(Protocol):
    """What tells evolution the fitness of phenotypes; a plain function will do where no screen is set."""

    def __call__(self, phenotypes: Rows, /) -> Evaluation:
        """Return the evaluation of `phenotypes` (n, N_GENES) on all cells."""
        ...


class Look(Protocol):
    """What a screen saw of n strategies, and the way to see the rest."""

    @property
    def evaluation(self) -> Evaluation:
        """Their scores on the screen's cells; evolution takes only objectives and reasons of it."""

    def finish(self, rows: NDArray[np.int64], /) -> Evaluation:
        """Return the evaluation of some rows (k,) on all cells, the very bytes that a full evaluation gives them."""
        ...


@runtime_checkable
class ScreeningEvaluate(Evaluate, Protocol):
    """An evaluator that can look at some cells first; no cell is computed twice."""

    def screen(self, phenotypes: Rows, /) -> Look:
        """Return a look at `phenotypes` (n, N_GENES) on the screen's cells alone."""
        ...


def admit(
    evaluation: Evaluation, *, n_rows: int, n_objectives: int, constraints: Sequence[Constraint] = ()
) -> Evaluation:
    """Return `evaluation` as evolution keeps it: finite objectives, or a reason and NaN in all of them.

    A row with a reason has NaN objectives; a row without one but with an objective that is not finite gets the
    reason "not finite", one that breaks a constraint the reason that says so. Every NaN is the same NaN and no zero is
    negative, so equal fitness has equal bytes.

    Raises:
        StudbookError: the evaluator returned arrays of another shape than it was asked for.
    """
    objectives = np.array(evaluation.objectives, dtype=np.float64)
    reasons = np.array(evaluation.reasons, dtype=np.int16)
    measures = np.array(evaluation.measures, dtype=np.float64)
    wanted = (n_rows, n_objectives)
    fits = measures.ndim == 2 and len(measures) == n_rows
    if objectives.shape != wanted or reasons.shape != (n_rows,) or not fits:
        raise StudbookError(
            f"An evaluation must have objectives {wanted}, reasons {(n_rows,)} and measures ({n_rows}, k), but was "
            f"{objectives.shape}, {reasons.shape} and {measures.shape} (the evaluate function). Mend the evaluator."
        )
    reasons[(reasons == 0) & ~np.isfinite(objectives).all(axis=1)] = NOT_FINITE
    if constraints:
        reasons[(reasons == 0) & (violations(measures, constraints) > 0.0)] = CONSTRAINED
    objectives[reasons != 0] = np.nan
    measures[np.isnan(measures)] = np.nan
    return Evaluation(objectives=objectives + 0.0, reasons=reasons, measures=measures + 0.0)
