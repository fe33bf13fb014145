"""Strategies as a Markdown page for people."""

from collections.abc import Mapping
from typing import Any

from cluster.report.numbers import SEGMENTS, TITLES, count, figure, segment_figure, threshold_figure
from strategies.strategy import Learner, Strategy
from strategies.wording import condition_text, distance_text, learner_text, size_text

_CONFLICTS = {"net": "are subtracted", "veto": "one that is confident forbids the entry"}
SHOWN = ("sharpe", "cagr", "max_drawdown", "n_trades", "win_rate", "profit_factor", "exposure")


def markdown_text(strategy: Strategy, record: Mapping[str, Any] | None) -> str:
    """Return the rules and, from a candidate record, figures of all segments and the gates."""
    parts = [f"# Strategy {strategy.id}", "", f"> {strategy.text()}", "", *_rules(strategy)]
    if record is not None:
        parts += ["", *_figures(record), "", *_gates(record)]
    parts += ["", "```json", strategy.to_json(), "```", ""]
    return "\n".join(parts)


def _rules(strategy: Strategy) -> list[str]:
    """Every part of the strategy, a line each: votes, gates, orders, size, breaker, and what each learner is."""
    lines = ["## Rules", ""]
    for title, rule, voters in (("Entry", strategy.entry, strategy.learners), ("Exit", strategy.exit, ())):
        votes = [(one.weight, condition_text(one)) for one in rule.conditions]
        votes += [(one.weight, _vote(slot, one)) for slot, one in enumerate(voters) if one.weight]
        if votes:
            n_votes = sum(weight for weight, _ in votes)
            lines.append(f"- {title}: {rule.needed} of {count(n_votes, 'vote')} must be for it")
            lines += [f"  - {text}" + (f", counts {weight} times" if weight > 1 else "") for weight, text in votes]
    if strategy.conflict != "votes":
        lines.append(f"- Votes of learners for the other side: {_CONFLICTS[strategy.conflict]}")
    gates = (("trend", strategy.gate.trend), ("volatility", strategy.gate.volatility))
    lines += [f"- Gate: enters only where {name} is {value}" for name, value in gates if value != "any"]
    lines.append(f"- Direction: {strategy.direction}")
    orders = (("stop", strategy.stop), ("target", strategy.target), ("trailing stop", strategy.trail))
    lines += [f"- Order: {distance_text(name, distance)}" for name, distance in orders if distance is not None]
    if strategy.time_stop:
        lines.append(f"- Leaves after {count(strategy.time_stop, 'bar')}")
    if strategy.cooldown:
        lines.append(f"- Cooldown: {count(strategy.cooldown, 'bar')}")
    lines.append(f"- Order: {size_text(strategy.size)}")
    if strategy.breaker is not None:
        fall = f"{100 * strategy.breaker.drawdown:g} %"
        lines.append(f"- Breaker: a drawdown of {fall} halts entries for {count(strategy.breaker.rearm, 'bar')}")
    return lines + [f"- Learner {slot}: {learner_text(one)}" for slot, one in enumerate(strategy.learners)]


def _vote(slot: int, learner: Learner) -> str:
    """When a learner votes for a side."""
    trust = f" and its confidence above {learner.trust:g}" if learner.trust else ""
    return f"learner {slot}, where its score is beyond {learner.edge:g}{trust}"


def _figures(record: Mapping[str, Any]) -> list[str]:
    head = ["| Measure | " + " | ".join(SEGMENTS.values()) + " | Buy and hold, in sample |"]
    head.append("| --- |" + " ---: |" * (len(SEGMENTS) + 1))
    hold = (record.get("benchmark") or {}).get("in_sample") or {}
    for name in SHOWN:
        cells = [segment_figure(record, segment, name) for segment in SEGMENTS]
        head.append(f"| {TITLES[name]} | {' | '.join(cells)} | {figure(name, hold.get(name))} |")
    return ["## Figures", "", *head]


def _gates(record: Mapping[str, Any]) -> list[str]:
    lines = ["## Gates", "", "| Gate | Value | Threshold | Passed |", "| --- | ---: | ---: | --- |"]
    for gate in record.get("gates") or []:
        value, threshold = threshold_figure(gate["value"]), threshold_figure(gate["threshold"])
        lines.append(f"| {gate['name']} | {value} | {threshold} | {'yes' if gate['passed'] else 'no'} |")
    if record.get("battery"):
        lines += ["", "## Bias battery", "", "| Test | Value | Threshold | Passed |", "| --- | ---: | ---: | --- |"]
        for one in record["battery"]:
            value, threshold = threshold_figure(one["value"]), threshold_figure(one["threshold"])
            lines.append(f"| {one['title']} | {value} | {threshold} | {'yes' if one['passed'] else 'no'} |")
    promoted = "Promoted: " + ("yes" if record.get("passed") else "no, not promoted")
    return [*lines, "", promoted, "", f"Proof: `studbook verify {record['id']}` makes every figure again."]
