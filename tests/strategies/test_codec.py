"""Laws of the codec: canonical, valid, one to one with strategies, and equal to its slow twin to the bit."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from strategies.codec import LEFT, RIGHT, bounded, express, phenotype_keys
from strategies.encoding import encode, phenotype_of, strategy_of
from strategies.errors import StrategyError
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
    fingerprint,
)
from strategies.lookup import CLOSE, MAX_PARAMETERS, N_SOURCES, lookup
from strategies.sampler import random_genomes
from strategies.strategy import Condition, Distance, Operand, Rule, Strategy

RANDOM = random_genomes(2000, np.random.Generator(np.random.Philox(key=1)))
PHENOTYPES = express(RANDOM)
LOW = np.array([gene.low for gene in GENES])
HIGH = np.array([gene.high for gene in GENES])
WHOLE = np.array([gene.kind is not GeneKind.UNIT for gene in GENES])


def slow_bounded(genomes):
    """The bounds, gene by gene over a whole population, with NumPy."""
    rows = np.array(genomes, dtype=np.float64, copy=True, order="C").reshape(-1, N_GENES)
    rows = np.where(np.isnan(rows), LOW, np.clip(rows, LOW, HIGH))
    return np.where(WHOLE, np.rint(rows), rows) + 0.0  # + 0.0 makes -0.0 plain


def slow_express(genomes):
    """What the compiled codec must equal to the last bit: the same rules with NumPy, column by column."""
    rows = slow_bounded(genomes)
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


def _conditions(blocks):
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


def _levels(low, high, step):
    return np.round(low + (high - low) * step / LEVEL_STEPS, 8) + 0.0


def _pairs(operands):
    return (operands[:, 0] * N_SOURCES + operands[:, 1]).astype(np.int64)


def _partner(left_pair, wanted):
    """Return (n, 2) kind and source: the wanted pair where it may be compared with the left one, else one that may."""
    table = lookup()
    kind, source = np.divmod(wanted.astype(np.int64), N_SOURCES)
    source = np.where(table.takes_source[kind], source, CLOSE)
    pair = kind * N_SOURCES + source
    start, stop = table.fit_start[left_pair], table.fit_start[left_pair + 1]
    instead = table.fit_pairs[start + pair % (stop - start)]
    pair = np.where(table.fits[left_pair, pair], pair, instead)
    return np.stack(np.divmod(pair, N_SOURCES), axis=1).astype(np.float64)


def _operands(genes):
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


def place_on(grid, fraction):
    """Return the grid values at `fraction` (n,) of [0, 1]."""
    step = np.minimum(np.floor(fraction * len(grid)), len(grid) - 1).astype(np.int64)
    return np.asarray(grid)[step]


def _express_risk(rows, out):
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


def awkward_genomes():
    """Random ones, ones on and beyond the bounds, at the edges of grids, and numbers that are none."""
    rng = np.random.default_rng(5)
    rows = random_genomes(3000, rng)
    rows[::3] += rng.normal(size=rows[::3].shape)
    rows[1::3] = np.where(rng.random(rows[1::3].shape) < 0.5, np.round(rows[1::3], 2), rows[1::3])
    rows[rng.random(rows.shape) < 0.01] = np.nan
    rows[rng.random(rows.shape) < 0.01] = np.inf
    rows[rng.random(rows.shape) < 0.01] = -np.inf
    rows[rng.random(rows.shape) < 0.01] = -0.0
    rows[rng.random(rows.shape) < 0.02] = 1.0
    rows[7], rows[8], rows[9] = LOW, HIGH, 0.0
    return rows


def test_the_compiled_codec_equals_its_slow_twin_to_the_bit():
    for genomes in (RANDOM, awkward_genomes()):
        assert bounded(genomes).tobytes() == slow_bounded(genomes).tobytes()
        assert express(genomes).tobytes() == slow_express(genomes).tobytes()


def test_it_does_not_matter_how_genomes_lie_in_memory():
    wanted = express(RANDOM[:40]).tobytes()
    still = RANDOM[:40].copy()
    still.flags.writeable = False
    for genomes in (
        still,
        np.asfortranarray(RANDOM[:40]),
        RANDOM[:40].tolist(),
        np.repeat(RANDOM[:40], 2, axis=1)[:, ::2],
    ):
        assert express(genomes).tobytes() == wanted
    assert express(RANDOM[0]).shape == (1, N_GENES)
    assert express(RANDOM[:0]).shape == bounded(RANDOM[:0]).shape == (0, N_GENES)
    assert phenotype_keys(np.asfortranarray(PHENOTYPES[:40])).tobytes() == phenotype_keys(PHENOTYPES[:40]).tobytes()
    assert phenotype_keys(PHENOTYPES[:0]).shape == (0, 2)


def slow_key(row):
    """The digest of the map of genes that are not 0 and of these genes, with `hashlib`."""
    words = row.view(np.uint64).tolist()
    seen = sum(1 << column for column, word in enumerate(words) if word)
    n_map = -(-N_GENES // 64)
    message = seen.to_bytes(8 * n_map, "little") + b"".join(word.to_bytes(8, "little") for word in words if word)
    return hashlib.blake2b(message, digest_size=16).digest()


@given(st.integers(0, 2**32), st.integers(0, N_GENES))
@settings(max_examples=100, deadline=None)
def test_a_key_is_the_digest_of_the_genes_that_speak(seed, n_genes):
    rng = np.random.default_rng(seed)
    row = np.zeros(N_GENES)
    row[rng.permutation(N_GENES)[:n_genes]] = rng.standard_normal(n_genes)
    assert phenotype_keys(row[None]).tobytes() == slow_key(row)


def test_all_keys_of_a_population_are_these_digests():
    assert phenotype_keys(PHENOTYPES).tobytes() == b"".join(map(slow_key, PHENOTYPES))


def test_strategies_can_be_read_without_numba():
    code = "import sys, strategies.templates; strategies.templates.template_genomes(); print('numba' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert told.stdout.strip() == "False"


def test_every_phenotype_is_a_strategy_and_back():
    for row in PHENOTYPES:
        strategy = strategy_of(row)
        assert phenotype_of(strategy).tobytes() == row.tobytes()
        assert Strategy.from_json(strategy.to_json()) == strategy


def test_encoding_a_strategy_expresses_that_strategy():
    for row in PHENOTYPES[:500]:
        genome = encode(strategy_of(row))
        assert express(genome[None])[0].tobytes() == row.tobytes()
        assert bounded(genome[None])[0].tobytes() == (genome + 0.0).tobytes()


def test_equal_rows_equal_keys_equal_ids_and_nothing_else():
    keys = [key.tobytes() for key in phenotype_keys(PHENOTYPES)]
    ids = [strategy_of(row).id for row in PHENOTYPES]
    rows = [row.tobytes() for row in PHENOTYPES]
    assert len(set(keys)) == len(set(ids)) == len(set(rows))
    assert phenotype_keys(PHENOTYPES[:3]).tobytes() == phenotype_keys(PHENOTYPES.copy()[:3]).tobytes()


def test_a_population_is_decoded_as_its_members_are_one_by_one():
    one_by_one = np.concatenate([express(genome[None]) for genome in RANDOM[:200]])
    assert one_by_one.tobytes() == PHENOTYPES[:200].tobytes()


def test_silent_genes_do_not_matter():
    off = RANDOM[:300].copy()
    off[:, COLUMN["entry.0.on"]] = 1
    off[:, COLUMN["entry.3.on"]] = 0
    changed = off.copy()
    changed[:, COLUMN["entry.3.left.kind"]] = 5
    changed[:, COLUMN["entry.3.level"]] = 0.123
    assert express(off).tobytes() == express(changed).tobytes()


def test_input_is_not_changed():
    genomes = RANDOM[:50].copy()
    before = genomes.tobytes()
    express(genomes)
    assert genomes.tobytes() == before


def test_only_comparable_operands_meet_and_never_one_with_itself():
    table = lookup()
    for block in (f"entry.{number}" for number in range(4)):
        left = PHENOTYPES[:, [COLUMN[f"{block}.left.{name}"] for name in ("kind", "source", "p0", "p1", "p2", "lag")]]
        right = PHENOTYPES[:, [COLUMN[f"{block}.right.{name}"] for name in ("kind", "source", "p0", "p1", "p2", "lag")]]
        operands = (PHENOTYPES[:, COLUMN[f"{block}.on"]] == 1) & (PHENOTYPES[:, COLUMN[f"{block}.against"]] == 0)
        pairs = (left[:, 0] * N_SOURCES + left[:, 1]).astype(int), (right[:, 0] * N_SOURCES + right[:, 1]).astype(int)
        assert table.fits[pairs][operands].all()
        assert not (left == right).all(axis=1)[operands].any()


@settings(max_examples=200, deadline=None)
@given(hnp.arrays(np.float64, (3, N_GENES), elements=st.floats(allow_nan=True, allow_infinity=True, width=64)))
def test_any_numbers_at_all_decode_to_a_valid_strategy(genomes):
    phenotypes = express(genomes)
    assert np.isfinite(phenotypes).all()
    for row in phenotypes:
        strategy = strategy_of(row)
        assert Strategy.from_json(strategy.to_json()) == strategy
        assert strategy.stop is not None
        assert strategy.entry.conditions


def test_bounds_hold():
    assert ((LOW <= RANDOM) & (HIGH >= RANDOM)).all()


SMA_CROSS = Rule((Condition(Operand("SMA", "close", (37.0,)), ">", Operand("SMA", "close", (20.0,))),), 1)


def test_a_number_off_the_grid_can_be_tested_but_not_bred():
    strategy = Strategy("long", SMA_CROSS, Rule(), Distance("percent", 5.0))
    assert strategy_of(phenotype_of(strategy)) == strategy
    with pytest.raises(
        StrategyError, match=r"SMA.timeperiod must lie on the gene table's grid.*was 37. Nearest: 34, 35"
    ):
        encode(strategy)


def test_a_strategy_without_a_stop_can_not_be_bred():
    with pytest.raises(StrategyError, match="A genome must have a stop, but the strategy has none"):
        encode(Strategy("long", SMA_CROSS, Rule(), None))


def test_fingerprint_is_stable_within_a_process():
    assert fingerprint() == fingerprint()
    assert len(fingerprint()) == 16
