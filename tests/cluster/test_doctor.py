"""The doctor finds what is wrong, says what mends it, and never faints."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cluster import doctor
from cluster.cli import app
from cluster.doctor import Check, run_checks


@pytest.fixture(scope="module")
def checks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Check]:
    root = tmp_path_factory.mktemp("doctor")
    return {check.name: check for check in run_checks(runs=root / "runs", data=root / "data")}


def test_this_machine_can_run_studbook(checks: dict[str, Check]) -> None:
    assert [check for check in checks.values() if check.verdict == "fail"] == []
    assert "numpy" in checks["packages"].found
    assert checks["ta-lib"].verdict == "ok"


def test_everything_but_ok_comes_with_a_mend(checks: dict[str, Check]) -> None:
    for check in checks.values():
        assert check.found
        assert bool(check.mend) == (check.verdict != "ok"), check


def test_missing_data_is_a_warning_that_names_the_command(checks: dict[str, Check]) -> None:
    assert checks["data"].verdict == "warn"
    assert "studbook data sample" in checks["data"].mend


def test_a_package_of_the_wrong_version_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.importlib.metadata, "requires", lambda _: ["numpy>=99", "nowhere-to-be-found", "rich"])
    check = doctor.check_packages()
    assert check.verdict == "fail"
    assert check.found.startswith("numpy 2.")
    assert "nowhere-to-be-found missing" in check.found
    assert "rich" not in check.found


def test_extras_are_not_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.importlib.metadata, "requires", lambda _: ['nowhere ; extra == "dev"', "rich"])
    assert doctor.check_packages().verdict == "ok"


def test_little_memory_disk_and_shared_memory_are_warnings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        free = 1 << 20

    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: Usage)
    monkeypatch.setattr(doctor, "_meminfo", lambda: {"MemAvailable": 1 << 20})
    assert doctor.check_disk(tmp_path).verdict == "warn"
    assert doctor.check_shared_memory().verdict == "warn"
    assert "--executor serial" in doctor.check_memory().mend


def test_memory_is_unknown_where_there_is_no_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_meminfo", dict)
    assert doctor.check_memory().found == "unknown"


def test_bytecode_switched_off_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.delenv("PYTHONPYCACHEPREFIX", raising=False)
    assert doctor.check_bytecode().verdict == "warn"


def test_a_numba_cache_that_can_not_be_written_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/proc/nowhere")
    assert "NUMBA_CACHE_DIR" in doctor.check_numba_cache().mend


@pytest.mark.mlflow
def test_an_mlflow_server_that_is_down_is_a_warning(tmp_path: Path) -> None:
    check = doctor.check_mlflow(tmp_path, "http://127.0.0.1:9", deep=True)
    assert check.verdict == "warn"
    assert "studbook track" in check.mend


def test_a_check_that_breaks_is_a_failed_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def faint() -> Check:
        raise RuntimeError("oh")

    monkeypatch.setattr(doctor, "check_python", faint)
    first = next(iter(run_checks(runs=tmp_path, data=tmp_path)))
    assert (first.name, first.verdict, first.found) == ("python", "fail", "RuntimeError: oh")


@pytest.mark.parametrize(("verdict", "code"), [("ok", 0), ("warn", 0), ("fail", 1)])
def test_exit_code_is_1_only_for_failures(monkeypatch: pytest.MonkeyPatch, verdict: str, code: int) -> None:
    found = [Check("python", verdict, "found", "mend")]  # type: ignore[arg-type]
    monkeypatch.setattr(doctor, "run_checks", lambda **_: iter(found))
    text = CliRunner().invoke(app, ["doctor"])
    document = CliRunner().invoke(app, ["doctor", "--json"])
    assert text.exit_code == document.exit_code == code
    assert verdict in text.stdout
    assert json.loads(document.stdout) == {"healthy": code == 0, "checks": [found[0].to_dict()]}
