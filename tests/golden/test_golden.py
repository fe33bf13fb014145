"""Files that earlier releases wrote, kept as they were: they open, or say clearly why not.

Promise: old journals and strategies open for ever, or refuse clearly.

`journals/format-1..3.jsonl` were written by the journals of those releases, `job-4-finished` and `job-4-stopped` by a
job of the last release with journal format 4 (two islands, one shard, stopped after four epochs), with the trial file
and the births of the finished one; `shard/` by its store, `strategies/` by both schemas, `portfolios/` by the first.
None is ever written again: a new format gets new files beside them.
"""

import json
import re
import shutil
from pathlib import Path

import polars as pl
import pytest

from cluster.births_file import read_births
from cluster.driver import resume_job
from cluster.journal import FILE_NAME, read_journal
from cluster.portfolio_document import document_from_json
from cluster.run_folder import read_entry
from cluster.trial_file import read_file
from cluster.view import read_job
from evolution.islands import emigrants_from_bytes
from evolution.pedigree import births_from_bytes, births_to_bytes
from evolution.population import state_from_bytes, state_to_bytes
from fitness.shards import load_shard
from strategies.codec import phenotype_keys
from strategies.encoding import phenotype_of, strategy_of
from strategies.errors import JournalError, StrategyError
from strategies.genes import fingerprint
from strategies.strategy import Strategy
from strategies.strategy_json import strategy_from_dict

HERE = Path(__file__).parent
FINISHED, STOPPED = HERE / "job-4-finished", HERE / "job-4-stopped"


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_journal_of_a_format_before_the_fourth_is_whole_but_refused_by_name(tmp_path, number):
    shutil.copy(HERE / "journals" / f"format-{number}.jsonl", tmp_path / FILE_NAME)
    assert read_journal(tmp_path / FILE_NAME).records[0].data["format"] == number
    wanted = rf"must have format 4 or \d+, but was {number} \(.*{FILE_NAME}\)\. Open it with the version"
    with pytest.raises(JournalError, match=wanted):
        read_job(tmp_path)


def test_a_finished_job_of_format_4_opens():
    view = read_job(FINISHED)
    assert (view.status, view.n_births, view.n_evaluated, len(view.candidates)) == ("finished", 68, 64, 2)
    assert view.verdict.startswith("Nothing passed: the best of 45 ways of trading tried")
    for record in view.candidates:
        assert strategy_from_dict(record["strategy"]).id == record["id"]
    births = pl.read_parquet(FINISHED / "births.parquet")
    assert (births.height, births["birth_id"].n_unique()) == (68, 68)


def test_the_trials_of_a_job_of_format_4_open():
    trials = read_file(FINISHED / "job.trials")
    assert (trials.what, trials.n_births, len(trials.behaviours)) == ("job", 68, 45)


def test_the_epochs_of_a_job_of_format_4_open_or_name_their_gene_table():
    view = read_job(STOPPED)
    assert (view.status, len(view.epochs)) == ("interrupted", 4)
    if view.created["gene_table"] != fingerprint():
        with pytest.raises(JournalError, match=f"must fit the gene table {fingerprint()}, but fit"):
            read_births(STOPPED, view.epochs)
        return
    births = read_births(STOPPED, view.epochs)
    assert len(births) == view.n_births == 50
    for epoch in view.epochs:
        data = read_entry(STOPPED, epoch["births"])
        assert births_to_bytes(births_from_bytes(data)) == data
        assert emigrants_from_bytes(read_entry(STOPPED, epoch["emigrants"])).island == epoch["island"]
    last = [epoch["state"] for epoch in view.epochs if epoch["epoch"] == 1]
    for entry in last:
        data = read_entry(STOPPED, entry)
        assert state_to_bytes(state_from_bytes(data)) == data


def test_a_stopped_job_of_format_4_goes_on_to_the_end_that_its_own_release_came_to(tmp_path, monkeypatch):
    """Its births are those of the finished job, which has the same job file: the same packages on the same CPU."""
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "runs" / "golden-4"
    shutil.copytree(STOPPED, run)
    if read_job(run).created["gene_table"] != fingerprint():
        with pytest.raises(JournalError, match="must go on with the gene table it began with"):
            resume_job(run)
        return
    view = resume_job(run)
    assert view.status == "finished"
    columns = ["birth_id", "strategy_id", "operator", "parent_a", "parent_b", "reason", "genome"]
    ours, theirs = (pl.read_parquet(folder / "births.parquet") for folder in (run, FINISHED))
    assert ours.select(columns).equals(theirs.select(columns))


def test_a_strategy_of_schema_2_opens_and_keeps_its_identity():
    text = (HERE / "strategies" / "strategy-2.json").read_text().strip()
    strategy = Strategy.from_json(text)
    assert strategy.to_json() == text
    assert strategy.id == "ef4da477d503227a"
    row = phenotype_of(strategy)
    assert strategy_of(row) == strategy
    assert len(phenotype_keys(row[None])) == 1


def test_a_strategy_of_schema_1_is_refused_by_name():
    text = (HERE / "strategies" / "strategy-1.json").read_text()
    assert json.loads(text)["schema"] == "studbook/strategy/1"
    wanted = re.escape("must be 'studbook/strategy/2', but was 'studbook/strategy/1': use the version that wrote it")
    with pytest.raises(StrategyError, match=wanted):
        Strategy.from_json(text)


def test_a_portfolio_of_schema_1_opens_and_keeps_its_identity():
    text = (HERE / "portfolios/portfolio-1.json").read_text(encoding="utf-8")
    found = document_from_json(text)
    assert found.id == "645ff0aa0d2a9a9c"
    assert [weight for _, weight in found.members] == [0.25, 0.75]
    assert found.to_json() == text


def test_a_shard_of_format_1_opens():
    shard = load_shard(HERE / "shard", "SPX", "1d")
    assert len(shard.close) == 30
    assert shard.content_hash == "1a2d7a9d4e08a7f6f819ec7841ec6f6238da62ace2a586e1e05fb2c2fd22c34d"
