"""The driver: same inputs same bytes, whatever is shuffled, lost or doubled; and what it refuses."""

import random
import shutil
import threading
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from cluster.births_file import read_births
from cluster.driver import resume_job, run_job, with_columns
from cluster.executor import EpochFailure, from_wire, to_wire
from cluster.job_config import settled
from cluster.journal import FILE_NAME, read_journal
from cluster.run_folder import BIRTHS_FILE
from cluster.serial_executor import SerialExecutor
from cluster.signals import Interrupted
from cluster.trial_ledger import behaviours_of
from cluster.view import read_job
from fitness.objectives import SCREENED_OUT
from fitness.samples import sample
from fitness.shards import write_shard
from strategies.errors import ClusterError, ConfigError, DataError, JournalError, StudbookError

OFF = ("max_drawdown", "dsr", "validation_sharpe", "spa", "pbo", "regimes", "stability")
EASY = {"min_trades": 1, **dict.fromkeys(OFF), "battery": False, "candidates": 3}


def unruly(replay, seed):
    """An executor that answers in any order, loses, doubles, and answers after it said that it would not."""

    class Unruly(replay):
        def __init__(self, config, market, stop):
            super().__init__(config, market, stop)
            self._rng = random.Random(seed)

        def wait(self, timeout_s):
            if not self._tasks:
                return ()
            self._rng.shuffle(self._tasks)
            chance = self._rng.random()
            if chance < 0.2:
                task = self._tasks[0] if self._rng.random() < 0.5 else self._tasks.pop(0)
                return (EpochFailure(task.island, task.epoch, "worker", "a test killed it"),)
            replies = super().wait(timeout_s)
            return replies * 2 if chance < 0.4 else replies

    return Unruly


@pytest.fixture(scope="module")
def job(tiny_values):
    from cluster.settings import config_from

    values = {**tiny_values, "gates": EASY, "evolution": {**tiny_values["evolution"], "generations": 2}}
    return config_from(values, where="test")


@pytest.fixture(scope="module")
def undisturbed(job, tmp_path_factory, replay):
    return run_job(job, root=tmp_path_factory.mktemp("undisturbed"), make_executor=replay)


def test_a_job_ends_with_all_that_it_promises(undisturbed, job):
    view = undisturbed
    assert view.status == "finished"
    assert len(view.epochs) == 4
    assert view.config.language.columns == ()  # none are in these bars, which is written out
    assert view.config == settled(job).model_copy(update={"language": view.config.language})
    assert view.config.evolution.founders.text() == "ta 0.5, ml 0.5"
    assert [shard["symbol"] for shard in view.shards] == ["SPX", "IXIC"]
    births = read_births(view.run_dir, view.epochs)
    assert len(births) == view.n_births == sum(epoch["births"]["n"] for epoch in view.epochs)
    assert int(births.evaluated.sum()) == view.n_evaluated == view.chosen["trials"]["n_evaluated"]
    assert 1 < view.n_trials == len(np.unique(behaviours_of(births)[births.evaluated])) <= view.n_evaluated
    kinds = [record.kind for record in read_journal(view.run_dir / FILE_NAME).records]
    assert kinds.index("lockbox_read") < kinds.index("candidate")
    assert kinds[0] == "job_created"
    assert kinds[-1] == "job_finished"
    states = [path.name for path in sorted((view.run_dir / "epochs").glob("*.state"))]
    assert states == ["i000-e0001.state", "i001-e0001.state"]  # only the last of each island is kept


def test_births_parquet_is_the_pedigree(undisturbed):
    frame = pl.read_parquet(undisturbed.run_dir / BIRTHS_FILE)
    assert frame.height == undisturbed.n_births
    assert frame.columns[:4] == ["birth_id", "strategy_id", "island", "generation"]
    assert {"operator", "species", "parent_a", "reason", "objective.steady_sharpe", "measure.sharpe", "genome"} <= set(
        frame.columns
    )
    assert frame["birth_id"].is_sorted()
    assert set(frame["species"]) <= {"ta", "ml", "hybrid"}
    assert {"ta", "ml"} <= set(frame.filter(pl.col("generation") == 0)["species"])
    same_key = frame.group_by("key").agg(pl.col("strategy_id").n_unique())
    assert same_key["strategy_id"].max() == 1
    same_strategy = frame.group_by("strategy_id").agg(pl.col("key").n_unique())
    assert same_strategy["key"].max() == 1
    assert pl.read_parquet_metadata(undisturbed.run_dir / BIRTHS_FILE).keys() <= {"ARROW:schema"}


def test_columns_are_those_that_all_bars_have(job):
    bars = [SimpleNamespace(symbol=name, timeframe="1d", extra=dict.fromkeys(columns))
            for name, columns in (("A", ("funding", "open_interest")), ("B", ("open_interest", "bid")))]  # fmt: skip
    found = with_columns(job, bars)
    assert found.language.columns == ("open_interest",)
    assert found.language.intraday is False
    hours = [SimpleNamespace(**vars(each) | {"timeframe": "1h"}) for each in bars]
    assert with_columns(job, hours).language.intraday is True
    assert with_columns(job, [hours[0], bars[1]]).language.intraday is False
    assert with_columns(found, bars) == found
    none = job.model_copy(update={"language": job.language.model_copy(update={"columns": (), "intraday": True})})
    assert with_columns(none, bars) == none
    missing = job.model_copy(update={"language": job.language.model_copy(update={"columns": ("funding",)})})
    with pytest.raises(ConfigError, match=r"must be in the bars of every shard, but 'funding' is not in B 1d \(tiny\)"):
        with_columns(missing, bars)


def test_twice_is_the_same_bytes(undisturbed, job, tmp_path, assert_same_job):
    assert_same_job(run_job(job, root=tmp_path), undisturbed)


@pytest.mark.parametrize("seed", range(25))
def test_an_unruly_executor_changes_nothing(undisturbed, job, tmp_path, seed, replay, assert_same_job):
    patient = job.model_copy(update={"cluster": job.cluster.model_copy(update={"repairs": 99})})
    assert_same_job(run_job(patient, root=tmp_path, make_executor=unruly(replay, seed)), undisturbed)


@pytest.fixture(scope="module")
def screened_job(tiny_values):
    """A job whose screen is on for a while: it keeps a third, and is judged mildly."""
    from cluster.settings import config_from

    screen = {"enabled": True, "keep": 0.3, "min_agreement": 0.2, "window": 2, "rest": 1}
    evolution = {**tiny_values["evolution"], "generations": 3, "population_size": 20, "screen": screen}
    return config_from({**tiny_values, "gates": EASY, "evolution": evolution}, where="test")


@pytest.fixture(scope="module")
def screened(screened_job, tmp_path_factory, replay):
    return run_job(screened_job, root=tmp_path_factory.mktemp("screened"), make_executor=replay)


def test_every_strategy_that_was_screened_out_is_a_trial(screened):
    births = read_births(screened.run_dir, screened.epochs)
    out = births.evaluated & (births.reason == SCREENED_OUT)
    assert screened.n_screened_out == out.sum() > 10
    assert screened.n_evaluated == births.evaluated.sum()
    behaviours = behaviours_of(births)
    assert len(np.unique(behaviours[out])) == len(np.unique(births.key[out], axis=0))  # each counts as its own
    assert screened.chosen["n_trials"] == screened.n_trials == len(np.unique(behaviours[births.evaluated]))
    gate = next(gate for gate in screened.candidates[0]["gates"] if gate["name"] == "dsr")
    assert f"{screened.n_trials:,}" in gate["explanation"]
    frame = pl.read_parquet(screened.run_dir / BIRTHS_FILE)
    alone = frame.filter(pl.col("evaluated") & (pl.col("reason") == "screened out"))
    assert alone.height == screened.n_screened_out
    assert alone["objective.steady_sharpe"].is_nan().all()


def test_a_screened_job_resumes_to_the_same_bytes(screened, screened_job, tmp_path, replay, assert_same_job):
    stop = threading.Event()

    def observer(record):
        if record.kind == "epoch_finished" and record.data["epoch"] == 1:
            stop.set()

    with pytest.raises(Interrupted, match="stopped between two epochs"):
        run_job(screened_job, root=tmp_path, observers=[observer], stop=stop)
    (run,) = tmp_path.glob("*-*")
    assert_same_job(resume_job(run), screened)


def test_stop_keeps_what_is_finished_and_resume_goes_on(undisturbed, job, tmp_path, replay, assert_same_job):
    stop = threading.Event()

    def observer(record):
        if record.kind == "epoch_finished":
            stop.set()

    with pytest.raises(Interrupted, match=r"stopped between two epochs; `studbook resume tiny-") as caught:
        run_job(job, root=tmp_path, observers=[observer], stop=stop, make_executor=replay)
    assert caught.value.exit_code == 75
    (run,) = tmp_path.glob("*-*")
    view = read_job(run)
    assert view.status == "interrupted"
    assert 1 <= len(view.epochs) < 4
    assert_same_job(resume_job(run, make_executor=replay), undisturbed)
    n_records = len(read_journal(run / FILE_NAME).records)
    assert_same_job(resume_job(run), undisturbed)  # a finished job is only shown
    assert len(read_journal(run / FILE_NAME).records) == n_records


def test_stop_in_the_middle_of_an_epoch_abandons_it(undisturbed, job, tmp_path, replay, assert_same_job):
    stop = threading.Event()

    class Slow(SerialExecutor):
        def __init__(self, config, market, stop):
            super().__init__(config, market, stop=stop)
            evaluate = self._evaluate

            def stopping(phenotypes, segment):
                stop.set()
                return evaluate(phenotypes, segment)

            self._evaluate = stopping

    with pytest.raises(Interrupted, match="stopped between two epochs"):
        run_job(job, root=tmp_path, stop=stop, make_executor=Slow)
    (run,) = tmp_path.glob("*-*")
    assert read_job(run).epochs == ()
    assert_same_job(resume_job(run, make_executor=replay), undisturbed)


def test_an_epoch_lost_too_often_is_a_cluster_error(undisturbed, job, tmp_path, replay, assert_same_job):
    class Broken(replay):
        def wait(self, timeout_s):
            return tuple(EpochFailure(t.island, t.epoch, "island 0", "no memory") for t in [self._tasks.pop(0)])

    with pytest.raises(ClusterError, match=r"may be lost 5 times, but was lost again: island \d: no memory"):
        run_job(job, root=tmp_path, make_executor=lambda *a: Broken(*a))
    (run,) = tmp_path.glob("*-*")
    view = read_job(run)
    assert view.status == "interrupted"
    assert view.repairs[0] == {
        "island": 0,
        "epoch": 0,
        "what": "island 0",
        "reason": "no memory",
        "action": "epoch run again",
    }
    assert_same_job(resume_job(run, make_executor=replay), undisturbed)


def test_an_observer_that_fails_stops_nothing(undisturbed, job, tmp_path, capsys, replay, assert_same_job):
    seen = []

    def broken(record):
        raise RuntimeError("no display")

    view = run_job(job, root=tmp_path, observers=[broken, seen.append], make_executor=replay)
    assert_same_job(view, undisturbed)
    assert capsys.readouterr().err.count("An observer failed at job_created: RuntimeError: no display") == 1
    assert seen == list(read_journal(view.run_dir / FILE_NAME).records)


@pytest.fixture
def half_done(job, tmp_path, replay):
    """A run folder with a job that was stopped after its first epoch."""
    stop = threading.Event()
    with pytest.raises(Interrupted, match="stopped"):
        run_job(job, root=tmp_path / "runs", observers=[lambda r: r.kind == "epoch_finished" and stop.set()],
                stop=stop, make_executor=replay)  # fmt: skip
    (run,) = (tmp_path / "runs").glob("*-*")
    return run


def test_resume_refuses_another_config_by_its_first_key(half_done, job, undisturbed, replay, assert_same_job):
    other = job.model_copy(update={"seed": 12})
    with pytest.raises(ConfigError, match="`seed` is 11 in the journal but 12 in the file"):
        resume_job(half_done, config=other)
    with pytest.raises(ConfigError, match=r"`costs\.fee_bps` is 5\.0 in the journal but 6\.0 in the file"):
        resume_job(half_done, config=job.model_copy(update={"costs": job.costs.model_copy(update={"fee_bps": 6.0})}))
    wider = job.model_copy(update={"cluster": job.cluster.model_copy(update={"workers": 7})})
    used = []

    def make(config, market, stop):
        used.append(config.cluster.workers)
        return replay(config, market, stop)

    assert_same_job(resume_job(half_done, config=wider, make_executor=make), undisturbed)
    assert used == [7]


def test_resume_refuses_other_bars_naming_both_hashes(tiny_values, tmp_path, bars_root, replay):
    from cluster.settings import config_from

    shutil.copytree(bars_root, tmp_path / "data")
    values = {**tiny_values, "data": {**tiny_values["data"], "root": str(tmp_path / "data")}}
    stop = threading.Event()
    with pytest.raises(Interrupted, match="stopped"):
        run_job(config_from(values, where="test"), root=tmp_path / "runs", stop=stop,
                observers=[lambda r: stop.set()], make_executor=replay)  # fmt: skip
    (run,) = (tmp_path / "runs").glob("*-*")
    old = read_job(run).shards[1]["content_hash"]
    bars = sample("IXIC").tail(900).with_columns(pl.col("volume") + 1.0)
    write_shard(bars, tmp_path / "data", "IXIC", "1d", source="test")
    with pytest.raises(JournalError, match=f"content_hash of IXIC 1d is [0-9a-f]{{64}} where the journal has {old}"):
        resume_job(run)
    assert read_job(run).status == "interrupted"


def test_resume_refuses_a_damaged_epoch_by_name(half_done, replay):
    path = next((half_done / "epochs").glob("*.births"))
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    with pytest.raises(JournalError, match=rf"must have SHA-256 [0-9a-f]{{16}}, but had .*{path.name}"):
        resume_job(half_done, make_executor=replay)
    path.unlink()
    with pytest.raises(JournalError, match=rf"must be there, but was not: No such file.*{path.name}"):
        resume_job(half_done, make_executor=replay)


def test_resume_refuses_another_gene_table(half_done, monkeypatch):
    monkeypatch.setattr("cluster.driver.fingerprint", lambda: "of tomorrow")
    with pytest.raises(JournalError, match=r"that was [0-9a-f]+ and this is of tomorrow"):
        resume_job(half_done)


def test_other_packages_are_told_and_journalled(half_done, undisturbed, monkeypatch, capsys, replay, assert_same_job):
    monkeypatch.setattr("cluster.driver.platform.python_version", lambda: "3.99")
    assert_same_job(resume_job(half_done, make_executor=replay), undisturbed)
    assert "so its births may differ: python 3.11" in capsys.readouterr().err
    resumed = [r for r in read_journal(half_done / FILE_NAME).records if r.kind == "resumed"]
    assert resumed[0].data["changed_versions"]["python"][1] == "3.99"


def test_a_job_that_can_not_begin_leaves_nothing_behind(job, tmp_path):
    short = job.model_copy(update={"split": job.split.model_copy(update={"folds": 9})})
    with pytest.raises(DataError, match="the common axis of 2 shards has 900 bars where"):
        run_job(short, root=tmp_path / "runs")
    gone = job.model_copy(update={"data": job.data.model_copy(update={"root": str(tmp_path / "none")})})
    with pytest.raises(DataError, match="must exist before it is read"):
        run_job(gone, root=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_folder_that_may_not_be_written_is_told(job, tmp_path, half_done, replay):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StudbookError, match=r"must be able to read and write its files, but was not: .*file"):
        run_job(job, root=tmp_path / "file" / "runs", make_executor=replay)
    (half_done / FILE_NAME).unlink()
    with pytest.raises(JournalError, match="must hold a journal, but there is none at"):
        resume_job(half_done)


def test_two_drivers_can_not_run_one_job(half_done):
    from cluster.journal import Journal

    journal, _ = Journal.open(half_done / FILE_NAME)
    assert read_job(half_done).status == "running"
    with pytest.raises(JournalError, match="must have one driver, but another is running it now"):
        resume_job(half_done)
    journal.close()


def test_results_cross_the_seam_unchanged(undisturbed, replay):
    for result in replay.results.values():
        assert from_wire(type(result), to_wire(result)) == result
        assert all(np.isfinite(stats["gene_spread"]) for stats in result.facts["stats"])
