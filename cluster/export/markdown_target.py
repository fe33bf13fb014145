"""Strategies as a Markdown page for people."""

from collections.abc import Mapping
from typing import Any

from cluster.report.numbers import SEGMENTS, TITLES, figure, segment_figure, threshold_figure
from strategies.strategy import Strategy
from strategies.wording import condition_text

SHOWN = ("sharpe", "cagr", "max_drawdown", "n_trades", "win_rate", "profit_factor", "exposure")


def markdown_text(strategy: Strategy, record: Mapping[str, Any] | None) -> str:
    """Return the rules and, from a candidate record, figures of all segments and the gates."""
    parts = [f"# Strategy {strategy.id}", "", f"> {strategy.text()}", "", *_rules(strategy)]
    if record is not None:
        parts += ["", *_figures(record), "", *_gates(record)]
    parts += ["", "```json", strategy.to_json(), "```", ""]
    return "\n".join(parts)


def _rules(strategy: Strategy) -> list[str]:
    lines = ["## Rules", ""]
    for title, rule in (("Entry", strategy.entry), ("Exit", strategy.exit)):
        if rule.conditions:
            lines.append(f"- {title}: {rule.needed} of {len(rule.conditions)} must hold")
            lines += [f"  - {condition_text(condition)}" for condition in rule.conditions]
    return lines


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
    return [*lines, "", "Promoted: " + ("yes" if record.get("passed") else "no, not promoted")]
