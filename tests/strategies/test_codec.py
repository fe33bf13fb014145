"""Laws of the codec: canonical, valid, one to one with strategies, and equal to its slow twin to the bit."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from strategies.catalogue import catalogue
from strategies.codec import bounded, express, phenotype_keys
from strategies.encoding import encode, phenotype_of, strategy_of
from strategies.errors import StrategyError
from strategies.genes import (
    BREAKERS,
    COLUMN,
    COOLDOWNS,
    DISTANCES,
    EDGES,
    GENES,
    MAX_LAG,
    N_ENTRY,
    N_EXIT,
    N_GENES,
    N_LEARNERS,
    OPERAND_FIELDS,
    REARMS,
    SIZES,
    TIME_STOPS,
    TRUSTS,
    GeneKind,
    fingerprint,
)
from strategies.language import Language
from strategies.learners.table import ALGORITHMS, HORIZONS, MAX_FEATURES
from strategies.lookup import CLOSE, LEVEL_STEPS, N_SOURCES, lookup
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


def slow_express(genomes, language=None):
    """What the compiled codec must equal to the last bit: the same rules, one genome and one gene after the other."""
    return np.array([express_one(row, language or Language()) for row in slow_bounded(genomes)])


def express_one(row, language):
    gene = {name: float(row[column]) for name, column in COLUMN.items()}
    out = dict.fromkeys(COLUMN, 0.0)
    on = {module: [f"{module}.{i}" for i in range(n) if gene[f"{module}.{i}.on"]] for module, n in RULES.items()}
    voters = [i for i in range(N_LEARNERS) if gene[f"learner.{i}.on"] and language.learners]
    if not on["entry"] and not voters:  # somebody must vote for an entry
        on["entry"] = ["entry.0"]
    for module, blocks in on.items():
        for number, block in enumerate(blocks):
            out |= condition({name: gene[f"{block}.{name}"] for name in FIELD}, f"{module}.{number}", language)
        votes = sum(gene[f"{block}.weight"] for block in blocks)
        if module == "entry":
            votes += sum(gene[f"learner.{i}.weight"] for i in voters)
        out[f"{module}.needed"] = min(gene[f"{module}.needed"], votes)
    out["fusion.conflict"] = gene["fusion.conflict"] if voters else 0.0
    alive = [i for i in range(N_LEARNERS) if i in voters or readers(out, i)] if language.learners else []
    for new, old in enumerate(alive):
        for place in readers(out, old):
            out[place] = float(new)
        out |= learner(gene, old, new, old in voters, language)
    for name in ("gate.trend", "gate.volatility", "risk.direction"):
        out[name] = gene[name]
    return np.array(list((out | risk(gene, bool(alive))).values())) + 0.0


RULES = {"entry": N_ENTRY, "exit": N_EXIT}
FIELD = [name.removeprefix("entry.0.") for name in COLUMN if name.startswith("entry.0.")]


def place_on(grid, fraction):
    return grid[min(int(fraction * len(grid)), len(grid) - 1)]


def said_as(kind, language, *, feature=False):
    kinds = catalogue()
    may = [i for i, k in enumerate(kinds) if language.says(k) and not (feature and k.family == "learner")]
    return kind if kind in may else may[kind % len(may)]


def pair_in(genes, language, *, feature=False):
    """Kind and source in the words of the language, as one number."""
    kind = said_as(int(genes["kind"]), language, feature=feature)
    return kind * N_SOURCES + (int(genes["source"]) if catalogue()[kind].takes_source else CLOSE)


def operand(genes, pair, language):
    kind = catalogue()[pair // N_SOURCES]
    values = [place_on(p.grid, genes[f"p{i}"]) for i, p in enumerate(kind.parameters)] + [0.0] * 3
    above = 0.0 if kind.family == "learner" else min(genes["timeframe"], language.timeframes)
    return dict(
        zip(OPERAND_FIELDS, [pair // N_SOURCES, pair % N_SOURCES, *values[:3], genes["lag"], above], strict=True)
    )


def side_of(genes, side):
    return {name: genes[f"{side}.{name}"] for name in OPERAND_FIELDS}


def condition(genes, to, language):
    out = {"on": 1.0} | {name: genes[name] for name in ("negate", "comparator", "weight")}
    left = pair_in(side_of(genes, "left"), language)
    kind, table = catalogue()[left // N_SOURCES], lookup(language)
    out |= {f"left.{name}": value for name, value in operand(side_of(genes, "left"), left, language).items()}
    low, high = table.level_low[left], table.level_high[left]
    if not np.isnan(low) and (genes["against"] or kind.level_steps < LEVEL_STEPS):
        step = min(np.floor(genes["level"] * (kind.level_steps + 1)), kind.level_steps)
        if kind.level_steps == 1:  # up or down, as the comparator has it
            step = 1 - genes["comparator"] % 2
        out |= {"against": 1.0, "level": np.round(low + (high - low) * step / kind.level_steps, 8)}
    else:
        right = pair_in(side_of(genes, "right"), language)
        friends = np.flatnonzero(table.fits[left])
        right = right if right in friends else int(friends[right % len(friends)])
        values = operand(side_of(genes, "right"), right, language)
        if all(value == out[f"left.{name}"] for name, value in values.items()):  # look a bar back instead
            values["lag"] += 1 if values["lag"] < MAX_LAG else -1
        out |= {f"right.{name}": value for name, value in values.items()}
    return {f"{to}.{name}": value for name, value in out.items()}


def readers(out, slot):
    """Where the conditions that are on say that they read the learner in a slot."""
    places = []
    for block in (f"{module}.{number}" for module, n in RULES.items() for number in range(n)):
        sides = ["left"] if out[f"{block}.against"] else ["left", "right"]
        for side in sides if out[f"{block}.on"] else []:
            family = catalogue()[int(out[f"{block}.{side}.kind"])].family
            if family == "learner" and out[f"{block}.{side}.p0"] == slot:
                places.append(f"{block}.{side}.p0")
    return places


def learner(gene, old, new, votes, language):
    mine = {name.removeprefix(f"learner.{old}."): g for name, g in gene.items() if name.startswith(f"learner.{old}.")}
    algorithm = list(ALGORITHMS.values())[int(mine["algorithm"])]
    out = {"on": 1.0, "algorithm": mine["algorithm"], "target": mine["target"]}
    out["horizon"] = place_on(HORIZONS, mine["horizon"])
    if votes:
        out |= {
            "weight": mine["weight"],
            "edge": place_on(EDGES, mine["edge"]),
            "trust": place_on(TRUSTS, mine["trust"]),
        }
    out |= {f"h{i}": place_on(hyper.grid, mine[f"h{i}"]) for i, hyper in enumerate(algorithm.hyper)}
    if algorithm.uses_features:
        used = [i for i in range(MAX_FEATURES) if mine[f"f{i}.on"]] or [0]
        for place, number in enumerate(used):
            genes = {name: mine[f"f{number}.{name}"] for name in OPERAND_FIELDS}
            found = operand(genes, pair_in(genes, language, feature=True), language)
            out |= {f"f{place}.on": 1.0} | {f"f{place}.{name}": value for name, value in found.items()}
    return {f"learner.{new}.{name}": value for name, value in out.items()}


def risk(gene, learns):
    mine = {name.removeprefix("risk."): value for name, value in gene.items() if name.startswith("risk.")}
    out = {}
    for name, by_kind in DISTANCES.items():
        out[f"{name}_kind"] = mine[f"{name}_kind"]
        if mine[f"{name}_kind"]:
            out[name] = place_on(by_kind[int(mine[f"{name}_kind"])], mine[name])
    for name, grid in (("time_stop", TIME_STOPS), ("cooldown", COOLDOWNS), ("breaker", BREAKERS)):
        out[name] = place_on(grid, mine[name])
    if out["breaker"]:
        out["rearm"] = place_on(REARMS, mine["rearm"])
    out["size_kind"] = 0.0 if mine["size_kind"] == 3 and not learns else mine["size_kind"]
    out["size"] = place_on(SIZES[int(out["size_kind"])], mine["size"])
    return {f"risk.{name}": value for name, value in out.items()}


def awkward_genomes():
    """Random ones, ones on and beyond the bounds, at the edges of grids, and numbers that are none."""
    rng = np.random.default_rng(5)
    rows = random_genomes(900, rng)
    rows[::3] += rng.normal(size=rows[::3].shape)
    rows[1::3] = np.where(rng.random(rows[1::3].shape) < 0.5, np.round(rows[1::3], 2), rows[1::3])
    rows[rng.random(rows.shape) < 0.01] = np.nan
    rows[rng.random(rows.shape) < 0.01] = np.inf
    rows[rng.random(rows.shape) < 0.01] = -np.inf
    rows[rng.random(rows.shape) < 0.01] = -0.0
    rows[rng.random(rows.shape) < 0.02] = 1.0
    rows[7], rows[8], rows[9] = LOW, HIGH, 0.0
    return rows


LANGUAGES = [
    Language(),
    Language(learners=False),
    Language(patterns=False, timeframes=0),
    Language(columns=("bid", "ask", "bid_size", "ask_size", "open_interest"), timeframes=1),
]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_compiled_codec_equals_its_slow_twin_to_the_bit(language):
    for genomes in (RANDOM[:600], awkward_genomes()):
        assert bounded(genomes).tobytes() == slow_bounded(genomes).tobytes()
        assert express(genomes, language).tobytes() == slow_express(genomes, language).tobytes()


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_said_that_the_language_leaves_unsaid(language):
    unsaid = {index for index, kind in enumerate(catalogue()) if not language.says(kind)}
    rows = express(RANDOM, language)
    for name in COLUMN:
        if name.endswith(".kind"):
            on = rows[
                :, COLUMN[name.removesuffix(".left.kind").removesuffix(".right.kind").removesuffix(".kind") + ".on"]
            ]
            assert not unsaid & set(rows[on > 0, COLUMN[name]].astype(int)), name
        if name.endswith(".timeframe"):
            assert rows[:, COLUMN[name]].max() <= language.timeframes


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
        left = PHENOTYPES[:, [COLUMN[f"{block}.left.{name}"] for name in OPERAND_FIELDS]]
        right = PHENOTYPES[:, [COLUMN[f"{block}.right.{name}"] for name in OPERAND_FIELDS]]
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
        assert strategy.entry.conditions or any(learner.weight for learner in strategy.learners)
        assert strategy.entry.needed >= 1


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
