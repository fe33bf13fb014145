"""Archives: order and batches change nothing, each cell keeps its best, contributions add up, cells are ribs' own."""

import dataclasses
import hashlib
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from evolution.archive import Archive, ArchiveSettings, Candidates, admitted, figures, new_archive, offered
from evolution.behaviour_cells import cells_of, centroids
from fitness.behaviour import BEHAVIOURS, N_BEHAVIOURS, SPANS, positions
from strategies.errors import ConfigError, UsageError
from strategies.genes import N_GENES

GRID = ArchiveSettings(dimensions=("holding", "exposure"), cells=(4, 3))
CVT = ArchiveSettings(kind="cvt", dimensions=("holding", "market_correlation", "payoff_skew"), cells=12, seed=3)
EVERY = pytest.mark.parametrize("kept", [GRID, CVT], ids=["grid", "cvt"])


def births(seed, n, *, first_id=0, faults=True):
    """Candidates with ties, some infeasible, some with behaviours that are undefined or beyond their spans."""
    rng = np.random.default_rng(seed)
    behaviours = np.column_stack([span.low + (span.high - span.low) * rng.random(n) for span in SPANS.values()])
    behaviours[:, :2] = np.exp(rng.normal(2.0, 2.0, (n, 2)))
    objectives = np.round(rng.normal(0.5, 1.0, (n, 2)), 1)
    if faults:
        behaviours[rng.random((n, N_BEHAVIOURS)) < 0.05] = np.nan
        objectives[rng.random(n) < 0.1] = np.nan
    return Candidates(
        genomes=rng.random((n, N_GENES)),
        birth_ids=first_id + rng.permutation(n),
        families=rng.integers(0, 9, n),
        species=rng.integers(0, 3, n).astype(np.int8),
        keys=rng.integers(0, 2**64, (n, 2), dtype=np.uint64),
        objectives=objectives,
        measures=rng.random((n, 5)),
        behaviours=behaviours,
    )


def taken(candidates, rows):
    return Candidates(*(column[rows] for column in candidates))


def assert_same(one, other):
    for left, right in zip(one, other, strict=True):
        assert left.dtype == right.dtype
        assert left.tobytes() == right.tobytes()


def told_again(candidates, kept):
    """The elites by cell, candidate by candidate."""
    columns = [BEHAVIOURS.index(name) for name in kept.dimensions]
    elites = {}
    for row in np.argsort(candidates.birth_ids):
        if np.isnan(candidates.behaviours[row, columns]).any() or np.isnan(candidates.objectives[row]).any():
            continue
        (cell,) = cells_of(candidates.behaviours[row : row + 1], kept).tolist()
        if cell not in elites or candidates.objectives[row, 0] > candidates.objectives[elites[cell], 0]:
            elites[cell] = int(row)
    return dict(sorted(elites.items()))


@EVERY
@given(seed=st.integers(0, 10**6), n=st.integers(0, 60), data=st.data())
@settings(max_examples=40, deadline=None)
def test_order_and_batches_do_not_matter_to_the_bit(kept, seed, n, data):
    candidates, empty = births(seed, n), new_archive(2, 5)
    whole, gains = admitted(empty, candidates, kept)
    order = np.array(data.draw(st.permutations(range(n))), dtype=np.int64)
    cuts = sorted(data.draw(st.lists(st.integers(0, n), max_size=4)))
    again, gains_again = admitted(empty, taken(candidates, order), kept)
    assert_same(again, whole)
    np.testing.assert_array_equal(gains_again, gains[order])
    archive, total = empty, 0.0
    for rows in np.split(order, cuts):
        archive, some = admitted(archive, taken(candidates, rows), kept)
        total += some.sum()
    assert_same(archive, whole)
    assert total == pytest.approx(gains.sum())
    same, nothing = admitted(whole, candidates, kept)  # what is there already changes nothing
    assert_same(same, whole)
    assert not nothing.any()


@EVERY
def test_each_cell_keeps_its_best_and_of_equals_the_oldest(kept):
    candidates = births(1, 400)
    archive, _ = admitted(new_archive(2, 5), candidates, kept)
    elites = told_again(candidates, kept)
    assert len(elites) >= 10
    assert archive.cells.tolist() == list(elites)
    for name, column in candidates._asdict().items():
        np.testing.assert_array_equal(getattr(archive, name), column[list(elites.values())])
    tied = candidates.objectives[:, 0] == archive.objectives[:, :1]
    assert (tied.sum(axis=1) > 1).any()


@EVERY
def test_contributions_are_the_gain_of_the_score_and_belong_to_elites(kept):
    archive = new_archive(2, 5)
    for part in range(5):
        candidates = births(part, 50, first_id=1000 * part)
        after, gains = admitted(archive, candidates, kept)
        before_score, score = figures(archive, kept).qd_score, figures(after, kept).qd_score
        assert gains.sum() == pytest.approx(score - before_score, abs=1e-12)
        assert (gains >= 0.0).all()
        is_elite = np.isin(candidates.birth_ids, after.birth_ids)
        assert not gains[~is_elite].any()
        for row in np.flatnonzero(is_elite)[:5]:  # marginal: without its elite the cell is worth what it was before
            others, _ = admitted(archive, taken(candidates, ~is_elite | (np.arange(50) != row)), kept)
            assert figures(others, kept).qd_score >= score - gains[row] - 1e-12
        archive = after
    assert score > before_score


def one(birth_id, objective, **behaviour):
    candidates = births(birth_id, 1, first_id=birth_id, faults=False)
    values = np.full((1, N_BEHAVIOURS), 0.5)
    for name, value in behaviour.items():
        values[0, BEHAVIOURS.index(name)] = value
    return candidates._replace(objectives=np.array([[objective, 0.0]]), behaviours=values)


def test_worth_is_what_is_above_the_floor():
    archive = new_archive(2, 5)
    for floor, objectives, expected in (
        (0.0, (-0.5, -0.2, 0.3, 0.3, 1.0), (0.0, 0.0, 0.3, 0.0, 0.7)),
        (-1.0, (-0.5, -0.2, 0.3, 0.3, 1.0), (0.5, 0.3, 0.5, 0.0, 0.7)),
    ):
        kept = dataclasses.replace(GRID, floor=floor)
        grown, found = archive, []
        for birth_id, objective in enumerate(objectives):
            grown, gains = admitted(grown, one(birth_id, objective, holding=5.0), kept)
            found.append(float(gains[0]))
        assert found == pytest.approx(list(expected))
        assert grown.birth_ids.tolist() == [4]
        assert figures(grown, kept) == (1, 1 / 12, pytest.approx(1.0 - floor), 1.0)


def test_an_older_birth_of_the_same_objective_displaces_a_younger_one():
    archive, _ = admitted(new_archive(2, 5), one(7, 1.0), GRID)
    archive, gains = admitted(archive, one(3, 1.0), GRID)
    assert (archive.birth_ids.tolist(), gains.tolist()) == ([3], [0.0])
    archive, _ = admitted(archive, one(5, 1.0), GRID)
    assert archive.birth_ids.tolist() == [3]


@pytest.mark.parametrize("spoil", ["objective", "other objective", "dimension"])
def test_what_is_infeasible_or_undefined_stays_out(spoil):
    candidate = one(0, 1.0)
    if spoil == "dimension":
        candidate.behaviours[0, BEHAVIOURS.index("exposure")] = np.nan
    else:
        candidate.objectives[0, int(spoil != "objective")] = np.nan
    archive, gains = admitted(new_archive(2, 5), candidate, GRID)
    assert (len(archive.cells), gains.tolist()) == (0, [0.0])
    other = one(0, 1.0, payoff_skew=np.nan)  # no dimension of this archive
    assert len(admitted(new_archive(2, 5), other, GRID)[0].cells) == 1


@EVERY
def test_inputs_stay_and_may_be_read_only(kept):
    archive, _ = admitted(new_archive(2, 5), births(1, 60), kept)
    candidates = births(2, 60, first_id=100)
    for column in (*archive, *candidates):
        column.flags.writeable = False
    copies = [column.copy() for column in (*archive, *candidates)]
    admitted(archive, candidates, kept)
    offered(archive, 5, np.linspace(0.0, 0.9, 5))
    for before, after in zip(copies, (*archive, *candidates), strict=True):
        np.testing.assert_array_equal(before, after)


def test_cells_of_a_grid_are_those_told_by_hand():
    made = np.full((6, N_BEHAVIOURS), np.nan)
    made[:, BEHAVIOURS.index("holding")] = [0.5, 3.9, 4.1, 65.0, 300.0, 20.0]  # quarters of 1 to 256: 4, 16, 64
    made[:, BEHAVIOURS.index("exposure")] = [0.0, 0.3, 0.4, 1.0, 0.9, 0.5]
    assert cells_of(made, GRID).tolist() == [0, 0, 4, 11, 11, 7]


def test_cells_of_a_tessellation_are_those_of_the_nearest_centre():
    behaviours = births(4, 300, faults=False).behaviours
    places = positions(behaviours)[:, [BEHAVIOURS.index(name) for name in CVT.dimensions]]
    centres = centroids(CVT)
    distances = ((places[:, None] - centres) ** 2).sum(axis=2)
    np.testing.assert_array_equal(cells_of(behaviours, CVT), distances.argmin(axis=1))


def test_centres_are_those_of_equal_parts_and_follow_from_the_seed_alone():
    for kept in (CVT, dataclasses.replace(CVT, cells=200)):
        centres = centroids(kept)
        np.testing.assert_array_equal(centroids(kept), centres)
        assert not np.array_equal(centroids(dataclasses.replace(kept, seed=4)), centres)
        assert ((centres > 0.0) & (centres < 1.0)).all()
        samples = np.random.default_rng(1).random((40_000, 3))
        nearest = cKDTree(centres).query(samples)[1]
        shares = np.bincount(nearest, minlength=kept.n_cells) * kept.n_cells / 40_000
        random_centres = np.random.default_rng(2).random(centres.shape)
        by_chance = np.bincount(cKDTree(random_centres).query(samples)[1], minlength=kept.n_cells)
        assert shares.min() > 0.5
        assert shares.max() < 1.7
        assert shares.std() < 0.5 * (by_chance * kept.n_cells / 40_000).std()
        means = np.stack([np.bincount(nearest, column) for column in samples.T], axis=1)
        means /= np.bincount(nearest)[:, None]
        assert np.abs(means - centres).max() < 0.06  # a fixed point of k-means, as far as it has run


def test_centres_have_these_bits_on_every_machine():
    digest = hashlib.sha256((centroids(CVT) * 2**20).astype("<i8").tobytes()).hexdigest()
    assert digest[:16] == "62eb21a78532bd55"
    assert (centroids(CVT) * 2**20 % 1 == 0.0).all()


@given(n=st.integers(0, 12), k=st.integers(0, 15), seed=st.integers(0, 10**6))
@settings(deadline=None)
def test_offered_rows_are_distinct_and_as_many_as_there_are(n, k, seed):
    archive = new_archive(2, 5)._replace(cells=np.arange(n))
    numbers = np.random.default_rng(seed).random(k)
    rows = offered(archive, k, numbers)
    assert len(rows) == len(set(rows.tolist())) == min(n, k)
    assert set(rows.tolist()) <= set(range(n))
    np.testing.assert_array_equal(offered(archive, k, numbers), rows)
    np.testing.assert_array_equal(offered(archive, k // 2, numbers), rows[: k // 2])


def test_every_cell_is_offered_equally_often():
    archive = new_archive(2, 5)._replace(cells=np.arange(5))
    numbers = np.random.default_rng(3).random((4000, 2))
    pairs = np.array([offered(archive, 2, row) for row in numbers])
    counts = np.bincount(pairs[:, 0] * 5 + pairs[:, 1], minlength=25).reshape(5, 5)
    assert not counts.diagonal().any()
    off = counts[~np.eye(5, dtype=bool)]
    assert ((off - 200.0) ** 2 / 200.0).sum() < 43.8  # chi-square of 19 degrees, p = 0.001


def test_figures_of_an_empty_archive():
    found = figures(new_archive(2, 5), GRID)
    assert (found.n_cells, found.coverage, found.qd_score) == (0, 0.0, 0.0)
    assert math.isnan(found.best)


@EVERY
def test_figures_are_those_of_ribs(kept):
    from ribs.archives import CVTArchive, GridArchive

    candidates = births(6, 300, faults=False)
    columns = [BEHAVIOURS.index(name) for name in kept.dimensions]
    ranges = [(0.0, 1.0)] * len(columns)
    if kept.kind == "grid":
        theirs = GridArchive(solution_dim=1, dims=kept.cells, ranges=ranges)
    else:
        theirs = CVTArchive(solution_dim=1, centroids=centroids(kept), ranges=ranges)
    objectives = np.maximum(candidates.objectives[:, 0], 0.0)
    places = positions(candidates.behaviours)[:, columns]
    for objective, place in zip(objectives, places, strict=True):  # `add` would compile for seconds
        theirs.add_single(np.zeros(1), objective, place)
    archive, _ = admitted(new_archive(2, 5), candidates, kept)
    found = figures(archive, kept)
    assert found.n_cells == theirs.stats.num_elites
    assert found.coverage == pytest.approx(theirs.stats.coverage)
    assert found.qd_score == pytest.approx(theirs.stats.qd_score)
    assert found.best == theirs.stats.obj_max
    np.testing.assert_array_equal(np.sort(theirs.data("index")), archive.cells)


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"kind": "tree"}, r"`kind` must be one of grid, cvt, but was 'tree' \(evolution: archive\)"),
        ({"dimensions": ()}, r"`dimensions` must be one behaviour or more, all different, but was \(\)"),
        ({"dimensions": ("holding", "holding")}, r"all different, but was \('holding', 'holding'\)"),
        ({"dimensions": ("exposures",), "cells": (4,)}, r"but was 'exposures' .* Did you mean 'exposure'\?"),
        ({"cells": (4, 4)}, r"as many numbers as there are dimensions, 3, for a grid, but was \(4, 4\)"),
        ({"cells": 12}, r"as many numbers as there are dimensions, 3, for a grid, but was 12"),
        ({"cells": (4, 0, 4)}, r"`cells` must be at least 1, but was 0"),
        ({"cells": (4, 2.5, 4)}, r"`cells` must be a whole number, but was 2.5"),
        ({"cells": (1, 1, 1)}, r"`cells, multiplied,` must be at least 2, but was 1"),
        ({"cells": (100, 100, 100)}, r"`cells, multiplied,` must be at most 100000, but was 1000000"),
        ({"kind": "cvt"}, r"`cells` must be one number for a tessellation, but was \(8, 5, 8\)"),
        ({"kind": "cvt", "cells": 1}, r"`cells` must be at least 2, but was 1"),
        ({"kind": "cvt", "cells": 20_000}, r"`cells` must be at most 10000, but was 20000"),
        ({"seed": -1}, r"`seed` must be at least 0, but was -1"),
        ({"floor": math.nan}, r"`floor` must be a finite number, but was nan"),
    ],
)
def test_settings_that_make_no_sense_are_refused(values, match):
    with pytest.raises(ConfigError, match=match):
        ArchiveSettings(**values)


def test_settings_are_values():
    assert ArchiveSettings(dimensions=["holding"], cells=[4]) == ArchiveSettings(dimensions=("holding",), cells=(4,))
    assert hash(ArchiveSettings(dimensions=["holding"], cells=[4])) is not None
    assert ArchiveSettings().n_cells == 320
    assert CVT.n_cells == 12


def test_candidates_with_other_columns_are_refused():
    with pytest.raises(UsageError, match=r"`measures` of the candidates must be \(3, 4\), .* but was \(3, 5\)"):
        admitted(new_archive(2, 4), births(1, 3), GRID)
    short = births(1, 3)
    with pytest.raises(UsageError, match=r"`keys` of the candidates must be \(3, 2\), .* but was \(2, 2\)"):
        admitted(new_archive(2, 5), short._replace(keys=short.keys[:2]), GRID)


def test_ribs_is_imported_only_by_an_archive_that_is_used():
    code = (
        "import sys, evolution.archive as a; a.figures(a.new_archive(2, 5), a.ArchiveSettings()); "
        "print('ribs' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_an_archive_is_arrays_only():
    archive, _ = admitted(new_archive(2, 5), births(1, 50), GRID)
    assert isinstance(archive, Archive)
    assert all(type(column) is np.ndarray and column.flags.c_contiguous for column in archive)
    dtypes = [column.dtype.str for column in archive]
    assert dtypes == ["<f8", "<i8", "<i8", "|i1", "<u8", "<f8", "<f8", "<f8", "<i8"]
    assert dtypes == [column.dtype.str for column in new_archive(2, 5)]
