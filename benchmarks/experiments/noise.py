"""Experiment A. Question: on markets without edge, how often does a search end with something that passed?

Method: 200 markets, 50 of each kind (noise_markets.py); on each a whole job with the product's defaults (noise.yaml).
Counted are markets in which at least one candidate was accepted

- by all gates: the product as it is;
- by the last gate alone, had all candidates read the lockbox: its size. At 5 % it may accept 4 to 16 of 200;
- by what people use instead: a Sharpe ratio above 1 in sample; a t-test in sample; the best of the candidates on one
  hold-out, at 5 %.

Run: `python benchmarks/experiments/noise.py` (a quarter of an hour on two cores; it goes on where it was stopped).
"""

import json
import math
import time

from noise_markets import noise_market
from one_market import Finished, run_on
from results import Row, Task, arguments, collected, settings_of, write_table


def one(text: str) -> str:
    """Return the row of one market as JSON."""
    task, begun = json.loads(text), time.process_time()
    finished = run_on(noise_market(task["kind"], task["seed"]), settings_of("noise")["job"], task["seed"])
    return json.dumps({"task": task, **row_of(finished), "seconds": round(time.process_time() - begun, 2)})


def row_of(finished: Finished) -> Row:
    """Return what is told of a finished job."""
    records, view = finished.view.candidates, finished.view
    gates = [{gate["name"]: [gate["value"], gate["passed"]] for gate in record["gates"]} for record in records]
    return {
        "n_births": view.n_births,
        "n_trials": view.n_trials,
        "n_elites": len(view.elites),
        "verdict": view.verdict,
        "final": finished.final,
        "hold_out": finished.hold_out,
        "sharpes": [record["in_sample"]["sharpe"] for record in records],
        "alone": finished.alone,
        "lockbox_sharpes": [record["lockbox"]["sharpe"] if record["lockbox"] else None for record in records],
        "gates": gates,
    }


ACCEPTED = {
    "all gates": lambda row: row["n_elites"] > 0,
    "the last gate alone": lambda row: any(passed for _, passed in row["final"]),
    "in-sample Sharpe above 1": lambda row: any((value or 0.0) > 1.0 for value in row["sharpes"]),
    "in-sample Sharpe above 0 at 5 %": lambda row: any((value or 0.0) > 0.95 for value in row["alone"]),
    "best candidate on one hold-out, 5 %": lambda row: any((value or 0.0) > 0.95 for value in row["hold_out"]),
    "deflated Sharpe ratio above 0.95": lambda row: any(gates["dsr"][1] for gates in row["gates"]),
}
"""What accepts a market, by name."""


def tasks() -> list[Task]:
    """Return the markets in the order in which they are run: all kinds in turn."""
    settings = settings_of("noise")["experiment"]
    counts = settings["markets"]
    return [
        {"kind": kind, "seed": settings["first_seed"] + number}
        for number in range(max(counts.values()))
        for kind in counts
        if number < counts[kind]
    ]


def main() -> None:
    """Run it and print its tables."""
    given, settings = arguments(__doc__ or "", "noise"), settings_of("noise")["experiment"]
    rows = collected(one, tasks(), given)
    kinds = list(settings["markets"])
    print(f"{len(rows)} markets, {sum(row['n_births'] for row in rows):,} births")
    print("| accepted by | " + " | ".join(kinds) + " | all |")
    print("| --- |" + " ---: |" * (len(kinds) + 1))
    for name, accepts in ACCEPTED.items():
        counts = [sum(accepts(row) for row in rows if row["task"]["kind"] == kind) for kind in kinds]
        print(f"| {name} | " + " | ".join(map(str, counts)) + f" | {sum(counts)} |")
    low, high = settings["may_accept"]
    n = sum(ACCEPTED["the last gate alone"](row) for row in rows)
    write_table("noise", [_line(row) for row in rows])
    print(f"The last gate alone accepted {n} of {len(rows)}; {low} to {high} of 200 are what 5 % allows.")


def _line(row: Row) -> Row:
    smallest = min((p for p, _ in row["final"] if math.isfinite(p)), default=1.0)
    accepted = {name: int(accepts(row)) for name, accepts in ACCEPTED.items()}
    return {
        **row["task"],
        "births": row["n_births"],
        "ways": row["n_trials"],
        "smallest p": round(smallest, 4),
    } | accepted


if __name__ == "__main__":
    main()
