"""Objectives in closed form, reasons in order, and the same bits in any batch."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fitness import objectives as objectives_module
from fitness.objectives import (
    CONSTRAINED,
    MEASURE_COLUMNS,
    OBJECTIVES,
    QUARANTINED,
    REASONS,
    SCREENED_OUT,
    Evaluation,
    score,
)
from fitness.tally import N_TALLY, Tally
from strategies.errors import ConfigError, UsageError

NAMES = ("steady_sharpe", "max_drawdown")


def cell(returns, *, n_trades=10, ruined=0.0):
    """The tally of a cell with these returns."""
    returns = np.asarray(returns, dtype=float)
    curve = np.concatenate([[1.0], np.cumprod(1.0 + returns)])
    peaks = np.maximum.accumulate(curve)
    row = np.zeros(N_TALLY)
    row[Tally.N_BARS], row[Tally.SUM_R], row[Tally.SUM_R2] = returns.size, returns.sum(), (returns**2).sum()
    row[Tally.SUM_DOWN2] = (np.minimum(returns, 0) ** 2).sum()
    row[Tally.GROWTH], row[Tally.MAX_DRAWDOWN] = curve[-1], ((peaks - curve) / peaks).max()
    row[Tally.N_TRADES], row[Tally.N_WINS], row[Tally.BARS_HELD] = n_trades, n_trades // 2, returns.size // 2
    row[Tally.TURNOVER], row[Tally.RUINED] = 2.0 * n_trades, ruined
    return row


def plain_sharpe(returns, bars_per_year):
    returns = np.asarray(returns)
    return returns.mean() / returns.std(ddof=1) * math.sqrt(bars_per_year) if returns.any() else 0.0


def random_cells(seed, n=6, n_cells=4):
    rng = np.random.default_rng(seed)
    returns = rng.normal(0.0005, 0.01, (n, n_cells, 60)) * (rng.random((n, n_cells, 1)) < 0.8)
    trades = rng.integers(0, 30, (n, n_cells)) * returns.any(axis=2)
    tallies = np.array([[cell(returns[i, j], n_trades=trades[i, j]) for j in range(n_cells)] for i in range(n)])
    return returns, tallies, rng.choice([252.0, 365.0], n_cells)


@given(st.integers(0, 10**6))
def test_objectives_are_statistics_over_the_cells(seed):
    returns, tallies, rates = random_cells(seed)
    found = score(tallies, rates, list(OBJECTIVES), min_trades=1)
    for i in np.flatnonzero(found.reasons == 0):
        cells = [plain_sharpe(returns[i, j], rates[j]) for j in range(len(rates))]
        value = dict(zip(OBJECTIVES, found.objectives[i], strict=True))
        assert value["sharpe"] == pytest.approx(np.mean(cells), abs=1e-9)
        assert value["steady_sharpe"] == pytest.approx(np.mean(cells) - 0.5 * np.std(cells), abs=1e-9)
        assert value["worst_sharpe"] == pytest.approx(min(cells), abs=1e-9)
        assert value["total_return"] == pytest.approx(np.mean(np.prod(1 + returns[i], axis=1) - 1))
        assert value["max_drawdown"] == pytest.approx(-tallies[i, :, Tally.MAX_DRAWDOWN].mean())
        assert value["turnover"] <= 0.0


@given(st.integers(0, 10**6))
def test_measures_are_recorded_for_every_birth(seed):
    returns, tallies, rates = random_cells(seed)
    found = score(tallies, rates, NAMES, min_trades=10**6)  # nobody passes, everybody is measured
    assert found.measures.shape == (len(tallies), len(MEASURE_COLUMNS))
    for i, row in enumerate(found.measures):
        value = dict(zip(MEASURE_COLUMNS, row, strict=True))
        assert value["n_trades"] == tallies[i, :, Tally.N_TRADES].sum()
        cells = [plain_sharpe(returns[i, j], rates[j]) for j in range(len(rates))]
        assert value["sharpe"] == pytest.approx(np.mean(cells), abs=1e-9)
        assert value["exposure"] == 0.5
        wins = tallies[i, :, Tally.N_WINS].sum()
        expected = wins / value["n_trades"] if value["n_trades"] else math.nan
        assert value["win_rate"] == pytest.approx(expected, nan_ok=True)


@settings(max_examples=30)
@given(st.integers(0, 10**6))
def test_a_batch_or_a_single_row_give_the_same_bits(seed):
    _, tallies, rates = random_cells(seed, n=9, n_cells=24)
    whole = score(tallies, rates, list(OBJECTIVES), min_trades=20)
    for i in range(len(tallies)):
        alone = score(tallies[i : i + 1], rates, list(OBJECTIVES), min_trades=20)
        assert alone.objectives.tobytes() == whole.objectives[i : i + 1].tobytes()
        assert alone.measures.tobytes() == whole.measures[i : i + 1].tobytes()
        assert alone.reasons[0] == whole.reasons[i]


GAIN = [0.01, -0.005] * 30


def reason_of(tallies, **settings):
    found = score(np.asarray(tallies)[None], np.full(len(tallies), 252.0), NAMES, **settings)
    assert np.isnan(found.objectives).all() == (found.reasons[0] > 0)
    return REASONS[found.reasons[0]]


def test_every_reason_and_the_first_that_applies():
    failed = np.full(N_TALLY, np.nan)
    still = cell([0.0] * 60, n_trades=0)
    ruined = cell([*GAIN, -1.0], n_trades=1, ruined=1.0)
    assert reason_of([cell(GAIN), cell(GAIN)], min_trades=20) == ""
    assert reason_of([cell(GAIN), cell(GAIN)], min_trades=21) == "too few trades"
    assert reason_of([still, still]) == "never trades"
    assert reason_of([still, still], min_trades=5) == "never trades"
    assert reason_of([ruined, cell(GAIN)], min_trades=100) == "ruined"
    assert reason_of([failed, ruined]) == "failed"
    assert reason_of([still, cell(GAIN)]) == ""  # one quiet cell is no fault
    found_elsewhere = {
        SCREENED_OUT: "screened out",
        CONSTRAINED: "breaks a constraint",
        QUARANTINED: "quarantined",
    }
    assert dict(enumerate(REASONS[SCREENED_OUT:], SCREENED_OUT)) == found_elsewhere  # after what `score` can find out


def test_an_objective_that_is_not_finite_comes_with_a_reason(monkeypatch):
    def broken(tallies, rates):
        return np.full(len(tallies), np.inf)

    monkeypatch.setitem(OBJECTIVES, "broken", objectives_module.Objective(broken, "Broken"))
    found = score(cell(GAIN)[None, None], np.array([252.0]), ["sharpe", "broken"])
    assert REASONS[found.reasons[0]] == "not finite"
    assert np.isnan(found.objectives).all()


def test_a_sortino_without_a_loss_is_not_finite():
    found = score(cell([0.01, 0.02] * 30)[None, None], np.array([252.0]), ["sortino"])
    assert REASONS[found.reasons[0]] == "not finite"


def test_shapes_and_types():
    found = score(np.zeros((0, 3, N_TALLY)), np.full(3, 252.0), NAMES, min_trades=30)
    assert isinstance(found, Evaluation)
    assert found.objectives.shape == (0, 2)
    assert found.reasons.dtype == np.int16
    assert found.measures.shape == (0, len(MEASURE_COLUMNS))
    assert REASONS[0] == ""
    assert len(set(REASONS)) == len(REASONS)


def test_misuse_is_named():
    tallies, rates = cell(GAIN)[None, None], np.array([252.0])
    with pytest.raises(ConfigError, match=r"but was 'steady_sharp' \(objectives\): did you mean steady_sharpe"):
        score(tallies, rates, ["steady_sharp"])
    with pytest.raises(ConfigError, match="must be one or more different names, but was"):
        score(tallies, rates, [])
    with pytest.raises(ConfigError, match="must be one or more different names, but was"):
        score(tallies, rates, ["sharpe", "sharpe"])
    with pytest.raises(UsageError, match=r"but were \(1, 1, 18\) and \(2,\)"):
        score(tallies, np.array([252.0, 252.0]), NAMES)
    with pytest.raises(UsageError, match=r"but were \(1, 0, 18\) and \(0,\)"):
        score(tallies[:, :0], rates[:0], NAMES)
