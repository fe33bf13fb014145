"""The page of `studbook bench`: one HTML file without a network, in the dress of the report."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cluster.report
from cluster.bench.measuring import Bench
from cluster.bench.rows import Row
from cluster.bench.where import PARTS, GenerationCost
from cluster.bench.words import HEAD, cells, conditions, remarks
from cluster.report.markup import Html, element, joined, section, table
from cluster.report.page import Page, json_for_script

COLOURS = ("@series-3", "@series-2", "@series-4", "@series-1", "@series-5", "@series-6")
READING = {
    "Time": "CPU time of one strategy on one shard; of a cold start, by the clock.",
    "M/s": "Million strategies a second, each on one shard.",
    "M bars/s": "Million strategy-bars a second: the bars of a strategy's windows, whether it is in the market or not.",
    "Whole generation": "Breeding, evaluation, ranking, duplicates and journal of a real job, per strategy and shard.",
}


def render_bench(bench: Bench) -> str:
    """Return the page as HTML."""
    page = Page()
    body = joined(
        _opening(bench),
        section("speed", "Speed", page.place(speed_figure(bench.rows), "Strategy-bars a second"), _table(bench)),
        _generation(bench.generation, page),
        section("counted", "What is counted", *(_row(row) for row in bench.rows)),
        section("reading", "How to read this", element("dl", *_terms(), class_="reading")),
    )
    return _document(body, page)


def _opening(bench: Bench) -> Html:
    missed = [row.name for row in bench.rows if row.reached is False]
    stamp = ("Every target reached", "passed") if not missed else ("Targets missed", "nothing")
    note = f"Missed here: {', '.join(missed)}." if missed else ""
    return element(
        "section",
        element("p", stamp[0], class_=f"stamp {stamp[1]}"),
        element("p", bench.exactness.text(), class_="verdict"),
        element("p", f"{bench.data}. {conditions(bench)} {note}", class_="lead"),
        id="verdict",
    )


def _table(bench: Bench) -> Html:
    return table(list(HEAD), [cells(row) for row in bench.rows])


def _row(row: Row) -> Html:
    return joined(element("h3", row.name), *(element("p", line) for line in remarks(row)))


def _terms() -> list[Html]:
    return [joined(element("dt", term), element("dd", meaning)) for term, meaning in READING.items()]


def speed_figure(rows: tuple[Row, ...]) -> Mapping[str, Any]:
    """Return strategy-bars a second, ours and those of others, on a logarithmic axis."""
    ours = [row for row in rows if row.bars_per_s is not None]
    named = {peer: f"{peer.name}, {row.name}" for row in reversed(rows) for peer in row.peers if peer.bars_per_s}
    peers = {name: peer for peer, name in reversed(named.items())}
    data = [
        _bars("Studbook, here", "@strategy", [(row.name, row.bars_per_s or 0.0) for row in ours]),
        _bars("Others, as quoted", "@benchmark", [(name, peer.bars_per_s or 0.0) for name, peer in peers.items()]),
    ]
    layout = {
        "height": 90 + 34 * (len(ours) + len(peers)),
        "barmode": "overlay",
        "xaxis": {
            "type": "log",
            "title": {"text": "Strategy-bars a second, logarithmic"},
            "tickformat": ".0s",
            "dtick": 1,
            "range": [6, 10],
        },
        "yaxis": {"autorange": "reversed", "type": "category"},
    }
    return {"data": data, "layout": layout}


def _bars(name: str, colour: str, points: list[tuple[str, float]]) -> Mapping[str, Any]:
    return {
        "type": "bar", "orientation": "h", "name": name, "y": [label for label, _ in points],
        "x": [round(value) for _, value in points], "marker": {"color": colour},
        "text": [f"{value / 1e6:,.0f} M" if value >= 1e7 else f"{value / 1e6:.1f} M" for _, value in points],
        "textposition": "auto", "cliponaxis": False, "hovertemplate": "%{y}: %{x:.3s} a second<extra></extra>",
    }  # fmt: skip


def _generation(cost: GenerationCost | None, page: Page) -> Html:
    if cost is None:
        return Html("")
    note = f"{cost.n_generations} generations, {cost.n_evaluated:,} strategies evaluated, journal included."
    figure = page.place(generation_figure(cost), "Where the time of a generation goes")
    return section("generation", "A whole generation", figure, element("p", note, class_="lead"))


def generation_figure(cost: GenerationCost) -> Mapping[str, Any]:
    """Return the CPU milliseconds of a generation by part, as one bar."""
    data = [
        {
            "type": "bar", "orientation": "h", "name": part, "y": ["a generation"],
            "x": [round(1e3 * cost.cpu[part] / cost.n_generations, 3)], "marker": {"color": colour},
            "hovertemplate": f"{part}: %{{x:.2f}} ms<extra></extra>",
        }
        for part, colour in zip(PARTS, COLOURS, strict=True)
    ]  # fmt: skip
    layout = {
        "height": 190,
        "barmode": "stack",
        "xaxis": {"title": {"text": "CPU milliseconds"}},
        "yaxis": {"showticklabels": False},
    }
    return {"data": data, "layout": layout}


def _document(body: Html, page: Page) -> str:
    from plotly.offline import get_plotlyjs

    folder = Path(cluster.report.__file__).parent
    style, script = (Html((folder / name).read_text(encoding="utf-8")) for name in ("style.css", "figures.js"))
    head = joined(
        Html('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
        Html('<meta name="color-scheme" content="light dark">'),
        element("title", "Studbook bench"),
        element("style", style),
    )
    masthead = element("header", element("p", "Studbook", class_="mark"), element("h1", "Bench"))
    scripts = joined(
        element("script", Html(json_for_script(page.figures)), type="application/json", id="figures"),
        element("script", Html(str(get_plotlyjs()))),
        element("script", script),
    )
    main = element("main", masthead, body)
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>{main}{scripts}</body></html>\n'
