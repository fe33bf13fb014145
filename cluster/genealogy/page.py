"""The genealogy page: `genealogy.html` in a run folder, one HTML file without a network, the same bytes every time."""

import re
from pathlib import Path
from typing import Any, Final

import numpy as np

from cluster.births_file import read_births
from cluster.genealogy.drawing import family_ranks, places
from cluster.genealogy.drawing_columns import MOST_LISTED, birth_columns, change_columns, rule_columns, shown
from cluster.genealogy.drawing_rules import judged_births, mattering, rules_of
from cluster.genealogy.table import lines_of_births
from cluster.report.markup import Html, element, joined
from cluster.report.page import json_for_script
from cluster.run_folder import GENEALOGY_FILE
from cluster.view import FINISHED, JobView
from cluster.worker import language_of
from evolution.pedigree import OPERATORS, Births
from fitness.files import atomic_write_text
from fitness.objectives import REASONS
from strategies.species import SPECIES

RULES_BYTES: Final = 8 * 2**20
"""Of the texts of rules: with a page full of births this stays below 25 MiB, half of what MLflow shows."""
_SCRIPTS: Final = tuple(f"genealogy{part}.js" for part in ("_data", "_tree", "_overlay", "_panel", ""))


def write_genealogy(view: JobView, births: Births | None = None) -> Path:
    """Write the genealogy page of a job into its run folder, whole or not at all, and return its path.

    Args:
        view: of the job, finished or not.
        births: all that is journalled, if they are at hand; else they are read from the run folder.

    Raises:
        JournalError: the births are missing, damaged, or no closed pedigree.
    """
    path = view.run_dir / GENEALOGY_FILE
    atomic_write_text(path, render_genealogy(view, births))
    return path


def render_genealogy(view: JobView, births: Births | None = None) -> str:
    """Return the genealogy page of a job as HTML; see `write_genealogy`."""
    if not view.n_births:
        return _document(view, element("p", "Nothing was born yet, so there is no tree to draw.", class_="empty"), None)
    return _document(view, Html(_file("genealogy_body.html")), page_data(view, births))


def page_data(view: JobView, births: Births | None = None) -> dict[str, Any]:
    """Return what the page draws, as plain values; births are in ascending order of id, parents are rows of them."""
    everyone = read_births(view.run_dir, view.epochs) if births is None else births
    lines = lines_of_births(everyone)
    judged = [int(one["row"]) for one in judged_births(view, lines)]
    wanted = mattering(everyone, lines, judged)
    kept = np.zeros(len(everyone), dtype=np.bool_)
    kept[wanted] = True
    on_page = shown(everyone, lines, kept)
    births = everyone.take(on_page)
    lines = lines_of_births(births)
    language = language_of(view.config)
    candidates = judged_births(view, lines)
    wanted = mattering(births, lines, [int(one["row"]) for one in candidates])
    rules = rules_of(births, wanted, language, budget_bytes=RULES_BYTES)
    return {
        "job": {
            "name": view.name,
            "id": view.id,
            "status": view.status,
            "objective": view.config.evolution.objectives[0].replace("_", " "),
            "n_births": len(everyone),
        },
        "operators": OPERATORS,
        "species": SPECIES,
        "reasons": REASONS,
        "births": birth_columns(births, lines, places(births, lines), family_ranks(births, lines)),
        "changes": change_columns(births, lines, language) if len(births) <= MOST_LISTED else None,
        "rules": rule_columns(rules),
        "candidates": candidates,
    }


def _document(view: JobView, body: Html, data: dict[str, Any] | None) -> str:
    head = joined(
        Html('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
        Html('<meta name="color-scheme" content="light dark">'),
        element("title", f"{view.name}: Studbook genealogy"),
        element("style", Html(_file("genealogy.css"))),
    )
    state = "" if view.status == FINISHED else f" · {view.status}, drawn as far as it is journalled"
    masthead = element(
        "header",
        element("p", "Studbook genealogy", class_="mark"),
        element("h1", view.name),
        element("p", f"{view.id} · begun {view.created_at[:16].replace('T', ' ')} UTC{state}", class_="lead"),
    )
    scripts = Html("")
    if data is not None:
        code = "\n".join(re.sub(r"^\"use strict\";\n", "", _file(name)) for name in _SCRIPTS)
        scripts = joined(
            element("script", Html(json_for_script(data)), type="application/json", id="data"),
            element("script", Html(f'"use strict";\n(() => {{\n{code}\n}})();')),
        )
    main = element("main", masthead, body)
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>{main}{scripts}</body></html>\n'


def _file(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")
