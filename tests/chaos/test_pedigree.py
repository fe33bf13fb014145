"""Promise: the pedigree is a closed DAG. Over a whole job: every parent is there, no cycle, every child re-derives.

What `births.parquet` shows of it is checked as a stranger would, with the columns alone; then every genome is made anew
from its parents' genomes and its key, and compared to the bit.
"""

import networkx as nx
import numpy as np
import polars as pl
import pytest

from cluster.births_file import read_births
from cluster.driver import run_job
from cluster.run_folder import BIRTHS_FILE
from cluster.worker import evolution_settings
from evolution.pedigree import check_closed
from evolution.rederivation import rederive

JOBS = {
    "plain": {"islands": 3, "generations": 4, "population_size": 10},
    "screened": {"generations": 4, "screen": {"enabled": True, "keep": 0.4, "min_agreement": 0.0}},
    "searching": {
        "generations": 4,
        "parents": "lexicase",
        "pressure": "novelty",
        "newcomers": 0.2,
        "adaptive": True,
        "archive": {"enabled": True, "cells": 16},
        "refine": {"every": 2, "best": 1, "batches": 2, "batch": 3},
        "restart": {"enabled": True, "spread": 0.3, "patience": 2},
    },
    "archive": {"archive": {"enabled": True, "cells": 16}, "migration": {"topology": "archive", "migrants": 2}},
}


@pytest.mark.chaos
@pytest.mark.parametrize("evolution", JOBS.values(), ids=JOBS)
def test_every_birth_of_a_whole_job(evolution, job_of, tmp_path, replay, amount):
    for number in range(amount(1, 20)):
        job = job_of(**evolution).model_copy(update={"seed": 100 + number})
        view = run_job(job, root=tmp_path / str(number), make_executor=replay)
        births = read_births(view.run_dir, view.epochs)
        check_closed(births)
        made = rederive(births, view.config.seed, evolution_settings(view.config))
        assert np.array_equal(made, births.genome)
        other = rederive(births, view.config.seed + 1, evolution_settings(view.config))
        assert not np.array_equal(other, births.genome), "it would re-derive from any seed"
        _check_as_a_stranger_would(pl.read_parquet(view.run_dir / BIRTHS_FILE), births)


def _check_as_a_stranger_would(frame, births):
    assert frame["birth_id"].to_list() == births.birth_id.tolist()
    graph = nx.DiGraph()
    graph.add_nodes_from(frame["birth_id"])
    for column in ("parent_a", "parent_b"):
        lines = frame.filter(pl.col(column) >= 0).select(column, "birth_id")
        graph.add_edges_from(lines.iter_rows())
    assert graph.number_of_nodes() == frame.height, "a parent was never born"
    assert nx.is_directed_acyclic_graph(graph)
    roots = {node for node, degree in graph.in_degree() if degree == 0}
    assert roots == set(frame.filter(pl.col("family") == pl.col("birth_id"))["birth_id"])
    assert graph.number_of_edges() > 10
