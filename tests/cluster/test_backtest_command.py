"""`studbook backtest`: the same figures as the library, for every way to name a strategy, and clear refusals."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from cluster.backtest import find_strategy, iso_time, run_backtest, window_of
from cluster.cli import app
from cluster.job_config import CostSettings
from cluster.market import costs_of, plain_costs
from cluster.view import read_job
from fitness.bank import FeatureBank
from fitness.measures import MEASURES
from fitness.samples import random_walk
from fitness.shards import Shard, load_shard, write_shard
from fitness.trace import trace
from strategies.encoding import phenotype_of
from strategies.errors import DataError, StrategyError, UsageError
from strategies.templates import TEMPLATES

MakeRun = Callable[..., Path]
COSTS = costs_of(CostSettings())


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("store")
    write_shard(random_walk(1, 900), root, "RW", "1d", calendar="24/5")
    return root


@pytest.fixture(scope="module")
def shard(store: Path) -> Shard:
    return load_shard(store, "RW", "1d")


def backtest(*words: str) -> Any:
    return CliRunner().invoke(app, ["backtest", *words])


def document(*words: str) -> dict[str, Any]:
    found = backtest(*words, "--json")
    assert found.exit_code == 0, found.stderr
    answer: dict[str, Any] = json.loads(found.stdout)
    return answer


def test_figures_are_those_of_the_library(store: Path, shard: Shard) -> None:
    answer = document("sma_cross", "-s", "RW", "--root", str(store), "--trades")
    window = window_of(shard, since=None, until=None)
    result = trace(phenotype_of(TEMPLATES["sma_cross"]), shard, window, COSTS, FeatureBank(shard))
    (mine,) = answer["strategies"]
    for name, measure in MEASURES.items():
        value = float(measure.function(result.tally, shard.bars_per_year))
        assert mine["measures"][name] == (pytest.approx(value) if np.isfinite(value) else None)
    assert len(mine["trades"]) == len(result.trades) == mine["measures"]["n_trades"]
    assert mine["trades"][0]["entry_time"] == iso_time(result.trades["entry_time"][0])
    assert mine["id"] == TEMPLATES["sma_cross"].id
    assert answer["shard"]["content_hash"] == shard.content_hash
    assert answer["buy_and_hold"]["n_trades"] == 1


def test_text_shows_rules_measures_and_on_demand_trades(store: Path) -> None:
    short, long = (backtest("sma_cross", "-s", "RW", "--root", str(store), *more) for more in ([], ["--trades"]))
    for part in ("SMA(10) crosses above SMA(20)", "template sma_cross", "fee 5 bps", "Sharpe", "Buy and hold"):
        assert part in short.stdout
    assert "Why" in long.stdout
    assert "Why" not in short.stdout


def test_costs_only_ever_cost(store: Path) -> None:
    words = ("sma_cross", "-s", "RW", "--root", str(store))
    free = document(*words, "--fee-bps", "0", "--slippage-bps", "0")
    dear = document(*words, "--fee-bps", "20")
    returns = [one["strategies"][0]["measures"]["total_return"] for one in (dear, free)]
    assert returns[0] < returns[1]


def test_window_takes_whole_days_at_both_ends(shard: Shard) -> None:
    first, last = (datetime.fromisoformat(iso_time(shard.timestamps[bar])) for bar in (10, 20))
    window = window_of(shard, since=first, until=last)
    assert (window.start, window.stop) == (10, 21)


def test_indicators_warm_up_before_the_window(shard: Shard) -> None:
    """A window's trades do not depend on where the shard's history was cut, once indicators are warm."""
    found = find_strategy("sma_cross", Path("nowhere"))
    window = window_of(shard, since=datetime.fromisoformat(iso_time(shard.timestamps[300])), until=None)
    result = run_backtest(found, shard, window=window, costs=COSTS)
    assert result.trades()[0]["entry_time"] < iso_time(shard.timestamps[340])


def test_too_short_a_window_says_what_there_is(store: Path) -> None:
    found = backtest("sma_cross", "-s", "RW", "--root", str(store), "--from", "2050-01-01")
    assert found.exit_code == 3
    assert "A back-test needs at least 2 bars, but RW 1d has 0 from 2050-01-01" in found.stderr
    assert "there are bars from" in found.stderr


def test_strategy_is_found_by_template_file_record_and_id(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run()
    record = read_job(run).candidates[0]
    bare = tmp_path / "bare.json"
    bare.write_text(json.dumps(record["strategy"]))
    names = [str(bare), str(run / "candidates" / f"{record['id']}.json"), record["id"], record["id"][:6], "sma_cross"]
    assert {find_strategy(name, run.parent).strategy.id for name in names} == {record["id"]}
    found = find_strategy(record["id"][:6], run.parent).record
    assert found == {**record, "costs": plain_costs(costs_of(read_job(run).config.costs)), "bars_per_year": 252.0}


def test_unread_lockbox_is_pointed_out(make_run: MakeRun, store: Path) -> None:
    run = make_run()
    unread = read_job(run).candidates[3]
    words = ["-s", "RW", "--root", str(store), "--runs", str(run.parent)]
    assert "has not read this strategy's lockbox" in backtest(unread["id"], *words).stderr
    assert "lockbox" not in backtest(read_job(run).candidates[0]["id"], *words).stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("[1]", "must be an object"),
        ('{"schema": "studbook/strategy/2"}', "must have the key 'direction'"),
        ('{"strategy": {"schema": 1}}', "schema must be 'studbook/strategy/2', but was 1"),
        ("\ufeff{}", "is not JSON|must have the key"),
    ],
)
def test_damaged_strategy_files_are_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "damaged.json"
    file.write_text(text)
    with pytest.raises(StrategyError, match=message) as caught:
        find_strategy(str(file), tmp_path)
    assert "damaged.json" in str(caught.value)


def test_a_binary_strategy_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "binary.json"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StrategyError, match=r"must be UTF-8 text, but byte 0 was not .*binary\.json"):
        find_strategy(str(file), tmp_path)


def test_missing_names_are_usage_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"must exist, but there is none at nowhere\.json"):
        find_strategy("nowhere.json", tmp_path)
    with pytest.raises(UsageError, match=r"must be one of .*, but was 'sma_cros'; did you mean sma_cross"):
        find_strategy("sma_cros", tmp_path)
    with pytest.raises(UsageError, match=r"STRATEGY must be the id of a candidate .* but was '0123'"):
        find_strategy("0123", tmp_path)


def test_a_missing_shard_is_a_data_error(tmp_path: Path) -> None:
    found = backtest("sma_cross", "-s", "NONE", "--root", str(tmp_path), "--json")
    assert found.exit_code == DataError.exit_code == 3
    answer = json.loads(found.stdout)
    assert answer["exit_code"] == 3
    assert "NONE" in answer["error"]["message"]


SMA_MODULE = "strategies.examples.sma_cross"
CHEAT = """
import numpy as np
from strategies.contract import Decisions

class Cheat:
    def decide(self, bars):
        up = np.roll(bars.close, -1) > bars.close
        return Decisions(up, ~up, ~up, up)
"""


def test_code_and_rules_stand_in_one_table(store: Path) -> None:
    words = ("sma_cross", "macd", "--module", SMA_MODULE, "-s", "RW", "--root", str(store))
    answer = document(*words, "--trades")
    template, macd, code = answer["strategies"]
    assert [one["name"] for one in answer["strategies"]] == ["sma_cross", "macd", "sma_cross"]
    assert [one["evolves"] for one in answer["strategies"]] == [True, True, False]
    assert code["trades"] == template["trades"]
    assert code["measures"] == template["measures"] != macd["measures"]
    assert code["parameters"]["fast"] == {"value": 10, "low": 2, "high": 400}
    text = backtest(*words).stdout
    for part in (f"sma_cross {template['id'][:6]}", f"sma_cross {code['id'][:6]}", "macd", f"module {SMA_MODULE}"):
        assert part in text


def test_a_module_alone_by_file_folder_and_name(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "filter.py"
    file.write_text(
        "from strategies.examples.alexander_filter import AlexanderFilter\nSTRATEGY = AlexanderFilter(0.03)\n"
    )
    words = ("-s", "RW", "--root", str(store))
    ways = [("--module", str(file)), ("--module", str(tmp_path)), ("-m", "filter", "--module-folder", str(tmp_path))]
    answers = [document(*way, *words) for way in ways]
    monkeypatch.setenv("STUDBOOK_MODULE_FOLDER", str(tmp_path))
    answers.append(document("--module", "filter", *words))
    monkeypatch.delenv("STUDBOOK_MODULE_FOLDER")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "studbook.toml").write_text(f'module-folder = ["{tmp_path}"]\n')
    answers.append(document("--module", "filter", *words))
    assert all(one["strategies"][0]["measures"] == answers[0]["strategies"][0]["measures"] for one in answers)
    assert answers[0]["strategies"][0]["measures"]["n_trades"] > 3
    assert list(answers[0]["strategies"][0]["measures"])[:4] == ["sharpe", "cagr", "max_drawdown", "win_rate"]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ((), 2, "must be given a STRATEGY or a --module"),
        (("--module", "nowhere.at.all"), 2, "must be one that can be imported"),
        (("--module", "{folder}/none.py"), 2, "there is no file or folder"),
        (("--module", "{folder}/cheat.py"), 3, "it looks ahead"),
        (("--module", "{folder}/broken.py"), 3, "broken.py raised NameError"),
        (("--module", "{folder}/odd.py"), 3, "must be measures, but was 'luck'"),
    ],
)
def test_modules_that_can_not_be_used(
    store: Path, tmp_path: Path, words: tuple[str, ...], code: int, message: str
) -> None:
    (tmp_path / "cheat.py").write_text(CHEAT)
    (tmp_path / "broken.py").write_text("nothing_of_that_name\n")
    (tmp_path / "odd.py").write_text(CHEAT.replace("    def", "    metrics = ('luck',)\n    def"))
    given = [word.format(folder=tmp_path) for word in words]
    found = backtest(*given, "-s", "RW", "--root", str(store), "--json")
    answer = json.loads(found.stdout)
    assert (found.exit_code, answer["exit_code"]) == (code, code)
    assert message in answer["error"]["message"]


def test_signal_attribution_and_regimes_on_demand(store: Path) -> None:
    words = ("rsi_reversion", "-m", SMA_MODULE, "-s", "RW", "--root", str(store), "--to", "2001-06-01")
    plain = document(*words)
    full = document(*words, "--signal", "--attribution", "--regimes")
    for before, after in zip(plain["strategies"], full["strategies"], strict=True):
        assert not {"signal", "attribution", "regimes"} & set(before)
        assert after["measures"] == before["measures"]
        assert after["signal"]["time"] == full["window"]["end"]
        assert after["signal"]["action"] in ("enter", "exit", "reverse", "hold", "none")
        assert after["regimes"]["all"]["all"]["measures"]["n_trades"] == before["measures"]["n_trades"]
    rules, code = full["strategies"]
    assert rules["attribution"]["whole"]["sharpe"] == pytest.approx(rules["measures"]["sharpe"])
    assert "attribution" not in code
    shown = backtest(*words, "--signal", "--attribution", "--regimes")
    for part in (
        "At the next open",
        "What each member of rsi_reversion is worth",
        "need not add up",
        "by regime",
        "bull",
    ):
        assert part in shown.stdout
    assert "sma_cross is code: it has no members" in shown.stderr


def test_attribution_says_what_learners_go_by(store: Path) -> None:
    words = ("logistic_momentum", "rsi_reversion", "-s", "RW", "--root", str(store), "--attribution")
    learns, does_not = document(*words)["strategies"]
    (lesson,) = learns["learners"]
    assert lesson["text"].startswith("logistic (rate")
    assert lesson["n_predictions"] > 100
    assert 0.3 < lesson["hit_rate"] < 0.7
    assert set(lesson["importances"]) == {"ROC(5)", "ROC(20)", "RSI(14)", "CCI(20)"}
    assert does_not["learners"] == []
    shown = backtest(*words).stdout
    assert "What the learners of logistic_momentum go by" in shown
    assert "What the learners of rsi_reversion" not in shown


def test_help_says_that_code_is_run() -> None:
    text = backtest("--help").stdout
    assert "load only code that you trust" in " ".join(text.replace("│", " ").split())
