"""The command line keeps its contract: help at once, one JSON document, exit codes, messages and no tracebacks."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from cluster.cli import app
from cluster.view import read_job
from fitness.samples import random_walk
from fitness.shards import write_shard

MakeRun = Callable[..., Path]
SINGLE = ("run", "resume", "jobs", "show", "elites", "trials", "report", "export", "backtest", "null", "walk-forward")
SINGLE += ("tune", "top", "ui", "track", "doctor", "version")
SINGLE += ("pedigree", "diff", "ancestors", "descendants", "dynasty", "genealogy", "verify", "portfolio")
SINGLE += ("submit", "status", "logs", "attach", "stop", "list")
COMMANDS = [
    *([name] for name in SINGLE),
    *(["data", name] for name in ("sample", "import", "derive", "check", "copy", "list")),
]
HEAVY = ("numpy", "polars", "ray", "mlflow", "numba", "talib", "pydantic", "plotly", "rich", "optuna", "deap")
MAIN = [sys.executable, "-c", "from cluster.cli import main; main()"]


def studbook(*words: str | Path, **options: Any) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words], **options)


def process(*words: str | Path, cwd: Path, **environment: str) -> "subprocess.Popen[str]":
    env = {**os.environ, "COLUMNS": "200", **environment}
    return subprocess.Popen(
        [*MAIN, *map(str, words)], cwd=cwd, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with two shards and a small job file."""
    root = tmp_path_factory.mktemp("work")
    for seed, symbol in enumerate(("ONE", "TWO")):
        write_shard(random_walk(seed, 900), root / "data", symbol, "1d", calendar="24/5")
    config = {
        "name": "tiny",
        "seed": 3,
        "data": {"source": "files", "shards": [{"symbol": "ONE"}, {"symbol": "TWO"}]},
        "split": {"folds": 2, "warm_up": 100},
        "evolution": {"islands": 2, "population_size": 8, "generations": 4, "epoch_generations": 2},
        "gates": {"candidates": 3, "min_trades": 5},
        "cluster": {"executor": "serial"},
        "tracking": {"enabled": False},
    }
    (root / "tiny.yaml").write_text(yaml.safe_dump(config))
    return root


@pytest.fixture
def inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    return folder


# Help


def test_help_loads_nothing_heavy_and_takes_no_half_second_of_the_processor(tmp_path: Path) -> None:
    env = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    env["PYTHONPYCACHEPREFIX"] = str(tmp_path)
    probe = f"import sys, cluster.cli; print([name for name in {HEAVY!r} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", probe], env=env, capture_output=True, text=True, check=True)
    assert loaded.stdout == "[]\n"
    seconds = []
    for _ in range(6):
        before = os.times()
        subprocess.run([*MAIN, "--help"], env=env, capture_output=True, check=True)
        after = os.times()  # of the processor: a busy machine takes longer by the clock
        seconds.append(after.children_user + after.children_system - before.children_user - before.children_system)
    assert min(seconds) < 0.5, seconds


def test_help_lists_the_commands_in_the_order_of_use() -> None:
    text = studbook("--help").stdout
    places = [text.index(f"\n  {words[0]} ") for words in COMMANDS[:8]]
    assert places == sorted(places)
    assert "..." not in text.split("Commands:")[1]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_teaches_with_an_example(words: list[str]) -> None:
    found = studbook(*words, "--help")
    assert found.exit_code == 0
    examples = re.findall(rf"^    studbook {' '.join(words)}\b.*$", found.stdout, re.MULTILINE)
    assert examples, found.stdout
    for line in examples:
        assert len(line) < 110


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_that_answers_takes_json(words: list[str]) -> None:
    assert ("--json" in studbook(*words, "--help").stdout) == (words != ["ui"])


# Errors


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["rum"], 2, "No such command 'rum'. Did you mean 'run', 'resume'?"),
        (["jobs", "--rot"], 2, "No such option: --rot"),
        (["run"], 2, "Missing argument 'CONFIG'"),
        (["run", "nowhere.yaml"], 3, "there is none at nowhere.yaml"),
        (["run", "tiny.yaml", "--set", "evolution.generation=5"], 3, "nearest known: generations"),
        (["run", "tiny.yaml", "--set", "evolution.population_size=1"], 3, "must be at least 4, but was 1"),
        (["run", "tiny.yaml", "--set", "seed"], 2, "`--set` must be KEY=VALUE, but was 'seed'"),
        (["run", "tiny.yaml", "--set", "seed.x=1"], 2, "`seed` in 'seed.x' is no section"),
        (["run", "tiny.yaml", "--set", "seed=[1"], 2, "`--set` must have a YAML value"),
        (["run", "tiny.yaml", "--set", "data.shards=[{symbol: NONE}]"], 3, "NONE"),
        (["run", "tiny.yaml", "--set", "split.warm_up=880"], 3, "Import more bars"),
        (["show", "no-such-job"], 2, "JOB must be the id of a job"),
        (["resume"], 2, "there is none in runs"),
        (["export", "sma_cross", "--to", "pyton"], 2, "did you mean python"),
        (["backtest", "sma_cross"], 2, "Missing option '--symbol'"),
        (["data", "list", "--root", "nowhere"], 3, "nowhere"),
        (["data", "import", "nowhere.csv", "-s", "X"], 3, "nowhere.csv"),
        (["data", "import", "tiny.yaml", "-s", "X", "--column", "close"], 2, "must be THEIRS=OURS"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_errors_are_one_message_with_their_exit_code(
    inside: Path, words: list[str], code: int, message: str, tmp_path: Path
) -> None:
    words = [*words, "--root", str(tmp_path)] if words == ["show", "no-such-job"] else words
    text, document = studbook(*words), studbook(*words, "--json")
    assert text.exit_code == document.exit_code == code
    assert text.stdout == ""
    assert message in text.stderr
    assert text.stderr.count("error: ") == 1
    assert "Traceback" not in text.stderr
    answer = json.loads(document.stdout)
    assert answer["exit_code"] == code
    assert message in answer["error"]["message"]
    assert list(inside.glob("runs/*")) == []


def test_no_command_shows_help_and_is_a_usage_error() -> None:
    found = studbook()
    assert found.exit_code == 2
    assert "Commands:" in found.stderr
    assert "error" in json.loads(studbook("--json").stdout)


def test_a_bug_is_told_without_a_traceback_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(*_: object) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("cluster.view.list_jobs", break_down)
    quiet, loud = studbook("jobs"), studbook("jobs", env={"STUDBOOK_DEBUG": "1"})
    assert quiet.exit_code == loud.exit_code == 1
    assert "unexpected ZeroDivisionError: by zero. This is a bug in Studbook" in quiet.stderr
    assert "Traceback" not in quiet.stderr
    assert "Traceback" in loud.stderr


@pytest.mark.parametrize("as_json", [False, True])
def test_ctrl_c_in_any_command_is_130(monkeypatch: pytest.MonkeyPatch, as_json: bool) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cluster.view.list_jobs", interrupt)
    found = studbook("jobs", *(["--json"] if as_json else []))
    assert found.exit_code == 130
    assert "interrupted" in (json.loads(found.stdout)["error"]["message"] if as_json else found.stderr)


# Standard output


def test_nobody_else_prints_into_a_json_document(make_run: MakeRun) -> None:
    run = make_run()
    probe = (
        "import os, sys, cluster.view as view\n"
        "real = view.list_jobs\n"
        "def noisy(root):\n"
        "    print('python noise'); os.write(1, b'C noise\\n'); os.system('echo child noise'); return real(root)\n"
        "view.list_jobs = noisy\n"
        "import atexit; atexit.register(os.write, 1, b'late noise\\n')\n"
        f"sys.argv = ['studbook', 'jobs', '--root', {str(run.parent)!r}, '--json']\n"
        "from cluster.cli import main; main()\n"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert [job["id"] for job in json.loads(done.stdout)["jobs"]] == [run.name]
    for noise in ("python noise", "C noise", "child noise", "late noise"):
        assert noise in done.stderr


def test_text_off_a_terminal_has_no_colours(make_run: MakeRun) -> None:
    found = studbook("show", "latest", "--root", make_run().parent, env={"NO_COLOR": "1"})
    assert found.exit_code == 0
    assert "\x1b" not in found.output


def test_a_reader_that_goes_away_is_no_traceback(make_run: MakeRun) -> None:
    run = make_run()
    with process("show", "latest", "--root", run.parent, cwd=run) as child:
        assert child.stdout is not None
        child.stdout.close()
        assert child.stderr is not None
        assert "Traceback" not in child.stderr.read()


# Reading


def test_jobs_show_elites_and_report_read_what_a_job_left(make_run: MakeRun) -> None:
    run = make_run()
    root, record = run.parent, read_job(run).candidates[0]
    make_run("older-20261120T100000-00bb", finished=False)
    (root / "broken-20261121T100000-0000").mkdir()
    (root / "broken-20261121T100000-0000" / "journal.jsonl").write_text("nonsense\nnonsense\n")
    listing = studbook("jobs", "--root", root, "--json")
    answer = json.loads(listing.stdout)
    assert {job["id"]: job["status"] for job in answer["jobs"]}[run.name] == "finished"
    assert len(answer["damaged"]) == 1
    assert "line 1" in listing.stderr
    shown = json.loads(studbook("show", run.name[:6], "--root", root, "--json").stdout)
    assert shown["n_trials"] == 252
    assert shown["files"]["journal"] == str(run / "journal.jsonl")
    assert json.loads(studbook("show", record["id"][:6], "--root", root, "--json").stdout)["strategy"] == record
    elites = json.loads(studbook("elites", run.name, "--root", root, "--json").stdout)
    assert [elite["id"] for elite in elites["elites"]] == [record["id"]]
    page = json.loads(studbook("report", run.name, "--root", root, "--json").stdout)["report"]
    assert Path(page).stat().st_size > 1_000_000


def test_outcome_in_text_says_what_matters(make_run: MakeRun) -> None:
    run = make_run(n_elites=0)
    text = studbook("show", "latest", "--root", run.parent, env={"COLUMNS": "160"}).stdout
    for part in (
        "NOT PROMOTED", "SMA(10) crosses above SMA(20)", "In sample", "Validation", "Lockbox", "hold", "not read",
        "gates 3/5", "280 strategies bred, 252 of them", "Best deflated Sharpe ratio", "0.310 (0.95 is needed)",
        "Nothing passed: a proper ending.", "journal.jsonl",
    ):  # fmt: skip
        assert part in text, part
    make_run("elite-20261121T110000-0000")
    assert studbook("show", "elite", "--root", run.parent).stdout.startswith("Elites\n")


def test_export_writes_one_or_all(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(n_elites=2)
    root, records = run.parent, read_job(run).elites
    plain = studbook("export", records[0]["id"], "--root", root)
    assert json.loads(plain.stdout) == records[0]["strategy"]
    answer = json.loads(studbook("export", "sma_cross", "--to", "python", "--json").stdout)
    assert answer["file"] is None
    assert "def signals(" in answer["text"]
    studbook("export", "sma_cross", "--to", "markdown", "--out", tmp_path / "deep" / "one.md")
    assert (tmp_path / "deep" / "one.md").read_text().startswith("# Strategy")
    found = studbook("export", "latest", "--all-elites", "--to", "python", "--out", tmp_path / "all", "--root", root)
    assert found.exit_code == 0
    assert sorted(path.stem for path in (tmp_path / "all").iterdir()) == sorted(record["id"] for record in records)


def test_data_commands_work_on_a_store(tmp_path: Path) -> None:
    root = tmp_path / "store"
    rows = [f"2024-01-{day:02d},10,11,9,10.5,100" for day in range(1, 29)]
    (tmp_path / "bars.csv").write_text("\n".join(["Date,Open,High,Low,Last,Volume", *rows]) + "\n")
    words = ["-s", "NEW", "--root", root, "--calendar", "24/7", "--column", "Last=close"]
    imported = studbook("data", "import", tmp_path / "bars.csv", *words, "--json")
    assert imported.exit_code == 0, imported.stderr
    assert json.loads(imported.stdout)["shard"]["n_bars"] == 28
    assert studbook("data", "derive", "NEW", "--to", "1w", "--root", root).exit_code == 0
    listed = json.loads(studbook("data", "list", "--root", root, "--json").stdout)
    assert [(shard["symbol"], shard["timeframe"]) for shard in listed["shards"]] == [("NEW", "1d"), ("NEW", "1w")]
    assert "NEW" in studbook("data", "list", "--root", root).stdout
    assert json.loads(studbook("data", "check", "--root", root, "--json").stdout)["sound"] is True
    shard = next(root.glob("symbol=NEW/timeframe=1d/*.parquet"))
    shard.write_bytes(shard.read_bytes()[:-20])
    damaged = studbook("data", "check", "--root", root)
    assert damaged.exit_code == 3
    assert "FAIL NEW 1d" in damaged.stdout


def test_a_refused_file_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text(
        "Date,Open,High,Low,Close,Volume\n2024-01-01,10,9,11,10,1\n2024-01-02,1,1,1,-1,1\n"
    )
    found = studbook("data", "import", tmp_path / "bad.csv", "-s", "BAD", "--root", tmp_path / "store")
    assert found.exit_code == 3
    for part in ("high below low", "negative price", "row 2"):
        assert part in found.stderr
    assert not list(tmp_path.glob("store/**/*.parquet"))


# Preferences


def test_flag_beats_environment_beats_project_beats_user(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def root_of(*words: str, **env: str) -> str:
        return str(json.loads(studbook("jobs", "--json", *words, env=env).stdout)["root"])

    (tmp_path / "config" / "studbook").mkdir(parents=True)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("STUDBOOK_RUNS", raising=False)
    monkeypatch.chdir(tmp_path)
    assert root_of() == "runs"
    (tmp_path / "config" / "studbook" / "config.toml").write_text('root = "user"\n')
    assert root_of() == "user"
    (tmp_path / "studbook.toml").write_text('[jobs]\nroot = "project"\n')
    assert root_of() == "project"
    assert root_of(STUDBOOK_RUNS="environment") == "environment"
    assert root_of("--root", "flag", STUDBOOK_RUNS="environment") == "flag"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rooot = 1\n", "did you mean `root`"),
        ("root = \n", "must be TOML"),
        ("[jbos]\nroot = 1\n", "did you mean `jobs`"),
    ],
)
def test_wrong_preferences_are_config_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "studbook.toml").write_text(text)
    found = studbook("jobs")
    assert found.exit_code == 3
    assert message in found.stderr
    assert "studbook.toml" in found.stderr


# Running


@pytest.fixture(scope="module")
def undisturbed(folder: Path) -> dict[str, Any]:
    """The outcome of the job when nothing happens to it, with the noise it made."""
    with process("run", "tiny.yaml", "--json", "--root", "calm", cwd=folder) as child:
        out, err = child.communicate()
    assert child.returncode == 0, err
    outcome: dict[str, Any] = json.loads(out)
    return {**outcome, "stderr": err}


def test_run_answers_with_one_document_and_leaves_a_run_folder(folder: Path, undisturbed: dict[str, Any]) -> None:
    assert undisturbed["status"] == "finished"
    assert undisturbed["n_births"] >= 2 * 8 * 5
    assert undisturbed["verdict"]
    for name in ("run", "report", "births", "journal", "candidates"):
        assert (folder / undisturbed["files"][name]).exists()
    for part in ("starting: reading bars", "generation 4/4", "writing the report"):
        assert part in undisturbed["stderr"]
    assert "\x1b" not in undisturbed["stderr"]


def test_require_elite_ends_with_5_but_still_answers(folder: Path, inside: Path, undisturbed: dict[str, Any]) -> None:
    assert undisturbed["n_elites"] == 0
    found = studbook("resume", undisturbed["job"], "--root", "calm", "--require-elite", "--json")
    assert found.exit_code == 5
    assert json.loads(found.stdout)["births_sha256"] == undisturbed["births_sha256"]
    assert "nothing to resume" in found.stderr


@contextlib.contextmanager
def running(folder: Path, root: str, *words: str) -> Iterator["subprocess.Popen[str]"]:
    """A job that has finished its first epoch and has many to go."""
    more = ["--set", "evolution.generations=8", "--set", "evolution.epoch_generations=1", *words]
    with process("run", "tiny.yaml", *more, "--root", root, cwd=folder) as child:
        try:
            deadline = time.monotonic() + 120
            while not any('"epoch_finished"' in path.read_text() for path in (folder / root).glob("*/journal.jsonl")):
                assert child.poll() is None, child.communicate()
                assert time.monotonic() < deadline
                time.sleep(0.01)
            yield child
        finally:
            if child.poll() is None:
                child.kill()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_keeps_what_is_finished_and_resume_goes_on(
    folder: Path, number: int, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = f"stopped-{code}"
    with running(folder, root, "--set", "evolution.population_size=24", "--json") as child:
        child.send_signal(number)
        out, err = child.communicate(timeout=60)
    run = next((folder / root).glob("tiny-*"))
    assert child.returncode == code, err
    answer = json.loads(out)
    assert answer["exit_code"] == code
    assert f"`studbook resume {run.name}` goes on" in answer["error"]["message"]
    before = read_job(run)
    assert before.status == "interrupted"
    monkeypatch.chdir(folder)
    resumed = studbook("resume", "latest", "--root", root, "--json")
    assert resumed.exit_code == 0, resumed.stderr
    assert json.loads(resumed.stdout)["status"] == "finished"
    assert len(read_job(run).epochs) == 16 > len(before.epochs)


@pytest.mark.mlflow
def test_mlflow_down_is_told_once_and_changes_nothing(inside: Path, undisturbed: dict[str, Any]) -> None:
    words = ["run", "tiny.yaml", "--set", "tracking.enabled=true", "--root", "down", "--json"]
    found = studbook(*words, env={"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"})
    assert found.exit_code == 0, found.stderr
    answer = json.loads(found.stdout)
    assert answer["births_sha256"] == undisturbed["births_sha256"]
    assert answer["mlflow"]["trouble"]
    assert found.stderr.count("warning: MLflow at http://127.0.0.1:9 had trouble") == 1
    assert "studbook track" in found.stderr


# MLflow's own pages


def test_a_taken_port_is_a_usage_error(tmp_path: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        found = studbook("ui", "--port", str(taken.getsockname()[1]), "--root", tmp_path)
    assert found.exit_code == 2
    assert "`--port` must be free" in found.stderr


def test_ui_of_a_server_names_its_address(tmp_path: Path) -> None:
    found = studbook("ui", "--root", tmp_path, "--uri", "http://mlflow.example:5000")
    assert found.exit_code == 0
    assert found.stdout == "http://mlflow.example:5000\n"


@pytest.mark.mlflow
def test_ui_answers_with_the_tracked_job_and_ends_whole(make_run: MakeRun) -> None:
    import socket
    import urllib.request

    run = make_run()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    tracked = studbook("track", "latest", "--root", run.parent, "--json", env={"MLFLOW_TRACKING_URI": None})
    assert tracked.exit_code == 0, tracked.stderr
    assert json.loads(tracked.stdout)["job"] == run.name
    with process("ui", "--root", run.parent, "--port", str(port), cwd=run) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == f"http://127.0.0.1:{port}\n"
            base = f"http://127.0.0.1:{port}/api/2.0/mlflow"
            query = json.dumps({"experiment_ids": ["1"]}).encode()
            request = urllib.request.Request(f"{base}/runs/search", query, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=30) as answer:
                runs = json.load(answer)["runs"]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as page:
                assert b"MLflow" in page.read()
            child.send_signal(signal.SIGINT)
            child.wait(timeout=60)
        finally:
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
                child.wait(timeout=60)
    jobs = [found for found in runs if not any(tag["key"] == "mlflow.parentRunId" for tag in found["data"]["tags"])]
    assert [found["info"]["run_name"] for found in jobs] == [run.name]
    assert child.returncode == 0
    assert servers_on(port) == []


def servers_on(port: int) -> list[str]:
    """Command lines of processes that mention the port."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = path.read_bytes().split(b"\0")
            if str(port).encode() in words and b"mlflow" in b" ".join(words):
                lines.append(b" ".join(words).decode())
    return lines
