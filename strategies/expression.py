"""From genomes to phenotypes, compiled: about two genomes a microsecond. `codec` says what a phenotype is.

Kernels trust their arguments. Tables come in as arguments, never as constants, for a compiled function outlives a
change of TA-Lib.
"""

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from strategies.expression_tables import Tables
from strategies.genes import (
    BLOCK_COLUMNS,
    COLUMN,
    COMPARATORS,
    FIELD,
    MAX_LAG,
    N_ENTRY,
    N_EXIT,
    N_LEARNERS,
    OPERAND_FIELDS,
)
from strategies.learners.table import MAX_FEATURES, N_HYPER
from strategies.lookup import CLOSE, MAX_PARAMETERS, N_SOURCES
from strategies.numba_start import load_numba

load_numba()

Floats = NDArray[np.float64]

_ON, _NEGATE, _COMPARATOR = FIELD["on"], FIELD["negate"], FIELD["comparator"]
_AGAINST, _LEVEL, _WEIGHT, _N_FIELDS = FIELD["against"], FIELD["level"], FIELD["weight"], len(FIELD)
_LEFT, _RIGHT = FIELD["left.kind"], FIELD["right.kind"]
_SOURCE, _PARAMETER, _LAG, _TIMEFRAME = (OPERAND_FIELDS.index(name) for name in ("source", "p0", "lag", "timeframe"))
_N_OPERAND = len(OPERAND_FIELDS)
_ENTRY, _EXIT = BLOCK_COLUMNS["entry.0"][0], BLOCK_COLUMNS["exit.0"][0]
_ENTRY_NEEDED, _EXIT_NEEDED = COLUMN["entry.needed"], COLUMN["exit.needed"]
_CONFLICT = COLUMN["fusion.conflict"]
_LEARNER, _FEATURE = COLUMN["learner.0.on"], COLUMN["learner.0.f0.on"] - COLUMN["learner.0.on"]
_N_LEARNER = COLUMN["learner.1.on"] - COLUMN["learner.0.on"]
_VOTES, _EDGE, _TRUST, _ALGORITHM, _TARGET, _HORIZON, _HYPER = (
    COLUMN[f"learner.0.{name}"] - _LEARNER
    for name in ("weight", "edge", "trust", "algorithm", "target", "horizon", "h0")
)
_GATE_TREND, _GATE_VOLATILITY = COLUMN["gate.trend"], COLUMN["gate.volatility"]
_DIRECTION, _SIZE_KIND = COLUMN["risk.direction"], COLUMN["risk.size_kind"]
_BREAKER, _REARM = COLUMN["risk.breaker"], COLUMN["risk.rearm"]
_BY_CONFIDENCE: Final = 3.0
_ABOVE, _CROSSES_ABOVE = COMPARATORS.index(">"), COMPARATORS.index("crosses above")
_DECIMALS = 1e8  # levels are rounded to eight
_jit = njit(cache=True, nogil=True, error_model="numpy")


@_jit
def bound_nb(genomes: Floats, tables: Tables, out: Floats) -> None:
    """Fill `out` (n, N_GENES) with `genomes` inside the bounds; NaN becomes the low bound, whole genes whole."""
    for row in range(genomes.shape[0]):
        for column in range(genomes.shape[1]):
            value = genomes[row, column]
            if not value >= tables.low[column]:  # also NaN
                value = tables.low[column]
            elif value > tables.high[column]:
                value = tables.high[column]
            if tables.whole[column]:
                value = np.rint(value)
            out[row, column] = value + 0.0  # makes -0.0 plain


@_jit
def express_nb(genomes: Floats, tables: Tables, out: Floats) -> None:
    """Fill `out` (n, N_GENES), all 0, with the phenotypes of `genomes` that are inside the bounds."""
    for row in range(genomes.shape[0]):
        entry = _rule_nb(genomes, row, _ENTRY, N_ENTRY, tables, out)
        leave = _rule_nb(genomes, row, _EXIT, N_EXIT, tables, out)
        votes = 0.0
        if tables.learns:
            for number in range(N_LEARNERS):
                if genomes[row, _LEARNER + number * _N_LEARNER + _ON] > 0.0:
                    votes += genomes[row, _LEARNER + number * _N_LEARNER + _VOTES]
        if entry + votes == 0.0:  # somebody must vote for an entry
            _condition_nb(genomes, row, _ENTRY, tables, out, _ENTRY)
            entry = out[row, _ENTRY + _WEIGHT]
        learns = tables.learns and _learners_nb(genomes, row, tables, out)
        out[row, _ENTRY_NEEDED] = min(genomes[row, _ENTRY_NEEDED], entry + votes)
        out[row, _EXIT_NEEDED] = min(genomes[row, _EXIT_NEEDED], leave)
        if votes > 0.0:
            out[row, _CONFLICT] = genomes[row, _CONFLICT]
        out[row, _GATE_TREND] = genomes[row, _GATE_TREND]
        out[row, _GATE_VOLATILITY] = genomes[row, _GATE_VOLATILITY]
        _risk_nb(genomes, row, tables, out, learns)


@njit(inline="always")
def _rule_nb(genomes: Floats, row: int, first: int, count: int, tables: Tables, out: Floats) -> float:
    """Write the conditions of a rule that are on, moved up; return the sum of their weights."""
    n_on, weights = 0, 0.0
    for number in range(count):
        block = first + number * _N_FIELDS
        if genomes[row, block + _ON] > 0.0:
            _condition_nb(genomes, row, block, tables, out, first + n_on * _N_FIELDS)
            weights += genomes[row, block + _WEIGHT]
            n_on += 1
    return weights


@njit(inline="always")
def _condition_nb(genomes: Floats, row: int, block: int, tables: Tables, out: Floats, to: int) -> None:
    """Write the condition of the genes from column `block` on to the columns from `to` on."""
    out[row, to + _ON] = 1.0
    out[row, to + _NEGATE] = genomes[row, block + _NEGATE]
    out[row, to + _COMPARATOR] = genomes[row, block + _COMPARATOR]
    out[row, to + _WEIGHT] = genomes[row, block + _WEIGHT]
    left = _pair_nb(genomes, row, block + _LEFT, tables.said, tables)
    _operand_nb(genomes, row, block + _LEFT, left, tables, out, to + _LEFT)
    low, high = tables.level_low[left], tables.level_high[left]
    if not np.isnan(low) and (genomes[row, block + _AGAINST] > 0.0 or tables.level_only[left]):
        steps = float(tables.level_steps[left])
        if steps > 1.0:
            step = min(np.floor(genomes[row, block + _LEVEL] * (steps + 1.0)), steps)
        else:  # a flag is up or down: that it isn't is said by a negation
            step = 1.0 if genomes[row, block + _COMPARATOR] in (_ABOVE, _CROSSES_ABOVE) else 0.0
        out[row, to + _AGAINST] = 1.0
        out[row, to + _LEVEL] = np.rint((low + (high - low) * step / steps) * _DECIMALS) / _DECIMALS + 0.0
    else:
        pair = _pair_nb(genomes, row, block + _RIGHT, tables.said, tables)
        if not tables.fits[left, pair]:  # another that may be compared with the left one
            start, stop = tables.fit_start[left], tables.fit_start[left + 1]
            pair = tables.fit_pairs[start + pair % (stop - start)]
        _operand_nb(genomes, row, block + _RIGHT, pair, tables, out, to + _RIGHT)
        same = True
        for offset in range(_N_OPERAND):
            same &= out[row, to + _LEFT + offset] == out[row, to + _RIGHT + offset]
        if same:  # never compare a value with itself: look a bar back instead
            out[row, to + _RIGHT + _LAG] += 1.0 if out[row, to + _LEFT + _LAG] < MAX_LAG else -1.0


@njit(inline="always")
def _pair_nb(genomes: Floats, row: int, at: int, said: NDArray[np.int64], tables: Tables) -> int:
    """Return the pair of kind and source of the operand at column `at`, in the words of the language."""
    kind, source = said[int(genomes[row, at])], int(genomes[row, at + _SOURCE])
    return kind * N_SOURCES + (source if tables.takes_source[kind] else CLOSE)


@njit(inline="always")
def _operand_nb(genomes: Floats, row: int, at: int, pair: int, tables: Tables, out: Floats, to: int) -> None:
    """Write the operand of a pair of kind and source: these, three parameters, lag, timeframe."""
    kind = pair // N_SOURCES
    out[row, to], out[row, to + _SOURCE] = float(kind), float(pair % N_SOURCES)
    for slot in range(MAX_PARAMETERS):
        size = tables.grid_size[kind, slot]
        if size > 0:
            place = _place_nb(genomes[row, at + _PARAMETER + slot], size)
            out[row, to + _PARAMETER + slot] = tables.grid[kind, slot, place]
    out[row, to + _LAG] = genomes[row, at + _LAG]
    if not tables.is_learner[kind]:  # a learner sees the bars themselves; its features may look at others
        out[row, to + _TIMEFRAME] = min(genomes[row, at + _TIMEFRAME], tables.timeframes)


@njit(inline="always")
def _learners_nb(genomes: Floats, row: int, tables: Tables, out: Floats) -> bool:
    """Write the learners that vote or that conditions read, moved up; return whether there are any."""
    n_alive = 0
    for number in range(N_LEARNERS):
        block, to = _LEARNER + number * _N_LEARNER, _LEARNER + n_alive * _N_LEARNER
        votes = genomes[row, block + _ON] > 0.0
        if _rename_nb(row, float(number), float(n_alive), tables, out) or votes:
            n_alive += 1
            out[row, to + _ON] = 1.0
            if votes:
                out[row, to + _VOTES] = genomes[row, block + _VOTES]
                out[row, to + _EDGE] = tables.edges[_place_nb(genomes[row, block + _EDGE], tables.edges.size)]
                out[row, to + _TRUST] = tables.trusts[_place_nb(genomes[row, block + _TRUST], tables.trusts.size)]
            _learner_nb(genomes, row, block, tables, out, to)
    return n_alive > 0


@njit(inline="always")
def _rename_nb(row: int, slot: float, new: float, tables: Tables, out: Floats) -> bool:
    """Whether a condition reads the learner in `slot`; those that do read it in slot `new` from now on.

    The slots that have been seen are the lower ones, so no learner is renamed twice.
    """
    read = False
    for rule in range(2):
        first, count = (_ENTRY, N_ENTRY) if rule == 0 else (_EXIT, N_EXIT)
        for number in range(count):
            for side in range(2):
                block = first + number * _N_FIELDS
                at = block + (_LEFT if side == 0 else _RIGHT)
                present = out[row, block + _ON] > 0.0 and (side == 0 or out[row, block + _AGAINST] == 0.0)
                if present and tables.is_learner[int(out[row, at])] and out[row, at + _PARAMETER] == slot:
                    out[row, at + _PARAMETER] = new
                    read = True
    return read


@njit(inline="always")
def _learner_nb(genomes: Floats, row: int, block: int, tables: Tables, out: Floats, to: int) -> None:
    """Write what a learner is: algorithm, target, horizon, hyper-parameters, and its features moved up."""
    algorithm = int(genomes[row, block + _ALGORITHM])
    out[row, to + _ALGORITHM] = float(algorithm)
    out[row, to + _TARGET] = genomes[row, block + _TARGET]
    out[row, to + _HORIZON] = tables.horizons[_place_nb(genomes[row, block + _HORIZON], tables.horizons.size)]
    for slot in range(N_HYPER):
        size = tables.hyper_size[algorithm, slot]
        if size > 0:
            place = _place_nb(genomes[row, block + _HYPER + slot], size)
            out[row, to + _HYPER + slot] = tables.hyper[algorithm, slot, place]
    if not tables.uses_features[algorithm]:
        return
    any_on = False
    for number in range(MAX_FEATURES):
        any_on |= genomes[row, block + _FEATURE + number * (1 + _N_OPERAND)] > 0.0
    n_on = 0
    for number in range(MAX_FEATURES):
        at = block + _FEATURE + number * (1 + _N_OPERAND)
        if genomes[row, at] > 0.0 or (number == 0 and not any_on):  # it learns from something
            place = to + _FEATURE + n_on * (1 + _N_OPERAND)
            out[row, place] = 1.0
            pair = _pair_nb(genomes, row, at + 1, tables.said_feature, tables)
            _operand_nb(genomes, row, at + 1, pair, tables, out, place + 1)
            n_on += 1


@njit(inline="always")
def _risk_nb(genomes: Floats, row: int, tables: Tables, out: Floats, learns: bool) -> None:
    """Write the direction and every risk setting, each on its grid."""
    out[row, _DIRECTION] = genomes[row, _DIRECTION]
    for number in range(tables.risk_columns.shape[0]):
        column, kind_column = tables.risk_columns[number, 0], tables.risk_columns[number, 1]
        kind = 0
        if kind_column >= 0:
            value = genomes[row, kind_column]
            if kind_column == _SIZE_KIND and value == _BY_CONFIDENCE and not learns:
                value = 0.0  # nobody to be confident
            kind = int(value)
            out[row, kind_column] = value
        size = tables.risk_sizes[number, kind]
        if size > 0:
            out[row, column] = tables.risk_grids[number, kind, _place_nb(genomes[row, column], size)]
    if out[row, _BREAKER] == 0.0:
        out[row, _REARM] = 0.0


@njit(inline="always")
def _place_nb(fraction: float, size: int) -> int:
    """Return the place of a fraction of [0, 1] among `size` values, 1 being the last one's."""
    return min(int(fraction * size), size - 1)
