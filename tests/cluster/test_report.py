"""The report page: complete, self-contained, escaped, and the same whenever it is made."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import polars as pl
import pytest

from cluster.report import charts, equity, gates, luck, render_report, report_path, write_report
from cluster.report.markup import Html, element, joined, table
from cluster.report.numbers import NOT_READ, failed_gates, figure, segment_figure
from cluster.report.page import json_for_script
from cluster.view import JobView, read_job

MakeRun = Callable[..., Path]
EVIL = "</script><img src=x onerror=alert(1)> & \"quoted\" 'single'"


class Page(HTMLParser):
    """Text, tags and scripts of a page; raises nothing, so that structure is asserted."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.figures = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag if dict(attrs).get("id") != "figures" else "figures")

    def handle_endtag(self, tag: str) -> None:
        opened = self.open.pop()
        assert opened in (tag, "figures"), f"</{tag}> closes <{opened}>"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "figures":
            self.figures += data
        elif self.open and self.open[-1] not in ("script", "style"):
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def view_of(run: Path, **changes: Any) -> JobView:
    return replace(read_job(run), **changes)


def test_page_of_a_job_with_an_elite_says_everything(make_run: MakeRun) -> None:
    page = Page(render_report(view_of(make_run())))
    assert page.open == []
    for part in (
        "1 elite", "1 of 4 candidates passed every gate.", "Ways of trading tried", "252", "Best deflated Sharpe",
        "0.970",
        "Enter long, and short on the mirrored rule, when", "SMA(10) crosses above SMA(20)", "not promoted", "Lockbox",
        "not read", "deflated Sharpe", "0.97 against 0.95", "Breeding", "Diversity", "Luck", "SPX", "a" * 16, "Repairs",
        "worker <killed> & restarted", "population_size: 20", "gene table 0123456789abcdef", "How to read this",
    ):  # fmt: skip
        assert part in page.text, part


def test_nothing_passed_is_a_proper_ending(make_run: MakeRun) -> None:
    text = Page(render_report(view_of(make_run(n_elites=0)))).text
    assert "Nothing passed: a proper ending." in text
    assert "Candidates, none promoted" in text
    assert "none of it is a finding" in text


def test_the_page_says_what_a_screen_did(make_run: MakeRun) -> None:
    text = Page(render_report(view_of(make_run(screen=True)))).text
    for part in (
        "It was on in 8 of 14 generations.", "agreed with the full ones by 0.60 on average, 0.40 at the lowest",
        "It fell below 0.5 and turned itself off on island 0, 1.", "72 strategies (29%) were seen by it alone",
    ):  # fmt: skip
        assert part in text, part
    assert "A screen" not in Page(render_report(view_of(make_run("plain-20261121T100000-00bb")))).text


def test_an_unfinished_job_has_a_page_too(make_run: MakeRun) -> None:
    page = Page(render_report(view_of(make_run(finished=False))))
    assert "The job is interrupted" in page.text
    assert "No candidate was judged" in page.text


def test_a_job_without_epochs_has_a_page_too(make_run: MakeRun) -> None:
    view = view_of(make_run(finished=False), epochs=(), n_births=0, n_evaluated=0, n_trials=0)
    assert "No epoch is finished yet." in Page(render_report(view)).text


def test_page_needs_no_network_and_holds_plotly_once(make_run: MakeRun) -> None:
    text = render_report(view_of(make_run()))
    page = Page(text)
    loaded = [
        attrs for tag, attrs in page.tags if tag in ("script", "img", "link", "iframe") and set(attrs) & {"src", "href"}
    ]
    assert loaded == []
    assert [attrs["href"] for tag, attrs in page.tags if tag == "a" and not (attrs["href"] or "").startswith("#")] == []
    assert text.count("plotly.js v") == 1
    assert len(text) < 12_000_000


def test_every_figure_is_placed_and_valid_for_plotly(make_run: MakeRun) -> None:
    page = Page(render_report(view_of(make_run())))
    figures = json.loads(page.figures)
    places = [attrs["data-figure"] for _, attrs in page.tags if "data-figure" in attrs]
    assert places == [str(number) for number in range(len(figures))]
    assert len(figures) == 4 * 3 + 6  # pooled, two shards for each candidate; breeding 2, species 2, families, luck
    names = set(re.findall(r'"@([\w-]+)"', page.figures))
    style = (Path(charts.__file__).parent / "style.css").read_text()
    assert names
    for name in names:
        assert style.count(f"--{name}:") == 2, f"{name} needs a light and a dark colour"
    for spec in figures:
        go.Figure(json.loads(re.sub(r'"@[\w-]+"', '"#123456"', json.dumps(spec))))


def test_strings_of_users_are_escaped_everywhere(make_run: MakeRun) -> None:
    view = view_of(make_run())
    records = tuple({**record, "text": EVIL, "strategy": {"schema": EVIL}} for record in view.candidates)
    records[0]["gates"][0]["explanation"] = EVIL
    repairs = ({"what": EVIL, "island": 0, "epoch": 0, "reason": EVIL},)
    shards = tuple({**shard, "symbol": EVIL} for shard in view.shards)
    text = render_report(replace(view, verdict=EVIL, candidates=records, repairs=repairs, shards=shards, name=EVIL))
    page = Page(text)
    assert page.open == []
    assert not any(tag == "img" for tag, _ in page.tags)
    assert page.text.count("onerror=alert(1)") >= 8


def test_json_in_a_script_can_not_close_it() -> None:
    text = json_for_script({"a": "</script><!-- & "})
    assert not set("<>&") & set(text)
    assert json.loads(text) == {"a": "</script><!-- & "}


def test_page_is_written_whole_and_can_be_made_again(make_run: MakeRun) -> None:
    run = make_run()
    path = write_report(read_job(run))
    first = path.read_bytes()
    assert path == report_path(run)
    assert write_report(read_job(run)).read_bytes() == first
    assert [child.name for child in run.glob("*.html*")] == ["report.html"]


@pytest.mark.parametrize("damage", ["missing", "torn"])
def test_without_an_equity_file_the_page_says_so(make_run: MakeRun, damage: str) -> None:
    run = make_run()
    for path in (run / "candidates").glob("*.parquet"):
        path.unlink() if damage == "missing" else path.write_bytes(path.read_bytes()[:100])
    assert "Its equity file is not in the run folder" in Page(render_report(view_of(run))).text


def test_chained_stretches_equal_one_uninterrupted_curve(make_run: MakeRun) -> None:
    run = make_run()
    frame = equity.read_equity(run, read_job(run).candidates[0]["id"])
    assert frame is not None
    parts = equity.stretches(frame, "SPX", chained=True)
    spx = frame.filter(pl.col("symbol") == "SPX")
    ends = [spx.filter(pl.col("segment") == part.segment)["equity"][-1] for part in parts]
    assert [part.segment for part in parts] == ["in_sample", "validation", "lockbox"]
    assert parts[-1].growth["equity"][-1] == pytest.approx(ends[0] * ends[1] * ends[2], abs=1e-4)
    assert all(max(part.drawdown["equity"]) <= 0 for part in parts)
    assert all(len(part.dates) <= equity.MOST_POINTS + 1 for part in parts)


def test_drawdown_remembers_the_peak_of_the_stretch_before() -> None:
    days = pl.datetime_range(pl.datetime(2020, 1, 1), pl.datetime(2020, 1, 6), "1d", eager=True, time_zone="UTC")
    frame = pl.DataFrame(
        {
            "symbol": ["X"] * 6,
            "timestamp": days,
            "segment": ["in_sample"] * 3 + ["validation"] * 3,
            "equity": [1.0, 2.0, 1.0, 0.5, 1.0, 3.0],
            "benchmark": [1.0] * 6,
        }
    )
    first, second = equity.stretches(frame, "X", chained=True)
    assert first.drawdown["equity"] == [0.0, 0.0, -0.5]
    assert second.growth["equity"] == [0.5, 1.0, 3.0]
    assert second.drawdown["equity"] == [-0.75, -0.5, 0.0]
    alone = equity.stretches(frame, "X", chained=False)[1]
    assert alone.drawdown["equity"] == [-0.5, 0.0, 0.0]


def test_markup_escapes_text_and_passes_html() -> None:
    assert element("p", "a & b", Html("<b>c</b>"), class_='x"y') == '<p class="x&quot;y">a &amp; b<b>c</b></p>'
    assert joined("<", Html("<br>")) == "&lt;<br>"
    assert "&lt;td&gt;" in table(["h"], [["<td>"]])


def test_figures_are_dashes_where_undefined_and_not_read_where_unread() -> None:
    assert figure("sharpe", float("nan")) == "-"
    assert figure("profit_factor", None) == "-"
    assert figure("max_drawdown", 0.163) == "16.3 %"
    assert figure("total_return", 12.5) == "+1250 %"
    assert segment_figure({"lockbox": None}, "lockbox", "sharpe") == NOT_READ


CHOSEN = {
    "trials": {"n_births": 900, "n_evaluated": 700, "n_screened": 30, "n_refined": 8, "n_genomes": 650,
               "n_behaviours": 600, "n_jobs": 3},
    "spa": {"lower": 0.1, "consistent": 0.21, "upper": 0.3, "n_models": 590},
    "pbo": {"pbo": 0.31, "n_splits": 252, "probability_of_loss": 0.4,
            "logits": {"edges": [-1.0, 0.0, 1.0], "counts": [100, 152]}},
    "effective": {"n_clusters": 77, "participation": 12.3, "n_sampled": 500},
    "paths": {"sharpes": [0.5, -0.1], "median": 0.2, "low": -0.1},
}  # fmt: skip
FOUND = {
    "battery": [
        {"name": "delay", "title": "One bar late", "value": 0.8, "threshold": 0.5, "passed": True,
         "explanation": "keeps most"},
        {"name": "costs", "title": "Twice the costs", "value": None, "threshold": 0.0, "passed": False,
         "explanation": EVIL},
    ],
    "stability": {"n": 30, "n_alike": 4, "own": 1.5, "share_kept": 0.8, "median_sharpe": 1.2, "worst": -0.4},
    "stress": {"n_draws": 50, "share_above_0": 0.9,
               "quantiles": {"0.05": -0.1, "0.25": 0.2, "0.5": 0.6, "0.75": 0.9, "0.95": 1.1}},
    "sharpe_beyond": {"in_sample": 1.4, "validation": 0.2, "lockbox": None},
    "intervals": {"in_sample": {"sharpe": [0.3, 1.9], "sharpe_beyond": [0.2, 1.8], "cagr": [0.01, 0.3]},
                  "validation": {"sharpe": [-0.8, 1.9], "sharpe_beyond": None, "cagr": None}, "lockbox": None},
}  # fmt: skip


def examined(run: Path) -> JobView:
    view = read_job(run)
    chosen = {**(view.chosen or {}), **CHOSEN}
    records = tuple({**record, **FOUND} for record in view.candidates)
    return replace(view, chosen=chosen, candidates=records, elites=records[:1], n_trials=600)


def test_the_page_says_what_was_tried(make_run: MakeRun) -> None:
    text = Page(render_report(examined(make_run()))).text
    for part in (
        "600 ways of trading were tried on these bars, by 3 jobs", "Different ways of trading: N 600",
        "of these, seen by the screen alone 30", "Effective number 77", "among 500 of them", "SPA 0.210", "PBO 0.31",
        "Paths +0.20", "-0.10, +0.50", "with 2 earlier jobs", "The best of this job shows 1.40.",
    ):  # fmt: skip
        assert part in text, part
    assert (
        "Not known: no candidates were judged yet."
        in Page(render_report(read_job(make_run("b-1", finished=False)))).text
    )


def test_the_page_has_the_battery_of_each_detailed_candidate(make_run: MakeRun) -> None:
    page = Page(render_report(examined(make_run())))
    assert page.open == []
    assert page.text.count("Bias battery") == 4
    for part in (
        "One bar late 0.8 0.5 keeps most", "Twice the costs - 0", "30 strategies differ from it by one step of one",
        "so it keeps 80 % of its own +1.50", "drawn 50 times, its Sharpe was between -0.10 and +1.10",
        "in 95 % +0.30 to +1.90 -0.80 to +1.90 -", "Beyond holding +1.40 +0.20 -", "in 95 % +0.20 to +1.80 - -",
    ):  # fmt: skip
        assert part in page.text, part
    assert not any(tag == "img" for tag, _ in page.tags)


def test_the_histogram_of_ranks_is_split_at_the_middle(make_run: MakeRun) -> None:
    figure_of = luck.logit_figure(CHOSEN["pbo"]["logits"])
    (bars,) = figure_of["data"]
    assert bars["x"] == [-0.5, 0.5]
    assert bars["marker"]["color"] == ["@series-2", "@strategy"]
    plain, more = (
        len(json.loads(Page(render_report(v)).figures)) for v in (read_job(make_run("a-1")), examined(make_run()))
    )
    assert more == plain + 1


def test_a_gate_that_is_off_is_no_pass(make_run: MakeRun) -> None:
    record = read_job(make_run()).candidates[1]
    off = {"name": "spa", "value": 0.2, "threshold": None, "passed": True, "explanation": "switched off"}
    page = Page(gates.gate_list({**record, "gates": [off, *record["gates"]]}))
    assert page.text.startswith("off SPA 0.2 switched off passed trades")
    assert failed_gates(record) == ["dsr", "lockbox"]
