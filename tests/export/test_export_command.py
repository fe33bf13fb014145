"""`studbook export` carries away every target: to a file, a folder, or for all elites; whole or not at all."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from typer.testing import CliRunner

from cluster import export as registry
from cluster.cli import app
from cluster.cli.exporting import target_titles
from cluster.export import EXPORTS, ExportTarget, export_files, export_strategy
from cluster.exported import write_folder
from cluster.view import read_job
from strategies.errors import StrategyError, UsageError
from strategies.strategy import Gate, Strategy
from strategies.strategy_json import strategy_from_dict
from strategies.templates import TEMPLATES
from tests.cluster.conftest import make_run

MakeRun = Callable[..., Path]
__all__ = ["make_run"]
FOLDER = "folder of two files, for this test"


def studbook(*words: str | Path) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words])


def two_files(strategy: Strategy, record: Any) -> dict[str, bytes]:
    del record
    return {"a.txt": strategy.id.encode(), "deep/b.bin": b"\0\1"}


@pytest.fixture
def folder_target(monkeypatch: pytest.MonkeyPatch) -> str:
    """A target that is a folder: the real registry with one line more."""
    more = {**EXPORTS, "twins": ExportTarget(None, "", FOLDER, two_files)}
    monkeypatch.setattr(registry, "EXPORTS", MappingProxyType(more))
    return "twins"


@pytest.fixture
def strategy_file(tmp_path: Path) -> Path:
    """A strategy that is no template."""
    path = tmp_path / "mine.json"
    path.write_text(replace(TEMPLATES["macd"], cooldown=7).to_json())
    return path


@pytest.mark.parametrize("to", EXPORTS)
def test_every_target_writes_a_template_and_says_what(to: str, tmp_path: Path) -> None:
    out = tmp_path / f"new{EXPORTS[to].suffix}"
    answer = studbook("export", "macd", "--to", to, "--out", out, "--json")
    assert answer.exit_code == 0, answer.stderr
    document = json.loads(answer.stdout)
    files = export_files(TEMPLATES["macd"], to)
    assert document["id"] == TEMPLATES["macd"].id
    assert document["file"] == str(out)
    assert document["files"] == {name: len(data) for name, data in files.items()}
    if EXPORTS[to].is_folder:
        assert {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()} == set(files)
    else:
        assert [out.read_bytes()] == list(files.values())
    assert sorted(path.name for path in tmp_path.iterdir()) == [out.name]
    again = studbook("export", "macd", "--to", to, "--out", out)
    assert again.exit_code == 2
    assert "must not write over what is there" in again.stderr
    assert studbook("export", "macd", "--to", to, "--out", out, "--force").exit_code == 0


@pytest.mark.parametrize("to", EXPORTS)
def test_what_is_text_goes_to_stdout_and_what_is_not_says_so(to: str) -> None:
    answer = studbook("export", "macd", "--to", to)
    if EXPORTS[to].is_text:
        assert answer.exit_code == 0
        assert answer.stdout == export_strategy(TEMPLATES["macd"], to)
    else:
        assert answer.exit_code == 2
        assert "give it a place with --out" in answer.stderr


def test_help_lists_every_target_with_its_title_and_loads_no_numbers() -> None:
    assert target_titles() == {name: target.title for name, target in EXPORTS.items()}
    told = studbook("export", "--help").stdout
    squeezed = " ".join(told.split())
    for name, target in EXPORTS.items():
        assert f"{name} {target.title}" in squeezed
    code = "import sys; from cluster.cli import exporting as e; assert e.target_titles(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"numpy", "numba", "talib", "polars", "onnx", "mlflow"} & set(loaded)


def test_a_place_that_is_a_folder_gets_the_file_under_its_own_name(tmp_path: Path) -> None:
    answer = studbook("export", "macd", "--to", "pine", "--out", tmp_path, "--json")
    assert json.loads(answer.stdout)["file"] == str(tmp_path / f"{TEMPLATES['macd'].id}.pine")


def test_what_a_target_can_not_express_ends_with_three_and_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "gated.json"
    path.write_text(replace(TEMPLATES["macd"], gate=Gate("bull", "any")).to_json())
    answer = studbook("export", path, "--to", "pine", "--out", tmp_path / "gated.pine")
    assert answer.exit_code == 3
    assert "a gate on trend (bull)" in answer.stderr
    assert not (tmp_path / "gated.pine").exists()


@pytest.mark.parametrize(
    ("words", "code", "part"),
    [
        (["macd", "--to", "onx"], 2, "did you mean onnx"),
        (["macd", "--to", ""], 2, "must be one of json"),
        (["no-such-strategy"], 2, "must"),
        (["../../etc/passwd"], 3, "must"),
        (["latest", "--all", "there"], 2, "must have been run"),
        (["macd", "--job", "nothing"], 2, "must"),
        (["latest", "--all", "there", "--out", "here"], 2, "must be given without --out"),
        (["latest", "--all", "there", "--job", "latest"], 2, "must be given without --job"),
    ],
)
def test_nonsense_is_told_by_name(
    words: list[str], code: int, part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "etc").mkdir()
    answer = studbook("export", *words, "--root", tmp_path / "runs")
    assert answer.exit_code in (2, code), answer.stderr
    assert part in answer.stderr
    assert "Traceback" not in answer.stderr


def test_every_elite_of_a_job_and_one_by_its_job(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(n_elites=2)
    root, records = run.parent, read_job(run).elites
    ids = sorted(record["id"] for record in records)
    answer = studbook("export", "latest", "--all", tmp_path / "all", "--to", "json", "--root", root, "--json")
    assert answer.exit_code == 0, answer.stderr
    assert sorted(one["id"] for one in json.loads(answer.stdout)["exported"]) == ids
    assert sorted(path.stem for path in (tmp_path / "all").iterdir()) == ids
    again = studbook("export", "latest", "--all", tmp_path / "all", "--root", root)
    assert again.exit_code == 2
    (tmp_path / "all" / f"{ids[0]}.json").unlink()
    assert studbook("export", "latest", "--all", tmp_path / "all", "--root", root).exit_code == 2
    assert not (tmp_path / "all" / f"{ids[0]}.json").exists()
    assert studbook("export", "latest", "--all", tmp_path / "all", "--root", root, "--force").exit_code == 0
    one = studbook("export", ids[0][:9], "--job", run.name, "--root", root)
    assert strategy_from_dict(json.loads(one.stdout), "here").id == ids[0]
    unknown = studbook("export", "ffff", "--job", run.name, "--root", root)
    assert unknown.exit_code == 2
    assert f"must be the id of a candidate of {run.name}" in unknown.stderr


def test_a_folder_of_each_elite_for_a_target_that_is_a_folder(
    make_run: MakeRun, tmp_path: Path, folder_target: str
) -> None:
    run = make_run(n_elites=2)
    ids = sorted(record["id"] for record in read_job(run).elites)
    answer = studbook("export", "latest", "--all", tmp_path / "all", "--to", folder_target, "--root", run.parent)
    assert answer.exit_code == 0, answer.stderr
    assert sorted(path.name for path in (tmp_path / "all").iterdir()) == ids
    assert (tmp_path / "all" / ids[0] / "deep" / "b.bin").read_bytes() == b"\0\1"


def test_a_folder_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path / "new", {"a": b"old"}, force=False)
    with pytest.raises(UsageError, match="must not write over what is there"):
        write_folder(tmp_path / "new", {"a": b"new"}, force=False)
    with pytest.raises(OSError, match=r"directory|exists"):
        write_folder(tmp_path / "new", {"a": b"new", "a/b": b"a file is in the way"}, force=True)
    assert (tmp_path / "new" / "a").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
    with pytest.raises(
        UsageError, match=r"must replace nothing but an older export, but .* holds other things and no c"
    ):
        write_folder(tmp_path / "new", {"c": b"new"}, force=True)
    write_folder(tmp_path / "new", {"a": b"new", "c": b"new"}, force=True)
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["a", "c"]
    monkeypatch.chdir(tmp_path)
    write_folder(Path("other"), {"d": b"here"}, force=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "other"]


def test_a_target_without_a_writer_is_a_fault_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "EXPORTS", {"none": ExportTarget(None, ".x", "nothing")})
    with pytest.raises(StrategyError, match="'none' writes neither"):
        export_files(TEMPLATES["macd"], "none")


def test_a_strategy_file_is_exported(strategy_file: Path, tmp_path: Path) -> None:
    answer = studbook("export", strategy_file, "--to", "onnx", "--out", tmp_path / "one.onnx")
    assert answer.exit_code == 0, answer.stderr
    assert "wrote" in answer.stderr
    assert "onnx of" in answer.stderr
    cut = tmp_path / "cut.json"
    cut.write_text(strategy_file.read_text()[:200])
    assert studbook("export", cut, "--to", "pine").exit_code == 3
