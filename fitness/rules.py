"""How the masks of one strategy become what it wants at each bar: votes are counted, gates closed. Compiled.

64 bars a word. Where every vote counts once and no learner votes, a rule is an expression of its masks (masks.py).
Else the votes are added up in binary: plane `b` of a sum holds its bit `b` at every bar.
"""

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fitness.conditions import BOTH, STRATEGY, TRUST, VOTES
from fitness.kernel import MASK_ROLES
from fitness.masks import at_least_nb
from strategies.genes import COLUMN, CONFLICTS, FIELD, N_ENTRY, N_EXIT, N_LEARNERS

Float64 = NDArray[np.float64]
Words = NDArray[np.uint64]
Integers = NDArray[np.int64]

N_ROLES: Final = len(MASK_ROLES)
N_PLANES: Final = 5
"""Of a sum of votes: six voters with three votes each, and as many again that are not against, are 24."""
N_SCRATCH: Final = N_PLANES + 1
"""Rows behind the roles that the work needs."""
SHORT: Final = 1.0

_DIRECTION, _CONFLICT = COLUMN["risk.direction"], COLUMN["fusion.conflict"]
_NEEDED = (COLUMN["entry.needed"], COLUMN["exit.needed"])
_ENTRY, _EXIT = int(STRATEGY.blocks[0]), int(STRATEGY.blocks[N_ENTRY])
_N_FIELDS, _WEIGHT = len(FIELD), FIELD["weight"]
_LEARNER, _N_LEARNER = int(STRATEGY.learners[0]), int(STRATEGY.learners[1] - STRATEGY.learners[0])
_GATES = N_ENTRY + N_EXIT
_VOTES = _GATES + int(STRATEGY.gates.size)
_N_GATES = int(STRATEGY.gates.size)
_NET, _VETO = CONFLICTS.index("net"), CONFLICTS.index("veto")
_ZERO, _ALL = np.uint64(0), np.uint64(0xFFFF_FFFF_FFFF_FFFF)
_jit = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)


@_jit
def combine_nb(phenotype: Float64, places: Integers, masks: Words, first: int, stop: int, roles: Words) -> None:
    """Fill the words `first` to `stop` of the first `N_ROLES` rows of `roles` with the masks of one strategy.

    Args:
        phenotype: `(N_GENES,)`.
        places: `(2, n_places)` rows of masks, see `bank.Placed`.
        masks: packed `(n_masks, n_words)`.
        first: the first word.
        stop: the first after it that is left as it is.
        roles: `(N_ROLES + N_SCRATCH, n_words)`; these words are overwritten.
    """
    direction = phenotype[_DIRECTION]
    own = 2 if direction == SHORT else 0
    _entry_nb(phenotype, places, 0, masks, first, stop, roles, own)
    _exit_nb(phenotype, places, 0, masks, first, stop, roles, own + 1)
    if direction == BOTH:
        _entry_nb(phenotype, places, 1, masks, first, stop, roles, 2)
        _exit_nb(phenotype, places, 1, masks, first, stop, roles, 3)
    else:
        roles[2 - own, first:stop] = _ZERO
        roles[3 - own, first:stop] = _ZERO


@_jit
def _exit_nb(
    phenotype: Float64, places: Integers, side: int, masks: Words, first: int, stop: int, roles: Words, role: int
) -> None:
    """Fill a role with the exit rule of a side."""
    if not _plainly_nb(
        phenotype, places[side, N_ENTRY:_GATES], _EXIT, phenotype[_NEEDED[1]], masks, first, stop, roles[role]
    ):
        planes = roles[N_ROLES:]
        planes[:N_PLANES, first:stop] = _ZERO
        for number in range(N_EXIT):
            if places[side, N_ENTRY + number] >= 0:
                weight = phenotype[_EXIT + number * _N_FIELDS + _WEIGHT]
                _add_nb(masks[places[side, N_ENTRY + number]], weight, False, planes, first, stop)
        _reached_nb(planes, phenotype[_NEEDED[1]], first, stop, roles[role])


@_jit
def _entry_nb(
    phenotype: Float64, places: Integers, side: int, masks: Words, first: int, stop: int, roles: Words, role: int
) -> None:
    """Fill a role with the entry rule of a side: conditions and learners vote, then the gates."""
    needed, out = phenotype[_NEEDED[0]], roles[role]
    toward = 1 if phenotype[_DIRECTION] == SHORT else side  # a vote for a short entry is a score below minus the edge
    learners = places[toward, _VOTES] >= 0 or places[toward, _VOTES + 2] >= 0
    if learners or not _plainly_nb(phenotype, places[side, :N_ENTRY], _ENTRY, needed, masks, first, stop, out):
        planes = roles[N_ROLES:]
        planes[:N_PLANES, first:stop] = _ZERO
        for number in range(N_ENTRY):
            if places[side, number] >= 0:
                weight = phenotype[_ENTRY + number * _N_FIELDS + _WEIGHT]
                _add_nb(masks[places[side, number]], weight, False, planes, first, stop)
        needed += _add_learners_nb(phenotype, places, toward, masks, first, stop, planes)
        _reached_nb(planes, needed, first, stop, out)
        if phenotype[_CONFLICT] == _VETO:
            _veto_nb(phenotype, places, toward, masks, first, stop, planes, out)
    for gate in range(_N_GATES):
        place = places[side, _GATES + gate]
        if place >= 0:
            for word in range(first, stop):
                out[word] &= masks[place, word]


@_jit
def _add_learners_nb(
    phenotype: Float64, places: Integers, side: int, masks: Words, first: int, stop: int, planes: Words
) -> float:
    """Add the votes of the learners; returns by how much the sum lies higher than that of the votes.

    A vote against takes away what one that isn't there gives: so the sum is never negative.
    """
    higher, vote = 0.0, planes[N_PLANES]
    for learner in range(N_LEARNERS):
        if places[side, _VOTES + 2 * learner] >= 0:
            weight = phenotype[_LEARNER + learner * _N_LEARNER + VOTES]
            _vote_nb(phenotype, places, side, learner, masks, first, stop, vote)
            _add_nb(vote, weight, False, planes, first, stop)
            if phenotype[_CONFLICT] == _NET:
                _vote_nb(phenotype, places, 1 - side, learner, masks, first, stop, vote)
                _add_nb(vote, weight, True, planes, first, stop)
                higher += weight
    return higher


@_jit
def _veto_nb(
    phenotype: Float64, places: Integers, side: int, masks: Words, first: int, stop: int, planes: Words, out: Words
) -> None:
    """Take the bars out of `out` at which a learner votes for the other side."""
    vote = planes[N_PLANES]
    for learner in range(N_LEARNERS):
        if places[side, _VOTES + 2 * learner] >= 0:
            _vote_nb(phenotype, places, 1 - side, learner, masks, first, stop, vote)
            for word in range(first, stop):
                out[word] &= ~vote[word]


@_jit
def _vote_nb(
    phenotype: Float64, places: Integers, side: int, learner: int, masks: Words, first: int, stop: int, out: Words
) -> None:
    """Fill `out` with a learner's vote for a side: its score is beyond the edge, and it is trusted."""
    score = masks[places[side, _VOTES + 2 * learner]]
    for word in range(first, stop):
        out[word] = score[word]
    if phenotype[_LEARNER + learner * _N_LEARNER + TRUST] > 0.0:
        trusted = masks[places[0, _VOTES + 2 * learner + 1]]
        for word in range(first, stop):
            out[word] &= trusted[word]


@_jit
def _plainly_nb(
    phenotype: Float64, places: Integers, block: int, needed: float, masks: Words, first: int, stop: int, out: Words
) -> bool:
    """Fill `out` with a rule in which every vote counts once, of the conditions at `places`; whether it is one."""
    n_on = 0
    a = b = c = d = 0
    for number in range(places.size):
        place = places[number]
        if place >= 0:
            if phenotype[block + number * _N_FIELDS + _WEIGHT] != 1.0:
                return False
            n_on += 1
            if n_on == 1:
                a = b = c = d = place
            elif n_on == 2:
                b = place
            elif n_on == 3:
                c = place
            else:
                d = place
    if n_on == 0:
        out[first:stop] = _ZERO
    else:
        at_least_nb(masks, a, b, c, d, n_on, needed, first, stop, out)
    return True


@_jit
def _add_nb(mask: Words, weight: float, unless: bool, planes: Words, first: int, stop: int) -> None:
    """Add `weight` votes, 1 to 3, to the sum at every bar where the mask is true, or `unless` it is."""
    turn = _ALL if unless else _ZERO
    once = _ALL if weight != 2.0 else _ZERO
    twice = _ALL if weight >= 2.0 else _ZERO
    for word in range(first, stop):
        vote = mask[word] ^ turn
        carry = vote & once
        low = planes[0, word]
        planes[0, word] = low ^ carry
        carry &= low
        more, second = vote & twice, planes[1, word]
        planes[1, word] = second ^ more ^ carry
        carry = (second & more) | (carry & (second ^ more))
        for plane in range(2, N_PLANES):
            value = planes[plane, word]
            planes[plane, word] = value ^ carry
            carry &= value


@_jit
def _reached_nb(planes: Words, needed: float, first: int, stop: int, out: Words) -> None:
    """Fill `out` with the bars at which the sum is at least `needed`, 1 or more; none at all if `needed` is less."""
    bits = int(needed)
    for word in range(first, stop):
        above, equal = _ZERO, _ALL
        for plane in range(N_PLANES - 1, -1, -1):
            value = planes[plane, word]
            if (bits >> plane) & 1:
                equal &= value
            else:
                above |= equal & value
                equal &= ~value
        out[word] = above | equal if bits > 0 else _ZERO
