"""Laws of refining: what it may move, that it repeats itself to the byte, and that it climbs a smooth hill."""

import hashlib
import logging
import random
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from evolution import refining
from evolution.refining import GRAIN, RADIUS, STEPS, RefineSettings, proposals
from strategies.codec import bounded, express, phenotype_keys
from strategies.encoding import encode
from strategies.errors import ConfigError
from strategies.genes import COLUMN, GENES, N_GENES, GeneKind
from strategies.language import DEFAULT, Language
from strategies.sampler import random_genomes
from strategies.templates import TEMPLATES

N = 6
PLAIN = Language(learners=False)
BOTH = pytest.mark.parametrize("sampler", ["tpe", "cmaes"])


def a_parent(seed: int = 3, language: Language = DEFAULT) -> np.ndarray:
    return random_genomes(1, np.random.Generator(np.random.Philox(seed)), language)[0]


def ask(parent, told=(), *, value=0.5, n=N, key=11, sampler="tpe", language=DEFAULT):
    settings = RefineSettings(sampler=sampler, batch=N)
    return proposals(parent, value, told, n=n, key=key, settings=settings, language=language)


IS_FRACTION = np.array([gene.kind == GeneKind.UNIT for gene in GENES])


def hill(genomes: np.ndarray, top: np.ndarray) -> np.ndarray:
    """How near each genome is to `top`, gene by gene, in radii: 0 at the top."""
    return -(((genomes - top) / np.where(IS_FRACTION, RADIUS, STEPS)) ** 2).sum(axis=1)


def climbed(sampler: str, parent: np.ndarray, top: np.ndarray, batches: int, key: int = 5) -> list[tuple]:
    told: list[tuple] = []
    start = float(hill(parent[np.newaxis], top)[0])
    for _ in range(batches):
        genomes = ask(parent, told, value=start, n=8, key=key, sampler=sampler)
        told.append((genomes, hill(genomes, top)))
    return told


@BOTH
def test_only_numeric_genes_move_and_only_inside_their_window(sampler):
    numeric = np.array([gene.kind in (GeneKind.UNIT, GeneKind.INTEGER) for gene in GENES])
    whole = np.array([gene.kind == GeneKind.INTEGER for gene in GENES])
    for seed in range(4):
        parent = a_parent(seed)
        batch = ask(parent, sampler=sampler, key=seed)
        assert batch.shape == (N, N_GENES)
        assert (batch[:, ~numeric] == parent[~numeric]).all()
        reach = np.where(whole, STEPS, RADIUS + GRAIN)
        assert (np.abs(batch - parent) <= reach + 1e-12).all()
        assert (batch[:, whole] == np.rint(batch[:, whole])).all()
        np.testing.assert_array_equal(bounded(batch), batch)


@BOTH
def test_every_proposal_is_a_strategy_of_its_own(sampler):
    for seed in range(3):
        parent = a_parent(seed)
        first = ask(parent, sampler=sampler)
        second = ask(parent, [(first, np.linspace(0.0, 1.0, N))], sampler=sampler)
        keys = phenotype_keys(express(np.concatenate([parent[np.newaxis], first, second])))
        assert len(np.unique(keys, axis=0)) == 1 + 2 * N


def test_what_has_no_say_is_left_alone():
    parent = a_parent(1)
    batches = [ask(parent, key=key) for key in range(4)]
    moved = np.flatnonzero((np.concatenate(batches) != parent).any(axis=0))
    said = express(parent[np.newaxis])[0]
    for column in moved.tolist():
        probes = np.tile(parent, (33, 1))
        gene = GENES[column]
        probes[:, column] = np.linspace(gene.low, gene.high, 33)
        assert (express(probes) != said).any(), gene.name
    off = [name for name in ("entry.0", "entry.1", "entry.2", "entry.3") if parent[COLUMN[f"{name}.on"]] == 0.0]
    assert all(not GENES[column].name.startswith(tuple(off)) for column in moved.tolist()) if off else True


def test_a_language_without_learners_leaves_them_alone():
    parent = a_parent(2)  # with learners that are on
    moved = np.flatnonzero((ask(parent, language=PLAIN) != parent).any(axis=0))
    assert len(moved) > 0
    assert not any(GENES[column].module == "learner" for column in moved.tolist())


@BOTH
def test_equal_arguments_give_equal_bytes_and_others_do_not(sampler):
    parent = a_parent()
    first = ask(parent, sampler=sampler)
    told = [(first, np.linspace(0.0, 1.0, N))]
    second = ask(parent, told, sampler=sampler)
    assert ask(parent, sampler=sampler).tobytes() == first.tobytes()
    assert ask(parent, told, sampler=sampler).tobytes() == second.tobytes()
    assert ask(parent, sampler=sampler, key=12).tobytes() != first.tobytes()
    assert second.tobytes() != first.tobytes()


@BOTH
def test_what_was_told_matters(sampler):
    parent = a_parent()
    told = []
    for _ in range(2):
        told.append((ask(parent, told, sampler=sampler), np.linspace(0.0, 1.0, N)))
    turned = [(genomes, values[::-1].copy()) for genomes, values in told]
    assert ask(parent, told, sampler=sampler).tobytes() != ask(parent, turned, sampler=sampler).tobytes()


@BOTH
def test_another_process_gives_the_same_bytes(sampler):
    code = (
        "import numpy as np, hashlib\n"
        "from evolution.refining import RefineSettings, proposals\n"
        "from strategies.language import DEFAULT\n"
        "from strategies.sampler import random_genomes\n"
        "parent = random_genomes(1, np.random.Generator(np.random.Philox(3)), DEFAULT)[0]\n"
        f"settings, told = RefineSettings(sampler={sampler!r}, batch={N}), []\n"
        "for _ in range(3):\n"
        f"    batch = proposals(parent, .5, told, n={N}, key=11, settings=settings, language=DEFAULT)\n"
        f"    told.append((batch, np.linspace(0, 1, {N})))\n"
        "print(hashlib.sha256(b''.join(g.tobytes() for g, _ in told)).hexdigest())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    parent, told = a_parent(), []
    for _ in range(3):
        told.append((ask(parent, told, sampler=sampler), np.linspace(0, 1, N)))
    assert done.stdout.strip() == hashlib.sha256(b"".join(genomes.tobytes() for genomes, _ in told)).hexdigest()
    assert done.stderr == ""  # Optuna announces nothing


@BOTH
def test_it_climbs_a_hill(sampler):
    """From a batch that is mostly worse than the parent to batches that are better than it."""
    parent = bounded(encode(TEMPLATES["sma_cross"])[np.newaxis])[0]
    parent[IS_FRACTION] = 0.5
    top = parent + 0.8 * RADIUS * IS_FRACTION
    start = float(hill(parent[np.newaxis], top)[0])
    gains = np.array(
        [[values.mean() - start for _, values in climbed(sampler, parent, top, 10, key)] for key in (1, 2)]
    )
    assert gains[:, -2:].mean() > gains[:, 0].mean() + 1.0, gains.round(1)
    assert gains[:, -2:].mean() > 0.0, gains.round(1)


@BOTH
def test_what_is_not_feasible_pushes_away(sampler):
    """Half of every window is forbidden: later batches go there less than the first did."""
    parent = bounded(encode(TEMPLATES["sma_cross"])[np.newaxis])[0]
    column = COLUMN["risk.stop"]
    parent[column] = 0.5
    shares = []
    for key in range(4):
        told = []
        for _ in range(5):
            batch = ask(parent, told, n=8, key=key, sampler=sampler, value=0.0)
            bad = batch[:, column] < parent[column]
            told.append((batch, np.where(bad, np.nan, 0.1)))
        if (told[0][0][:, column] != parent[column]).any():  # the key drew this gene
            shares.append((np.isnan(told[0][1]).mean(), np.mean([np.isnan(values).mean() for _, values in told[-2:]])))
    first, last = np.mean(shares, axis=0)
    assert len(shares) >= 2
    assert last < first, (first, last)


def test_failures_count_as_worse_than_the_worst():
    batch = np.zeros((3, N_GENES))
    assert refining._value_of_failure(1.0, []) == 0.0
    assert refining._value_of_failure(1.0, [(batch, np.array([3.0, np.nan, 0.0]))]) == -3.0
    assert refining._value_of_failure(np.nan, [(batch, np.full(3, np.nan))]) == 0.0


@BOTH
def test_batches_with_failures_or_nothing_in_them_are_taken(sampler):
    parent = a_parent()
    first = ask(parent, sampler=sampler)
    told = [(first, np.full(N, np.nan)), (first[:0], np.zeros(0))]
    assert ask(parent, told, sampler=sampler).shape == (N, N_GENES)


@BOTH
def test_nobody_elses_chance_or_log_is_touched(sampler, caplog):
    import optuna

    verbosity = optuna.logging.get_verbosity()
    filters = list(logging.getLogger("optuna.storages._in_memory").filters)
    optuna.logging.enable_propagation()
    numbers, words = np.random.get_state(), random.getstate()  # noqa: NPY002
    parent = a_parent()
    before = parent.copy()
    parent.flags.writeable = False
    with caplog.at_level(logging.INFO):
        ask(parent, sampler=sampler)
        assert caplog.records == []
        optuna.create_study()  # of anybody else
    optuna.logging.disable_propagation()
    assert caplog.records != []
    assert optuna.logging.get_verbosity() == verbosity
    assert logging.getLogger("optuna.storages._in_memory").filters == filters
    now = np.random.get_state()  # noqa: NPY002
    assert (numbers[1] == now[1]).all()
    assert numbers[2:] == now[2:]
    assert words == random.getstate()
    assert parent.tobytes() == before.tobytes()


def test_a_sampler_that_repeats_itself_is_filled_up_by_chance(monkeypatch):
    parent = a_parent()
    first = ask(parent)[0]
    monkeypatch.setattr(refining, "_asked", lambda *_: iter([parent, first] * 500))
    batch = ask(parent)
    assert (batch[0] == first).all()
    keys = phenotype_keys(express(np.concatenate([parent[np.newaxis], batch])))
    assert len(np.unique(keys, axis=0)) == 1 + N


def test_no_proposal_is_asked_for():
    assert ask(a_parent(), n=0).shape == (0, N_GENES)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"every": -1}, "`refine.every` must be at least 0, but was -1"),
        ({"best": 0}, "`refine.best` must be at least 1, but was 0"),
        ({"batches": 0}, "`refine.batches` must be at least 1, but was 0"),
        ({"batch": True}, "`refine.batch` must be a whole number, but was True"),
        ({"batch": 2.0}, "`refine.batch` must be a whole number, but was 2.0"),
        ({"sampler": "grid"}, "`sampler` must be one of tpe, cmaes, gp, but was 'grid'"),
    ],
)
def test_settings_out_of_range_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        replace(RefineSettings(), **changes)


def test_a_sampler_whose_package_is_missing_is_refused_by_name(monkeypatch):
    monkeypatch.setitem(refining.SAMPLERS, "gp", "a_package_that_nobody_has")
    with pytest.raises(ConfigError, match="'gp', which needs 'a_package_that_nobody_has'"):
        RefineSettings(sampler="gp")
