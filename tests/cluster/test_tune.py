"""Tuning: what it may see, that it counts all it tries, goes on where it was stopped, and says when it did not help."""

import json
import threading
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from cluster import tune as tuning
from cluster import tuning_instances
from cluster.cli import app
from cluster.market import open_market
from cluster.settings import config_from, load_config
from cluster.signals import Interrupted
from cluster.trial_ledger import ledger
from cluster.tune import Tuned, TuneSettings, tune
from cluster.tuning_instances import Instance, before, instances_of, searched, value_of
from cluster.tuning_space import changes_of, own_setting, space_of, tuned_config, with_changes
from cluster.tuning_values import Known, ValuesFile
from evolution.tuning import Choice, Comparison, Trial
from strategies.errors import ConfigError, JournalError

SMALL = TuneSettings(trials=3, instances=2, evaluations=60, seed=5)


@pytest.fixture
def job(tiny_job):
    return tiny_job(split={"folds": 4}, language={"learners": False})


@pytest.fixture
def market(job):
    return open_market(job)


@pytest.fixture
def tiny_values(tiny_values):
    return {**tiny_values, "language": {}}


@pytest.fixture
def toy(monkeypatch):
    """Searches that take no time: a search is its setting and instance, and its value a function of them."""
    asked = []

    def search(config, market, setting, instance, *, evaluations, stop):
        if stop.is_set():
            raise Interrupted("stopped")
        asked.append((tuple(sorted(changes_of(setting).items())), instance.number))
        births = SimpleNamespace(evaluated=np.ones(1, dtype=bool), key=np.full((1, 2), len(asked), dtype=np.uint64))
        births.take = lambda _: births
        value = setting["crossover_rate"] + 0.1 * np.random.Generator(np.random.Philox(key=instance.seed)).normal()
        return SimpleNamespace(births=births, n_evaluated=evaluations, value=float(value))

    monkeypatch.setattr(tuning, "searched", search)
    monkeypatch.setattr(tuning, "value_of", lambda found: found.value)
    monkeypatch.setattr(tuning, "behaviours_of", lambda births: births.key[:, 0].copy())
    return asked


def run(job, market, root, settings=SMALL, stop=None, say=lambda _: None):
    return tune(job, market, settings, root=root, stop=stop or threading.Event(), say=say)


def test_ones_own_setting_is_in_the_space_and_is_the_job_itself(tiny_job):
    for changes in ({}, {"evolution": {"islands": 3, "population_size": 50, "crossover_rate": 0.99}}):
        job = tiny_job(**changes)
        own = own_setting(job)
        for name, part in space_of(job, 1000).items():
            assert own[name] in part.values if isinstance(part, Choice) else part.low <= own[name] <= part.high, name
        assert tuned_config(job, own) is job
        again = config_from(with_changes(job.model_dump(mode="json"), changes_of(own)), where="test")
        assert again.evolution == job.evolution


def test_every_corner_of_the_space_is_a_job(job):
    space = space_of(job, 2000)
    for pick in (0, -1):
        corner = {
            name: part.values[pick] if isinstance(part, Choice) else (part.low, part.high)[pick]
            for name, part in space.items()
        }
        whole = {name: int(value) if getattr(space[name], "whole", False) else value for name, value in corner.items()}
        made = tuned_config(job, whole)
        assert made.evolution.migration.migrants <= made.evolution.population_size // 2


def test_an_instance_ends_with_the_fold_it_holds_out(market):
    for fold in (-1, -2):
        cut = before(market, fold)
        for shard, now, then, whole in zip(cut.shards, cut.splits, market.splits, market.shards, strict=True):
            assert now.folds == then.folds[:fold]
            assert (now.validation.start, now.validation.stop) == (then.folds[fold].start, then.folds[fold].stop)
            assert len(shard.timestamps) == then.folds[fold].stop < then.validation.start < len(whole.timestamps)
            assert now.folds[-1].stop <= now.validation.start
            assert now.lockbox.n_bars == 0


def test_shards_that_begin_late_are_left_out(market):
    first, second = market.splits
    late = replace(market, splits=(first, replace(second, folds=second.folds[-2:])))
    assert len(before(late, -1).shards) == 2
    assert len(before(late, -2).shards) == 1
    none = replace(market, splits=tuple(replace(cut, folds=cut.folds[-1:]) for cut in market.splits))
    with pytest.raises(ConfigError, match="must have 2 folds or more to hold one out, but none has"):
        before(none, -1)


def test_instances_turn_through_the_later_folds_with_a_seed_each(job, tiny_job):
    one = instances_of(job, 5, first=0, seed=9)
    two = instances_of(job, 5, first=5, seed=9)
    assert [instance.fold for instance in one] == [-1, -2, -1, -2, -1]
    assert len({instance.seed for instance in one + two}) == 10
    with pytest.raises(ConfigError, match=r"`split\.folds` must be 2 or more to tune, as one is held out, but was 1"):
        instances_of(tiny_job(split={"folds": 1}), 2, first=0, seed=1)


def test_a_search_spends_its_budget_and_its_value_needs_nothing_beyond_the_held_out_fold(job, market, monkeypatch):
    instance = Instance(0, -1, 3)
    stop = threading.Event()
    found = searched(job, before(market, -1), own_setting(job), instance, evaluations=70, stop=stop)
    assert found.n_evaluated == 70
    value = value_of(found)
    assert np.isfinite(value)
    cut = replace(
        market,
        shards=tuple(
            shard.head(split.folds[-1].stop) for shard, split in zip(market.shards, market.splits, strict=True)
        ),
    )
    again = searched(job, before(cut, -1), own_setting(job), instance, evaluations=70, stop=stop)
    assert value_of(again) == value
    monkeypatch.setattr(tuning_instances, "best_candidates", lambda *_: [])
    assert value_of(found) == 0.0  # a search that found nothing


def test_a_tuning_counts_every_evaluation_on_the_bars_of_the_job(job, market, tmp_path):
    found = run(job, market, tmp_path, replace(SMALL, trials=2))
    (entry,) = ledger(tmp_path).entries
    assert (entry.name, entry.what) == (found.name, "tuning")
    assert set(entry.shard_hashes) == {shard.content_hash for shard in market.shards}
    assert 60 < len(entry.keys) <= found.n_evaluated
    assert found.n_evaluated % 60 == 0
    assert found.verdict().startswith("Tuning ")


def test_a_tuning_that_was_stopped_goes_on_and_comes_to_the_same(job, market, tmp_path, toy):
    settings = TuneSettings(trials=6, instances=4, evaluations=100)
    whole = run(job, market, tmp_path / "whole", settings)
    n_searches = len(toy)
    toy.clear()
    stop, steps = threading.Event(), []

    def say(_line):
        steps.append(_line)
        if len(steps) == 9:
            stop.set()

    with pytest.raises(Interrupted, match="stopped"):
        run(job, market, tmp_path / "cut", settings, stop, say)
    assert 0 < len(toy) < n_searches
    assert run(job, market, tmp_path / "cut", settings) == whole
    assert len(toy) == len(set(toy)) == n_searches  # nothing was searched twice
    assert run(job, market, tmp_path / "cut", settings) == whole
    assert len(toy) == n_searches


def test_a_setting_that_is_better_wins_on_fresh_instances_and_says_so(job, market, tmp_path, toy):
    found = run(job, market, tmp_path, TuneSettings(trials=15, instances=6, evaluations=100))
    assert found.best.setting["crossover_rate"] > own_setting(job)["crossover_rate"]
    assert found.helped
    assert found.verdict().startswith("Tuning helped: median difference +0.")
    assert set(found.best.values).isdisjoint(number for _, number in toy[-12:])


def test_what_did_not_help_is_said():
    trial = Trial(1, {}, {0: 1.0}, 0.5, False)
    none = Tuned((trial,), trial, None, (), (), 1, "x")
    chance = Tuned((trial,), trial, Comparison(0.1, 0.2, 8), (), (), 1, "x")
    worse = Tuned((trial,), trial, Comparison(-0.1, 0.01, 8), (), (), 1, "x")
    assert "no setting beat the job's own" in none.verdict()
    assert "did not help: median difference +0.100, p 0.200" in chance.verdict()
    assert not any(one.helped for one in (none, chance, worse))


def test_other_budgets_bars_or_jobs_have_other_names(job, market, tiny_job):
    names = {
        tuning.name_of(job, market, SMALL),
        tuning.name_of(job, market, replace(SMALL, evaluations=61)),
        tuning.name_of(job, market, replace(SMALL, seed=6)),
        tuning.name_of(tiny_job(seed=12), market, SMALL),
        tuning.name_of(job, before(market, -1), SMALL),
    }
    assert len(names) == 5
    assert tuning.name_of(job, market, replace(SMALL, trials=9, instances=9)) in names  # these values are the same


def test_a_torn_last_line_is_cut_and_anything_else_refused(tmp_path):
    path = tmp_path / "a" / "values.jsonl"
    with ValuesFile.open(path) as values:
        values.put("one", Known(0.5, 10))
        values.put("two", Known(-1.0, 20))
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for end in range(first, len(whole)):
        path.write_bytes(whole[:end])
        with ValuesFile.open(path) as values:
            assert values.known == {"one": Known(0.5, 10)}
            values.put("two", Known(-1.0, 20))
        assert path.read_bytes() == whole
    for bad in (b"{}\n", b"[1]\n", b"\n", b'{"key": "a", "value": NaN, "n_evaluated": 1}\n', b"\xff\n"):
        path.write_bytes(bad + whole)
        with pytest.raises(JournalError, match=r"must have `key`, `value` and `n_evaluated`, but was .*line 1"):
            ValuesFile.open(path)


@pytest.fixture
def job_file(tiny_values, tmp_path):
    path = tmp_path / "job.yaml"
    values = {**tiny_values, "split": {"folds": 4}, "language": {"learners": False}}
    path.write_text(yaml.safe_dump(values))
    return path


def studbook(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_the_command_answers_with_one_document_and_writes_a_job_that_can_be_read(job_file, tmp_path, toy):
    out = tmp_path / "tuned.yaml"
    options = ("--trials", 6, "--instances", 4, "--evaluations", 100, "--root", tmp_path / "runs")
    done = studbook("tune", job_file, *options, "--out", out, "--json")
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert len(document["trials"]) == 6
    assert document["helped"] == (
        document["comparison"] is not None and document["verdict"].startswith("Tuning helped")
    )
    written, before_ = load_config(out, environment={}), load_config(job_file, environment={})
    dumped = written.model_dump(mode="json")
    for key, value in document["best"]["changes"].items():
        found = dumped
        for part in key.split("."):
            found = found[part]
        assert found == value
    assert written.model_copy(update={"evolution": before_.evolution}) == before_
    shown = studbook("tune", job_file, *options)
    assert document["verdict"] in shown.stdout.replace("\n", " ")


def test_the_command_refuses_one_fold_by_name(job_file, tmp_path, toy):
    done = studbook("tune", job_file, "--set", "split.folds=1", "--root", tmp_path / "runs")
    assert done.exit_code == 3
    assert "`split.folds` must be 2 or more to tune" in done.stderr


def test_ctrl_c_ends_with_130_and_keeps_what_is_known(job_file, tmp_path, toy, monkeypatch):
    import signal

    real = tuning.searched

    def search(*words, **options):
        if len(toy) == 3:
            signal.raise_signal(signal.SIGINT)
            assert options["stop"].wait(60)  # a thread of its own hears it
        return real(*words, **options)

    monkeypatch.setattr(tuning, "searched", search)
    options = ("--trials", 3, "--instances", 3, "--evaluations", 100, "--root", tmp_path / "runs")
    done = studbook("tune", job_file, *options)
    assert done.exit_code == 130
    assert "the same command goes on" in done.stderr
    (path,) = (tmp_path / "runs" / "tuning").iterdir()
    assert len(path.read_text().splitlines()) == 3
    monkeypatch.setattr(tuning, "searched", real)
    assert studbook("tune", job_file, *options).exit_code == 0
