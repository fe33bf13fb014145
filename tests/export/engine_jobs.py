"""Jobs for engines that don't live with our libraries: exported files and bars in, the engine's own trades out."""

import json
import os
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cluster.export.trading_text import class_name
from fitness.costs import Costs
from fitness.shards import Shard
from fitness.tally import EXIT_REASONS, Trade
from strategies.strategy import Strategy
from tests.export.engine_cases import COLUMNS, Case, assert_same_trades, frame_of

REPOSITORY = Path(__file__).parents[2]
PYTHON = REPOSITORY / ".venv-engines/bin/python"
US = 1_000_000


@dataclass
class Market:
    """Bars, costs, and the files that trade on them, by name."""

    frame: pd.DataFrame
    costs: Costs
    files: list[dict[str, Any]] = field(default_factory=list)

    def times(self) -> NDArray[np.int64]:
        """When the bars open, in microseconds UTC."""
        return self.frame.index.to_numpy().astype("datetime64[us]").astype(np.int64)

    def job(self) -> dict[str, Any]:
        """What the engine's script reads."""
        bars = {"time": self.times().tolist()} | {name.lower(): self.frame[name].tolist() for name in COLUMNS}
        return {"bars": bars, "fee": self.costs.fee, "cash": self.costs.start_equity, "files": self.files}


def file_of(text: str, strategy: Strategy, name: str, folder: Path, **more: Any) -> dict[str, Any]:
    """A file of a job, written to a folder of its own."""
    path = folder / name / "exported.py"
    path.parent.mkdir()
    path.write_text(text, encoding="utf-8")
    futures = strategy.direction != "long"
    return {"name": name, "path": str(path), "class": class_name(strategy), "futures": futures, **more}


def run(engine: str, markets: Iterable[Market], folder: Path) -> dict[str, Any]:
    """The answer of the engine's script; none of our packages is there for it to import."""
    assert PYTHON.exists(), f"There must be engines in {PYTHON.parents[1].name}: run `make .venv-engines/.made`."
    job, answer = folder / "job.json", folder / "answer.json"
    job.write_text(json.dumps([market.job() for market in markets]), encoding="utf-8")
    script = Path(__file__).parent / f"engines/{engine}_backtests.py"
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    done = subprocess.run(
        [str(PYTHON), "-W", "ignore", "-I", str(script), str(job), str(answer)],
        cwd=folder, capture_output=True, text=True, check=False, timeout=1800, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return json.loads(answer.read_text(encoding="utf-8"))


def trades_in(found: list[Mapping[str, Any]], market: Market, rows: NDArray[np.float64]) -> SimpleNamespace:
    """An engine's trades in our terms.

    Its stops don't say which of the two it was, and its last exit may be called by any reason: there ours is taken.
    A trade that freqtrade closes at the open of the flat bar after the last one is closed at the last close.
    """
    ours = [EXIT_REASONS[int(reason)] for reason in rows[:, Trade.EXIT_REASON]]
    same = {"stop_loss": "stop", "roi": "target", "exit_signal": "exit", "force_exit": "end"}
    theirs = [same.get(one["reason"], one["reason"]) for one in found]
    exits = np.searchsorted(market.times(), [one["exit"] for one in found], "right") - 1
    after = np.array([one["exit"] > market.times()[-1] for one in found], dtype=bool)
    reasons = [
        our if (their, our) in {("stop", "trail")} or (late and our == "end") else their
        for their, late, our in zip(theirs, after, [*ours, *[""] * len(found)], strict=False)
    ]
    columns = {
        name: np.array([one[name] for one in found])
        for name in ("side", "entry_price", "exit_price", "units", "profit")
    }
    entries = np.searchsorted(market.times(), [one["entry"] for one in found])
    return SimpleNamespace(entry_bar=entries, exit_bar=exits, reasons=reasons, **columns)


def assert_engine_agrees(
    found: list[Mapping[str, Any]], rows: NDArray[np.float64], market: Market, context: str
) -> NDArray[np.float64]:
    """Compare an engine's trades with the kernel's, up to a ruin, which engines don't know; return those compared."""
    ruin = np.flatnonzero(rows[:, Trade.EXIT_REASON] == EXIT_REASONS.index("ruin"))
    if ruin.size:
        found, rows = found[: ruin[0]], rows[: ruin[0]]
    assert_same_trades(rows, trades_in(found, market, rows), context=context, rtol=1e-8, step=1e-8)
    return rows


def case_file(case: Case, text: Callable[..., str], name: str, folder: Path) -> tuple[Market, Case]:
    """A market with the one file of a case, whose signals are given: of both sides, whatever its own rules are."""
    strategy = replace(case.strategy, direction="both")
    signals = {key: np.asarray(values).tolist() for key, values in case.signals.items()}
    file = file_of(text(strategy, None), strategy, name, folder, signals=signals)
    return Market(case.frame, case.costs, [file]), case


def market_of(shard: Shard, costs: Costs) -> Market:
    """A market of real bars, without files as yet."""
    return Market(frame_of(shard), costs)
