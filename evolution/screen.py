"""A cheap look at a brood on some cells before the full evaluation, which judges itself and turns itself off.

A generation is evaluated in one of three ways:

- `probe`: the whole brood is seen on the screen and then in full, so that both can be compared. Founders always are.
- `on`: the brood is seen on the screen; the best `keep` share by Pareto order there goes on (of it the floor of each
  species, see `selection.with_floors`), and of the others an `audit` share drawn without regard to merit (by smallest
  key, and keys are hashes). The rest is born "screened out": without objectives or measures, known for ever, and a
  trial like any other.
- `off`: the whole brood is evaluated in full without a look.

After a probe, and after every generation with the screen on, the agreement of both rankings is averaged over the
window. Below `min_agreement` the screen is off for `rest` generations, then comes a probe; else it is on. A generation
that says nothing (fewer than three strategies, or all equally good) changes nothing.

Agreement is Spearman's rho of the values on the screen against those in full, of each objective alone; the lowest
counts, since a screen that knows nothing of one objective is blind on that side. It estimates the rho of the whole
brood from a stratified sample: what was kept stands for itself, each audited one for n_rejected / n_audited.
Sources: Spearman 1904, "The proof and measurement of association between two things", ties by average ranks (Kendall
1945); weights by inverse chance of inclusion, Horvitz and Thompson 1952.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from evolution.admission import Evaluate, ScreeningEvaluate, admit
from evolution.population import ABSENT, Merits, find
from evolution.selection import feasible, standing, with_floors
from evolution.settings import EvolutionSettings, ScreenSettings
from evolution.species import FREE, Shares, least
from fitness.objectives import QUARANTINED, SCREENED_OUT, Evaluation
from strategies.errors import JournalError, UsageError

Floats = NDArray[np.float64]
Memory = NDArray[np.float64]
"""(1 + window,): generations of rest that are left, then the agreements of the window, oldest first, NaN where none."""

FEWEST: Final = 3
_ALMOST: Final = 1e-9
"""Taken off before rounding up: 0.1 * 30 is a little more than 3."""


class Mode(StrEnum):
    """How a generation is evaluated."""

    PROBE = "probe"
    ON = "on"
    OFF = "off"


@dataclass(frozen=True)
class ScreenStats:
    """What the screen did in one generation of one island.

    Attributes:
        mode: how the generation was evaluated.
        n_screened_out: strategies that were seen on the screen alone.
        n_audited: strategies that the screen rejected and that were evaluated in full all the same.
        agreement: lowest rho of an objective, -1 to 1; None where it was not or could not be measured.
        mean_agreement: mean over the window, this generation included; None before the first.
        turned_off: whether the screen turned itself off after this generation.
    """

    mode: str
    n_screened_out: int
    n_audited: int
    agreement: float | None
    mean_agreement: float | None
    turned_off: bool


class Chosen(NamedTuple):
    """Which of n strategies go on: those kept (n,) for their rank, and those audited (n,)."""

    kept: NDArray[np.bool_]
    audited: NDArray[np.bool_]


class Screened(NamedTuple):
    """Fitness of a brood, what the screen remembers after it, and what it did (None where no screen is set)."""

    evaluation: Evaluation
    memory: Memory
    stats: ScreenStats | None


def new_memory(settings: ScreenSettings | None) -> Memory:
    """Return what a screen remembers before the founders."""
    return np.zeros(0) if settings is None else np.concatenate([[0.0], np.full(settings.window, np.nan)])


def check_memory(memory: Memory, settings: ScreenSettings | None) -> None:
    """Raise a `JournalError` if `memory` is not that of a screen with these settings."""
    wanted = new_memory(settings).shape
    if memory.shape != wanted:
        raise JournalError(
            f"A state must remember a screen as {wanted}, but had {memory.shape} (state: screen). "
            "Go on with the settings of the screen that the job began with."
        )


def mode_of(memory: Memory) -> Mode:
    """Return how the next generation is to be evaluated."""
    if memory[0] > 0:
        return Mode.OFF
    return Mode.PROBE if np.isnan(memory[1:]).all() else Mode.ON


def remember(memory: Memory, agreement: float, settings: ScreenSettings) -> Memory:
    """Return the memory after a generation of this `agreement`, NaN where none was measured."""
    if mode_of(memory) is Mode.OFF:
        return np.concatenate([memory[:1] - 1.0, memory[1:]])
    if math.isnan(agreement):
        return memory
    grown = _grown(memory, agreement)
    if mean_agreement(grown) >= settings.min_agreement:
        return grown
    return np.concatenate([[float(settings.rest)], np.full(settings.window, np.nan)])


def _grown(memory: Memory, agreement: float) -> Memory:
    """The memory with one agreement more in its window, and the oldest forgotten; as it was if there is none."""
    return memory if math.isnan(agreement) else np.concatenate([memory[:1], memory[2:], [agreement]])


def mean_agreement(memory: Memory) -> float:
    """Return the mean of the agreements in the window, NaN where there is none."""
    known = memory[1:][~np.isnan(memory[1:])]
    return float(known.mean()) if len(known) else math.nan


def evaluate_screened(
    evaluate: Evaluate,
    phenotypes: Floats,
    keys: NDArray[np.uint64],
    birth_ids: NDArray[np.int64],
    species: NDArray[np.int8],
    *,
    settings: EvolutionSettings,
    memory: Memory,
) -> Screened:
    """Return the fitness of phenotypes (n, N_GENES) of `species` (n,), with the screen of `settings` if it has one.

    Raises:
        UsageError: a screen is set and `evaluate` can't look at a part of the cells.
        StudbookError: `evaluate` returned arrays of another shape than asked for.
    """
    n, m, screen = len(phenotypes), len(settings.objectives), settings.screen
    if screen is None:
        return Screened(in_full(evaluate, phenotypes, settings), memory, None)
    if not isinstance(evaluate, ScreeningEvaluate):
        raise UsageError(
            f"`evaluate` must have a method `screen` where a screen is set, but was {type(evaluate).__name__} "
            "(evolution: screen). Pass a `ScreeningEvaluate`, or set no screen."
        )
    mode = mode_of(memory)
    if mode is Mode.OFF:
        return Screened(in_full(evaluate, phenotypes, settings), *idle(memory, screen))
    look = evaluate.screen(phenotypes)
    seen = admit(look.evaluation, n_rows=n, n_objectives=m)
    everyone = np.ones(n, dtype=np.bool_)
    chosen = Chosen(everyone, ~everyone)
    if mode is not Mode.PROBE:
        chosen = choose(seen, keys, birth_ids, screen, species=species, floor=cast("Shares", settings.floor))
    rows = np.flatnonzero(chosen.kept | chosen.audited)
    full = admit(look.finish(rows), n_rows=len(rows), n_objectives=m, constraints=settings.constraints)
    agreement = sample_agreement(_rows_of(seen, rows), full, audited=chosen.audited[rows], n_brood=n)
    after = remember(memory, agreement, screen)
    n_audited = int(chosen.audited.sum())
    stats = _stats(mode, n - len(rows), n_audited, agreement, memory, after)
    return Screened(_spread(full, rows, seen.reasons), after, stats)


def in_full(evaluate: Evaluate, phenotypes: Floats, settings: EvolutionSettings) -> Evaluation:
    """Return the fitness of phenotypes (n, N_GENES) on all cells, without a look before."""
    n, m = len(phenotypes), len(settings.objectives)
    return admit(evaluate(phenotypes), n_rows=n, n_objectives=m, constraints=settings.constraints)


def idle(memory: Memory, settings: ScreenSettings | None) -> tuple[Memory, ScreenStats | None]:
    """Return the memory after a generation in which nothing was looked at, and what there is to say of it."""
    if settings is None:
        return memory, None
    after = remember(memory, math.nan, settings)
    return after, _stats(mode_of(memory), 0, 0, math.nan, memory, after)


def choose(
    seen: Evaluation,
    keys: NDArray[np.uint64],
    birth_ids: NDArray[np.int64],
    settings: ScreenSettings,
    *,
    species: NDArray[np.int8] | None = None,
    floor: Shares = (),
) -> Chosen:
    """Return which of n strategies go on, by their evaluation on the screen and their keys (n, 2).

    Of those that are kept at least the `floor` is of each of the `species` (n,), or a species would die out here.
    """
    n = len(keys)
    order, n_kept = standing(seen.objectives, seen.reasons, keys, birth_ids).order, _part(settings.keep, n)
    rejected = order[n_kept:]
    if species is not None and any(floor):
        fit = feasible(seen.objectives, seen.reasons)[order]
        kinds = np.where(fit, species[order], FREE)
        rows = with_floors(seen.objectives[order], kinds, n=n_kept, floors=least(floor, n_kept))
        rejected = np.delete(order, rows)
    by_key = rejected[np.lexsort((keys[rejected, 1], keys[rejected, 0]))]
    kept, audited = np.ones(n, dtype=np.bool_), np.zeros(n, dtype=np.bool_)
    kept[rejected] = False
    audited[by_key[: _part(settings.audit, len(rejected))]] = True
    return Chosen(kept, audited)


def sample_agreement(seen: Evaluation, full: Evaluation, *, audited: NDArray[np.bool_], n_brood: int) -> float:
    """Return the estimated rank agreement of a brood, NaN where nothing can be said; 0 where the screen sees no odds.

    Args:
        seen: of the k strategies that were evaluated in full, what the screen saw.
        full: of the same, all cells.
        audited: (k,) whether it stands for the rejected; the others stand for themselves.
        n_brood: strategies in the brood; all but the k were screened out.
    """
    n_audited = int(audited.sum())
    weights = np.ones(len(audited))
    if n_audited:
        weights[audited] = (n_brood - len(audited) + n_audited) / n_audited
    telling = [(x, y) for x, y in zip(_ranked(seen).T, _ranked(full).T, strict=True) if not _alike(y)]
    found = [0.0 if _alike(x) else rank_agreement(x, y, weights) for x, y in telling if len(y) >= FEWEST]
    return min(found, default=math.nan)


def rank_agreement(x: Floats, y: Floats, weights: Floats) -> float:
    """Return Spearman's rho of `x` and `y` (n,), in which a row of weight w counts as w rows; ties by average ranks.

    NaN for fewer than three rows, or where one side is all alike. Values may be infinite, not NaN.
    """
    if len(x) < FEWEST or _alike(x) or _alike(y):
        return math.nan
    total = weights.sum()
    a, b = (_average_ranks(values, weights) for values in (x, y))
    a, b = a - (weights * a).sum() / total, b - (weights * b).sum() / total
    spread = math.sqrt((weights * a * a).sum() * (weights * b * b).sum())
    return float(np.clip((weights * a * b).sum() / spread, -1.0, 1.0))


def _alike(values: Floats) -> bool:
    return bool((values == values[0]).all())


def _average_ranks(values: Floats, weights: Floats) -> Floats:
    """Return (n,) the weight of all smaller values and half of that of the equal ones."""
    _, place = np.unique(values, return_inverse=True)
    equal = np.bincount(place, weights=weights)
    return np.asarray((np.cumsum(equal) - equal / 2.0)[place])


def supersede(known: Merits, arrivals: Merits) -> Merits:
    """Return the register `known`, in which what was screened out has the full fitness that `arrivals` bring."""
    at = find(known.keys, arrivals.keys)
    rows = np.flatnonzero((at != ABSENT) & (known.reasons[at] == SCREENED_OUT))
    if len(rows) == 0:
        return known
    objectives, reasons, measures = known.objectives.copy(), known.reasons.copy(), known.measures.copy()
    objectives[at[rows]], reasons[at[rows]] = arrivals.objectives[rows], arrivals.reasons[rows]
    measures[at[rows]] = arrivals.measures[rows]
    return Merits(known.keys, objectives, reasons, measures)


def _part(share: float, n: int) -> int:
    """That share of n rounded up, at least one of them."""
    return min(n, max(1, math.ceil(share * n - _ALMOST)))


def _rows_of(evaluation: Evaluation, rows: NDArray[np.int64]) -> Evaluation:
    return Evaluation(evaluation.objectives[rows], evaluation.reasons[rows], evaluation.measures[rows])


def _ranked(evaluation: Evaluation) -> Floats:
    """The objectives (n, m) with what has a reason below all others."""
    return np.where(evaluation.reasons[:, np.newaxis] == 0, evaluation.objectives, -np.inf)


def _spread(full: Evaluation, rows: NDArray[np.int64], seen: NDArray[np.int16]) -> Evaluation:
    """The evaluation of n strategies of which only `rows` (k,) were evaluated in full.

    Whoever can't be evaluated even on the screen, by the reasons `seen` (n,) there, is told apart: nobody may try it
    again, not even to count trials.
    """
    n = len(seen)
    objectives = np.full((n, full.objectives.shape[1]), np.nan)
    measures = np.full((n, full.measures.shape[1]), np.nan)
    reasons = np.where(seen == QUARANTINED, seen, np.int16(SCREENED_OUT))
    objectives[rows], reasons[rows], measures[rows] = full.objectives, full.reasons, full.measures
    return Evaluation(objectives, reasons, measures)


def _stats(
    mode: Mode, n_screened_out: int, n_audited: int, agreement: float, before: Memory, after: Memory
) -> ScreenStats:
    mean = mean_agreement(_grown(before, agreement))
    return ScreenStats(
        mode=mode.value,
        n_screened_out=n_screened_out,
        n_audited=n_audited,
        agreement=None if math.isnan(agreement) else agreement,
        mean_agreement=None if math.isnan(mean) else mean,
        turned_off=mode is not Mode.OFF and mode_of(after) is Mode.OFF,
    )
