"""What is decided of a submitted job before and after a cluster has it: ids, parcels, exit codes, logs told once.

Promise: the command line keeps its contract (`submit` twice is one job; wrong job files end before anything is sent).
"""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from cluster.cli import app
from cluster.driver import begun_job, run_job
from cluster.journal import FILE_NAME, Journal
from cluster.ray_jobs import FAILED, RUNNING, STOPPED, SUCCEEDED, SubmittedJob, _Heard
from cluster.run_folder import new_run_folder
from cluster.settings import config_from, load_config
from cluster.shipping import JOB_FILE, LAYERS, parcel_of, stage
from strategies.errors import ConfigError, JournalError, UsageError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path, tiny_values: dict[str, Any]) -> Path:
    """A folder with a job file that could be submitted."""
    root = tmp_path / "work"
    root.mkdir()
    (root / "tiny.yaml").write_text(yaml.safe_dump({**tiny_values, "output": {"root": "/shared/runs"}}))
    return root


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--set", "evolution.population_size=1"], 3, "must be at least 4, but was 1"),
        (["--root", "runs"], 3, "`output.root` of a submitted job must be an absolute path"),
        (["--set", "data.root=data"], 3, "`data.root` of a submitted job must be an absolute path or a URL"),
        (["--id", "../escape"], 2, "`--id` must be 1 to 128 letters"),
        (["--id", "latest"], 2, "and not `latest`"),
        ([], 2, "`--address` must name the dashboard of a Ray head"),
        (["--address", "antigravity://x"], 4, "must be HOST:PORT, `auto`, or begin with one of"),
    ],
    ids=lambda value: " ".join(value) or "no address" if isinstance(value, list) else None,
)
def test_a_job_is_checked_before_anything_is_sent(
    folder: Path, words: list[str], code: int, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    for name in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    found = CliRunner().invoke(app, ["submit", "tiny.yaml", *words, "--json"])
    assert found.exit_code == code, found.stderr
    assert message in json.loads(found.stdout)["error"]["message"]


@pytest.mark.parametrize("name", ["submit", "status", "logs", "attach", "stop", "list"])
def test_commands_on_a_cluster_have_a_heading_an_example_and_json(name: str) -> None:
    assert f"\n  {name} " in CliRunner().invoke(app, ["--help"]).stdout.partition("\nOn a cluster:")[2]
    text = CliRunner().invoke(app, [name, "--help"]).stdout
    assert f"    studbook {name} " in text
    assert "--json" in text
    assert "RAY_API_SERVER_ADDRESS" in text


def test_a_parcel_holds_the_job_file_and_our_code_and_nothing_else(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "parcel"
    place.mkdir()
    config = load_config(folder / "tiny.yaml", environment={"RAY_ADDRESS": "http://head:8265"})
    parcel = parcel_of(config, words=["--require-elite"])
    assert parcel.job_id.startswith("tiny-")
    assert parcel.entrypoint == f"exec python -m cluster.cli run job.yaml --id {parcel.job_id} --require-elite"
    stage(parcel, place)
    shipped = load_config(place / JOB_FILE, environment={})
    assert shipped.cluster.address == "auto"
    assert parcel_of(shipped).job_id == parcel.job_id
    names = {path.name for path in place.iterdir()}
    assert names - set(LAYERS) - {JOB_FILE} == {name for name in names if name.endswith(".dist-info")}
    assert set(LAYERS) <= names
    for layer in LAYERS:
        there = {path.relative_to(ROOT) for path in (ROOT / layer).rglob("*.py")}
        assert there == {path.relative_to(place) for path in (place / layer).rglob("*.py")}
    assert (place / "strategies" / "catalogue.json").exists()
    assert not list(place.rglob("__pycache__"))
    assert sum(path.stat().st_size for path in place.rglob("*") if path.is_file()) < 20 * 2**20


@pytest.mark.parametrize(
    ("status", "driver_code", "code"),
    [
        (SUCCEEDED, 0, 0),
        (FAILED, 5, 5),
        (FAILED, -9, 137),
        (FAILED, None, 4),
        (STOPPED, None, 143),
        (RUNNING, None, None),
    ],
)
def test_the_exit_code_is_the_jobs_own(status: str, driver_code: int | None, code: int | None) -> None:
    job = SubmittedJob("a", "a", "/runs", "0" * 64, status, "", driver_code, None, None)
    assert job.exit_code == code
    assert job.ended == (code is not None)


def test_a_log_that_is_read_from_its_beginning_again_is_told_once() -> None:
    told: list[str] = []
    heard = _Heard(told.append)
    for reading in (["one\n", "two\n"], ["one\ntwo\nth"], ["o", "ne\ntwo\nthree\n", "four\n"]):
        heard.from_the_beginning()
        for text in reading:
            heard(text)
    assert "".join(told) == "one\ntwo\nthree\nfour\n"


# `studbook run --id`


def test_an_id_is_begun_once_and_then_gone_on_with(tiny_job: Any, tmp_path: Path, replay: Any) -> None:
    config = tiny_job(evolution={"generations": 1})
    assert begun_job(tmp_path, "mine") is None
    view = run_job(config, root=tmp_path, job_id="mine", make_executor=replay)
    assert view.run_dir == tmp_path / "mine"
    found = begun_job(tmp_path, "mine")
    assert found is not None
    assert found.births_sha256 == view.births_sha256
    with pytest.raises(JournalError, match="must have a folder of its own, but there is a journal"):
        run_job(config, root=tmp_path, job_id="mine", make_executor=replay)
    with pytest.raises(UsageError, match=r"`--id` must be 1 to 128 letters.*but was '\.\./x'"):
        begun_job(tmp_path, "../x")


def test_what_a_driver_killed_at_its_very_beginning_left_is_taken_over(tmp_path: Path) -> None:
    new_run_folder(tmp_path, "x", "mine")
    assert new_run_folder(tmp_path, "x", "mine") == tmp_path / "mine"
    Journal.create(tmp_path / "mine" / FILE_NAME).close()
    (tmp_path / "mine" / FILE_NAME).write_bytes(b'{"n":0,"at":"2026')
    assert begun_job(tmp_path, "mine") is None  # no record was acknowledged
    assert not (tmp_path / "mine" / FILE_NAME).exists()
    (tmp_path / "mine" / FILE_NAME).write_bytes(b"nonsense\n")
    with pytest.raises(JournalError, match="line 1"):
        begun_job(tmp_path, "mine")
    (tmp_path / "mine" / FILE_NAME).unlink()
    beginning = Journal.create(tmp_path / "mine" / FILE_NAME)  # another driver, just before its first record
    with pytest.raises(JournalError, match="held no complete line"):
        begun_job(tmp_path, "mine")
    beginning.close()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"a folder that is still to be made, but notes\.txt and no journal was in"):
        new_run_folder(tmp_path, "x", "other")


def test_paths_that_mean_nothing_on_a_cluster_are_refused(tiny_values: dict[str, Any]) -> None:
    near = {**tiny_values, "output": {"root": "runs"}}
    with pytest.raises(ConfigError, match=r"`output\.root` .* must be an absolute path .* but was 'runs' \(tiny\)"):
        parcel_of(config_from(near, where="test"))
    far = {
        **tiny_values,
        "output": {"root": "/shared/runs"},
        "data": {**tiny_values["data"], "root": "s3://bucket/bars"},
    }
    assert parcel_of(config_from(far, where="test"), with_code=False).metadata["studbook_root"] == "/shared/runs"
