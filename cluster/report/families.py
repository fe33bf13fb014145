"""Species and families over the generations: who lives, who breeds, who is best, and who founded what is left."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from cluster.job_config import settled
from cluster.report.markup import Html, element, section, table
from cluster.report.numbers import NOTHING, as_number, by_merit, count

if TYPE_CHECKING:
    from cluster.view import JobView

Figure = dict[str, Any]
Stats = Sequence[Mapping[str, Any]]

COLOURS: Final = {"ta": "@series-1", "ml": "@series-2", "hybrid": "@series-3"}
NAMES: Final = {"ta": "Technical", "ml": "Learning", "hybrid": "Hybrid"}
FAMILY_COLOURS: Final = tuple(f"@series-{number}" for number in range(1, 7))
_ISLAND_BIT: Final = 40  # a birth id is island << 40 | generation << 20 | index, see `evolution.pedigree`
_GENERATION_BIT: Final = 20
_GAP: Final = 0.06


class Place(Protocol):
    """Where figures of the page are put, see `page.Page`."""

    def place(self, figure: Mapping[str, Any], label: str) -> Html:
        """Return the place of a figure."""


class Founder(NamedTuple):
    """The beginning of a family.

    Attributes:
        text: the template's name, or that it was a stranger.
        island, generation: where and when it was born.
    """

    text: str
    island: int
    generation: int

    def label(self) -> str:
        """Return it with its island."""
        return f"{self.text}, island {self.island}"


def species_section(view: "JobView", page: Place) -> Html:
    """Return the section on species and families; nothing before the first epoch."""
    generations = by_generation(view.epochs, view.config.evolution.islands)
    if not generations:
        return Html("")
    objective = view.config.evolution.objectives[0].replace("_", " ").capitalize()
    return section(
        "species",
        "Species and families",
        element("p", _species_text(view), class_="lead"),
        page.place(shares_figure(generations), "Shares of the species"),
        element("p", "Best (solid) and median (dotted) of the first objective in sample, by species.", class_="lead"),
        page.place(merit_figure(generations, objective), "Best and median by species"),
        element("h3", "Families"),
        element("p", _families_text(view, generations), class_="lead"),
        page.place(families_figure(generations, founders_of(view.epochs)), "Families"),
        _descent(view, generations),
    )


def by_generation(epochs: Sequence[Mapping[str, Any]], n_islands: int) -> dict[int, Stats]:
    """Return the figures of all islands by generation, of the generations that every island has been through."""
    found: dict[int, list[Mapping[str, Any]]] = {}
    for epoch in epochs:
        for stats in epoch["stats"]:
            found.setdefault(stats["generation"], []).append(stats)
    return {generation: found[generation] for generation in sorted(found) if len(found[generation]) == n_islands}


def founders_of(epochs: Sequence[Mapping[str, Any]]) -> dict[int, str]:
    """Return the template's name of each family that a template founded."""
    return {
        one["family"]: one["name"] + (", mutated" if one["mutated"] else "")
        for epoch in epochs
        for one in epoch.get("templates") or []
    }


def founder_of(family: int, templates: Mapping[int, str]) -> Founder:
    """Return who founded a family: a template, a random founder, or a newcomer of a later generation."""
    island, generation = family >> _ISLAND_BIT, (family >> _GENERATION_BIT) & ((1 << _GENERATION_BIT) - 1)
    stranger = "random" if generation == 0 else f"newcomer of generation {generation}"
    return Founder(templates.get(family, stranger), island, generation)


def species_counts(stats: Stats, key: str) -> dict[str, int]:
    """Return the sum over islands of one count of each species: `n`, `n_births` or `n_feasible`."""
    return {name: sum(one["species"][name][key] for one in stats) for name in NAMES}


def family_counts(stats: Stats) -> dict[int, int]:
    """Return the members of each family that is listed, over all islands, in one generation."""
    members: dict[int, int] = {}
    for one in stats:
        for family, n in one["families"]:
            members[family] = members.get(family, 0) + n
    return members


def shares_figure(generations: Mapping[int, Stats]) -> Figure:
    """Return the shares of the species over generations: of the populations on the left, of the births on the right."""
    data: list[Figure] = []
    middle = (1 - _GAP) / 2
    for number, key in enumerate(("n", "n_births")):
        counts = [species_counts(stats, key) for stats in generations.values()]
        for name, colour in COLOURS.items():
            shares = [row[name] / max(sum(row.values()), 1) for row in counts]
            data.append(
                _area(f"p{number}", NAMES[name], colour, list(generations), shares)
                | {"xaxis": f"x{number + 1}".replace("x1", "x"), "showlegend": number == 0, "legendgroup": name}
            )
    axis = {"title": {"text": "Generation"}, "rangemode": "tozero"}
    layout: Figure = {
        "height": 300,
        "hovermode": "x unified",
        "xaxis": {**axis, "domain": [0, middle]},
        "xaxis2": {**axis, "domain": [middle + _GAP, 1], "anchor": "y"},
        "yaxis": {"tickformat": ".0%", "range": [0, 1], "nticks": 6},
        "annotations": [_note("Share of the populations", 0.0), _note("Share of the births", middle + _GAP)],
    }
    return {"data": data, "layout": layout}


def merit_figure(generations: Mapping[int, Stats], title: str) -> Figure:
    """Return the best (solid) and the median (dotted) of the first objective over generations, by species.

    The median is that of an island, averaged over islands by the members that were ranked.
    """
    data: list[Figure] = []
    for name, colour in COLOURS.items():
        rows = [[one["species"][name] for one in stats] for stats in generations.values()]
        for what, values, dash, width in (
            ("best", [_best(row) for row in rows], "solid", 2.0),
            ("median", [_median(row) for row in rows], "dot", 1.2),
        ):
            data.append(
                {
                    "type": "scatter",
                    "mode": "lines",
                    "name": NAMES[name],
                    "legendgroup": name,
                    "showlegend": what == "best",
                    "x": list(generations),
                    "y": values,
                    "line": {"color": colour, "width": width, "dash": dash},
                    "hovertemplate": f"{NAMES[name].lower()}, {what}: %{{y:.3~g}}<extra></extra>",
                }
            )
    layout: Figure = {"height": 320, "hovermode": "x unified", "yaxis": {"title": {"text": title}},
                      "xaxis": {"title": {"text": "Generation"}, "rangemode": "tozero"}}  # fmt: skip
    return {"data": data, "layout": layout}


def families_figure(generations: Mapping[int, Stats], templates: Mapping[int, str]) -> Figure:
    """Return the shares of the largest families over generations; all others together on top."""
    sizes = [_sizes(stats) for stats in generations.values()]
    counts = [family_counts(stats) for stats in generations.values()]
    data: list[Figure] = []
    others = [1.0] * len(counts)
    for family, colour in zip(largest_families(counts), FAMILY_COLOURS, strict=False):
        shares = [row.get(family, 0) / size for row, size in zip(counts, sizes, strict=True)]
        others = [rest - share for rest, share in zip(others, shares, strict=True)]
        data.append(_area("families", founder_of(family, templates).label(), colour, list(generations), shares))
    rest = _area("families", "All others", "@benchmark-soft", list(generations), [max(one, 0.0) for one in others])
    data.append(rest)
    layout: Figure = {"height": 340, "hovermode": "x unified",
                      "xaxis": {"title": {"text": "Generation"}, "rangemode": "tozero"},
                      "yaxis": {"tickformat": ".0%", "range": [0, 1], "nticks": 6,
                                "title": {"text": "Share of the populations"}}}  # fmt: skip
    return {"data": data, "layout": layout}


def largest_families(counts: Sequence[Mapping[int, int]]) -> list[int]:
    """Return the families that had most members over all generations, at most as many as there are colours."""
    total: dict[int, int] = {}
    for row in counts:
        for family, n in row.items():
            total[family] = total.get(family, 0) + n
    return sorted(total, key=lambda family: (-total[family], family))[: len(FAMILY_COLOURS)]


def _sizes(stats: Stats) -> int:
    return sum(species_counts(stats, "n").values())


def _best(islands: Sequence[Mapping[str, Any]]) -> float | None:
    found = [value for value in (as_number(one["best"]) for one in islands) if value is not None]
    return round(max(found), 4) if found else None


def _median(islands: Sequence[Mapping[str, Any]]) -> float | None:
    pairs = [(value, one["n_feasible"]) for one in islands if (value := as_number(one["median"])) is not None]
    total = sum(n for _, n in pairs)
    return round(sum(value * n for value, n in pairs) / total, 4) if total else None


def _area(group: str, name: str, colour: str, x: list[int], shares: Sequence[float]) -> Figure:
    return {"type": "scatter", "mode": "lines", "name": name, "stackgroup": group, "x": x,
            "y": [round(share, 4) for share in shares], "line": {"color": colour, "width": 0.5}, "fillcolor": colour,
            "hovertemplate": f"{name}: %{{y:.0%}}<extra></extra>"}  # fmt: skip


def _note(text: str, left: float) -> Figure:
    return {"text": text, "x": left, "xref": "paper", "y": 1.0, "yref": "paper", "yanchor": "bottom", "xanchor": "left",
            "showarrow": False, "font": {"size": 12, "color": "@muted"}}  # fmt: skip


def _species_text(view: "JobView") -> str:
    section = settled(view.config).evolution
    founders, floor = (shares.text() if shares else NOTHING for shares in (section.founders, section.floor))
    kept = "none has a floor" if floor == "nothing" else f"at least so much of each lives on: {floor}"
    return (
        "A strategy is technical if no learner has a say, learning if its rules read nothing but learners, hybrid if "
        f"they read both. Founders: {founders}; {kept}."
    )


def _families_text(view: "JobView", generations: Mapping[int, Stats]) -> str:
    first, last = (next(iter(generations.values())), list(generations.values())[-1])
    alive = [sum(one["n_families"] for one in stats) for stats in (first, last)]
    where = ", each island counted for itself" if view.config.evolution.islands > 1 else ""
    return (
        "A family is all that descends from one founder, through first parents. "
        f"{count(alive[0], 'family', 'families')} at the beginning, {alive[1]:,} at the end{where}. Below are those "
        "that were largest over the whole job."
    )


def _descent(view: "JobView", generations: Mapping[int, Stats]) -> Html:
    """The table of the families that are largest at the end, and of the founders of the candidates."""
    templates = founders_of(view.epochs)
    last = list(generations.values())[-1]
    members, size = family_counts(last), _sizes(last)
    judged: dict[int, list[str]] = {}
    for record in by_merit(view.candidates):
        mark = ", elite" if record["passed"] else ""
        judged.setdefault(record["family"], []).append(f"{record['id'][:8]} ({record['species']}{mark})")
    families = sorted({*judged, *members}, key=lambda family: (-members.get(family, 0), family))
    shown = [family for family in families if family in judged] + [one for one in families if one not in judged]
    rows = []
    for family in shown[: max(len(judged), len(FAMILY_COLOURS))]:
        founder = founder_of(family, templates)
        share = f"{100 * members[family] / size:.0f} %" if family in members else NOTHING
        rows.append([founder.text, str(founder.island), share, ", ".join(judged.get(family, [])) or NOTHING])
    head = ["Founder", "Island", "Of the populations at the end", "Candidates that descend from it"]
    return table(head, rows, numeric_from=9, caption="Whose descendants are left")
