"""Preference files, whatever is in them: defaults that the commands know, or a `ConfigError` that names the file."""

import pytest
import typer

from cluster.cli.app import app
from cluster.cli.preferences import default_map
from strategies.errors import ConfigError
from tests.fuzz.law import hold
from tests.fuzz.mutations import ODD_TEXTS, damaged_bytes, deep_text

pytestmark = pytest.mark.chaos
TEXT = 'runs = "r"\n[ui]\nport = 5001\n[data.import]\ncalendar = "24/7"\n'
LINES = (
    *("runs = 5", "runs = [1]", "runs = {a = 1}", "[run]", "[run.x]", "[[run]]", "x = 1", '"" = 1', "a.b.c = 1"),
    *("port = 1979-05-27", "port = inf", "port = 0xffffffffffffffffffff", "run = 1", "[ui.port]", "= 1", "\x00"),
)


@pytest.fixture(scope="module")
def group():
    import cluster.cli

    assert cluster.cli.main
    return typer.main.get_command(app)


def case(rng):
    what = rng.random()
    if what < 0.4:
        return damaged_bytes(rng, TEXT.encode())
    if what < 0.45:
        return f"runs = {deep_text(rng)}\n".encode()
    lines = [*TEXT.splitlines(), *rng.sample(LINES, rng.randint(1, 3))]
    rng.shuffle(lines)
    lines += [f"{rng.choice(ODD_TEXTS)} = {rng.choice(ODD_TEXTS)}"] * (rng.random() < 0.3)
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def test_a_preference_file_with_anything_wrong_gives_defaults_or_is_refused_by_name(
    amount, group, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def load(content):
        (tmp_path / "studbook.toml").write_bytes(content)
        assert isinstance(default_map(group), dict)

    found = hold(case, load, n=amount(2_000, 100_000), errors=ConfigError, named="studbook.toml")
    assert min(found.values()) > 0


def test_a_folder_in_the_place_of_the_file_is_told(group, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "studbook.toml").mkdir()
    with pytest.raises(ConfigError, match=r"must be readable, but studbook\.toml is not: Is a directory"):
        default_map(group)
