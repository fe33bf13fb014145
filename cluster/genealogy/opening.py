"""The pedigree of a job, from its table or from its journalled epochs."""

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from cluster.births_file import read_births, strategy_ids
from cluster.genealogy.pedigree import LEAN, LISTS, Pedigree
from cluster.genealogy.table import PEDIGREE_FILE, pedigree_frame, read_pedigree, write_pedigree
from cluster.run_folder import BIRTHS_FILE, read_entry
from cluster.view import FINISHED, RUNNING, JobView
from cluster.worker import language_of
from evolution.pedigree import Births, births_from_bytes, generation_of, island_of
from evolution.population import state_from_bytes
from strategies.codec import express
from strategies.encoding import strategy_of
from strategies.errors import JournalError, UsageError
from strategies.strategy import Strategy


def open_pedigree(view: JobView) -> Pedigree:
    """Return the pedigree of a job: of a finished one from its table, of another from what is journalled by now.

    A finished job of an older Studbook gets its table now.

    Raises:
        UsageError: nothing was born yet.
        JournalError: its table or its epochs are damaged, or are not those of its journal.
    """
    if not view.n_births:
        raise UsageError(
            f"A job must have births to have a pedigree, but {view.id} had none by now. Wait for its first epoch."
        )
    path = view.run_dir / PEDIGREE_FILE
    if view.status != FINISHED or not path.exists():
        made = made_pedigree(view)
        if view.status == FINISHED:
            with contextlib.suppress(OSError):  # a folder that is only to be read: made anew each time
                write_pedigree(view.run_dir, made)
        return _opened(view, made, made.lazy())
    frame = read_pedigree(path, list(LEAN))
    if frame.height != view.n_births:
        raise JournalError(
            f"A pedigree must have the {view.n_births:,} births of its journal, but had {frame.height:,} ({path}). "
            "Remove it: it is made anew from the journalled epochs."
        )
    return _opened(view, frame, pl.scan_parquet(path))


def made_pedigree(view: JobView) -> pl.DataFrame:
    """Return the table of a job, made of its journalled epochs.

    Raises:
        JournalError: these are damaged, or no closed pedigree.
    """
    return frame_of(view, read_births(view.run_dir, view.epochs))


def frame_of(view: JobView, births: Births) -> pl.DataFrame:
    """Return the table of a job, of which these are all `births`."""
    language = language_of(view.config)
    return pedigree_frame(
        births,
        language,
        epoch_generations=view.config.evolution.epoch_generations,
        strategy_ids=_known_ids(view, births) or strategy_ids(births, language),
    )


def write_pedigree_of(view: JobView, births: Births) -> Path:
    """Write the table of a job whose births.parquet is written, and return where."""
    return write_pedigree(view.run_dir, frame_of(view, births))


def strategy_of_birth(view: JobView, birth_id: int) -> Strategy:
    """Return the strategy that was born as `birth_id`, read from the file of its epoch alone.

    Raises:
        UsageError: there was no such birth.
        JournalError: the file is damaged.
    """
    at = np.array([birth_id])
    island, generation = int(island_of(at)[0]), int(generation_of(at)[0])
    for epoch in view.epochs:
        first, last = epoch["generations"]
        if epoch["island"] == island and first <= generation <= last:
            births = births_from_bytes(read_entry(view.run_dir, epoch["births"]))
            rows = np.flatnonzero(births.birth_id == birth_id)
            if len(rows):
                return strategy_of(express(births.genome[rows], language_of(view.config))[0])
    raise UsageError(f"A birth must be one of its job, but {birth_id} was not ({view.id}). See `studbook genealogy`.")


def _known_ids(view: JobView, births: Births) -> list[str] | None:
    """Strategy ids of births.parquet, where that has been written: hashing a million takes minutes."""
    path = view.run_dir / BIRTHS_FILE
    try:
        table = pl.read_parquet(path, columns=["birth_id", "strategy_id"]) if path.exists() else None
    except (OSError, pl.exceptions.PolarsError):
        return None  # made from the journal, as it is
    if table is None or not np.array_equal(table["birth_id"].to_numpy(), births.birth_id):
        return None
    return table["strategy_id"].to_list()


def _opened(view: JobView, frame: pl.DataFrame, lists: pl.LazyFrame) -> Pedigree:
    bare = Pedigree(view.id, view.config.evolution.objectives[0], frame.select(LEAN), lists.select(LISTS))
    return replace(
        bare,
        population=bare.rows_of(_population(view)),
        candidates=bare.rows_of([record["birth_id"] for record in view.candidates]),
        elites=bare.rows_of([record["birth_id"] for record in view.elites]),
        templates=_templates(view),
        generations=[stats for epoch in view.epochs for stats in epoch["stats"]],
    )


def _population(view: JobView) -> list[int]:
    """Births of the members of the last journalled population of each island.

    A job that runs may have put the next state in the place of one since its journal was read: that one is left out.
    """
    last: dict[int, Any] = {}
    for epoch in view.epochs:
        if epoch["epoch"] >= last.get(epoch["island"], epoch)["epoch"]:
            last[epoch["island"]] = epoch
    entries = [epoch["state"] for epoch in last.values()]
    if view.status == RUNNING:
        entries = [entry for entry in entries if (view.run_dir / entry["file"]).exists()]
    members = [state_from_bytes(read_entry(view.run_dir, entry)).birth_ids for entry in entries]
    return sorted({int(birth) for births in members for birth in births})


def _templates(view: JobView) -> dict[int, str]:
    return {one["family"]: one["name"] for epoch in view.epochs for one in epoch.get("templates", ())}
