"""Tables and blocks of text for the terminal, made from plain records."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cluster.portfolio import redundant_with
from cluster.report.numbers import (
    HEADLINE,
    NOT_READ,
    SEGMENTS,
    TITLES,
    count,
    duration,
    failed_gates,
    figure,
    gate_value,
    gates_passed,
    segment_figure,
    threshold_figure,
)

if TYPE_CHECKING:
    from cluster.doctor import Check
    from cluster.view import JobView

VERDICT_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}
STATUS_STYLES = {"finished": "green", "running": "cyan", "interrupted": "yellow"}
PASSED = {True: Text("passed", style="green"), False: Text("failed", style="red")}


def plain_table(*columns: str, numeric_from: int | None = None, title: str | None = None) -> Table:
    """Return an empty table; columns from `numeric_from` on are set right."""
    table = Table(box=SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", pad_edge=False)
    for index, column in enumerate(columns):
        right = numeric_from is not None and index >= numeric_from
        table.add_column(column, justify="right" if right else "left", no_wrap=right)
    return table


def check_table(checks: Iterable["Check"]) -> Table:
    """Return the doctor's findings."""
    table = plain_table("Check", "Is", "Found", "What to do")
    for check in checks:
        table.add_row(check.name, Text(check.verdict, style=VERDICT_STYLES[check.verdict]), check.found, check.mend)
    return table


def job_table(jobs: Sequence["JobView"]) -> Table:
    """Return one row a job, in the order given."""
    table = plain_table("Job", "Status", "Shards", "Epochs", "Births", "Elites", "Time", numeric_from=2)
    for job in jobs:
        status = Text(job.status, style=STATUS_STYLES.get(job.status, ""))
        cells = [len(job.shards), len(job.epochs), f"{job.n_births:,}", len(job.elites), duration(job.seconds)]
        table.add_row(job.id, status, *map(str, cells))
    return table


def candidate_block(record: Mapping[str, Any]) -> Group:
    """Return one candidate: its rules, then figures of all segments side by side, each with buy and hold beside it."""
    state = Text("elite", style="bold green") if record["passed"] else Text("not promoted", style="yellow")
    facts = f"{record['species']}, gates {gates_passed(record)}, "
    facts += f"deflated Sharpe {threshold_figure(gate_value(record, 'dsr'))}"
    failed = failed_gates(record)
    facts += f", failed {', '.join(failed)}" if failed else ""
    better = redundant_with(record)
    if better is not None:
        facts += f", redundant: moves with {better['id']} (correlation {better['correlation']:.2f})"
    table = plain_table("", *(name for title in SEGMENTS.values() for name in (title, "hold")), numeric_from=1)
    for measure in HEADLINE:
        cells = [cell for segment in SEGMENTS for cell in _cells(record, segment, measure)]
        table.add_row(f"  {TITLES[measure]}", *cells)
    return Group(Text(record["text"], style="bold"), Text(f"  {record['id']}, ") + state + Text(f", {facts}"), table)


def _cells(record: Mapping[str, Any], segment: str, measure: str) -> tuple[str, Text]:
    """One figure and that of buy and hold; a lockbox that was not read says so once."""
    if record.get(segment) is None:
        return (NOT_READ if measure == HEADLINE[0] else ""), Text()
    hold = (record.get("benchmark") or {}).get(segment) or {}
    return segment_figure(record, segment, measure), Text(figure(measure, hold.get(measure)), style="dim")


def gate_table(record: Mapping[str, Any]) -> Table:
    """Return the gates of one candidate with their values."""
    table = plain_table("Gate", "Value", "Threshold", "", "Meaning")
    for gate in record.get("gates") or []:
        value, threshold = threshold_figure(gate["value"]), threshold_figure(gate["threshold"])
        state = Text("off", style="dim") if gate["threshold"] is None else PASSED[bool(gate["passed"])]
        table.add_row(gate["name"], value, threshold, state, gate.get("explanation", ""))
    return table


def record_block(record: Mapping[str, Any]) -> RenderableType:
    """Return one candidate in full: rules, figures of all segments, gates."""
    return Group(candidate_block(record), gate_table(record))


def trade_table(trades: Sequence[Mapping[str, Any]]) -> Table:
    """Return one row a trade."""
    table = plain_table("", "Entry", "Exit", "At", "Left at", "Bars", "Profit", "Why", numeric_from=3)
    for trade in trades:
        profit = Text(figure("expectancy", trade["profit_share"]), style="green" if trade["profit"] > 0 else "red")
        prices = [f"{trade['entry_price']:,.6g}", f"{trade['exit_price']:,.6g}"]
        days = [trade["entry_time"], trade["exit_time"]]
        table.add_row(trade["side"], *days, *prices, str(trade["bars"]), profit, trade["exit_reason"])
    return table


def shard_table(shards: Sequence[Mapping[str, Any]]) -> Table:
    """Return one row a shard of a store; the last column says what was done with it, or why it can't be used."""
    table = plain_table("Symbol", "Timeframe", "Bars", "From", "To", "Quality", "Content hash", "")
    for shard in shards:
        row = [shard["symbol"], shard["timeframe"], f"{shard['n_bars']:,}", shard["first"][:10], shard["last"][:10]]
        extra = f"with {', '.join(shard['extra'])}" if shard["extra"] else ""
        note = "; ".join(part for part in (shard["note"], extra) if part)
        remark = Text(f"can't be used: {shard['problem']}", style="red") if shard["problem"] else note
        table.add_row(*row, f"{shard['quality']:.4f}", shard["content_hash"][:12], remark)
    return table


def ran_sentence(job: "JobView") -> str:
    """Return what broke and was mended, and which strategies were put aside."""
    health, shown = job.health, [f"{data['id']} ({data['reason']})" for data in job.quarantined[:3]]
    kinds = ", ".join(count(n, kind) for kind, n in health.repairs.items())
    parts = [f"{count(health.n_repairs, 'repair')} ({kinds})"] if health.n_repairs else []
    parts += [count(health.n_stalls, "stall")] if health.n_stalls else []
    if shown:
        more = f" and {health.n_quarantined - len(shown)} more" if health.n_quarantined > len(shown) else ""
        aside = count(health.n_quarantined, "strategy put aside", "strategies put aside")
        parts.append(f"{aside}: {', '.join(shown)}{more}")
    return f"On the way: {'; '.join(parts)}."


def tried_sentence(job: "JobView") -> str:
    """Return how many strategies the job tried, and how well the best survives that count."""
    born = count(job.n_births, "strategy", "strategies")
    screened = f" ({job.n_screened_out:,} on the screen alone)" if job.n_screened_out else ""
    tried = f"{job.n_evaluated:,} of them different and evaluated{screened}"
    sentence = f"Tried: {born} bred, {tried}, in {duration(job.seconds)}."
    survived = [value for value in (gate_value(record, "dsr") for record in job.candidates) if value is not None]
    if survived:
        needed = "" if job.config.gates.dsr is None else f" ({job.config.gates.dsr:g} is needed)"
        counts = (job.chosen or {}).get("trials") or {}
        ways = f"{count(job.n_trials, 'way')} of trading"
        ways += f", {count(counts['n_jobs'], 'job')}" if counts.get("n_jobs", 1) > 1 else ""
        sentence += f" Best deflated Sharpe ratio, with all these tries counted ({ways}): {max(survived):.3f}{needed}."
    return sentence
