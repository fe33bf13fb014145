"""The report page: one HTML file without a network, made from a job's view and its run folder alone."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cluster.prices import prices_of
from cluster.report import (
    attribution,
    charts,
    equity,
    families,
    luck,
    map_elites,
    pareto,
    portfolio,
    regimes,
    running,
    sections,
    trades,
)
from cluster.report.births import read_report_births
from cluster.report.markup import Html, element, joined, section
from cluster.report.numbers import by_merit
from cluster.report.places import Page
from cluster.run_folder import GENEALOGY_FILE

if TYPE_CHECKING:
    from cluster.view import JobView

__all__ = ["Page", "json_for_script", "render_report"]

DETAILED: Final = 5
_NAVIGATION: Final = {
    "verdict": "Verdict",
    "candidates": "Strategies",
    "portfolio": "Portfolio",
    "convergence": "Breeding",
    "pareto": "Pareto front",
    "behaviours": "Ways to behave",
    "species": "Species",
    "tried": "What was tried",
    "luck": "Luck",
    "regimes": "Regimes",
    "data": "Data",
    "running": "How it ran",
    "config": "Job file",
    "reading": "How to read this",
}


def render_report(view: "JobView") -> str:
    """Return the page of a job as HTML."""
    page = Page()
    births = read_report_births(view)
    body = joined(
        sections.verdict_section(view),
        sections.candidates_section(view),
        *_strategies(view, page),
        portfolio.portfolio_section(view, page.place),
        _breeding(view, page),
        pareto.pareto_section(view, births, page),
        map_elites.map_elites_section(view, births, page),
        families.species_section(view, page),
        *luck.luck_sections(view, page.place),
        regimes.market_section(view, page),
        sections.data_section(view),
        running.running_section(view, page.place),
        sections.config_section(view),
        sections.reading_section(),
    )
    return _document(view, body, page)


def _strategies(view: "JobView", page: Page) -> list[Html]:
    """The best candidates in full, elites first."""
    ordered = by_merit(view.candidates)[:DETAILED]
    prices, note = prices_of(view) if ordered else (None, "")
    return [
        sections.strategy_section(
            record,
            *_curves(view, record, page),
            *trades.trades_block(record, trades.read_trades(view.run_dir, record["id"]), prices, page, note=note),
            *attribution.attribution_block(record),
        )
        for record in ordered
    ]


def _curves(view: "JobView", record: Mapping[str, Any], page: Page) -> list[Html]:
    frame = equity.read_equity(view.run_dir, record["id"])
    pooled = [] if frame is None else equity.stretches(frame, equity.POOL, chained=False)
    if frame is None or not pooled:
        return [element("p", "Its equity file is not in the run folder, so there is no curve.", class_="lead")]
    figure = charts.pooled_figure(pooled, lockbox_read=record["lockbox"] is not None)
    note = "All shards as one account of equal weight; each stretch begins at 1."
    whole = [page.place(figure, f"Equity of {record['id']}"), element("p", note, class_="lead")]
    symbols = equity.symbols_of(frame)
    if len(symbols) < 2:
        return whole
    alone = [
        page.place(charts.shard_figure(symbol, equity.stretches(frame, symbol, chained=True)), f"Equity on {symbol}")
        for symbol in symbols
    ]
    grid = element("div", *alone, class_="grid")
    return [*whole, element("details", element("summary", f"Each of {len(symbols)} shards on its own"), grid)]


def _breeding(view: "JobView", page: Page) -> Html:
    if not view.epochs:
        return section("convergence", "Breeding", element("p", "No epoch is finished yet."))
    objective = view.config.evolution.objectives[0]
    title = objective.replace("_", " ").capitalize()
    text = (
        "Best (solid) and mean (dotted) of the first objective in sample, generation by generation. The diamonds are "
        "the validation Sharpe of each epoch's best: where lines rise and diamonds do not, evolution learns the noise."
    )
    screen = sections.screen_text(view)
    return section(
        "convergence",
        "Breeding",
        element("p", text, class_="lead"),
        page.place(charts.convergence_figure(view.epochs, objective, title), "Convergence"),
        *([element("p", screen, class_="lead")] if screen else []),
        element("h3", "Diversity"),
        element(
            "p", "How far apart the genomes are (solid) and how many founders have descendants (dotted).", class_="lead"
        ),
        page.place(charts.diversity_figure(view.epochs), "Diversity"),
    )


def _document(view: "JobView", body: Html, page: Page) -> str:
    title = f"{view.name}: Studbook report"
    links = [element("a", name, href=f"#{anchor}") for anchor, name in _NAVIGATION.items() if f'id="{anchor}"' in body]
    links += _sibling(view)
    masthead = element(
        "header",
        element("p", "Studbook", class_="mark"),
        element("h1", view.name),
        element("p", f"{view.id} · begun {view.created_at[:16].replace('T', ' ')} UTC", class_="lead"),
        element("nav", *links, aria_label="Sections of this page"),
    )
    footer = element(
        "footer",
        "Past performance, simulated or real, says little about the future. No advice. "
        f"Proof: `studbook verify {view.id}` makes every figure of the candidates again.",
    )
    head = joined(
        Html('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
        Html('<meta name="color-scheme" content="light dark">'),
        element("title", title),
        element("style", Html(_file("style.css"))),
    )
    scripts = joined(
        element("script", Html(json_for_script(page.figures)), type="application/json", id="figures"),
        element("script", Html(json_for_script(page.shared)), type="application/json", id="shared"),
        element("script", Html(_plotly())) if page.figures else Html(""),
        element("script", Html(_file("figures.js"))),
    )
    main = element("main", masthead, body, footer)
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>{main}{scripts}</body></html>\n'


def _sibling(view: "JobView") -> list[Html]:
    """The way to the genealogy, in a list, if it lies beside; where a page has no neighbours the script says where."""
    if not (view.run_dir / GENEALOGY_FILE).is_file():
        return []
    where = f"Genealogy: open {GENEALOGY_FILE}, which lies beside this page"
    return [element("a", "Genealogy", href=GENEALOGY_FILE, data_sibling=where)]


def json_for_script(value: object) -> str:
    """Return JSON that may stand inside a script element: it can neither close it nor open a comment."""
    text = json.dumps(value, allow_nan=False, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _file(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


@cache
def _plotly() -> str:
    """Plotly's own script, 4.8 MB, from the installed package: the page needs no network."""
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())
