"""Parts of the page that need no job: choices, bundles of trades, tiles of many strategies, the portfolio, colours."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import polars as pl
import pytest

from cluster.report import charts, render_report
from cluster.report.luck_table import Luck, luck_table
from cluster.report.pareto import MOST_POINTS, pareto_figure, ranks_of
from cluster.report.places import Page
from cluster.report.trades import MOST_MARKS, bundled, marks_of, trades_block
from cluster.report.whole_portfolio import whole_figure
from cluster.view import read_job
from fitness.statistics import expected_maximum

MakeRun = Callable[..., Path]
START = datetime(2001, 1, 2, tzinfo=UTC)
STYLE = (Path(charts.__file__).parent / "style.css").read_text(encoding="utf-8")
FIGURE = {"data": [], "layout": {"height": 200}}


def trades_of(n: int, *, side: str | None = None) -> pl.DataFrame:
    rng = np.random.default_rng(n)
    entries = [START + timedelta(hours=2 * row) for row in range(n)]
    return pl.DataFrame(
        {
            "symbol": ["SPX"] * n, "timeframe": ["1h"] * n, "segment": ["in_sample"] * n,
            "side": [side or ("long" if row % 3 else "short") for row in range(n)], "entry_time": entries,
            "exit_time": [moment + timedelta(hours=1) for moment in entries], "entry_bar": np.arange(n) * 2,
            "exit_bar": np.arange(n) * 2 + 1, "entry_price": rng.uniform(90, 110, n),
            "exit_price": rng.uniform(90, 110, n), "profit_share": rng.normal(0, 0.01, n),
            "exit_reason": rng.choice(["stop", "target", "time"], n),
        }
    )  # fmt: skip


@pytest.mark.parametrize("n", [MOST_MARKS + 1, 5 * MOST_MARKS + 7])
def test_bundles_lose_no_trade_and_no_profit(n: int) -> None:
    trades = trades_of(n)
    bundles = bundled(trades)
    assert len(bundles) <= MOST_MARKS + 2
    for side in ("long", "short"):
        mine = trades.filter(side=side)
        assert sum(one["n"] for one in bundles if one["side"] == side) == mine.height
        total = sum(one["profit"] for one in bundles if one["side"] == side)
        assert total == pytest.approx(mine["profit_share"].sum())
    told = [int(part.split()[0]) for one in bundles for part in one["how"].split(", ")]
    assert sum(told) == n


def test_a_mark_says_all_of_its_trade() -> None:
    trades = trades_of(1, side="short").with_columns(
        pl.lit(100.25).alias("entry_price"), pl.lit(99.5).alias("exit_price"), pl.lit(0.0125).alias("profit_share"),
        pl.lit("trailing_stop").alias("exit_reason"),
    )  # fmt: skip
    page = Page()
    record = {"id": "ab" * 8, "per_shard": [{"symbol": "SPX", "timeframe": "1h"}], "lockbox": None}
    block = trades_block(record, trades, None, page, note="")
    assert "Its lockbox was not read, so prices end before it." in "".join(block)
    entry = next(trace for trace in page.figures[0]["data"] if trace["name"] == "Short entry")
    texts = ["short", "2001-01-02", "100.25", "2001-01-02T01:00:00", "99.5", "trailing stop",
             "+1.25 % of equity, held for 1 bar"]  # fmt: skip
    assert entry["customdata"] == [texts]
    assert marks_of(trades)[0]["n"] == 1
    assert "Its file of trades is not in the run folder" in "".join(trades_block(record, None, None, page, note=""))


def test_a_choice_is_one_place_for_several_figures() -> None:
    page = Page()
    one = page.choice([("SPX 1d", FIGURE)], "Alone", what="Shard")
    several = page.choice([("SPX 1d", FIGURE), ("<IXIC>", FIGURE)], "Several", what="Shard")
    assert "<select" not in one
    assert re.findall(r'value="(\d+)"', several) == ["1", "2"]
    assert several.count("data-figure=") == 1
    assert "&lt;IXIC&gt;" in several
    assert page.share("a/x", [1, 2]) == "$a/x"
    assert page.shared == {"a/x": [1, 2]}


def births_of(n: int, n_objectives: int = 2) -> pl.DataFrame:
    rng = np.random.default_rng(n)
    names = ["sharpe", "max_drawdown", "total_return"][:n_objectives]
    values = {f"objective.{name}": rng.normal(size=n) for name in names}
    fixed = {"strategy_id": ["ab"] * n, "island": [0] * n, "generation": [1] * n, "species": ["ta"] * n}
    return pl.DataFrame({"birth_id": np.arange(n), **fixed, **values})


def test_many_strategies_are_counted_in_tiles_and_the_front_is_drawn_whole() -> None:
    fit = births_of(MOST_POINTS + 2000)
    values = fit.select("objective.sharpe", "objective.max_drawdown").to_numpy()
    ranks = ranks_of(np.ascontiguousarray(values))
    figure = pareto_figure(fit, ranks, [], x="sharpe", y="max_drawdown")
    go.Figure(json.loads(re.sub(r'"@[\w-]+"', '"#123456"', json.dumps(figure))))
    tiles, front = figure["data"][0], figure["data"][1]
    counted = sum(int(text.replace(",", "")) for row in tiles["text"] for text in row)
    assert counted + len(front["x"]) == fit.height
    assert len(front["x"]) == (ranks == 0).sum()
    assert front["x"] == sorted(front["x"])
    assert front["y"] == sorted(front["y"])  # drawdowns as people read them: the lower the better


def test_the_front_of_too_many_to_rank_is_the_front(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = births_of(400, 3)
    values = np.ascontiguousarray(fit.select(pl.selectors.starts_with("objective.")).to_numpy())
    whole = ranks_of(values)
    monkeypatch.setattr("cluster.report.pareto.MOST_RANKED", 100)
    assert ((whole == 0) == (ranks_of(values) == 0)).all()


def test_luck_without_a_best_has_no_probabilities() -> None:
    text = luck_table(Luck(0.4, 100, None, None, None, None))
    assert f"{0.4 * expected_maximum(1000):.2f}" in text
    assert text.count(">-<") == 3 * 8
    sure = Luck(0.4, 100, 5, 2.0, 0.3, 0.1)
    assert [sure.survival(n) > sure.survival(10 * n) for n in (1, 10, 1000)] == [True] * 3
    assert f"+{0.4 * expected_maximum(100) * 10:.1f} %" in luck_table(sure)


PORTFOLIO: dict[str, Any] = {
    "members": [{"id": "ab" * 8, "weight": 0.625, "marginal": {"sharpe": 0.25}},
                {"id": "cd" * 8, "weight": 0.375, "marginal": {"sharpe": None}}],
    "method": "hrp", "chosen_by": "in_sample and validation", "correlations": [[1, 0.2], [0.2, 1]],
    "stretches": {"in_sample": {"sharpe": 1.25, "cagr": 0.1}, "validation": {"sharpe": 0.75}, "lockbox": None},
    "equity": [[f"200{year}-01-0{day}T00:00:00+00:00", stretch, 1 + year / 10 + day / 100, 1.0]
               for year, stretch in ((1, "in_sample"), (2, "validation")) for day in range(1, 9)],
}  # fmt: skip


def test_the_portfolio_is_drawn_where_its_file_is_there(make_run: MakeRun) -> None:
    run = make_run()
    view = read_job(run)
    assert "Held together" not in render_report(view)
    (run / "portfolio.json").write_text(json.dumps(PORTFOLIO), encoding="utf-8")
    text = re.sub(r"<[^>]+>", " ", render_report(view).split('<script type="application/json"')[0])
    text = " ".join(text.split())
    for part in ("Held together", "by in sample and validation; weights by hrp", "62.5 %", "37.5 %",
                 "Sharpe it adds", "+0.25", "Sharpe +1.25 +0.75 not read", "CAGR +10.0 % - not read"):  # fmt: skip
        assert part in text, part
    for damage in ("{", "[]", '{"members": []}', '{"members": [1], "stretches": {}}'):
        (run / "portfolio.json").write_text(damage, encoding="utf-8")
        assert "Held together" not in render_report(view)


def test_the_curve_of_the_portfolio_keeps_its_ends_and_borders() -> None:
    moments = [(START + timedelta(days=row)).isoformat() for row in range(5000)]
    curve = [[moment, "in_sample" if row < 4001 else "lockbox", 1 + row, 1.0] for row, moment in enumerate(moments)]
    figure = whole_figure(curve, {})
    (band,) = figure["layout"]["shapes"]
    assert (band["x0"], band["x1"]) == (moments[4001][:10], moments[-1][:10])
    drawn = figure["data"][-1]["y"]
    assert {1, 4001, 5000} <= set(drawn)
    assert len(drawn) < 1300


def test_the_genealogy_is_linked_where_it_lies_beside(make_run: MakeRun) -> None:
    run = make_run()
    assert 'href="genealogy.html"' not in render_report(read_job(run))
    (run / "genealogy.html").write_text("<!doctype html>", encoding="utf-8")
    assert '<a href="genealogy.html" data-sibling="Genealogy: open genealogy.html' in render_report(read_job(run))


def test_every_head_of_a_table_says_what_it_heads(make_run: MakeRun) -> None:
    text = render_report(read_job(make_run()))
    heads = re.findall(r"<th\b[^>]*>[^<]+", text)
    assert heads
    assert [head for head in heads if "scope=" not in head] == []
    assert re.findall(r'class="figure"(?![^>]*aria-label)', text) == []


def colours(block: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6})\b", block))


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, relative luminance and contrast ratio."""

    def luminance(colour: str) -> float:
        digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
        parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("look", ["light", "dark"])
def test_text_has_contrast_enough(look: str) -> None:
    light, dark = STYLE.split("@media screen and (prefers-color-scheme: dark)")
    known = {**colours(light), **(colours(dark.split("* {")[0]) if look == "dark" else {})}
    pairs = [("ink", "paper"), ("muted", "paper"), ("muted", "soft"), ("ink", "soft"), ("good", "good-soft"),
             ("bad", "bad-soft"), ("good", "paper"), ("bad", "paper")]  # fmt: skip
    assert {pair: round(contrast(*(known[name] for name in pair)), 2) for pair in pairs
            if contrast(*(known[name] for name in pair)) < 4.5} == {}  # fmt: skip
    marks = [f"series-{number}" for number in range(1, 7)] + ["strategy", "scale-high"]
    assert [name for name in marks if contrast(known[name], known["paper"]) < 3.0] == []
