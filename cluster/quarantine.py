"""Poisonous genomes: those that kill, hang or break whatever evaluates them. They are born without fitness, and say so.

A genome is put aside only after it did so twice, alone, in an evaluator of its own, and the journal has it before any
epoch may depend on it. It is put aside for the segment that it failed on and for no other: whoever is healthy on the
screen must be seen there by every epoch, or births would depend on who met it first on the rest. So an epoch gives the
same births whether it met the poison first or was told of it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cluster.evaluation import EvaluateTallies, Rows, Segment
from cluster.executor import Examination
from evolution.population import State
from fitness.objectives import QUARANTINED, Evaluation
from strategies.codec import express, phenotype_keys
from strategies.encoding import strategy_of
from strategies.genes import N_GENES
from strategies.language import Language

KEY_BYTES: Final = 16
_LETTERS: Final = {"folds": b"f", "screen": b"s", "rest": b"r", "behaviour": b"b", "validation": b"v"}


def entry_of(key: bytes, segment: str) -> bytes:
    """Return what a task carries of a poisonous genome: its key, and the segment that it fails on.

    Whoever fails on the validation stretch alone keeps its fitness, which is of the folds; it is not watched there, and
    can't be a candidate.
    """
    return key + _LETTERS[segment]


def poison_records(found: Examination) -> list[dict[str, Any]]:
    """Return what the journal says of each poisonous genome among the suspects of a lost epoch."""
    suspects = np.frombuffer(found.suspects, dtype=np.float64).reshape(-1, N_GENES)
    records = []
    for place, reason in found.poison:
        strategy = strategy_of(suspects[place])
        records.append(
            {
                "key": phenotype_keys(suspects[place : place + 1])[0].tobytes().hex(),
                "id": strategy.id,
                "text": strategy.text(),
                "reason": reason,
                "segment": found.segment,
                "island": found.island,
                "epoch": found.epoch,
            }
        )
    return records


@dataclass(frozen=True)
class Quarantine:
    """What must not be evaluated.

    Attributes:
        entries: of `entry_of`, in any order.
    """

    entries: Iterable[bytes] = ()
    _by_place: dict[bytes, set[bytes]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_place: dict[bytes, set[bytes]] = {}
        for entry in self.entries:
            by_place.setdefault(entry[KEY_BYTES:], set()).add(entry[:KEY_BYTES])
        object.__setattr__(self, "_by_place", by_place)

    def holds(self, phenotypes: Rows, segment: Segment) -> NDArray[np.bool_]:
        """Return which of `phenotypes` (n, N_GENES) must not be evaluated on a segment."""
        known = self._by_place.get(_LETTERS[segment], set())
        if segment == "rest":  # of what was on the screen
            known = known | self._by_place.get(_LETTERS["screen"], set())
        if not known or not len(phenotypes):
            return np.zeros(len(phenotypes), dtype=np.bool_)
        return np.array([key.tobytes() in known for key in phenotype_keys(phenotypes)], dtype=np.bool_)

    def around(self, evaluate_tallies: EvaluateTallies) -> EvaluateTallies:
        """Return an evaluator that gives NaN for what is held, and asks `evaluate_tallies` for the rest."""
        if not self._by_place:
            return evaluate_tallies

        def evaluate(phenotypes: Rows, segment: Segment) -> Rows:
            held = self.holds(phenotypes, segment)
            if not held.any():
                return evaluate_tallies(phenotypes, segment)
            healthy = evaluate_tallies(np.ascontiguousarray(phenotypes[~held]), segment)
            whole = np.full((len(phenotypes), *healthy.shape[1:]), np.nan)
            whole[~held] = healthy
            return whole

        return evaluate

    def marked(self, phenotypes: Rows, evaluation: Evaluation, *segments: Segment) -> Evaluation:
        """Return the evaluation, on these segments, with the reason "quarantined" where that is why there is none."""
        held = np.any([self.holds(phenotypes, segment) for segment in segments], axis=0)
        if not held.any():
            return evaluation
        reasons = np.where(held, np.int16(QUARANTINED), evaluation.reasons).astype(np.int16)
        return replace(evaluation, reasons=reasons)

    def without(self, state: State, language: Language) -> State:
        """Return a last population in which whoever can't be looked at in validation is no candidate."""
        held = self.holds(express(state.genomes, language), "validation")
        return replace(state, reasons=np.where(held, np.int16(QUARANTINED), state.reasons)) if held.any() else state


NOBODY: Final = Quarantine()
