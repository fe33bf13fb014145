"""What the tests of the genealogy look at: a made-up pedigree, and that of a real small job."""

import numpy as np
import polars as pl
import pytest

from benchmarks.genealogy import made_births, made_frame
from cluster.driver import run_job
from cluster.genealogy.opening import open_pedigree
from cluster.genealogy.pedigree import LEAN, LISTS, Pedigree
from cluster.settings import config_from


@pytest.fixture(scope="session")
def births():
    """Made-up births of three islands."""
    return made_births(3, 10, 20, seed=5, every=3)


@pytest.fixture(scope="session")
def made(births):
    """Their pedigree; the last generation is the population, some of it candidates and elites."""
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


@pytest.fixture(scope="session")
def view(tiny_values, tmp_path_factory):
    """A real job with newcomers, so that families are founded on the way, and with elites."""
    evolution = {**tiny_values["evolution"], "newcomers": 0.1, "generations": 6}
    gates = {"min_trades": 1, "candidates": 12, "battery": False, "lockbox_alpha": 0.99, "benchmark": "cash"}
    gates |= dict.fromkeys(("dsr", "spa", "pbo", "stability", "regimes", "validation_sharpe", "max_drawdown"))
    config = config_from({**tiny_values, "evolution": evolution, "gates": gates}, where="test")
    return run_job(config, root=tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="session")
def real(view):
    """Its pedigree."""
    return open_pedigree(view)
