"""How a candidate stood at the gates, and how sure its figures are."""

from collections.abc import Mapping
from typing import Any

from cluster.report.markup import Html, element
from cluster.report.numbers import NOT_READ, NOTHING, SEGMENTS, figure, threshold_figure

TITLES = {"dsr": "deflated Sharpe", "spa": "SPA", "pbo": "overfitting (PBO)", "battery": "bias battery"}


def gate_list(record: Mapping[str, Any]) -> Html:
    """Return the gates of a candidate, a line each, with the lockbox last: read, or why not."""
    items = []
    for gate in record["gates"]:
        figures = f"{threshold_figure(gate['value'])} against {threshold_figure(gate['threshold'])}"
        mark = chip(bool(gate["passed"]), "passed", "failed")
        if gate["threshold"] is None:
            mark, figures = element("span", "off", class_="chip"), threshold_figure(gate["value"])
        name = element("strong", TITLES.get(gate["name"], str(gate["name"]).replace("_", " ")))
        items.append(
            element("li", mark, name, element("span", figures, class_="num"), element("p", gate["explanation"]))
        )
    if record["lockbox"] is None:
        text = "The lockbox was not read for this candidate: it failed a gate before."
        mark = element("span", NOT_READ, class_="chip")
        items.append(element("li", mark, element("strong", "lockbox"), element("span"), element("p", text)))
    return element("ul", *items, class_="gates")


def chip(passed: bool, good: str, bad: str) -> Html:
    """Return a mark that says `good` or `bad`."""
    return element("span", good if passed else bad, class_=f"chip {'good' if passed else 'bad'}")


def interval_rows(record: Mapping[str, Any], measure: str) -> list[list[str]]:
    """Return rows of a table of segments that belong under `measure`: its interval, and the Sharpe beyond holding."""
    known = record.get("intervals") or {}
    if not known or measure not in ("sharpe", "cagr"):
        return []
    rows = [_interval_row(known, measure, measure)]
    if measure == "sharpe":
        beyond = record.get("sharpe_beyond") or {}
        rows.append(["Beyond holding", *(figure(measure, beyond.get(segment)) for segment in SEGMENTS), ""])
        rows.append(_interval_row(known, "sharpe_beyond", measure))
    return rows


def _interval_row(known: Mapping[str, Any], name: str, measure: str) -> list[str]:
    cells = []
    for segment in SEGMENTS:
        ends = (known.get(segment) or {}).get(name)
        cells.append(NOTHING if ends is None else f"{figure(measure, ends[0])} to {figure(measure, ends[1])}")
    return ["\u2003in 95 %", *cells, ""]
