"""Metrics in Ray: what the journal says arrives at the node's endpoint for Prometheus; without Ray it is counted."""

import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cluster.health_ledger import health_of
from cluster.journal import Record, read_journal
from cluster.ray_metrics import COUNTERS, GAUGES, RayMetrics, island_figures, job_figures

MakeRun = Callable[..., Path]
PATIENCE_S = 90.0
LINE = re.compile(r'^ray_(studbook_\w+)\{(?:[^}]*,)?job="(?P<job>[^"]*)"[^}]*\} (?P<value>\S+)$')


def troubled(run: Path) -> tuple[Record, ...]:
    """The journal of two islands with a loss, a strategy put aside, a stall and a missing worker."""
    records = list(read_journal(run / "journal.jsonl").records)
    for kind, data in (
        ("workers", {"present": 3, "wanted": 4, "reason": "a node left"}),
        ("quarantined", {"id": "ab", "text": "x", "reason": "killed its worker", "island": 1, "epoch": 2}),
        ("stall", {"island": 0, "epoch": 2, "waited_s": 75.0, "typical_s": 9.5}),
        ("repair", {"what": "breeder 1", "island": 1, "epoch": 2, "reason": "died", "action": "epoch run again"}),
    ):
        records.append(Record(len(records), records[-1].at, kind, data))
    return tuple(records)


def scraped(port: int, job: str) -> dict[tuple[str, str], float]:
    """What the endpoint says of a job: by metric and by island (or what was lost), empty before it says anything."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
    except (urllib.error.URLError, TimeoutError):
        return {}
    found = {}
    for line in text.splitlines():
        match = LINE.match(line)
        if match and match["job"] == job:
            tag = re.search(r'(?:island|what)="([^"]*)"', line)
            found[match[1], tag[1] if tag else ""] = float(match["value"])
    return found


@pytest.mark.ray
def test_figures_arrive_at_the_metrics_endpoint_of_the_node(ray_once: Any, make_run: MakeRun) -> None:
    run = make_run("metrics-20261121T100000-00aa", finished=False)
    records = troubled(run)
    metrics = RayMetrics(root=run.parent)
    for record in records:
        metrics(record)
    (node,) = (node for node in ray_once.nodes() if node["Alive"])
    until = time.monotonic() + PATIENCE_S
    found: dict[tuple[str, str], float] = {}
    while time.monotonic() < until and ("studbook_workers_present", "") not in found:
        time.sleep(1.0)
        found = scraped(node["MetricsExportPort"], run.name)
    health = health_of(records)
    expected = {(name, ""): value for name, value in job_figures(health).items()}
    for island in health.islands:
        expected |= {(name, str(island.island)): value for name, value in island_figures(island).items()}
        epochs = [record.data for record in records if record.kind == "epoch_finished"]
        mine = [data for data in epochs if data["island"] == island.island]
        expected["studbook_epochs_total", str(island.island)] = len(mine)
        expected["studbook_births_total", str(island.island)] = sum(data["n_births"] for data in mine)
        expected["studbook_evaluated_total", str(island.island)] = sum(data["n_evaluated"] for data in mine)
    expected |= {("studbook_repairs_total", "breeder"): 1, ("studbook_repairs_total", "island"): 1}
    expected |= {("studbook_quarantined_total", ""): 1, ("studbook_stalls_total", ""): 1}
    assert found == pytest.approx({key: value for key, value in expected.items() if value is not None})
    assert found["studbook_island_stalled", "0"] == 1.0


def test_without_ray_nothing_is_told_and_nothing_is_lost(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run()
    metrics = RayMetrics(root=run.parent)
    monkeypatch.setattr(metrics, "_is_up", lambda: False)
    for record in read_journal(run / "journal.jsonl").records:
        metrics(record)
    due = {name: sum(n for (counter, _), n in metrics._due.items() if counter == name) for name in COUNTERS}
    assert due["studbook_epochs"] == 6
    assert due["studbook_births"] == 280
    assert due["studbook_repairs"] == 1
    assert metrics._metrics == {}


def test_what_an_earlier_process_counted_is_not_counted_again(make_run: MakeRun) -> None:
    run = make_run(finished=False)
    metrics = RayMetrics(root=run.parent, run_dir=run)
    metrics.prime(read_journal(run / "journal.jsonl").records)
    assert not metrics._due


def test_every_figure_has_a_metric(make_run: MakeRun) -> None:
    health = health_of(read_journal(make_run() / "journal.jsonl").records)
    assert {*job_figures(health), *island_figures(health.islands[0])} == set(GAUGES)
    assert all(name.startswith("studbook_") and text.endswith(".") for name, (text, _) in (GAUGES | COUNTERS).items())
