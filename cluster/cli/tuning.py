"""`studbook tune`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cluster.cli.app import command
from cluster.cli.options import RUNS, JsonFlag, RunsRoot, reply_of
from cluster.cli.reply import say

if TYPE_CHECKING:
    from cluster.job_config import JobConfig
    from cluster.tune import Tuned

Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting, as data.end=2010-01-01.")
]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="Write the job file with the best settings here.")
]


@command()
def tune(
    context: typer.Context,
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="Job file (YAML).")],
    overrides: Overrides = None,
    trials: Annotated[int, typer.Option("--trials", min=2, help="Settings to try, the job's own included.")] = 20,
    instances: Annotated[int, typer.Option("--instances", min=2, help="Searches of each setting.")] = 8,
    evaluations: Annotated[int, typer.Option("--evaluations", min=100, help="Budget of each search.")] = 2000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the race.")] = 1,
    out: Out = None,
    root: RunsRoot = RUNS,
    as_json: JsonFlag = False,
) -> None:
    """Search the settings of evolution itself, on the folds alone.

    Each setting searches with the same budget before a fold that is held out, and what its best strategies do there
    beyond holding is its value. Those that lose are given up early. At the end the best is compared with the job's own
    on other seeds: only that says whether tuning helped. Every evaluation counts as a trial on these bars.

    Ctrl-C keeps what is known (exit code 130); the same command goes on from there.

    Examples:
      studbook tune configs/quickstart.yaml --trials 10 --evaluations 1000
      studbook tune job.yaml --out tuned.yaml --json > tuning.json
    """
    from cluster.cli.overriding import overridden
    from cluster.market import open_market
    from cluster.settings import load_config
    from cluster.tune import TuneSettings
    from cluster.tune import tune as tuned_by

    reply = reply_of(context, as_json=as_json)
    job = overridden(load_config(config, environment={}), overrides or [])
    settings = TuneSettings(trials=trials, instances=instances, evaluations=evaluations, seed=seed)
    say("starting: reading bars, loading libraries")
    market = open_market(job)
    with _stoppable() as stop:
        found = tuned_by(job, market, settings, root=root, stop=stop, say=say)
    if out is not None:
        _write(out, job, found, config)
    reply.give(_document(job, found, out), lambda console: _show(console, job, found))


def _write(out: Path, job: "JobConfig", found: "Tuned", source: Path) -> None:
    """Write the job with the best setting, as far as its file said anything; defaults are left out."""
    import yaml

    from cluster.settings import config_from
    from cluster.tune import changed
    from cluster.tuning_space import own_setting, with_changes
    from fitness.files import atomic_write_text

    values = with_changes(
        job.model_dump(mode="json", exclude_unset=True), changed(own_setting(job), found.best.setting)
    )
    config_from(values, where=str(out))  # what is written can be read
    head = f"# {source.name} with the settings that `studbook tune` found. {found.verdict()}\n"
    atomic_write_text(out, head + yaml.safe_dump(values, sort_keys=False, allow_unicode=True))


def _document(job: "JobConfig", found: "Tuned", out: Path | None) -> dict[str, Any]:
    from dataclasses import asdict

    from cluster.tune import changed, documents
    from cluster.tuning_space import own_setting

    own = own_setting(job)
    return {
        "name": found.name,
        "trials": documents(found.trials, own),
        "best": {"number": found.best.number, "gain": found.best.gain, "changes": changed(own, found.best.setting)},
        "comparison": asdict(found.comparison) if found.comparison else None,
        "tuned": list(found.tuned),
        "untuned": list(found.untuned),
        "helped": found.helped,
        "verdict": found.verdict(),
        "n_evaluated": found.n_evaluated,
        "out": str(out) if out else None,
    }


def _show(console: Any, job: "JobConfig", found: "Tuned") -> None:
    from cluster.tables import plain_table
    from cluster.tune import changed
    from cluster.tuning_space import own_setting

    own = own_setting(job)
    table = plain_table("Setting", "Instances", "Gain", "", "Changes")
    for trial in found.trials:
        changes = changed(own, trial.setting)
        text = ", ".join(f"{key.removeprefix('evolution.')} {value}" for key, value in changes.items())
        mark = "best" if trial is found.best else "given up" if trial.pruned else ""
        table.add_row(str(trial.number), str(len(trial.values)), f"{trial.gain:+.3f}", mark, text or "the job's own")
    console.print(table)
    console.print(
        "Gain: Sharpe ratio a year in the held-out fold, beyond holding, less that of the job's own settings."
    )
    console.print(found.verdict(), soft_wrap=True)
    console.print(
        f"{found.n_evaluated:,} evaluations, all counted as trials on these bars ({found.name}).", soft_wrap=True
    )


@contextmanager
def _stoppable() -> Iterator[Any]:
    """Yield the event that Ctrl-C and SIGTERM set; the error then carries the exit code of the signal."""
    from cluster.signals import Interrupted, install_stop_handlers

    with install_stop_handlers() as request:
        try:
            yield request.event
        except Interrupted as error:
            raise Interrupted("stopped; the same command goes on from here", request.exit_code) from error
