"""What the tests of the genealogy look at: a made-up pedigree, and that of a real small job."""

import sys
from pathlib import Path

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from genealogy import made_births, made_frame

from cluster.driver import run_job
from cluster.genealogy.pedigree import LEAN, LISTS, Pedigree
from cluster.settings import config_from
from cluster.view import JobView

__all__ = ["made_births", "made_pedigree_of", "one", "small_job"]


def one(row: int) -> np.ndarray:
    """The rows of one birth."""
    return np.array([row], dtype=np.int32)


def made_pedigree_of(births) -> Pedigree:
    """The pedigree of made-up births; the last generation is the population, some of it candidates and elites."""
    frame = made_frame(births)
    last = np.flatnonzero(births.generation == births.generation.max()).astype(np.int32)
    lists: pl.LazyFrame = frame.lazy().select(LISTS)
    return Pedigree(
        "made-up",
        "steady_sharpe",
        frame.select(LEAN),
        lists,
        population=last,
        candidates=last[:9],
        elites=last[::12],
    )


_JOBS: list[JobView] = []


def small_job(values, root: Path) -> JobView:
    """A real job with newcomers, so that families are founded on the way, and with elites; run once for all tests."""
    if _JOBS:
        return _JOBS[0]
    evolution = {**values["evolution"], "newcomers": 0.1, "generations": 6}
    gates = {"min_trades": 1, "candidates": 12, "battery": False, "lockbox_alpha": 0.99, "benchmark": "cash"}
    gates |= dict.fromkeys(("dsr", "spa", "pbo", "stability", "regimes", "validation_sharpe", "max_drawdown"))
    config = config_from({**values, "evolution": evolution, "gates": gates}, where="test")
    _JOBS.append(run_job(config, root=root))
    return _JOBS[0]
