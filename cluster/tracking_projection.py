"""What each journal record means in MLflow, purely: records in, entries to log out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from cluster.journal import Record
from cluster.mlflow_datasets import shard_dataset
from cluster.report.numbers import as_number
from cluster.tracking_figures import LONGEST_TAG, Figures
from cluster.tracking_store import DataSet, Point
from cluster.tracking_trouble import shown_uri

STATUS: Final = {"job_finished": "FINISHED", "interrupted": "KILLED", "resumed": "RUNNING"}
SCREEN: Final = ("n_screened_out", "n_audited", "agreement", "mean_agreement")
COUNTERS: Final = (
    "n_births",
    "n_evaluated",
    "n_parents",
    "n_migrants",
    "n_migrants_kept",
    "locality",
    "occupancy",
    "n_feasible",
    "n_families",
    "distinct_share",
    "gene_spread",
)


@dataclass
class Entry:
    """What one or more records mean in MLflow."""

    points: list[Point] = field(default_factory=list)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    datasets: list[DataSet] = field(default_factory=list)
    status: str = ""

    def add(self, other: "Entry") -> None:
        """Take in a later entry."""
        self.points += other.points
        self.params |= other.params
        self.tags |= other.tags
        self.datasets += other.datasets
        self.status = other.status or self.status


@dataclass
class Projection:
    """Records to entries, in the order of the journal; the state is what whole generations, counts and rates need."""

    n_islands: int = 0
    objective: str = ""
    waiting: dict[int, dict[int, Mapping[str, object]]] = field(default_factory=dict)
    figures: Figures = field(default_factory=Figures)
    totals: dict[str, int] = field(default_factory=lambda: {"births": 0, "evaluated": 0, "screened_out": 0})

    def entry(self, record: Record) -> Entry:
        """Return what `record` means; nothing for kinds that MLflow need not know."""
        data, at_ms = record.data, milliseconds(record.at)
        match record.kind:
            case "job_created":
                return self._created(data)
            case "epoch_finished":
                return self._epoch(data, at_ms, record.n)
            case "repair" | "quarantined" | "stall" | "workers":
                points, tags = getattr(self.figures, record.kind)(data, n=record.n, at_ms=at_ms)
                return Entry(points, tags=tags)
            case "resumed":
                self.figures.pause()
            case "candidate":
                return self._candidate(data)
            case "job_finished":
                return self._finished(data, at_ms)
        return Entry(status=STATUS.get(record.kind, ""))

    def _created(self, data: Mapping[str, Any]) -> Entry:
        config = data["config"]
        self.n_islands = config["evolution"]["islands"]
        self.objective = config["evolution"]["objectives"][0]
        tags = {"studbook.config_hash": str(data["config_hash"]), "studbook.gene_table": str(data["gene_table"])}
        tags |= {f"studbook.version.{name}": str(value) for name, value in (data.get("versions") or {}).items()}
        datasets = [shard_dataset(shard, str(config["data"]["root"])) for shard in data["shards"]]
        params = flattened(config)
        params["tracking.uri"] = shown_uri(params.get("tracking.uri", ""))
        return Entry(params=params, tags=tags, datasets=datasets)

    def _epoch(self, data: Mapping[str, Any], at_ms: int, n: int) -> Entry:
        island, entry = data["island"], Entry()
        entry.points += self.figures.epoch(data, n=n, at_ms=at_ms, n_islands=self.n_islands)
        screens = data.get("screen") or [None] * len(data["stats"])
        for stats, screen in zip(data["stats"], screens, strict=True):
            generation = stats["generation"]
            figures = _figures(stats) | _screen_figures(screen, stats)
            entry.points += _points(f"island_{island}/", figures, at_ms, generation)
            here = self.waiting.setdefault(generation, {})
            here[island] = figures
            if len(here) == self.n_islands:
                entry.points += _points("", _overall(list(here.values())), at_ms, generation)
                del self.waiting[generation]
        last = data["stats"][-1]["generation"]
        sharpe = as_number((data.get("validation_best") or {}).get("sharpe"))
        if sharpe is not None:
            entry.points.append(Point(f"island_{island}/validation_sharpe", sharpe, at_ms, last))
        self.totals["births"] += data["n_births"]
        self.totals["evaluated"] += data["n_evaluated"]
        self.totals["screened_out"] += data["n_screened_out"]
        entry.tags = {f"studbook.n_{name}": str(value) for name, value in self.totals.items()}
        return entry

    def _candidate(self, data: Mapping[str, Any]) -> Entry:
        record = data.get("record", data)
        what = "elite" if record["passed"] else "candidate"
        return Entry(tags={f"studbook.{what}.{record['id']}": str(record["text"])[:LONGEST_TAG]})

    def _finished(self, data: Mapping[str, Any], at_ms: int) -> Entry:
        names = ("verdict", "n_trials", "n_elites", "births_sha256")
        tags = {f"studbook.{name}": str(data[name]) for name in names if name in data}
        numbers = {name: as_number(data.get(name)) for name in ("n_trials", "n_elites", "seconds")}
        points = [Point(f"job/{name}", value, at_ms, 0) for name, value in numbers.items() if value is not None]
        return Entry(points=points, tags=tags, status=STATUS["job_finished"])


def _figures(stats: Mapping[str, Any]) -> dict[str, object]:
    """The metrics of one generation of one island."""
    figures: dict[str, object] = {name: stats.get(name) for name in COUNTERS}
    for which in ("best", "mean"):
        figures |= {f"{which}_{name}": value for name, value in (stats.get(which) or {}).items()}
    figures |= {f"operator_{name}": share for name, share in (stats.get("operators") or {}).items()}
    figures |= {f"archive_{name}": value for name, value in (stats.get("archive") or {}).items()}
    return figures | _species_figures(stats) | ({"restarted": 1.0} if stats.get("restarted") else {})


def _species_figures(stats: Mapping[str, Any]) -> dict[str, object]:
    """The metrics of each species in one generation: its share of the population and of the births, its best."""
    species: Mapping[str, Mapping[str, Any]] = stats.get("species") or {}
    figures: dict[str, object] = {}
    for what, key in (("share", "n"), ("births_share", "n_births")):
        total = sum(one[key] for one in species.values())
        figures |= {f"{what}_{name}": one[key] / max(total, 1) for name, one in species.items()}
    return figures | {f"best_of_{name}": one["best"] for name, one in species.items()}


def _screen_figures(screen: Mapping[str, Any] | None, stats: Mapping[str, Any]) -> dict[str, object]:
    """The metrics of a screen in one generation: whether it was on, how well it ranks, what it sorted out."""
    if screen is None:
        return {}
    figures: dict[str, object] = {f"screen_{name}" if "agree" in name else name: screen[name] for name in SCREEN}
    figures["screen_on"] = float(screen["mode"] == "on")
    figures["screened_out_share"] = screen["n_screened_out"] / max(stats["n_evaluated"], 1)
    return figures


def _overall(islands: Sequence[Mapping[str, Any]]) -> dict[str, object]:
    """The metrics of one generation of the whole job: best of the bests, mean of the means, sums of the counts."""
    figures: dict[str, object] = {}
    for name in dict.fromkeys(key for row in islands for key in row):
        values = [number for number in (as_number(row.get(name)) for row in islands) if number is not None]
        if values and name.startswith("best_"):
            figures[name] = max(values)
        elif values:
            figures[name] = sum(values) if name.startswith("n_") else sum(values) / len(values)
    return figures


def _points(prefix: str, figures: Mapping[str, object], at_ms: int, step: int) -> list[Point]:
    """Finite figures as points; MLflow's store takes no NaN twice."""
    numbers = ((name, as_number(value)) for name, value in figures.items())
    return [Point(f"{prefix}{name}", value, at_ms, step) for name, value in numbers if value is not None]


def flattened(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return nested settings as dotted names; lists of plain values in one text.

    >>> flattened({"a": {"b": 1, "c": [1, 2]}, "d": None})
    {'a.b': '1', 'a.c': '1, 2', 'd': 'none'}
    """
    flat: dict[str, str] = {}
    for key, value in config.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat |= flattened(value, f"{name}.")
        elif isinstance(value, list | tuple):
            flat[name] = ", ".join(
                " ".join(map(str, item.values())) if isinstance(item, Mapping) else str(item) for item in value
            )
        else:
            flat[name] = "none" if value is None else str(value)
    return flat


def milliseconds(at: str) -> int:
    """Return a journal's time as milliseconds since 1970."""
    return round(datetime.fromisoformat(at).timestamp() * 1000)
