"""What a walk-forward leaves behind: a JSON document, and a page with the stitched curve that needs no network."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

import cluster.report
from cluster.journal import plain
from cluster.market import iso_time
from cluster.report.markup import Html, element, joined, section, table
from cluster.report.page import Page, json_for_script
from cluster.walk_forward import WalkForward
from fitness.files import atomic_write_text
from fitness.pooled import Pool, equity

MOST_POINTS: Final = 1500
_HEAD: Final = ["Window", "From", "To", "Evaluated", "In sample", "Out of sample", "Buy and hold", "Efficiency"]
_READING: Final = (
    "For every window the whole search was run on the bars before it, and what it would have chosen then was traded on "
    "the window. The curve is the windows one after the other. Efficiency is the Sharpe ratio out of sample over that "
    "in sample: far below 1 says that the search fits noise."
)


def write_walk_forward(found: WalkForward) -> dict[str, Any]:
    """Write walk-forward.json and walk-forward.html into its folder, and return the document.

    Raises:
        OSError: the disk refused.
    """
    places = {name: found.folder / f"walk-forward.{name}" for name in ("json", "html")}
    document: dict[str, Any] = plain({**found.to_dict(), "files": {name: str(path) for name, path in places.items()}})
    curve = {"timestamp": [iso_time(stamp) for stamp in found.stitched.timestamps.tolist()],
             "return": found.stitched.returns.tolist(), "benchmark": found.held.returns.tolist()}  # fmt: skip
    text = json.dumps({**document, "curve": curve}, indent=2, allow_nan=False)
    atomic_write_text(places["json"], text + "\n")
    atomic_write_text(places["html"], render_walk_forward(found, document))
    return document


def render_walk_forward(found: WalkForward, document: Mapping[str, Any]) -> str:
    """Return the page as HTML."""
    page = Page()
    good = found.sharpe.low > 0.0
    body = joined(
        element(
            "section",
            element("p", "Above 0" if good else "Not above 0", class_=f"stamp {'passed' if good else 'nothing'}"),
            element("p", found.sentence(), class_="verdict"),
            id="verdict",
        ),
        section("curve", "Out of sample", page.place(stitched_figure(found), "Stitched out-of-sample curve")),
        section("windows", "Window by window", table(list(_HEAD), [_row(row) for row in document["windows"]])),
        section("choice", "What was chosen", *(_choice(row) for row in document["windows"])),
        section("reading", "How to read this", element("p", _READING)),
    )
    return _document(document["job"], body, page)


def stitched_figure(found: WalkForward) -> Mapping[str, Any]:
    """Return the growth of 1 over all windows, beside buying and holding; every second window is shaded."""
    data = [
        {"type": "scatter", "mode": "lines", "name": name, **_curve(series), "line": {"color": colour, "width": width},
         "hovertemplate": "%{y:.3f}"}
        for name, colour, width, series in (
            ("Buy and hold", "@benchmark", 1.2, found.held), ("Walk-forward", "@strategy", 1.8, found.stitched)
        )
    ]  # fmt: skip
    shapes = [
        {"type": "rect", "xref": "x", "yref": "paper", "x0": one.start[:10], "x1": one.end[:10], "y0": 0, "y1": 1,
         "line": {"width": 0}, "fillcolor": "@band-validation", "layer": "below"}
        for one in found.windows[1::2]
    ]  # fmt: skip
    growth = {"type": "log", "title": {"text": "Growth of 1"}, "tickformat": ".3~g", "nticks": 6}
    layout = {"height": 430, "hovermode": "x unified", "shapes": shapes, "xaxis": {"type": "date"}, "yaxis": growth}
    return {"data": data, "layout": layout}


def _curve(series: Pool) -> dict[str, list[Any]]:
    """Times and growth, thinned."""
    n = series.returns.size
    places = np.unique(np.r_[0 : n : max(1, -(-n // MOST_POINTS)), n - 1])
    growth = equity(series.returns)
    times = [iso_time(stamp)[:19] for stamp in series.timestamps[places].tolist()]
    return {"x": times, "y": [round(value, 5) for value in growth[places].tolist()]}


def _row(row: Mapping[str, Any]) -> list[str]:
    figures = ["-" if row[name] is None else f"{row[name]:.2f}" for name in _FIGURES]
    return [str(row["number"]), row["start"][:10], row["end"][:10], f"{row['n_evaluated']:,}", *figures]


_FIGURES: Final = ("in_sample", "out_of_sample", "held", "efficiency")


def _choice(row: Mapping[str, Any]) -> Html:
    rules = [element("p", text) for text in row["texts"]] or [element("p", "Nothing was feasible: cash.")]
    return joined(element("h3", f"Window {row['number']}, on {', '.join(row['shards'])}"), *rules)


def _document(name: str, body: Html, page: Page) -> str:
    from plotly.offline import get_plotlyjs

    folder = Path(cluster.report.__file__).parent
    style, script = (Html((folder / file).read_text(encoding="utf-8")) for file in ("style.css", "figures.js"))
    head = joined(
        Html('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
        Html('<meta name="color-scheme" content="light dark">'),
        element("title", f"{name}: walk-forward"),
        element("style", style),
    )
    masthead = element("header", element("p", "Studbook", class_="mark"), element("h1", f"{name}: walk-forward"))
    scripts = joined(
        element("script", Html(json_for_script(page.figures)), type="application/json", id="figures"),
        element("script", Html(str(get_plotlyjs()))),
        element("script", script),
    )
    main = element("main", masthead, body)
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>{main}{scripts}</body></html>\n'
