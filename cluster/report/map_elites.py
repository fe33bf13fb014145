"""MAP-Elites: of every way to behave the best strategy that was met, over each two behaviours."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from cluster.report.behaviour_map import RANGES, Floats, Kept, Maps, Tiles, position, tiles_of, title_of
from cluster.report.births import NOT_THERE, objective_title, rules_of, scored
from cluster.report.markup import Html, element, section
from cluster.report.numbers import count

if TYPE_CHECKING:
    from cluster.report.places import Page
    from cluster.view import JobView
    from evolution.behaviour_cells import ArchiveSettings

PARTS: Final = 10
"""Of each behaviour, where the archive has no grid of its own."""
MOST_OPEN: Final = 3
MOST_TOLD: Final = 300
"""Strategies whose rules are in the hover."""
_TITLE: Final = "Ways to behave"


def map_elites_section(view: "JobView", births: pl.DataFrame | None, page: "Page") -> Html:
    """Return the section; a sentence where there are no births, or none that could be scored."""
    from cluster.worker import evolution_settings

    if not view.epochs:
        return Html("")
    if births is None:
        return section("behaviours", _TITLE, element("p", NOT_THERE, class_="lead"))
    settings = evolution_settings(view.config).archive
    kept, lead = _measured(view, births) if settings is None else _archived(view, births, settings)
    if not len(kept.ids):
        return section("behaviours", _TITLE, element("p", "No strategy could be scored.", class_="lead"))
    return section("behaviours", _TITLE, element("p", lead, class_="lead"), *_maps(view, births, kept, page))


def _maps(view: "JobView", births: pl.DataFrame, kept: Kept, page: "Page") -> list[Html]:
    """The maps of each two behaviours, the first few open."""
    title, parts = objective_title(view.config.evolution.objectives[0]), parts_of(view)
    tiles = {(x, y): tiles_of(kept, x, y, parts) for x, y in combinations(range(len(kept.names)), 2)}
    maps = Maps(kept, parts, title, _rules(view, kept, tiles.values()), _placed(view, births, kept))
    drawn = [
        page.place(
            maps.figure(x, y, found),
            f"Best {title} by {title_of(kept.names[x]).lower()} and {title_of(kept.names[y]).lower()}",
        )
        for (x, y), found in tiles.items()
    ]
    first, rest = (element("div", *some, class_="grid") for some in (drawn[:MOST_OPEN], drawn[MOST_OPEN:]))
    if len(drawn) <= MOST_OPEN:
        return [first]
    more = count(len(drawn) - MOST_OPEN, "more pair")
    return [first, element("details", element("summary", more), rest)]


def archived(births: pl.DataFrame, settings: "ArchiveSettings", objectives: Sequence[str]) -> Kept:
    """Return what one archive of all islands of a job would hold, in ascending order of cells.

    Of all births with objectives that ever lay in a cell the one with the highest first objective, of equals the
    oldest: the rule of `evolution.archive`, for all births at once.
    """
    from evolution.behaviour_cells import cells_of, has_cell
    from fitness.behaviour import BEHAVIOURS, positions

    behaviours = _matrix(births, [f"measure.behaviour.{name}" for name in BEHAVIOURS])
    values = _matrix(births, [f"objective.{name}" for name in objectives])
    fit = np.flatnonzero(np.isfinite(values).all(axis=1) & has_cell(behaviours, settings))
    ids, quality = births["birth_id"].to_numpy()[fit], values[fit, 0]
    cells = cells_of(behaviours[fit], settings)
    order = np.lexsort((ids, -quality, cells))
    elites = order[np.diff(cells[order], prepend=-1) != 0]
    columns = [BEHAVIOURS.index(name) for name in settings.dimensions]
    places = positions(behaviours[fit[elites]])[:, columns]
    return Kept(ids[elites], quality[elites], places, tuple(settings.dimensions))


def _matrix(births: pl.DataFrame, names: Sequence[str]) -> Floats:
    return np.ascontiguousarray(births.select(names).to_numpy(), dtype=np.float64)


def _archived(view: "JobView", births: pl.DataFrame, settings: "ArchiveSettings") -> tuple[Kept, str]:
    kept = archived(births, settings, view.config.evolution.objectives)
    kind = "a Voronoi tessellation" if settings.kind == "cvt" else "a grid"
    return kept, (
        f"The archive has kept the best of {count(len(kept.ids), 'way', 'ways')} to behave, all islands together: so "
        f"many of the {count(settings.n_cells, 'cell')} of {kind} in {count(len(settings.dimensions), 'behaviour')} "
        f"are filled. Each map looks at all of them along two behaviours: the colour is the best {_quality(view)} of "
        "what lies in a tile; an empty tile is a way that nobody behaved, or nobody who could be scored. Stars are "
        "elites, diamonds other candidates; one that stands on an empty tile has lost its cell to a better one."
    )


def _measured(view: "JobView", births: pl.DataFrame) -> tuple[Kept, str]:
    fit = scored(births, view.config.evolution.objectives)
    columns = [position(fit[f"measure.{name}"].to_numpy(), name) for name in RANGES]
    places = np.stack(columns, axis=1)
    known = np.isfinite(places).all(axis=1)
    quality = fit[f"objective.{view.config.evolution.objectives[0]}"].to_numpy()
    kept = Kept(fit["birth_id"].to_numpy()[known], quality[known], places[known], tuple(RANGES))
    return kept, (
        "This job kept no archive (`evolution.archive`), so these maps are of all births that could be scored, by what "
        f"is measured of each. The colour is the best {_quality(view)} of what lies in a tile: what an archive over "
        "two of these behaviours would have kept. Stars are elites, diamonds other candidates."
    )


def _quality(view: "JobView") -> str:
    return f"{objective_title(view.config.evolution.objectives[0])} in sample"


def parts_of(view: "JobView") -> int:
    """Return into how many parts each behaviour is cut on the maps: as in the archive, if that is a grid."""
    archive = view.config.evolution.archive
    return archive.cells if archive.enabled and archive.kind == "grid" else PARTS


def _placed(view: "JobView", births: pl.DataFrame, kept: Kept) -> dict[int, tuple[Mapping[str, Any], Floats]]:
    """Candidates with their places, from their births: somebody may have taken their cells since."""
    records = {record["birth_id"]: record for record in view.candidates}
    rows = births.filter(pl.col("birth_id").is_in(pl.Series(list(records), dtype=pl.Int64).implode()))
    prefix = "measure." if kept.names == tuple(RANGES) else "measure.behaviour."
    places = np.stack([position(rows[prefix + name].to_numpy(), name) for name in kept.names], axis=1)
    return {
        birth: (records[birth], place)
        for birth, place in zip(rows["birth_id"], places, strict=True)
        if np.isfinite(place).all()
    }


def _rules(view: "JobView", kept: Kept, maps: Iterable[Tiles]) -> dict[int, str]:
    """Rules of the best that the maps show."""
    rows = {int(row) for tiles in maps for row in tiles.best}
    best = sorted(rows, key=lambda row: (-kept.quality[row], kept.ids[row]))[:MOST_TOLD]
    return rules_of(view, [int(kept.ids[row]) for row in best])
