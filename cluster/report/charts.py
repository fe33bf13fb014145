"""Figures as plain plotly dicts. Colours are names with an @, which the page's script reads from its style sheet."""

from collections.abc import Mapping, Sequence
from typing import Any

from cluster.report.equity import Stretch
from cluster.report.numbers import SEGMENTS, as_number

Figure = dict[str, Any]
BANDS = {"validation": "@band-validation", "lockbox": "@band-lockbox"}
ISLANDS = ("@series-1", "@series-2", "@series-3", "@series-4", "@series-5", "@series-6")
LINES = (("equity", "Strategy", "@strategy", 1.8), ("benchmark", "Buy and hold", "@benchmark", 1.2))
PANEL_GAP = 0.012
UNREAD_WIDTH = 0.16


def pooled_figure(parts: Sequence[Stretch], *, lockbox_read: bool) -> Figure:
    """Return all shards as one account: a panel a segment, growth of 1 on a logarithmic axis over the drawdown.

    Each segment begins at 1: shards that begin and end at different times make the segments of the pool overlap.
    """
    data: list[Figure] = []
    layout: Figure = {
        "height": 430,
        "hovermode": "x unified",
        "yaxis": {
            "type": "log",
            "title": {"text": "Growth of 1"},
            "tickformat": ".3~g",
            "nticks": 6,
            "domain": [0.34, 1],
        },
        "yaxis2": {"tickformat": ".0%", "title": {"text": "Drawdown"}, "nticks": 4, "domain": [0, 0.26]},
        "shapes": [],
        "annotations": [],
    }
    for number, (part, (left, right)) in enumerate(
        zip(parts, _domains(parts, lockbox_read=lockbox_read), strict=False)
    ):
        suffix = str(number + 1) if number else ""
        data += _panel_lines(part, suffix, legend=number == 0)
        layout[f"xaxis{suffix}"] = {
            "type": "date",
            "domain": [left, right],
            "anchor": "y2",
            "nticks": 8 if right - left > 0.4 else 3,
            "tickangle": 0,
        }
        layout["shapes"] += band(part.segment, left, right, "paper")
        layout["annotations"].append(label(SEGMENTS[part.segment], left, "paper"))
    if not lockbox_read:
        layout["shapes"] += band("lockbox", 1 - UNREAD_WIDTH, 1.0, "paper")
        layout["annotations"].append(label("Lockbox: not read", 1 - UNREAD_WIDTH, "paper"))
    return {"data": data, "layout": layout}


def _domains(parts: Sequence[Stretch], *, lockbox_read: bool) -> list[tuple[float, float]]:
    """Where each panel begins and ends, as shares of the width: by the number of bars, but none too narrow."""
    room = 1.0 if lockbox_read else 1.0 - UNREAD_WIDTH - PANEL_GAP
    weights = [max(part.n_bars, max(other.n_bars for other in parts) / 3) for part in parts]
    unit = (room - PANEL_GAP * (len(parts) - 1)) / sum(weights)
    domains, left = [], 0.0
    for weight in weights:
        domains.append((round(left, 4), round(left + weight * unit, 4)))
        left += weight * unit + PANEL_GAP
    return domains


def _panel_lines(part: Stretch, suffix: str, *, legend: bool) -> list[Figure]:
    """Both curves of a segment, and both drawdowns below."""
    lines: list[Figure] = []
    for curve, name, colour, width in reversed(LINES):
        common = {"type": "scatter", "mode": "lines", "x": part.dates, "xaxis": f"x{suffix}", "legendgroup": curve}
        line = {"color": colour, "width": width}
        lines.append({**common, "name": name, "y": part.growth[curve], "line": line, "showlegend": legend,
                      "hovertemplate": "%{y:.2f}"})  # fmt: skip
        fill = {"fill": "tozeroy", "fillcolor": "@strategy-soft"} if curve == "equity" else {}
        lines.append({**common, "name": f"{name}, drawdown", "y": part.drawdown[curve], "yaxis": "y2", **fill,
                      "line": {"color": colour, "width": width * 0.7}, "showlegend": False,
                      "hovertemplate": "%{y:.1%}"})  # fmt: skip
    return lines


def band(segment: str, left: float | str, right: float | str, xref: str = "x") -> list[Figure]:
    """Return the shade of a stretch, in a list; an empty one where it has none."""
    if segment not in BANDS:
        return []
    return [{"type": "rect", "xref": xref, "yref": "paper", "x0": left, "x1": right, "y0": 0, "y1": 1,
             "line": {"width": 0}, "fillcolor": BANDS[segment], "layer": "below"}]  # fmt: skip


def label(text: str, left: float | str, xref: str = "x") -> Figure:
    """Return the name of a stretch, above its beginning."""
    return {"text": text, "x": left, "xref": xref, "y": 1.0, "yref": "paper", "yanchor": "bottom", "xanchor": "left",
            "showarrow": False, "font": {"size": 12, "color": "@muted"}}  # fmt: skip


def shard_figure(symbol: str, parts: Sequence[Stretch]) -> Figure:
    """Return one shard in small: the segments chained, validation and lockbox shaded."""
    data = [
        {"type": "scatter", "mode": "lines", "name": name, "x": [day for part in parts for day in part.dates],
         "y": [value for part in parts for value in part.growth[curve]], "line": {"color": colour, "width": width},
         "showlegend": False, "hovertemplate": "%{y:.2f}"}
        for curve, name, colour, width in reversed(LINES)
    ]  # fmt: skip
    bands = [shade for part in parts for shade in band(part.segment, part.dates[0], part.dates[-1])]
    layout: Figure = {"height": 220, "title": {"text": symbol}, "shapes": bands, "hovermode": "x unified",
                      "xaxis": {"type": "date", "nticks": 5},
                      "yaxis": {"type": "log", "tickformat": ".3~g", "nticks": 5}}  # fmt: skip
    return {"data": data, "layout": layout}


def convergence_figure(epochs: Sequence[Mapping[str, Any]], objective: str, title: str) -> Figure:
    """Return best and mean of the first objective over generations, and the validation Sharpe of the best."""
    data: list[Figure] = []
    for island, rows in sorted(_by_island(epochs).items()):
        stats = [stats for row in rows for stats in row["stats"]]
        for which, dash, width in (("best", "solid", 2.0), ("mean", "dot", 1.2)):
            points = [(one["generation"], as_number((one.get(which) or {}).get(objective))) for one in stats]
            data.append(_line(island, which, points, dash=dash, width=width))
        points = [(row["stats"][-1]["generation"], _validation(row)) for row in rows]
        marker = {"color": _colour(island), "symbol": "diamond-open", "size": 7}
        data.append({**_line(island, "validation Sharpe", points), "mode": "markers", "marker": marker})
    return {"data": data, "layout": _over_generations(title)}


def diversity_figure(epochs: Sequence[Mapping[str, Any]]) -> Figure:
    """Return the gene spread and the number of families over generations, per island."""
    data: list[Figure] = []
    for island, rows in sorted(_by_island(epochs).items()):
        stats = [stats for row in rows for stats in row["stats"]]
        spread = [(one["generation"], as_number(one.get("gene_spread"))) for one in stats]
        families = [(one["generation"], as_number(one.get("n_families"))) for one in stats]
        data.append(_line(island, "gene spread", spread, width=2.0))
        data.append({**_line(island, "families", families, dash="dot"), "yaxis": "y2"})
    layout = _over_generations("Gene spread")
    layout["yaxis"] |= {"rangemode": "tozero"}
    layout["yaxis2"] = {"overlaying": "y", "side": "right", "title": {"text": "Families"}, "rangemode": "tozero",
                        "showgrid": False, "tickformat": "d", "nticks": 6}  # fmt: skip
    return {"data": data, "layout": layout}


def _by_island(epochs: Sequence[Mapping[str, Any]]) -> dict[int, list[Mapping[str, Any]]]:
    islands: dict[int, list[Mapping[str, Any]]] = {}
    for epoch in sorted(epochs, key=lambda data: data["epoch"]):
        islands.setdefault(epoch["island"], []).append(epoch)
    return islands


def _validation(epoch: Mapping[str, Any]) -> float | None:
    return as_number((epoch.get("validation_best") or {}).get("sharpe"))


def _colour(island: int) -> str:
    return ISLANDS[island % len(ISLANDS)]


def _line(
    island: int, what: str, points: Sequence[tuple[int, float | None]], *, dash: str = "solid", width: float = 1.2
) -> Figure:
    """One line of an island; only its solid thick line stands in the legend, and switches all of them."""
    return {
        "type": "scatter",
        "mode": "lines",
        "name": f"Island {island}",
        "legendgroup": f"island {island}",
        "showlegend": dash == "solid" and width >= 2,
        "x": [x for x, _ in points],
        "y": [None if y is None else round(y, 4) for _, y in points],
        "line": {"color": _colour(island), "width": width, "dash": dash},
        "hovertemplate": f"island {island}, {what}: %{{y:.3~g}}<extra></extra>",
    }


def _over_generations(title: str) -> Figure:
    return {"height": 340, "xaxis": {"title": {"text": "Generation"}, "rangemode": "tozero"},
            "yaxis": {"title": {"text": title}}, "hovermode": "x unified"}  # fmt: skip


def luck_figure(tries: Sequence[int], luck: Sequence[float], *, n_trials: int, best: float | None) -> Figure:
    """Return the Sharpe that the best of N shows by luck alone over N, with where this job stands.

    Args:
        tries: numbers of strategies tried.
        luck: annual Sharpe that the best of so many would show without any skill.
        n_trials: what this job tried.
        best: annual in-sample Sharpe of its best candidate.
    """
    data = [{"type": "scatter", "mode": "lines", "name": "Best of N by luck alone", "x": list(tries),
             "y": [round(value, 4) for value in luck], "line": {"color": "@benchmark", "width": 2},
             "fill": "tozeroy", "fillcolor": "@benchmark-soft",
             "hovertemplate": "best of %{x:,} by luck: %{y:.2f}<extra></extra>"}]  # fmt: skip
    if best is not None:
        data.append({"type": "scatter", "mode": "markers+text", "name": "This job's best, in sample", "x": [n_trials],
                     "y": [round(best, 4)], "text": [f"{best:.2f}"], "textposition": "middle left",
                     "textfont": {"color": "@strategy"},
                     "marker": {"color": "@strategy", "size": 11, "symbol": "diamond"}})  # fmt: skip
    layout: Figure = {"height": 280, "xaxis": {"type": "log", "title": {"text": "Strategies tried"}, "tickformat": ",d",
                      "dtick": 1},
                      "yaxis": {"title": {"text": "Sharpe, annual"}, "rangemode": "tozero"}}  # fmt: skip
    return {"data": data, "layout": layout}
