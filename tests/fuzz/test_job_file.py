"""Job files, whatever is in them: a job that comes back from its own values, or a `ConfigError` that names the file."""

import itertools
import json
import time

import pytest
import yaml

from cluster.settings import config_from, config_hash, load_config
from strategies.errors import ConfigError
from tests.fuzz.law import hold
from tests.fuzz.mutations import ODD_TEXTS, damaged_bytes, damaged_tree, deep_text

pytestmark = pytest.mark.chaos

VALUES = {
    "name": "tiny",
    "seed": 11,
    "data": {"root": "bars", "source": "files", "start": "2000-01-03", "shards": [{"symbol": "SPX"}, {"symbol": "X"}]},
    "split": {"folds": 2, "validation": 0.2, "lockbox": 0.2, "embargo": 5, "warm_up": 100},
    "costs": {"fee_bps": 5.0, "volume_share": None},
    "language": {"timeframes": 1, "columns": ["bid"]},
    "evolution": {
        "islands": 2,
        "population_size": 12,
        "generations": 4,
        "objectives": ["steady_sharpe", "total_return"],
        "constraints": {"exposure": {"max": 0.9}},
        "founders": {"ta": 0.5, "ml": 0.5},
        "migration": {"topology": "ring", "migrants": 2, "lag": 1},
        "screen": {"enabled": True, "cells": 0.5},
        "archive": {"enabled": True},
    },
    "gates": {"min_trades": 3, "dsr": None},
    "cluster": {"executor": "serial", "workers": 1, "address": None},
    "tracking": {"enabled": False, "uri": None},
    "output": {"root": "runs"},
}
TEXT = yaml.safe_dump({name: VALUES[name] for name in ("name", "seed", "data", "split", "gates")})
PIECES = (
    *("&a ", "*a", "<<: *a", "!!python/object/apply:os.system [id]", "!!binary aWQ=", "!!set {a, b}", "!!timestamp 1"),
    *("!!int 1_0", "0o777", "0xFFFFFFFFFFFFFFFFFFFF", "1:30:00", ".inf", ".nan", "~", "? ", "- ", "|\n", "---\n", "\t"),
    *("%YAML 9.9\n", "@", "`", "{", "}", "[", "]", ": ", "#"),
)


def comes_back(config):
    """A job that was read is the one that its values describe, to the hash."""
    again = config_from(json.loads(json.dumps(config.model_dump(mode="json"), allow_nan=False)), where="again")
    assert again == config
    assert config_hash(again) == config_hash(config)


def test_a_job_file_with_any_damage_in_its_values_is_a_job_or_refused_by_name(amount):
    found = hold(
        lambda rng: damaged_tree(rng, VALUES),
        lambda values: comes_back(config_from(values, where="job.yaml")),
        n=amount(2_000, 100_000),
        errors=ConfigError,
        named="job.yaml",
    )
    assert min(found.values()) > 0


def damaged_text(rng):
    """Broken YAML: bytes, pieces of its grammar, values in odd places, deep nesting."""
    what = rng.random()
    if what < 0.4:
        return damaged_bytes(rng, TEXT.encode())
    lines = TEXT.splitlines(keepends=True)
    at = rng.randrange(len(lines))
    if what < 0.42:
        lines[at] = lines[at].partition(":")[0] + ": " + deep_text(rng) + "\n"
    elif what < 0.8:
        lines[at] = lines[at].rstrip("\n") + rng.choice(PIECES) + "\n"
    else:
        lines[at] = lines[at].partition(":")[0] + ": " + rng.choice((*PIECES, *ODD_TEXTS)) + "\n"
    return "".join(lines).encode("utf-8", "surrogatepass")


def test_a_job_file_with_any_damage_in_its_text_is_a_job_or_refused_by_name(amount, tmp_path):
    path = tmp_path / "job.yaml"

    def load(content):
        path.write_bytes(content)
        comes_back(load_config(path, environment={}))

    found = hold(damaged_text, load, n=amount(1_000, 100_000), errors=ConfigError, named="job.yaml")
    assert min(found.values()) > 0


BOMBS = {
    "aliases of aliases": "a: &a [1,1,1,1,1,1,1,1]\n"
    + "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 8)}]\n" for a, b in itertools.pairwise("abcdefghij")),
    "a list of itself": "a: &a [*a, *a]\n",
    "many aliases of many keys": f"a: &a {{{', '.join(f'k{n}: 1' for n in range(3000))}}}\nb: [{'*a,' * 3000}]\n",
    "a number to the base of 60": f"seed: 1{':59' * 20_000}\n",
    "a number of ten thousand digits": f"seed: {'9' * 10_000}\n",
    "a number of a hundred thousand digits": f"seed: 0x{'f' * 100_000}\n",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_small_file_costs_little_whatever_it_expands_to(bomb, tmp_path):
    path = tmp_path / "job.yaml"
    path.write_text(BOMBS[bomb])
    begun = time.process_time()
    with pytest.raises(ConfigError, match=r"job\.yaml") as caught:
        load_config(path, environment={})
    assert len(str(caught.value)) < 6_000
    assert time.process_time() - begun < 20.0


def test_of_many_mistakes_the_first_are_told_and_the_rest_counted():
    with pytest.raises(ConfigError, match=r"(?s)And 481 more of this kind \(f\.yaml\)\.") as caught:
        config_from({**VALUES, **{f"key_{number}": 1 for number in range(501)}}, where="f.yaml")
    assert len(str(caught.value).splitlines()) == 21
