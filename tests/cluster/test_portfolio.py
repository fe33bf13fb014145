"""The portfolio of elites: correlations as NumPy has them, and who repeats whom."""

import numpy as np
import pytest

from cluster.portfolio import is_redundant, portfolio_of, redundancy_sentence
from cluster.report.portfolio import heat_map, portfolio_section
from cluster.view import read_job
from fitness.correlation import redundant


def returns_of(n: int = 400) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(8)
    base = rng.normal(0.0, 0.01, n)
    return {
        "best": base,
        "twin": 2.0 * base + rng.normal(0.0, 0.001, n),
        "other": rng.normal(0.0, 0.01, n),
        "mirror": -base,
        "idle": np.zeros(n),
    }


def test_correlations_are_those_of_numpy():
    rows = returns_of()
    portfolio = portfolio_of(list(rows.items()), 0.7)
    for name, place in ((name, portfolio.place(name, [])) for name in rows if name != "idle"):
        for other, value in place["correlations"].items():
            expected = np.nan if other == "idle" else np.corrcoef(rows[name], rows[other])[0, 1]
            assert value == pytest.approx(expected, abs=1e-12, nan_ok=True)
    assert portfolio_of([], 0.7).place("best", []) == {"correlations": {}, "redundant_with": None}


@pytest.mark.parametrize("limit", [0.0, 0.03, 0.5, 1.0])
def test_asked_one_by_one_it_is_the_greedy_choice_of_fitness(limit):
    rng = np.random.default_rng(4)
    common = rng.normal(size=300)
    rows = [(str(number), rng.normal(size=300) + share * common) for number, share in enumerate(rng.uniform(0, 2, 9))]
    portfolio, kept, found = portfolio_of(rows, limit), [], []
    for name, _ in rows:
        better = portfolio.place(name, kept)["redundant_with"]
        found.append(-1 if better is None else int(better["id"]))
        if better is None:
            kept.append(name)
    assert found == redundant(portfolio.correlations, np.arange(9.0, 0.0, -1.0), limit).tolist()


def test_the_worse_of_two_is_redundant_and_what_is_opposite_is_not():
    portfolio = portfolio_of(list(returns_of().items()), 0.7)
    assert portfolio.place("best", [])["redundant_with"] is None
    twin = portfolio.place("twin", ["best"])
    assert twin["redundant_with"]["id"] == "best"
    assert twin["redundant_with"]["correlation"] > 0.99
    assert twin["correlations"]["mirror"] < -0.99
    for name in ("other", "mirror", "idle"):
        assert portfolio.place(name, ["best"])["redundant_with"] is None
    assert portfolio.place("unknown", ["best"]) == {"correlations": {}, "redundant_with": None}


def test_of_several_the_one_it_moves_with_most_is_named():
    portfolio = portfolio_of(list(returns_of().items()), 0.0)
    names = portfolio.place("twin", ["other", "best"])["redundant_with"]["id"]
    assert names == "best"


def test_records_without_a_portfolio_are_not_redundant():
    assert not is_redundant({})
    assert not is_redundant({"portfolio": None})
    assert redundancy_sentence(0, 0.7) == ""
    assert redundancy_sentence(1, 0.7).startswith(" Of these, 1 elite is redundant: it moves with a better one")


def portfolio_records(view):
    ids = [record["id"] for record in view.elites]
    for number, record in enumerate(view.elites):
        others = {
            other: (0.9 if {number, place} == {0, 1} else 0.1) for place, other in enumerate(ids) if place != number
        }
        found = {"id": ids[0], "correlation": 0.9, "limit": 0.7} if number == 1 else None
        record["portfolio"] = {"correlations": others, "redundant_with": found}
    return ids


def test_the_report_draws_the_correlations_and_names_the_redundant(make_run):
    view = read_job(make_run(n_elites=3))
    ids = portfolio_records(view)
    figures = []
    html = portfolio_section(view, lambda figure, label: figures.append((figure, label)) or label)
    assert f"{ids[1]}: 0.90 with {ids[0]}, which is better" in html
    assert "1 elite could be left out" in html
    figure = heat_map(list(view.elites))
    assert figure["data"][0]["z"][0] == [1.0, 0.9, 0.1]
    assert {figure["layout"][axis]["type"] for axis in ("xaxis", "yaxis")} == {"category"}  # an id may read as 3e41
    assert figures[0][0]["data"][0]["type"] == "heatmap"


def test_one_elite_is_no_portfolio(make_run):
    assert portfolio_section(read_job(make_run(n_elites=1)), lambda *_: "") == ""
