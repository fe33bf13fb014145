"""How the job ran: what broke and was mended, who was put aside, workers over time, and how each island did.

What there was nothing of is not shown; where nothing happened at all, a line says so.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from cluster.happenings import kind_of, place_of
from cluster.report.charts import Figure
from cluster.report.markup import Html, element, joined, section, table
from cluster.report.numbers import NOTHING, count, duration, island_cells

if TYPE_CHECKING:
    from collections.abc import Callable

    from cluster.view import JobView

SHOWN: Final = 50
REPAIRED: Final = "A lost epoch is run again and gives the same births, so repairs change no result."
PUT_ASIDE: Final = (
    "Each of these kills, blocks or breaks its worker when it is evaluated alone. It is born with the reason "
    "“quarantined” and without fitness, and so is whatever equals it from then on."
)
STALLED: Final = "Epochs that took much longer than is usual in this job, when that was noticed."
HEALTH: Final = (
    "Best is the first objective in sample, validation the Sharpe ratio of that strategy on unseen bars. Speeds are "
    "over the last epochs of each island, in seconds of breeding and waiting for a worker. Diversity is the spread "
    "of the genes; its trend is the change over the last ten generations."
)
ISLAND_HEAD: Final = (
    *("Island", "Generation", "Best", "Validation", "Since it improved", "Diversity", "Trend"),
    *("Births/s", "Evaluated/s", "Waiting", "Lost", "Put aside", "Host"),
)


def running_section(view: "JobView", place: "Callable[[Figure, str], Html]") -> Html:
    """Return the section; `place` is where figures go."""
    return section(
        "running",
        "How the job ran",
        element("p", summary(view), class_="lead"),
        *_repairs(view.repairs),
        *_quarantined(view.quarantined),
        *_workers(view.workers, place),
        *_stalls(view.stalls),
        *_sessions(view),
        *_islands(view),
    )


def summary(view: "JobView") -> str:
    """Return in a sentence or two what happened, or that nothing did."""
    work = f"{count(len(view.epochs), 'epoch')} in {duration(view.seconds)}"
    if view.workers:
        work += f", on at most {count(max(data['present'] for data in view.workers), 'worker')}"
    kinds = Counter(kind_of(repair) for repair in view.repairs)
    parts = [count(len(view.repairs), "repair") + f" ({_listed(kinds)})"] if kinds else []
    parts += [count(len(view.quarantined), "strategy put aside", "strategies put aside")] if view.quarantined else []
    parts += [count(len(view.stalls), "stall")] if view.stalls else []
    if not parts:
        return f"{work}. Nothing broke: no repair, no stall, no strategy put aside."
    return f"{work}. {', '.join(parts)}." + (f" {REPAIRED}" if kinds else "")


def workers_figure(workers: Sequence[Mapping[str, Any]]) -> Figure:
    """Return the number of evaluators over time, with the number asked for dotted."""
    common = {"type": "scatter", "mode": "lines", "x": [data["at"] for data in workers]}
    data: list[Figure] = [
        {**common, "name": name, "y": [one[key] for one in workers], "line": {"shape": "hv", **line}}
        for key, name, line in (
            ("present", "Present", {"color": "@strategy", "width": 1.8}),
            ("wanted", "Wanted", {"color": "@benchmark", "width": 1.2, "dash": "dot"}),
        )
    ]
    layout = {
        "height": 240,
        "hovermode": "x unified",
        "xaxis": {"type": "date", "nticks": 6},
        "yaxis": {"title": {"text": "Workers"}, "rangemode": "tozero", "tickformat": "d"},
    }
    return {"data": data, "layout": layout}


def _repairs(repairs: Sequence[Mapping[str, Any]]) -> list[Html]:
    rows = [
        [str(one.get("what", "")), place_of(one) or NOTHING, str(one["reason"]), str(one.get("action") or NOTHING)]
        for one in repairs
    ]
    return _listing("Repairs", "", ["Lost", "Where", "Why", "What was done"], rows)


def _quarantined(quarantined: Sequence[Mapping[str, Any]]) -> list[Html]:
    rows = [[str(one["text"]), str(one["id"]), f"it {one['reason']}", place_of(one)] for one in quarantined]
    return _listing("Put aside", PUT_ASIDE, ["Strategy", "Id", "Why", "Found in"], rows)


def _stalls(stalls: Sequence[Mapping[str, Any]]) -> list[Html]:
    rows = [[place_of(one), duration(one["waited_s"]), duration(one["typical_s"])] for one in stalls]
    return _listing("Stalls", STALLED, ["Where", "So far", "Usual"], rows)


def _workers(workers: Sequence[Mapping[str, Any]], place: "Callable[[Figure, str], Html]") -> list[Html]:
    if len(workers) < 2:
        return []
    rows = [[_time(one["at"]), f"{one['present']} of {one['wanted']}", str(one["reason"])] for one in workers]
    changes = element(
        "details", element("summary", count(len(rows), "change")), _table(["When", "Workers", "Why"], rows)
    )
    return [element("h3", "Workers"), place(workers_figure(workers), "Workers over time"), changes]


def _sessions(view: "JobView") -> list[Html]:
    told = [one for one in view.health.happenings if one.kind in ("resumed", "interrupted")]
    return _listing("Interruptions", "", ["When", "What"], [[_time(one.at), one.text] for one in told])


def _islands(view: "JobView") -> list[Html]:
    rows = [list(island_cells(island)) for island in view.health.islands]
    if not view.epochs:
        return []
    inner = table(list(ISLAND_HEAD), rows, numeric_from=1)
    title = f"How each of {count(len(rows), 'island')} did"
    return [element("details", element("summary", title), element("p", HEALTH, class_="lead"), inner)]


def _listing(title: str, lead: str, head: list[str], rows: list[list[str]]) -> list[Html]:
    """A titled table of what happened; nothing where nothing did."""
    if not rows:
        return []
    text = [element("p", lead, class_="lead")] if lead else []
    return [element("h3", title), *text, _table(head, rows)]


def _table(head: list[str], rows: list[list[str]]) -> Html:
    left = len(rows) - SHOWN
    more = element("p", f"{count(left, 'more row')} in the journal.", class_="lead") if left > 0 else Html("")
    return joined(table(head, rows[:SHOWN], numeric_from=len(head)), more)


def _listed(kinds: Mapping[str, int]) -> str:
    return ", ".join(count(n, kind) for kind, n in sorted(kinds.items()))


def _time(at: str) -> str:
    return f"{at[:19].replace('T', ' ')} UTC"
