"""The portfolio of a real job: what it says adds up, hangs on nothing but elites and bars, and can be carried away."""

import importlib.util
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from cluster.cli import app
from cluster.market import Market, open_market
from cluster.portfolio_document import SCHEMA, document_from_json, document_of
from cluster.portfolio_export import portfolio_document, portfolio_files
from cluster.portfolio_making import (
    PORTFOLIO_FILE,
    STRETCHES,
    PortfolioSettings,
    end_with_portfolio,
    make_portfolio,
    settings_of,
    write_portfolio,
)
from cluster.report.whole_portfolio import read_portfolio
from fitness.bank import FeatureBank
from fitness.trace import trace
from strategies.encoding import phenotype_of
from strategies.errors import StrategyError, UsageError
from strategies.strategy_json import strategy_from_dict
from strategies.templates import TEMPLATES

THREE = PortfolioSettings(size=3, max_correlation=1.0)


@pytest.fixture(scope="module")
def market(elite_job):
    return open_market(elite_job.config)


@pytest.fixture(scope="module")
def found(elite_job, market):
    return make_portfolio(elite_job, market, THREE)


@pytest.fixture(scope="module")
def records(elite_job):
    return {record["id"]: record for record in elite_job.elites}


def test_it_says_what_the_report_draws_and_it_adds_up(elite_job, found):
    weights = [one["weight"] for one in found["members"]]
    assert len(weights) == 3
    assert sum(weights) == pytest.approx(1.0)
    for stretch in STRETCHES:
        added = sum(one["contribution"][stretch] for one in found["members"])
        assert added == pytest.approx(found["stretches"][stretch]["total_return"])
        low, high = found["intervals"]["portfolio"][stretch]["cagr"]
        assert low < found["stretches"][stretch]["cagr"] < high
    matrix = np.array(found["correlations"])
    assert matrix.shape == (3, 3)
    np.testing.assert_array_equal(matrix, matrix.T)
    ids = [one["id"] for one in found["members"]]
    for row, one in enumerate(ids):
        known = next(record for record in elite_job.elites if record["id"] == one)["portfolio"]["correlations"]
        assert [matrix[row, ids.index(other)] for other in ids if other != one] == [known[o] for o in ids if o != one]
    assert [one for one in ids if one in {each["id"] for each in found["passed_over"]}] == []


def test_the_curve_is_the_growth_of_its_stretches(found):
    assert list(dict.fromkeys(row[1] for row in found["equity"])) == list(STRETCHES)
    assert [row[0] for row in found["equity"]] == sorted(row[0] for row in found["equity"])
    ways = {2: found["stretches"], 3: found["compared"]["equal_weight"]}
    for place, figures in ways.items():
        before = 1.0
        for stretch in STRETCHES:
            end = [row[place] for row in found["equity"] if row[1] == stretch][-1]
            assert end / before == pytest.approx(1.0 + figures[stretch]["total_return"])
            before = end


def test_one_member_has_the_figures_of_its_record(elite_job, market, records):
    one = make_portfolio(elite_job, market, PortfolioSettings(size=1))
    (member,) = one["members"]
    record = records[member["id"]]
    assert member["weight"] == 1.0
    for stretch in STRETCHES:
        for name, value in one["stretches"][stretch].items():
            expected = record["sharpe_beyond"][stretch] if name == "sharpe_beyond" else record[stretch][name]
            assert value == expected, (stretch, name)
    assert one["compared"]["best_single"] == one["stretches"]
    assert one["compared"]["hold"] == {name: record["benchmark"][name] for name in STRETCHES}


def test_it_is_the_same_bytes_whatever_the_order_of_elites(elite_job, market, found, tmp_path):
    other = replace(elite_job, elites=elite_job.elites[::-1])
    text = write_portfolio(tmp_path, make_portfolio(other, market, THREE)).read_bytes()
    assert text == write_portfolio(tmp_path, found).read_bytes()
    assert json.loads(text) == found
    assert settings_of(found) == THREE
    assert read_portfolio(replace(elite_job, run_dir=tmp_path)) == found


def test_other_bars_in_the_lockbox_change_neither_choice_nor_weights(elite_job, market, found):
    rng = np.random.default_rng(1)
    shards = []
    for shard, cut in zip(market.shards, market.splits, strict=True):
        factor = np.ones(len(shard.close))
        factor[cut.lockbox.start :] = np.exp(np.cumsum(rng.normal(0.0, 0.02, len(factor) - cut.lockbox.start)))
        bars = {name: getattr(shard, name) * factor for name in ("open", "high", "low", "close")}
        shards.append(replace(shard, **bars))
    other = make_portfolio(elite_job, Market(tuple(shards), market.splits, market.costs), THREE)
    for key in ("id", "settings", "passed_over", "correlations", "best_single"):
        assert other[key] == found[key]
    for mine, then in zip(other["members"], found["members"], strict=True):
        assert (mine["id"], mine["weight"], mine["marginal"]) == (then["id"], then["weight"], then["marginal"])
    assert {name: other["stretches"][name] == found["stretches"][name] for name in STRETCHES} == {
        "in_sample": True,
        "validation": True,
        "lockbox": False,
    }


def test_a_job_ends_with_a_portfolio_where_there_are_two_to_hold(elite_job, market, tmp_path):
    here = replace(elite_job, run_dir=tmp_path)
    assert end_with_portfolio(replace(here, elites=here.elites[:1]), market) is None
    assert end_with_portfolio(replace(here, elites=()), market) is None
    assert not (tmp_path / PORTFOLIO_FILE).exists()
    assert end_with_portfolio(here, market) == tmp_path / PORTFOLIO_FILE
    with pytest.raises(UsageError, match="must have at least one elite to choose from"):
        make_portfolio(replace(here, elites=()), market)
    with pytest.raises(UsageError, match=r"`--max-correlation` must be from -1 to 1, but was 7"):
        make_portfolio(here, market, PortfolioSettings(max_correlation=7.0))


def test_what_is_exported_makes_the_same_equity_when_it_is_run(market, found, records, tmp_path):
    for name, content in portfolio_files(found, records, market.costs, "a job").items():
        (tmp_path / name).write_bytes(content)
    spec = importlib.util.spec_from_file_location("carried_portfolio", tmp_path / "portfolio.py")
    carried = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(carried)
    assert pytest.approx({one["id"]: one["weight"] for one in found["members"]}, abs=0) == carried.WEIGHTS
    for shard, cut in zip(market.shards, market.splits, strict=True):
        bank, window = FeatureBank(shard), cut.lockbox
        ours, expected = {}, np.zeros(window.n_bars)
        for id_, weight in carried.WEIGHTS.items():
            phenotype = phenotype_of(strategy_from_dict(records[id_]["strategy"]))
            ours[id_] = trace(phenotype, shard, window, market.costs, bank)
            expected += weight * ours[id_].equity
        table = (shard.open, shard.high, shard.low, shard.close, shard.volume, shard.timestamps)
        played = carried.backtest(*table, bars_per_year=shard.bars_per_year, window=(window.start, window.stop))
        np.testing.assert_allclose(played["equity"], expected, rtol=1e-12)
        for id_, one in ours.items():
            assert [each["entry_bar"] for each in played["trades"][id_]] == one.trades["entry_bar"].tolist()
        held = sum(weight * ours[id_].positions for id_, weight in carried.WEIGHTS.items())
        np.testing.assert_array_equal(np.sign(played["target"])[held == 0], np.sign(played["position"])[held == 0])
        alone = np.all([one.positions >= 0 for one in ours.values()], axis=0) & (held > 0)
        assert (played["target"][alone] > 0).all()
        assert set(carried.signals(*table)) == set(carried.WEIGHTS)


def test_the_exported_folder_runs_on_its_own(market, found, records, tmp_path):
    for name, content in portfolio_files(found, records, market.costs, "a job").items():
        (tmp_path / name).write_bytes(content)
    shard = market.shards[0]
    rows = zip(shard.timestamps.astype("datetime64[us]"), shard.open, shard.high, shard.low, shard.close, shard.volume,
               strict=True)  # fmt: skip
    lines = ["timestamp,open,high,low,close,volume", *(",".join(map(str, row)) for row in rows)]
    (tmp_path / "bars.csv").write_text("\n".join(lines))
    words = [sys.executable, "-I", str(tmp_path / "portfolio.py"), str(tmp_path / "bars.csv")]
    said = [json.loads(line) for line in subprocess.check_output(words, text=True, cwd=tmp_path).splitlines()]
    assert [one["member"] for one in said[:-1]] == sorted(records[one["id"]]["id"] for one in found["members"])
    assert said[-1]["growth"] > 0.0


def test_a_document_is_read_back_and_what_was_changed_is_refused(found, records):
    document = portfolio_document(found, records)
    assert document.id == found["id"]
    again = document_from_json(document.to_json())
    assert again == document
    assert document_of(list(document.members[::-1])).id == document.id
    values = document.to_dict()
    first = values["members"][0]
    wrong = [
        ({**values, "schema": "studbook/portfolio/2"}, f"schema must be '{SCHEMA}', but was 'studbook/portfolio/2'"),
        ({**values, "id": "ab"}, "id must be the hash of the members"),
        ({**values, "luck": 1}, "has an unknown key 'luck'"),
        ({"schema": SCHEMA, "id": "ab"}, "must have the key 'members'"),
        ({**values, "members": {}}, "members must be a list"),
        ({**values, "members": []}, "1 to 1000 members, but had 0"),
        ({**values, "members": [{**first, "weight": "1"}]}, r"members\[0\].weight must be a number, but was '1'"),
        ({**values, "members": [{**first, "weight": 1.5}]}, "from 0 to 1, but was 1.5"),
        ({**values, "members": [{**first, "weight": 0.5}]}, "must sum to 1, but sum to 0.5"),
        ({**values, "members": [{**first, "weight": 0.5}] * 2}, "must hold a strategy once"),
        ({**values, "members": [{"weight": 1.0, "strategy": {"schema": "x"}}]}, r"members\[0\].strategy: schema"),
        ([1], r"must be an object, but was \[1\]"),
    ]
    for data, match in wrong:
        with pytest.raises(StrategyError, match=match):
            document_from_json(json.dumps(data))
    with pytest.raises(StrategyError, match="is not JSON"):
        document_from_json("{")
    with pytest.raises(UsageError, match="must be an elite of its job"):
        portfolio_document({**found, "members": [{"id": "ab", "weight": 1.0}]}, records)
    with pytest.raises(UsageError, match="id must be that of its members"):
        portfolio_document({**found, "id": "ab"}, records)


def test_an_id_is_that_of_strategies_and_weights():
    one, two = list(TEMPLATES.values())[:2]
    first = document_of([(one, 0.25), (two, 0.75)])
    assert first.id == document_of([(two, 0.75), (one, 0.25)]).id
    assert first.id != document_of([(one, 0.75), (two, 0.25)]).id
    assert len(first.id) == 16


def test_the_command_writes_shows_and_exports_and_says_where_there_is_nobody(elite_job, tmp_path, capsys, make_run):
    held, file = tmp_path / "held", tmp_path / "p.json"
    before = (elite_job.run_dir / PORTFOLIO_FILE).read_bytes()
    words = ["portfolio", elite_job.id, "--root", str(elite_job.run_dir.parent), "--out", str(file), "--json"]
    assert app([*words, "--size", "2", "--method", "equal", "--export", str(held)], standalone_mode=False) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["portfolio"] == json.loads(file.read_text())
    assert [one["weight"] for one in document["portfolio"]["members"]] == [0.5, 0.5]
    assert document_from_json((held / "portfolio.json").read_text()).id == document["portfolio"]["id"]
    assert sorted(path.suffix for path in held.iterdir()) == [".json", ".py", ".py", ".py"]
    assert (elite_job.run_dir / PORTFOLIO_FILE).read_bytes() == before, "the job's own stays as it is"
    assert app([*words, "--export", str(held)], standalone_mode=False) == 2  # not written over
    assert "must not write over" in json.loads(capsys.readouterr().out)["error"]["message"]
    assert app(words[:-1], standalone_mode=False) == 0
    shown = capsys.readouterr().out
    assert "the best alone" in shown
    assert "no gate" in shown
    run = make_run(n_elites=0)
    assert app(["portfolio", run.name, "--root", str(run.parent), "--json"], standalone_mode=False) == 0
    nobody = json.loads(capsys.readouterr().out)
    assert nobody["portfolio"] is None
    assert nobody["reason"].startswith(f"No elites in {run.name}: nothing to hold.")
