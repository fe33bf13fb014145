"""Job files: what is read, and how every mistake is told."""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cluster.job_config import settled
from cluster.settings import config_from, config_hash, first_difference, load_config
from cluster.worker import evolution_settings, language_of
from strategies.errors import ConfigError
from strategies.language import Language

MINIMAL = {"name": "a", "seed": 1, "data": {"shards": [{"symbol": "SPX"}]}}


def changed(path, value):
    """MINIMAL with one key set, as changed("evolution.islands", 3)."""
    values = json.loads(json.dumps(MINIMAL))
    *sections, last = path.split(".")
    place = values
    for section in sections:
        place = place.setdefault(section, {})
    place[last] = value
    return values


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("seed", "7", r"`seed` must be a whole number, but was '7' \(f\.yaml\)"),
        ("seed", -1, "`seed` must be at least 0, but was -1"),
        ("seed", True, "`seed` must be a whole number, but was True"),
        ("name", "a b", r"`name` must match the pattern .*, but was 'a b'"),
        ("name", False, "`name` must be text, but was False"),
        ("evolutoin", {}, "Every key must be known, but was `evolutoin`.*nearest known: evolution"),
        ("evolution.populaton_size", 9, "but was `evolution.populaton_size`.*nearest known: population_size"),
        ("evolution.migration.lags", 9, "but was `evolution.migration.lags`.*nearest known: lag"),
        ("evolution.population_size", 1, "`evolution.population_size` must be at least 4, but was 1"),
        ("evolution.generations", 0, "`evolution.generations` must be at least 1, but was 0"),
        ("evolution.islands", 0, "`evolution.islands` must be at least 1, but was 0"),
        ("evolution.crossover_rate", 1.5, "`evolution.crossover_rate` must be at most 1, but was 1.5"),
        ("evolution.mutation_rate", -0.1, "`evolution.mutation_rate` must be at least 0, but was -0.1"),
        ("evolution.objectives", ["sharp"], "known objectives, but was 'sharp'; nearest known: sharpe"),
        ("evolution.objectives", [], "`evolution.objectives` must have at least 1 item"),
        ("evolution.objectives", ["sharpe", "sharpe"], "must name every objective once, but was sharpe, sharpe"),
        ("evolution.migration.migrants", 61, "at most half of `population_size`, but was 61 of 60"),
        ("evolution.migration.topology", "star", "must be 'ring', 'torus', 'full', .* or 'none', but was 'star'"),
        ("evolution.founders", {"ta": 0.5, "ml": 0.4}, "`evolution.founders` must add up to 1, but was ta 0.5, ml 0.4"),
        ("evolution.founders", {"ta": 1, "dl": 0}, "but was `evolution.founders.dl`.*nearest known: ml"),
        ("evolution.founders.ta", 1.5, "`evolution.founders.ta` must be at most 1, but was 1.5"),
        ("evolution.founders", 0.5, "`evolution.founders` must be a mapping of keys to values, but was 0.5"),
        ("evolution.floor", {"ta": 0.1, "hybird": 0.1}, "but was `evolution.floor.hybird`.*nearest known: hybrid"),
        ("evolution.floor", -0.1, "`evolution.floor.ta` must be at least 0, but was -0.1"),
        ("evolution.floor", True, "`evolution.floor` must be a mapping of keys to values, but was True"),
        ("evolution.floor", 0.5, r"`floor` must leave 10% to the best of all, but was ta 0.5, ml 0.5 \(f\.yaml: evol"),
        ("language.learner", False, "but was `language.learner`.*nearest known: learners"),
        ("language.timeframes", 3, "`language.timeframes` must be at most 2, but was 3"),
        ("language.columns", ["a", "a"], "`language.columns` must name every column once, but was a, a"),
        ("evolution.screen.keep", 0.0, "`evolution.screen.keep` must be greater than 0, but was 0.0"),
        ("evolution.screen.cells", 1.0, "`evolution.screen.cells` must be less than 1, but was 1.0"),
        ("evolution.screen.kept", 0.5, "but was `evolution.screen.kept`.*nearest known: keep"),
        ("evolution.screen.audit", 0, "`evolution.screen.audit` must be greater than 0, but was 0"),
        ("evolution", 5, "`evolution` must be a mapping of keys to values, but was 5"),
        ("split.validation", 1.2, "`split.validation` must be less than 1, but was 1.2"),
        ("split.lockbox", 0.0, "`split.lockbox` must be greater than 0, but was 0.0"),
        ("split", {"validation": 0.5, "lockbox": 0.5}, "leave at least a tenth of the bars to the folds, but was 0.5"),
        ("split.folds", 0, "`split.folds` must be at least 1, but was 0"),
        ("data.start", "2013-02-30", "must be a day such as 2013-03-01, but was '2013-02-30'"),
        ("data.start", "yesterday", "`data.start` must"),
        ("costs.fee_bps", -1, "`costs.fee_bps` must be at least 0, but was -1"),
        ("costs.fee_bps", float("nan"), "`costs.fee_bps` must be a finite number, but was nan"),
        ("costs.fee_bps", "5", "`costs.fee_bps` must be a number, but was '5'"),
        ("gates.dsr", 95, "`gates.dsr` must be at most 1, but was 95"),
        ("cluster.executor", "dask", "`cluster.executor` must be 'ray' or 'serial', but was 'dask'"),
        ("cluster.workers", 0, "`cluster.workers` must be at least 1, but was 0"),
        ("cluster", {"workers": 2, "group": 3}, "`group` must be at most `workers`, but was 3 of 2. Lower it, raise"),
        ("tracking.enabled", "yes", "`tracking.enabled` must be true or false, but was 'yes'"),
        ("data.shards", [], "`data.shards` must have at least 1 item"),
        ("data.shards", "SPX", "`data.shards` must be a list, but was 'SPX'"),
        ("data.shards", ["SPX"], "`data.shards.0` must be a mapping of keys to values, but was 'SPX'"),
        ("data.shards", [{"symbol": "A"}, {"symbol": "A"}], "must name every shard once, but was A 1d twice"),
        ("data.shards", [{"symbol": "../up"}], "`data.shards.0.symbol` must match the pattern"),
        ("data.shards", [{"symbol": "pool"}], "must not be POOL, which stands for all shards"),
        ("data.shards", [{"symbol": "A", "timeframe": "day"}], "`data.shards.0.timeframe` must match the pattern"),
        ("data.shards", [{"symbol": "A", "time": "1d"}], "but was `data.shards.0.time`.*nearest known: timeframe"),
        ("data.shards", [{}], "`data.shards.0.symbol` must be given, but was missing"),
    ],
)
def test_every_mistake_is_told_by_key_value_and_file(path, value, message):
    with pytest.raises(ConfigError, match=message) as caught:
        config_from(changed(path, value), where="f.yaml")
    assert "f.yaml" in str(caught.value)


def test_a_screen_needs_cells_to_choose_from():
    values = {**MINIMAL, "split": {"folds": 1}, "evolution": {"screen": {"enabled": True}}}
    with pytest.raises(ConfigError, match=r"`evolution\.screen` must have two cells or more .* one fold of one shard"):
        config_from(values, where="f.yaml")
    values["data"] = {"shards": [{"symbol": "SPX"}, {"symbol": "IXIC"}]}
    assert config_from(values, where="f.yaml").evolution.screen.enabled


def species(language, evolution):
    """Founders and floor that a job file stands for, which evolution understands alike."""
    config = config_from({**MINIMAL, "language": language, "evolution": evolution}, where="x")
    section, made = settled(config).evolution, evolution_settings(config)
    for written, meant in ((section.founders, made.founders), (section.floor, made.floor)):
        assert tuple(written.model_dump().values()) == meant
    assert evolution_settings(settled(config)) == made
    return section.founders.text(), section.floor.text()


def test_species_are_settled_by_the_language_and_written_out():
    assert species({}, {}) == ("ta 0.5, ml 0.5", "ta 0.1, ml 0.1")
    assert species({"learners": False}, {}) == ("ta 1", "nothing")
    assert species({}, {"founders": {"ta": 1}}) == ("ta 1", "ta 0.1")
    assert species({}, {"floor": 0.2}) == ("ta 0.5, ml 0.5", "ta 0.2, ml 0.2")
    assert species({}, {"floor": 0, "founders": {"hybrid": 1}}) == ("hybrid 1", "nothing")
    settings = evolution_settings(config_from(MINIMAL, where="x"))
    assert (settings.founder_counts, settings.floor_counts) == ((30, 30, 0), (6, 6, 0))


@pytest.mark.parametrize("evolution", [{"founders": {"ta": 0.5, "ml": 0.5}}, {"floor": 0.1}])
def test_a_language_without_learners_has_no_species_that_learns(evolution):
    values = {**MINIMAL, "language": {"learners": False}, "evolution": evolution}
    (name,) = evolution
    with pytest.raises(ConfigError, match=rf"`evolution.{name}` must be of ta alone where `language.learners` is fals"):
        config_from(values, where="f.yaml")


def test_the_language_of_a_job_is_that_of_its_file():
    language = {"learners": False, "patterns": False, "timeframes": 1, "columns": ["bid", "ask"]}
    config = config_from({**MINIMAL, "language": language}, where="x")
    assert language_of(config) == Language(learners=False, patterns=False, timeframes=1, columns=("ask", "bid"))
    assert evolution_settings(config).language == language_of(config)
    assert language_of(config_from(MINIMAL, where="x")) == Language()


def test_all_mistakes_are_told_at_once():
    values = {**changed("evolution.population_size", 1), "seed": "x"}
    with pytest.raises(ConfigError, match=r"(?s)`seed`.*`evolution\.population_size`"):
        config_from(values, where="f.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"must be a mapping of keys to values, but was empty"),
        ("- 1\n", "must be a mapping of keys to values, but was a list"),
        ("just text", "must be a mapping of keys to values, but was a text"),
        ("a: [1\nb: 2\n", r"must be YAML, but was not \(.*line 2, column 2: expected"),
        ("a: 1\na: 2\n", r"line 2, column 1: key 'a' is given twice"),
        ("1: 2\n", r"line 1, column 1: key 1 is not text"),
        ("a: !!python/object/apply:os.system [ls]\n", "must be YAML, but was not .*could not determine a constructor"),
        ("a: \x00", "must be YAML, but was not"),
        ("{" * 3000, "must be YAML, but was not"),
        ("name: a\nseed: 1\n", "`data` must be given, but was missing"),
    ],
)
def test_files_that_are_no_job(tmp_path, text, message):
    path = tmp_path / "job.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(path, environment={})
    assert "job.yaml" in str(caught.value)


def test_files_that_can_not_be_read(tmp_path):
    (tmp_path / "quickstart.yaml").write_text("name: a")
    with pytest.raises(ConfigError, match=r"there is none at .*quickstat\.yaml; nearest known: quickstart\.yaml"):
        load_config(tmp_path / "quickstat.yaml")
    with pytest.raises(ConfigError, match="must be readable, but was not: Is a directory"):
        load_config(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"name: \xe9")
    with pytest.raises(ConfigError, match="must be UTF-8 text, but byte 6 was not"):
        load_config(tmp_path / "latin.yaml")
    (tmp_path / "big.yaml").write_text("#" * (1 << 20 | 1))
    with pytest.raises(ConfigError, match="must be below 1,048,576 bytes, but was 1,048,577"):
        load_config(tmp_path / "big.yaml")


def test_yaml_numbers_are_numbers(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(yaml.safe_dump(MINIMAL) + "costs: {fee_bps: 5e-1, slippage_bps: 2}\n")
    config = load_config(path, environment={})
    assert (config.costs.fee_bps, config.costs.slippage_bps) == (0.5, 2.0)


def test_dates_may_be_written_plainly(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("name: a\nseed: 1\ndata: {start: 2000-01-03, end: '2013-03-01', shards: [{symbol: SPX}]}\n")
    config = load_config(path, environment={})
    assert (config.data.start, config.data.end) == ("2000-01-03", "2013-03-01")
    path.write_text("name: a\nseed: 1\ndata: {start: 2000-02-30, end: 3, shards: [{symbol: SPX}]}\n")
    with pytest.raises(ConfigError, match=r"(?s)`data\.start`.*'2000-02-30'.*`data\.end` must be text, but was 3"):
        load_config(path, environment={})


def test_only_two_keys_come_from_the_environment(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(yaml.safe_dump(changed("cluster.address", "10.0.0.1:6379")))
    config = load_config(path, environment={"RAY_ADDRESS": "auto", "MLFLOW_TRACKING_URI": "http://m", "SEED": "3"})
    assert (config.cluster.address, config.tracking.uri, config.seed) == ("auto", "http://m", 1)
    assert load_config(path, environment={}).cluster.address == "10.0.0.1:6379"


def test_a_config_is_frozen_and_comes_back_from_json():
    config = config_from(MINIMAL, where="x")
    again = config_from(json.loads(json.dumps(config.model_dump(mode="json"))), where="x")
    assert again == config
    with pytest.raises(ValueError, match="frozen"):
        config.seed = 2


def test_the_hash_is_of_what_decides_results():
    config = config_from(MINIMAL, where="x")
    for path in ("cluster.workers", "tracking.experiment", "output.root"):
        other = config_from(changed(path, 7 if path == "cluster.workers" else "z"), where="x")
        assert config_hash(other) == config_hash(config)
        assert first_difference(config, other) is None
    other = config_from(changed("evolution.generations", 7), where="x")
    assert config_hash(other) != config_hash(config)
    assert first_difference(config, other) == "`evolution.generations` is 40 in the journal but 7 in the file"
    longer = config_from({**MINIMAL, "data": {"shards": [{"symbol": "SPX"}, {"symbol": "A"}]}}, where="x")
    assert first_difference(config, longer).startswith("`data.shards[1].symbol` is None in the journal but 'A'")


@given(generations=st.integers(1, 500), epoch=st.integers(1, 50))
def test_epochs_cover_all_generations(generations, epoch):
    values = {**MINIMAL, "evolution": {"generations": generations, "epoch_generations": epoch}}
    section = config_from(values, where="x").evolution
    lengths = [min(epoch, generations - number * epoch) for number in range(section.n_epochs)]
    assert sum(lengths) == generations
    assert min(lengths) >= 1


@pytest.mark.parametrize("path", sorted(Path("configs").glob("*.yaml")), ids=lambda path: path.name)
def test_the_configs_that_users_copy_are_right(path):
    assert load_config(path, environment={}).name == path.stem
