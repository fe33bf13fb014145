"""Regimes on the page: the tables of a candidate and the shaded markets, from what a job leaves behind."""

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import plotly.graph_objects as go
import pytest

from cluster.examination import Examined
from cluster.journal import plain
from cluster.market import Market
from cluster.regimes import MOST_POINTS, market_regimes, regime_record, write_strips
from cluster.report import regimes as figures
from cluster.report import render_report
from cluster.report.page import Page
from cluster.report.regimes import REGIMES_FILE, market_section, regime_figure, regime_tables
from cluster.view import read_job
from fitness.costs import Costs
from fitness.folds import Split, Window
from fitness.samples import sample, widen
from fitness.shards import shard_of
from fitness.trace import trace_buy_and_hold

COSTS = Costs.from_bps(fee_bps=5, slippage_bps=2)


@pytest.fixture(scope="module")
def market():
    shards = tuple(
        shard_of(widen(sample(name))[0], name, "1d", bars_per_year=252.0).head(3000) for name in ("SPX", "IXIC")
    )
    cut = Split(
        (Window("fold 0", 200, 1000), Window("fold 1", 1005, 2000)), Window("v", 2005, 2500), Window("l", 2505, 3000)
    )
    return Market(shards, (cut, cut), COSTS)


@pytest.fixture(scope="module")
def record(market):
    held = {
        stretch: Examined(
            stretch,
            tuple(
                tuple(trace_buy_and_hold(shard, window, COSTS) for window in windows(cut))
                for shard, cut in zip(market.shards, market.splits, strict=True)
            ),
        )
        for stretch, windows in (("in_sample", lambda cut: cut.folds), ("validation", lambda cut: (cut.validation,)))
    }
    pairs = [(one, one) for one in held.values()]
    return {"id": "ab" * 8, "regimes": plain(regime_record(pairs, market_regimes(market)))}


def test_a_record_has_every_measure_per_regime_and_its_bars_add_up(market, record):
    assert set(record["regimes"]) == {"in_sample", "validation"}
    for stretch, n_bars in (("in_sample", 2 * 1795), ("validation", 2 * 495)):
        found = record["regimes"][stretch]["strategy"]
        assert found["all"]["all"]["n_bars"] == n_bars
        for kind in ("trend", "volatility"):
            assert sum(row["n_bars"] for row in found[kind].values()) == n_bars
        trades = sum(row["measures"]["n_trades"] for row in found["trend"].values())
        assert trades == found["all"]["all"]["measures"]["n_trades"]
    assert json.loads(json.dumps(record, allow_nan=False)) == record


def test_tables_show_each_regime_beside_buy_and_hold(record):
    text = regime_tables(record)
    for part in ("By regime", "Bull", "Sideways", "Bear", "High volatility", "Low volatility", "All bars", "In sample",
                 "Validation", "Every measure by regime", "Worst trade", "Average holding", "<small>"):  # fmt: skip
        assert part in text, part
    assert "Lockbox" not in text
    assert "Not known yet" not in text
    bear = record["regimes"]["in_sample"]["strategy"]["trend"]["bear"]
    assert f"{bear['share']:.0%}" in text


def test_a_record_without_regimes_has_no_tables():
    assert regime_tables({"id": "x"}) == ""
    assert regime_tables({"id": "x", "regimes": None}) == ""


def test_a_regime_that_was_only_in_one_stretch_is_a_dash_in_the_other(record):
    bare = json.loads(json.dumps(record))
    unknown = bare["regimes"]["in_sample"]["strategy"]["trend"]["bear"]
    bare["regimes"]["in_sample"]["strategy"]["trend"]["unknown"] = unknown
    row = regime_tables(bare).split("Not known yet")[1].split("</tr>")[0]
    assert '<td class="num">-</td>' in row
    assert row.count("<td") == 8


def test_markets_are_drawn_up_to_the_end_of_validation(market, tmp_path):
    write_strips(tmp_path, market, market_regimes(market))
    first = (tmp_path / REGIMES_FILE).read_bytes()
    write_strips(tmp_path, market, market_regimes(market))
    assert (tmp_path / REGIMES_FILE).read_bytes() == first
    strips = json.loads(first)["shards"]
    assert [strip["symbol"] for strip in strips] == ["SPX", "IXIC"]
    for strip, shard in zip(strips, market.shards, strict=True):
        assert len(strip["close"]) == len(strip["trend"]) == len(strip["timestamps"]) <= MOST_POINTS
        assert strip["timestamps"][0] == shard.timestamps[200]
        assert strip["timestamps"][-1] < shard.timestamps[2500]
    page = Page()
    text = market_section(SimpleNamespace(run_dir=tmp_path), page)
    assert len(page.figures) == 2
    assert 'id="regimes"' in text
    for spec in page.figures:
        go.Figure(json.loads(re.sub(r'"@[\w-]+"', '"#123456"', json.dumps(spec))))
    style = (Path(figures.__file__).parent / "style.css").read_text()
    names = set(re.findall(r'"@([\w-]+)"', json.dumps(page.figures)))
    assert names == {"good-soft", "bad-soft", "muted", "strategy"}
    assert all(style.count(f"--{name}:") == 2 for name in names)


def test_shades_are_the_runs_of_the_labels():
    days = (np.arange(6) * 86_400_000_000).tolist()
    strip = {"symbol": "X", "timeframe": "1d", "validation": days[3], "timestamps": days, "close": [1.0] * 6,
             "trend": [0, 0, 1, 2, 2, -1], "volatility": [-1, 1, 1, 0, 0, 1]}  # fmt: skip
    rectangles = [shape for shape in regime_figure(strip)["layout"]["shapes"] if shape["type"] == "rect"]
    assert [(one["fillcolor"], one["x0"], one["x1"]) for one in rectangles] == [
        ("@bad-soft", "1970-01-01", "1970-01-03"),
        ("@good-soft", "1970-01-04", "1970-01-06"),
        ("@muted", "1970-01-02", "1970-01-04"),
        ("@muted", "1970-01-06", "1970-01-06"),
    ]


@pytest.mark.parametrize("content", [None, "{", "[]", '{"shards": []}'])
def test_without_the_file_there_is_no_section(tmp_path, content):
    if content is not None:
        (tmp_path / REGIMES_FILE).write_text(content)
    assert market_section(SimpleNamespace(run_dir=tmp_path), Page()) == ""


def test_the_page_of_a_job_has_both(make_run, market, record):
    run = make_run()
    view = read_job(run)
    bare = render_report(view)
    assert "By regime" not in bare
    assert 'id="regimes"' not in bare
    write_strips(run, market, market_regimes(market))
    candidates = tuple({**one, "regimes": record["regimes"]} for one in view.candidates)
    text = render_report(replace(view, candidates=candidates))
    assert text.count("<h3>By regime</h3>") == len(candidates)
    assert text.count('id="regimes"') == 1
