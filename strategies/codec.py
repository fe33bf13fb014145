"""Genomes to phenotypes, whole populations at once.

A phenotype row has the genome's columns in natural units and is canonical: conditions that are off are gone and the
rest moved up, genes that say nothing are 0. Two rows are equal if and only if their strategies are. Every genome,
also one out of bounds or NaN, decodes to a valid strategy: what does not fit is bent to the nearest thing that does.
"""

import hashlib
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from strategies.genes import (
    BLOCK_COLUMNS,
    COLUMN,
    COOLDOWNS,
    DISTANCES,
    FIELD,
    GENES,
    LEVEL_STEPS,
    MAX_LAG,
    N_ENTRY,
    N_EXIT,
    N_GENES,
    SIZES,
    TIME_STOPS,
    GeneKind,
)
from strategies.lookup import CLOSE, MAX_PARAMETERS, N_SOURCES, lookup

Rows = NDArray[np.float64]
_LOW: Final = np.array([gene.low for gene in GENES])
_HIGH: Final = np.array([gene.high for gene in GENES])
_WHOLE: Final = np.array([gene.kind is not GeneKind.UNIT for gene in GENES])
LEFT: Final = [FIELD[f"left.{name}"] for name in ("kind", "source", "p0", "p1", "p2", "lag")]
RIGHT: Final = [FIELD[f"right.{name}"] for name in ("kind", "source", "p0", "p1", "p2", "lag")]


def bounded(genomes: NDArray[Any]) -> Rows:
    """Return a copy of `genomes` (n, N_GENES) inside the gene bounds; NaN becomes the low bound."""
    rows = np.array(genomes, dtype=np.float64, copy=True, order="C").reshape(-1, N_GENES)
    rows = np.where(np.isnan(rows), _LOW, np.clip(rows, _LOW, _HIGH))
    return np.where(_WHOLE, np.rint(rows), rows) + 0.0  # + 0.0 makes -0.0 plain


def express(genomes: NDArray[Any]) -> Rows:
    """Return the phenotypes (n, N_GENES) of `genomes` (n, N_GENES), canonical and always valid."""
    rows = bounded(genomes)
    out = np.zeros_like(rows)
    for module, count in (("entry", N_ENTRY), ("exit", N_EXIT)):
        blocks = np.stack([rows[:, BLOCK_COLUMNS[f"{module}.{number}"]] for number in range(count)], axis=1)
        if module == "entry":  # an entry rule has at least one condition
            blocks[blocks[:, :, FIELD["on"]].sum(axis=1) == 0, 0, FIELD["on"]] = 1.0
        blocks = _conditions(blocks)
        order = np.argsort(-blocks[:, :, FIELD["on"]], axis=1, kind="stable")
        blocks = np.take_along_axis(blocks, order[:, :, None], axis=1)
        for number in range(count):
            out[:, BLOCK_COLUMNS[f"{module}.{number}"]] = blocks[:, number]
        needed = COLUMN[f"{module}.needed"]
        out[:, needed] = np.minimum(rows[:, needed], blocks[:, :, FIELD["on"]].sum(axis=1))
    _express_risk(rows, out)
    return out


def _conditions(blocks: Rows) -> Rows:
    """Return condition blocks (n, count, fields) in natural units; blocks that are off are all 0."""
    flat = blocks.reshape(-1, blocks.shape[2])
    out = np.zeros_like(flat)
    on = flat[:, FIELD["on"]] > 0
    part = flat[on]
    result = np.zeros_like(part)
    for name in ("on", "negate", "comparator"):
        result[:, FIELD[name]] = part[:, FIELD[name]]
    left = _operands(part[:, LEFT])
    pair = _pairs(left)
    low, high = lookup().level_low[pair], lookup().level_high[pair]
    against_level = (part[:, FIELD["against"]] > 0) & ~np.isnan(low)
    wanted = part[:, RIGHT]
    wanted[:, :2] = _partner(pair, wanted[:, 0] * N_SOURCES + wanted[:, 1])
    right = _operands(wanted)
    same = (left == right).all(axis=1)  # never compare a value with itself: look a bar back instead
    right[same, 5] = np.where(left[same, 5] < MAX_LAG, left[same, 5] + 1, left[same, 5] - 1)
    step = np.minimum(np.floor(part[:, FIELD["level"]] * (LEVEL_STEPS + 1)), LEVEL_STEPS)
    result[:, LEFT] = left
    result[:, FIELD["against"]] = against_level
    result[:, RIGHT] = np.where(against_level[:, None], 0.0, right)
    result[:, FIELD["level"]] = np.where(against_level, _levels(low, high, step), 0.0)
    out[on] = result
    return out.reshape(blocks.shape)


def _levels(low: Rows, high: Rows, step: Rows) -> Rows:
    level: Rows = np.round(low + (high - low) * step / LEVEL_STEPS, 8) + 0.0
    return level


def _pairs(operands: Rows) -> NDArray[np.int64]:
    pairs: NDArray[np.int64] = (operands[:, 0] * N_SOURCES + operands[:, 1]).astype(np.int64)
    return pairs


def _partner(left_pair: NDArray[np.int64], wanted: Rows) -> Rows:
    """Return (n, 2) kind and source: the wanted pair where it may be compared with the left one, else one that may."""
    table = lookup()
    kind, source = np.divmod(wanted.astype(np.int64), N_SOURCES)
    source = np.where(table.takes_source[kind], source, CLOSE)
    pair = kind * N_SOURCES + source
    start, stop = table.fit_start[left_pair], table.fit_start[left_pair + 1]
    instead = table.fit_pairs[start + pair % (stop - start)]
    pair = np.where(table.fits[left_pair, pair], pair, instead)
    return np.stack(np.divmod(pair, N_SOURCES), axis=1).astype(np.float64)


def _operands(genes: Rows) -> Rows:
    """Return operands (n, 6) in natural units: kind, source, three parameters, lag."""
    table = lookup()
    out = np.zeros_like(genes)
    kind = genes[:, 0].astype(np.int64)
    out[:, 0] = kind
    out[:, 1] = np.where(table.takes_source[kind], genes[:, 1], CLOSE)
    for slot in range(MAX_PARAMETERS):
        size = table.grid_size[kind, slot]
        step = np.clip(np.floor(genes[:, 2 + slot] * size), 0, np.maximum(size - 1, 0)).astype(np.int64)
        out[:, 2 + slot] = np.where(size > 0, table.grid[kind, slot, step], 0.0)
    out[:, 5] = genes[:, 5]
    return out


def place_on(grid: tuple[float, ...], fraction: Rows) -> Rows:
    """Return the grid values at `fraction` (n,) of [0, 1]."""
    step = np.minimum(np.floor(fraction * len(grid)), len(grid) - 1).astype(np.int64)
    return np.asarray(grid)[step]


def _express_risk(rows: Rows, out: Rows) -> None:
    column = {name.removeprefix("risk."): index for name, index in COLUMN.items() if name.startswith("risk.")}
    out[:, column["direction"]] = rows[:, column["direction"]]
    for name, by_kind in DISTANCES.items():
        kind = rows[:, column[f"{name}_kind"]]
        out[:, column[f"{name}_kind"]] = kind
        for code, grid in by_kind.items():
            value = place_on(grid, rows[:, column[name]])
            out[:, column[name]] = np.where(kind == code, value, out[:, column[name]])
    out[:, column["time_stop"]] = place_on(TIME_STOPS, rows[:, column["time_stop"]])
    out[:, column["cooldown"]] = place_on(COOLDOWNS, rows[:, column["cooldown"]])
    size_kind = rows[:, column["size_kind"]]
    out[:, column["size_kind"]] = size_kind
    sizes = [place_on(SIZES[code], rows[:, column["size"]]) for code in sorted(SIZES)]
    out[:, column["size"]] = np.where(size_kind == 0, sizes[0], sizes[1])


def phenotype_keys(phenotypes: Rows) -> NDArray[np.uint64]:
    """Return a 128-bit key (n, 2) of each phenotype row: equal rows, equal keys."""
    rows = np.ascontiguousarray(phenotypes, dtype="<f8")
    digests = b"".join(hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in rows)
    return np.frombuffer(digests, dtype="<u8").reshape(-1, 2).astype(np.uint64)
