"""Experiment B. Question: is a rule that foresees the next bar found, and only where it pays?

Method: markets with a planted rule (planted_markets.py); on each a whole job with all gates (planted.yaml). A market
counts as found if an elite (all gates, so its lockbox result is significant) holds what the rule holds: Matthews'
correlation of their positions in the lockbox above 0.5. Beside it: what the last gate alone would have accepted.
Markets whose rule the grammar can't say, and markets whose edge is smaller than the costs, show what is refused.

Run: `python benchmarks/experiments/planted.py` (a quarter of an hour on two cores; it goes on where it was stopped).
"""

import json
import math
import time

from noise import row_of
from one_market import run_on
from planted_markets import agreement, planted_market
from results import Row, Task, arguments, collected, settings_of, write_table


def one(text: str) -> str:
    """Return the row of one market as JSON."""
    task, begun, settings = json.loads(text), time.process_time(), settings_of("planted")
    planted = planted_market(task["rule"], task["strength"], task["seed"], n_bars=settings["experiment"]["n_bars"])
    finished = run_on(planted.shard, settings["job"], task["seed"])
    first = finished.first_bar
    told = [agreement(held, planted.positions[first : first + len(held)]) for held in finished.positions]
    passed = [bool(record["passed"]) for record in finished.view.candidates]
    values = {"agreement": told, "passed": passed, "seconds": round(time.process_time() - begun, 2)}
    return json.dumps({"task": task, **row_of(finished), **values})


def found(row: Row, least: float) -> bool:
    """Return whether an elite agrees with the rule."""
    return any(passed and told > least for passed, told in zip(row["passed"], row["agreement"], strict=True))


def found_by_last_gate(row: Row, least: float) -> bool:
    """Return whether a candidate agrees with the rule that the last gate alone would have accepted."""
    return any(final[1] and told > least for final, told in zip(row["final"], row["agreement"], strict=True))


def tasks() -> list[Task]:
    """Return the markets in the order in which they are run: all groups in turn."""
    settings = settings_of("planted")["experiment"]
    first, n_rules = settings["first_seed"], len(settings["rules"])
    groups = [
        [
            {"group": f"{strength:.2f}", "rule": rule, "strength": strength, "seed": first + number * n_rules + place}
            for number in range(settings["markets_per_rule"])
            for place, rule in enumerate(settings["rules"])
        ]
        for strength in settings["strengths"]
    ]
    for name in ("beyond_the_grammar", "below_the_costs"):
        group = settings[name]
        groups.append(
            [
                {"group": name, "rule": group["rule"], "strength": group["strength"], "seed": first + number}
                for number in range(group["markets"])
            ]
        )
    longest = max(map(len, groups))
    return [group[number] for number in range(longest) for group in groups if number < len(group)]


def main() -> None:
    """Run it and print its tables."""
    given, settings = arguments(__doc__ or "", "planted"), settings_of("planted")["experiment"]
    rows, least = collected(one, tasks(), given), settings["agreement"]
    print("| group | markets | found | found, last gate alone | something passed | best agrees above 0.5 |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for group in dict.fromkeys(row["task"]["group"] for row in rows):
        mine = [row for row in rows if row["task"]["group"] == group]
        figures = (
            len(mine),
            sum(found(row, least) for row in mine),
            sum(found_by_last_gate(row, least) for row in mine),
            sum(row["n_elites"] > 0 for row in mine),
            sum(max(row["agreement"], default=0.0) > least for row in mine),
        )
        print(f"| {group} | " + " | ".join(map(str, figures)) + " |")
    write_table("planted", [_line(row, least) for row in rows])
    for rule in settings["rules"]:
        parts = [
            f"{sum(found(row, least) for row in rows if row['task']['rule'] == rule and row['task']['strength'] == p)}"
            for p in settings["strengths"]
        ]
        print(f"{rule}: found {', '.join(parts)} of {settings['markets_per_rule']} each, by strength")


def _line(row: Row, least: float) -> Row:
    smallest = min((p for p, _ in row["final"] if math.isfinite(p)), default=1.0)
    return {
        **row["task"],
        "ways": row["n_trials"],
        "elites": row["n_elites"],
        "smallest p": round(smallest, 4),
        "best agreement": round(max(row["agreement"], default=0.0), 3),
        "found": int(found(row, least)),
        "found by the last gate alone": int(found_by_last_gate(row, least)),
    }


if __name__ == "__main__":
    main()
