"""What was asked of a candidate unasked: the bias battery, its neighbours, and rough weather."""

from collections.abc import Mapping
from typing import Any

from cluster.report.gates import chip
from cluster.report.markup import Html, element
from cluster.report.numbers import figure, threshold_figure


def battery_block(record: Mapping[str, Any]) -> list[Html]:
    """Return the tables of a candidate record, in a list; an empty one where it was not examined."""
    findings = record.get("battery")
    if not findings:
        return []
    titles = ("", "Test", "Value", "Threshold", "What it means")
    head = element("tr", *(element("th", title, scope="col") for title in titles))
    rows = [_row(one) for one in findings]
    body = element("table", element("thead", head), element("tbody", *rows), class_="battery")
    lead = "Asked of every candidate, on the folds: does the result survive what it should survive?"
    lines = [line for line in (stability_sentence(record), stress_sentence(record)) if line]
    return [
        element("h3", "Bias battery"),
        element("p", lead, class_="lead"),
        element("div", body, class_="scroll"),
        *(element("p", line) for line in lines),
    ]


def _row(one: Mapping[str, Any]) -> Html:
    value, threshold = threshold_figure(one["value"]), threshold_figure(one["threshold"])
    return element(
        "tr",
        element("td", chip(bool(one["passed"]), "passed", "failed")),
        element("td", element("strong", one["title"])),
        element("td", value, class_="num"),
        element("td", threshold, class_="num"),
        element("td", one["explanation"]),
    )


def stability_sentence(record: Mapping[str, Any]) -> str:
    """Return what becomes of a candidate when one of its numbers moves by a step; empty where that is not known."""
    found = record.get("stability")
    if not found:
        return ""
    kept = found["share_kept"]
    keeps = "" if kept is None else f", so it keeps {100 * kept:.0f} % of its own {figure('sharpe', found['own'])}"
    alike = f"; {found['n_alike']} of them trade just as it does" if found["n_alike"] else ""
    return (
        f"Neighbours: {found['n']} strategies differ from it by one step of one number{alike}. The others have a "
        f"Sharpe of {figure('sharpe', found['median_sharpe'])} in the middle and {figure('sharpe', found['worst'])} at "
        f"worst{keeps}."
    )


def stress_sentence(record: Mapping[str, Any]) -> str:
    """Return what becomes of a candidate where costs and fills are not as assumed; empty where that is not known."""
    found = record.get("stress")
    if not found or found["share_above_0"] is None:
        return ""
    levels = found["quantiles"]
    return (
        f"Rough weather: with costs from half to three times the assumed ones, orders up to two bars late and up to a "
        f"fifth of the entries missed, drawn {found['n_draws']} times, its Sharpe was between "
        f"{figure('sharpe', levels['0.05'])} and {figure('sharpe', levels['0.95'])} in nine of ten cases, "
        f"{figure('sharpe', levels['0.5'])} in the middle, and above 0 in {100 * found['share_above_0']:.0f} %."
    )
