"""Results of an experiment as lines of JSON: one a market, kept as they come, so that a run can be gone on with."""

import argparse
import csv
import json
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

from cluster.spawned import in_processes

Task = dict[str, Any]
Row = dict[str, Any]

HERE = Path(__file__).resolve().parent


def settings_of(name: str) -> dict[str, Any]:
    """Return the settings of an experiment, from the YAML file beside it."""
    return dict(yaml.safe_load((HERE / f"{name}.yaml").read_text(encoding="utf-8")))


def arguments(purpose: str, name: str) -> argparse.Namespace:
    """Return what the command line of an experiment says."""
    parser = argparse.ArgumentParser(description=purpose)
    parser.add_argument("--workers", type=int, default=2, help="processes; the results are the same for any number")
    parser.add_argument("--out", type=Path, default=HERE / "results" / f"{name}.jsonl", help="file of results")
    parser.add_argument("--only", type=int, default=None, help="the first so many markets, to try it out")
    return parser.parse_args()


def collected(function: Callable[[str], str], tasks: Sequence[Task], given: argparse.Namespace) -> list[Row]:
    """Return the row of every task; those that `--out` has already are not run again."""
    known = _read(given.out)
    left = [task for task in tasks[: given.only] if _key(task) not in known]
    given.out.parent.mkdir(parents=True, exist_ok=True)
    with given.out.open("a", encoding="utf-8") as file:
        answers = in_processes(function, [json.dumps(task) for task in left], workers=given.workers,
                               stop=threading.Event()) if left else ()  # fmt: skip
        for number, answer in enumerate(answers, start=1):
            row = json.loads(answer)
            known[_key(row["task"])] = row
            file.write(answer + "\n")
            file.flush()
            if sys.stderr.isatty() or number in (1, len(left)):
                print(f"\r{number} of {len(left)}", end="", file=sys.stderr, flush=True)
    return [known[_key(task)] for task in tasks[: given.only]]


def write_table(name: str, table: Sequence[Row]) -> None:
    """Write what is told of every market as CSV, beside the experiments."""
    path = HERE / "results" / f"{name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(table[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)


def _read(path: Path) -> dict[str, Row]:
    if not path.is_file():
        return {}
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
    return {_key(row["task"]): row for row in rows}


def _key(task: Task) -> str:
    return json.dumps(task, sort_keys=True)
