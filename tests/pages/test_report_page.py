"""The report in a real Chromium: from disk, in a sandboxed frame as MLflow has it, dark, narrow, on paper."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from cluster.report import write_report
from cluster.view import read_job
from tests.cluster.conftest import write_run
from tests.pages.conftest import SIZE, watched

DRAWN = """() => [...document.querySelectorAll("[data-figure]")]
    .every((place) => !place.clientWidth || place.querySelector(".main-svg"))"""
FRAME = """(html) => {
    const frame = document.createElement("iframe");
    frame.setAttribute("sandbox", "allow-scripts");
    frame.style = "width: 900px; height: 800px; border: 0";
    frame.src = URL.createObjectURL(new Blob([html], { type: "text/html" }));
    document.body.append(frame);
}"""
"""How MLflow 3.17 shows an HTML artifact: a blob in a frame that may run scripts and has no origin."""


def trades(strategy: str, run: Path) -> None:
    """Trades of a candidate, hundreds on one shard and none on the other."""
    rng, n = np.random.default_rng(4), 300
    entries = [datetime(2000, 2, 1, tzinfo=UTC) + timedelta(days=3 * row) for row in range(n)]
    prices = rng.uniform(90, 110, (2, n))
    pl.DataFrame(
        {
            "symbol": ["SPX"] * n, "timeframe": ["1d"] * n, "segment": ["in_sample"] * n, "side": ["long"] * n,
            "entry_time": entries, "exit_time": [moment + timedelta(days=2) for moment in entries],
            "entry_bar": np.arange(n) * 3, "exit_bar": np.arange(n) * 3 + 2, "entry_price": prices[0],
            "exit_price": prices[1], "profit_share": prices[1] / prices[0] - 1, "exit_reason": ["rule"] * n,
        }
    ).write_parquet(run / "candidates" / f"{strategy}.trades.parquet")  # fmt: skip


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of three elites with a genealogy beside it."""
    run = write_run(tmp_path_factory.mktemp("runs"), "hand-20261121T100000-00aa", n_elites=3)
    view = read_job(run)
    for record in view.candidates:
        trades(record["id"], run)
    (run / "genealogy.html").write_text("<!doctype html><title>Genealogy</title>", encoding="utf-8")
    return write_report(view)


@pytest.fixture(scope="module")
def loaded(browser: Any, report: Path) -> Iterator[Any]:
    """The report, opened from disk and drawn once for all tests: plotly is 4.8 MB."""
    context = browser.new_context(viewport=SIZE)
    page = watched(context.new_page())
    page.goto(report.as_uri())
    page.wait_for_function(DRAWN)
    yield page
    context.close()


@pytest.fixture
def opened(loaded: Any) -> Iterator[Any]:
    """The report as it was first seen: 1280 wide, light, on the screen."""
    loaded.emulate_media(media="screen", color_scheme="light")
    loaded.set_viewport_size(SIZE)
    yield loaded
    assert loaded.faults == []


def paint(page: Any) -> tuple[Any, Any]:
    """The colour of the paper and of the first line that plotly drew on it."""
    return page.evaluate(
        """() => [getComputedStyle(document.body).backgroundColor,
                  getComputedStyle(document.querySelector(".js-line")).stroke]"""
    )


def test_every_figure_is_drawn_from_disk_without_a_network(opened: Any) -> None:
    assert {url.split(":")[0] for url in opened.requested} <= {"file", "data", "blob"}
    assert opened.locator("[data-figure] .main-svg").count() > 10
    beside = opened.locator("a[data-sibling]").evaluate("(link) => link.href")
    assert Path(beside.removeprefix("file://")).read_text(encoding="utf-8").startswith("<!doctype html>")


def test_every_trade_is_a_mark_and_another_shard_can_be_chosen(opened: Any) -> None:
    choice = opened.locator(".choice").first
    marks = "() => document.querySelectorAll('.choice')[0].querySelectorAll('.point').length"
    assert opened.evaluate(marks) == 2 * 300
    choice.locator("select").select_option(index=1)
    opened.wait_for_function(f"{marks.removeprefix('() => ')} === 0")
    assert choice.locator(".chosen").text_content() == "IXIC 1d, 0 trades"


def test_the_colours_follow_light_and_dark(opened: Any) -> None:
    light = paint(opened)
    opened.emulate_media(color_scheme="dark")
    opened.wait_for_function("was => getComputedStyle(document.querySelector('.js-line')).stroke !== was", arg=light[1])
    dark = paint(opened)
    assert light[0] == "rgb(252, 251, 248)"
    assert dark[0] == "rgb(21, 24, 28)"


def test_a_narrow_window_needs_no_sideways_scrolling(opened: Any) -> None:
    opened.set_viewport_size({"width": 360, "height": 800})
    fits = "() => [...document.querySelectorAll('.main-svg')].every((one) => one.clientWidth <= 340)"
    opened.wait_for_function(fits)
    opened.wait_for_function("() => document.documentElement.scrollWidth <= 360")  # once all is laid out anew


def test_paper_has_all_details_light_colours_and_no_cut_figure(opened: Any) -> None:
    page = opened
    page.emulate_media(color_scheme="dark")
    n_closed = page.locator("details:not([open])").count()
    page.evaluate("() => window.dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print", color_scheme="dark")
    page.set_viewport_size({"width": 695, "height": 980})  # A4 within its margins
    assert page.locator("details:not([open])").count() == 0
    assert page.evaluate(DRAWN)
    assert paint(page)[0] == "rgb(255, 255, 255)"
    assert page.evaluate("() => getComputedStyle(document.body).color") == "rgb(29, 33, 38)"
    assert page.evaluate("() => Math.max(...[...document.querySelectorAll('.main-svg, table')].map((one) => "
                         "one.getBoundingClientRect().right))") <= 695  # fmt: skip
    page.evaluate("() => window.dispatchEvent(new Event('afterprint'))")
    assert page.locator("details:not([open])").count() == n_closed > 0
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_in_a_sandboxed_frame_it_is_drawn_navigable_and_without_a_broken_link(page: Any, report: Path) -> None:
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text))
    page.set_content("<!doctype html><body style='margin: 0'></body>")
    probe = f"""<script>
        const drawn = {DRAWN};
        const wait = () => setTimeout(() => {{
            if (!drawn()) return wait();
            document.querySelector('nav a[href="#luck"]').click();
            const nav = document.querySelector("nav").innerText;
            const told = () => {{
                const top = document.getElementById("luck").getBoundingClientRect().top;
                if (Math.abs(top) > 300) return setTimeout(told, 50); // still on its way
                console.log("PROBE" + JSON.stringify({{
                    nav, figures: document.querySelectorAll(".main-svg").length, scrolled: scrollY,
                    links: document.querySelectorAll("a:not([href^='#'])").length,
                }}));
            }};
            told();
        }}, 50);
        wait();
    </script>"""
    page.evaluate(FRAME, report.read_text(encoding="utf-8").replace("</body>", f"{probe}</body>"))
    with page.expect_console_message(lambda message: message.text.startswith("PROBE"), timeout=60_000) as message:
        pass
    found = json.loads(message.value.text.removeprefix("PROBE"))
    assert found["figures"] > 10
    assert found["scrolled"] > 0
    assert found["links"] == 0
    assert "Genealogy: open genealogy.html, which lies beside this page" in found["nav"]
    assert page.faults == []
