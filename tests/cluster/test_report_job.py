"""The page of a real job with elites and an archive: every figure against what the job left behind, computed anew."""

import json
import re
from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import polars as pl
import pytest

from cluster.births_file import read_births
from cluster.prices import MOST_STEPS, PRICES_FILE, price_frame, prices_of, write_prices
from cluster.report import render_report
from cluster.report.behaviour_map import position, tiles_of
from cluster.report.births import read_report_births, rules_of, scored
from cluster.report.equity import read_equity
from cluster.report.luck_table import luck_of, luck_table, pooled_rate
from cluster.report.map_elites import archived, map_elites_section
from cluster.report.pareto import pareto_figure, pareto_section, ranks_of, values_of
from cluster.report.places import Page
from cluster.report.trades import read_trades, trades_block
from cluster.run_folder import read_entry
from cluster.settings import config_from
from cluster.worker import evolution_settings
from evolution.archive import Candidates, admitted, new_archive
from evolution.population import state_from_bytes
from fitness.behaviour import BEHAVIOURS, positions
from fitness.objectives import MEASURE_COLUMNS
from fitness.statistics import expected_maximum
from fitness.tally import EXIT_REASONS

GATES = {
    "min_trades": 1, "dsr": None, "validation_sharpe": None, "max_drawdown": None, "spa": None, "pbo": None,
    "regimes": None, "stability": None, "battery": False, "candidates": 3, "lockbox_alpha": 0.999,
}  # fmt: skip


@pytest.fixture(scope="module")
def config(tiny_values):
    evolution = {**tiny_values["evolution"], "archive": {"enabled": True, "cells": 40}, "population_size": 24}
    return config_from({**tiny_values, "evolution": evolution, "gates": GATES}, where="test")


@pytest.fixture(scope="module")
def births(view):
    return read_report_births(view)


def resolved(page, number):
    """The figure as the script makes it, with its shared lists and any colour."""

    def of(value):
        if isinstance(value, str) and value.startswith(("@", "$")):
            return "#123456" if value[0] == "@" else list(page.shared[value[1:]])
        if isinstance(value, list):
            return list(map(of, value))
        return {key: of(item) for key, item in value.items()} if isinstance(value, dict) else value

    return of(dict(page.figures[number]))


def test_births_are_all_that_were_born_and_refused_if_the_file_is_another(view, births, tmp_path):
    assert births.height == view.n_births
    assert "genome" not in births.columns
    whole = pl.read_parquet(view.run_dir / "births.parquet")
    assert births["birth_id"].to_list() == sorted(whole["birth_id"].to_list())
    assert read_report_births(replace(view, births_sha256="0" * 64)) is None
    assert read_report_births(replace(view, run_dir=tmp_path)) is None
    text = pareto_section(view, None, Page())
    assert "births.parquet is not in the run folder" in text


def test_a_job_that_goes_on_is_drawn_from_the_births_so_far(view, births):
    so_far = read_report_births(replace(view, births_sha256="", status="interrupted"))
    columns = [name for name in births.columns if name != "strategy_id"]
    assert so_far.select(columns).equals(births.select(columns))
    assert so_far["strategy_id"].is_null().all()


def test_the_front_is_what_nothing_dominates_and_all_of_it(view, births):
    names = view.config.evolution.objectives
    fit = scored(births, names)
    values = values_of(fit, names)
    ranks = ranks_of(values)
    better = (values[:, None, :] >= values[None, :, :]).all(axis=2) & (values[:, None, :] > values[None]).any(axis=2)
    front = ~better.any(axis=0)
    assert (ranks == 0).tolist() == front.tolist()
    figure = pareto_figure(fit, ranks, view.candidates, x=names[0], y=names[1])
    by_name = {trace["name"]: trace for trace in figure["data"]}
    drawn = {int(row[0]) for row in by_name["Front (rank 1)"]["customdata"]}
    assert drawn == set(fit.filter(front)["birth_id"])
    everyone = [int(row[0]) for trace in figure["data"] for row in trace.get("customdata", [])]
    assert sorted(everyone) == fit["birth_id"].to_list()
    assert sorted(by_name["Elites"]["text"]) == sorted(record["id"] for record in view.elites)


def test_equal_strategies_are_one_point_and_the_unscored_are_counted(view, births):
    fit = scored(births, view.config.evolution.objectives)
    able = births.filter(pl.col("evaluated") & (pl.col("reason") == ""))
    assert fit.height == able["key"].n_unique()
    assert fit["birth_id"].to_list() == able.group_by("key").agg(pl.col("birth_id").min())["birth_id"].sort().to_list()
    n_bad = births.filter(pl.col("reason") != "").height
    assert f"{n_bad:,} births could not be scored" in pareto_section(view, births, Page()) or not n_bad


def test_the_archive_on_the_page_is_the_best_of_the_archives_of_all_islands(view, births):
    settings = evolution_settings(view.config)
    kept = archived(births, settings.archive, view.config.evolution.objectives)
    last = {data["island"]: data["state"] for data in sorted(view.epochs, key=lambda data: data["epoch"])}
    archives = [state_from_bytes(read_entry(view.run_dir, last[island])).archive for island in sorted(last)]
    best: dict[int, float] = {}
    for archive in archives:
        for cell, objectives in zip(archive.cells.tolist(), archive.objectives, strict=True):
            best[cell] = max(best.get(cell, -np.inf), objectives[0])
    assert len(kept.ids) == len(best) > 5
    assert kept.quality.tolist() == [best[cell] for cell in sorted(best)]
    everyone = read_births(view.run_dir, view.epochs)
    k = len(MEASURE_COLUMNS)
    candidates = Candidates(
        everyone.genome, everyone.birth_id, everyone.family, everyone.species, everyone.key, everyone.objectives,
        everyone.measures, everyone.measures[:, k : k + len(BEHAVIOURS)],
    )  # fmt: skip
    whole, _ = admitted(
        new_archive(everyone.objectives.shape[1], everyone.measures.shape[1]), candidates, settings.archive
    )
    assert kept.ids.tolist() == whole.birth_ids.tolist()
    np.testing.assert_array_equal(kept.places, positions(whole.behaviours))


def test_every_tile_has_the_best_that_lies_in_it(view, births):
    kept = archived(births, evolution_settings(view.config).archive, view.config.evolution.objectives)
    tiles = tiles_of(kept, 0, 3, 7)
    assert tiles.counts.sum() == len(kept.ids)
    for x, y, best, n in zip(tiles.x, tiles.y, tiles.best, tiles.counts, strict=True):
        low, high = np.array([x, y]) / 7, np.array([x, y]) / 7 + 1 / 7
        places = kept.places[:, [0, 3]]
        inside = ((places >= low - 1e-12) & ((places < high - 1e-12) | ((high > 1 - 1e-9) & (places <= 1)))).all(axis=1)
        assert inside.sum() == n
        assert kept.quality[best] == kept.quality[inside].max()


def test_maps_without_an_archive_are_of_the_births_measures(view, births):
    off = view.config.evolution.model_copy(update={"archive": type(view.config.evolution.archive)()})
    config = view.config.model_copy(update={"evolution": off})
    page = Page()
    text = map_elites_section(replace(view, config=config), births, page)
    assert "This job kept no archive" in text
    fit = scored(births, view.config.evolution.objectives)
    heat = page.figures[0]["data"][0]
    best = max(value for row in heat["z"] for value in row if value is not None)
    assert best == pytest.approx(fit["objective.steady_sharpe"].max(), rel=1e-4)
    assert len(page.figures) == 6
    assert position(np.array([np.nan, -1.0, 2.0]), "exposure")[1:].tolist() == [0.0, 1.0]


def test_rules_in_the_hover_are_those_of_the_births(view):
    record = view.candidates[0]
    assert rules_of(view, [record["birth_id"]]) == {record["birth_id"]: record["text"]}
    assert rules_of(replace(view, run_dir=view.run_dir / "nowhere"), [1]) == {}


def test_the_luck_table_is_the_closed_form(view):
    luck = luck_of(view)
    variance, rate = view.chosen["trial_variance"], pooled_rate(view)
    assert rate == view.shards[0]["bars_per_year"]
    for n in (1, 10, view.n_trials, 10**7):
        assert luck.sharpe(n) == pytest.approx(np.sqrt(variance * rate) * expected_maximum(n))
    best = max(view.candidates, key=lambda record: record["sharpe_beyond"]["in_sample"])
    gate = next(gate for gate in best["gates"] if gate["name"] == "dsr")
    assert luck.best == best["sharpe_beyond"]["in_sample"]
    assert luck.survival(view.n_trials) == pytest.approx(gate["value"], abs=1e-9)
    alike = re.search(r"Were they only (\d+) independent ones, it would be (\d\.\d+)", gate["explanation"])
    assert luck.survival(int(alike[1])) == pytest.approx(float(alike[2]), abs=6e-5)
    told = re.search(r"Sharpe of ([\d.]+) a year by luck alone", gate["explanation"])
    assert f"{luck.sharpe(view.n_trials):.2f}" == told[1]
    text = luck_table(luck)
    assert text.count("<tr>") == 1 + len({*(10**power for power in range(8)), luck.n_trials, luck.n_effective})
    assert f"<strong>{view.n_trials:,}</strong>" in text


def test_every_trade_is_on_the_chart_at_its_prices(view):
    prices, _ = prices_of(view)
    for record in view.candidates:
        page, trades = Page(), read_trades(view.run_dir, record["id"])
        trades_block(record, trades, prices, page, note="")
        drawn = []
        for number in range(len(page.figures)):
            figure = resolved(page, number)
            go.Figure(figure)
            named = {trace.get("name"): trace for trace in figure["data"]}
            assert len(named["Exit"]["x"]) == sum(len(named[side]["x"]) for side in ("Long entry", "Short entry"))
            for side in ("Long entry", "Short entry"):
                trace = named[side]
                drawn += list(zip(trace["x"], trace["y"], [row[5] for row in trace["customdata"]], strict=True))
        wanted = [
            (str(row["entry_time"])[:10], float(f"{row['entry_price']:.6g}"), row["exit_reason"].replace("_", " "))
            for row in trades.iter_rows(named=True)
        ]
        assert sorted(drawn) == sorted(wanted)
        assert set(trades["exit_reason"]) <= set(EXIT_REASONS)


def test_prices_are_those_of_the_bars_and_hold_every_fill(view, market):
    found = price_frame(market, with_lockbox=True)
    for shard, cut in zip(market.shards, market.splits, strict=True):
        steps = found.filter(symbol=shard.symbol)
        assert steps["n_bars"].sum() == cut.lockbox.stop - cut.folds[0].start
        assert steps["high"].max() == shard.high[cut.folds[0].start : cut.lockbox.stop].max()
        assert steps["low"].min() == shard.low[cut.folds[0].start : cut.lockbox.stop].min()
        assert steps.filter(stretch="lockbox")["timestamp"][0].timestamp() * 1e6 == shard.timestamps[cut.lockbox.start]
        assert steps.height <= MOST_STEPS + 3
    shut = price_frame(market, with_lockbox=False)
    assert set(shut["stretch"]) == {"in_sample", "validation"}
    frame = read_equity(view.run_dir, view.candidates[0]["id"])
    ends = shut.group_by("symbol").agg(pl.col("timestamp").max())
    assert ends["timestamp"].max() <= frame.filter(segment="validation")["timestamp"].max()


def test_thinned_prices_keep_extremes_and_borders(market, monkeypatch):
    monkeypatch.setattr("cluster.prices.MOST_STEPS", 50)
    thin, full = price_frame(market, with_lockbox=True), None
    monkeypatch.setattr("cluster.prices.MOST_STEPS", 10**6)
    full = price_frame(market, with_lockbox=True)
    for name in {shard.symbol for shard in market.shards}:
        few, all_of = thin.filter(symbol=name), full.filter(symbol=name)
        assert few.height <= 53
        for stretch in ("in_sample", "validation", "lockbox"):
            one, other = few.filter(stretch=stretch), all_of.filter(stretch=stretch)
            assert (one["n_bars"].sum(), one["high"].max(), one["low"].min()) == (
                other.height, other["high"].max(), other["low"].min(),
            )  # fmt: skip
            assert (one["open"][0], one["close"][-1]) == (other["open"][0], other["close"][-1])


def test_prices_come_from_the_run_folder_or_the_store_alike_or_are_said_to_be_missing(view, market, tmp_path):
    moved = replace(view, run_dir=tmp_path)
    from_store, said = prices_of(moved)
    assert "read from the store" in said
    assert prices_of(view)[0].equals(from_store)
    write_prices(tmp_path, market, with_lockbox=bool(view.lockbox_reads))
    written, nothing = prices_of(moved)
    assert (written.equals(from_store), nothing) == (True, "")
    strange = tuple({**shard, "content_hash": "0" * 64} for shard in view.shards)
    none, why = prices_of(replace(moved, shards=strange))
    assert none is None
    assert "the bars in the store have changed since the job began" in why
    (tmp_path / PRICES_FILE).write_bytes((tmp_path / PRICES_FILE).read_bytes()[:200])
    assert prices_of(moved)[0].equals(from_store)
    page = Page()
    block = trades_block(view.candidates[0], read_trades(view.run_dir, view.candidates[0]["id"]), None, page, note=why)
    assert "have changed" in "".join(block)
    assert page.figures


def test_the_whole_page_is_valid_for_plotly_and_the_same_again(view):
    text = render_report(view)
    assert text == render_report(view)
    parts = {
        name: json.loads(re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', text)[1])
        for name in ("figures", "shared")
    }
    page = Page()
    page.figures, page.shared = parts["figures"], parts["shared"]
    for number in range(len(page.figures)):
        go.Figure(resolved(page, number))
    placed = {int(number) for number in re.findall(r'(?:data-figure|option value)="(\d+)"', text)}
    assert placed == set(range(len(page.figures)))
    for title in ("Trades on price", "Pareto front", "Ways to behave", "Best of N by luck", "By regime"):
        assert title in text, title
