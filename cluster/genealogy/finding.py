"""Names of births as people give them, to the births that they name."""

import re
from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from cluster.genealogy.lines import NOBODY
from cluster.genealogy.opening import open_pedigree
from cluster.genealogy.pedigree import Pedigree
from cluster.view import JobView, find_job, list_jobs
from evolution.pedigree import birth_ids
from strategies.errors import JournalError, UsageError

BEST, ELITE = "best", "elite"
_PLACE: Final = re.compile(r"(\d+)\.(\d+)\.(\d+)")
_PREFIX: Final = re.compile(r"[0-9a-f]{1,16}")
_LISTED: Final = 5
_DIGITS: Final = 16
"""Of a strategy's id: a longer number can't be the beginning of one."""


@dataclass(frozen=True, eq=False)
class Named:
    """A birth that was named, in the pedigree of its job."""

    view: JobView
    pedigree: Pedigree
    row: int

    @property
    def birth_id(self) -> int:
        """Its id."""
        return int(self.pedigree.lines.birth_id[self.row])


def find_birth(name: str, *, job: str, root: Path) -> Named:
    """Return the birth that `name` names in a job; a strategy that was judged is also found in any other job.

    A name is a birth's id; its ISLAND.GENERATION.INDEX; the id of a strategy, or its beginning, which names the birth
    that was judged, or else the first birth of this strategy; `elite` for the best elite; or `best` for the birth of
    the highest fitness.

    Raises:
        UsageError: nothing has that name, or several have.
        JournalError: the pedigree can't be read.
    """
    view = find_job(root, job)
    elsewhere = [] if job != "latest" or _is_judged(view, name) else _judging(name, root)
    try:
        pedigree = open_pedigree(view)
        return Named(view, pedigree, row_of(name, pedigree))
    except (UsageError, JournalError):
        if not elsewhere:
            raise
    pedigree = open_pedigree(elsewhere[-1])
    return Named(elsewhere[-1], pedigree, row_of(name, pedigree))


def is_name(name: str) -> bool:
    """Whether this can be the name of a birth."""
    return name in (BEST, ELITE) or bool(_PLACE.fullmatch(name) or _PREFIX.fullmatch(name) or name.isdecimal())


def row_of(name: str, pedigree: Pedigree) -> int:
    """Return the row of the birth that `name` names, see `find_birth`.

    Raises:
        UsageError: nothing has that name, or several have.
    """
    if name in (BEST, ELITE):
        return _distinguished(name, pedigree)
    place = _PLACE.fullmatch(name)
    if place or name.isdecimal():
        number = _birth_id(place) if place else int(name)
        row = pedigree.lines.row(number) if number < 2**63 else NOBODY
        if row != NOBODY:
            return row
        if place or len(name) > _DIGITS:
            raise UsageError(f"A birth must have been born, but {name} was not ({pedigree.job}: {_extent(pedigree)}).")
    if not _PREFIX.fullmatch(name):
        raise UsageError(
            f"A birth must be named by its id, ISLAND.GENERATION.INDEX, a strategy's id or its beginning, `{ELITE}` or "
            f"`{BEST}`, but was {name!r} ({pedigree.job}). `studbook elites` lists strategies."
        )
    return _of_strategy(name, pedigree)


def _extent(pedigree: Pedigree) -> str:
    """Where births were, for who named one that was not."""
    last, island = int(pedigree.lines.generation.max()), int(pedigree.column("island").max())
    return f"islands 0 to {island}, generations 0 to {last}, {len(pedigree):,} births"


def _birth_id(place: re.Match[str]) -> int:
    island, generation, index = (int(part) for part in place.groups())
    if max(generation, index) >= 2**20 or island >= 2**20:
        return -1
    return int(birth_ids(island, generation, np.array([index]))[0])


def _distinguished(name: str, pedigree: Pedigree) -> int:
    if name == ELITE:
        if not len(pedigree.elites):
            raise UsageError(f"`{ELITE}` must have been bred, but {pedigree.job} had no elite. Ask for `{BEST}`.")
        return int(pedigree.elites[0])
    if pedigree.best == NOBODY:
        raise UsageError(f"`{BEST}` must have a fitness, but no birth of {pedigree.job} had one.")
    return pedigree.best


def _of_strategy(name: str, pedigree: Pedigree) -> int:
    ids = pedigree.frame["strategy_id"]
    rows = ids.str.starts_with(name).arg_true().to_numpy()
    found = sorted(set(ids.gather(rows).to_list()))
    if name in found:
        found = [name]
    if len(found) != 1:
        rule = "name one strategy" if found else "be one that was born"
        near = found or _nearest(name, sorted(set(ids.to_list())))
        more = f" and {len(near) - _LISTED} more" if len(near) > _LISTED else ""
        raise UsageError(
            f"ID must {rule}, but was {name!r} ({pedigree.job}: {', '.join(near[:_LISTED])}{more}). "
            "Give more digits, or another job with --job."
        )
    own = [int(row) for row in rows if ids[int(row)] == found[0]]
    judged = [row for row in own if row in set(pedigree.candidates.tolist())]
    return min(judged or own, key=lambda row: (int(pedigree.lines.generation[row]), row))


def _nearest(name: str, ids: list[str]) -> list[str]:
    """Return the ids that begin most as `name` does: neighbours in their order."""
    at = bisect_left(ids, name)
    return ids[max(at - 2, 0) : at + 1]


def _judging(name: str, root: Path) -> list[JobView]:
    """Jobs that judged a strategy of this name, oldest first."""
    return [job for job in list_jobs(root) if _is_judged(job, name)] if _PREFIX.fullmatch(name) else []


def _is_judged(view: JobView, prefix: str) -> bool:
    return any(record["id"].startswith(prefix) for record in view.candidates)
