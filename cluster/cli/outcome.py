"""How a job ended, said at the end of `run` and by `show`: verdict, candidates, where everything is."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from cluster.view import JobView

SHOWN = 5


def outcome_document(job: "JobView") -> dict[str, Any]:
    """Return the outcome of a job as plain JSON values."""
    return {
        "job": job.id,
        "status": job.status,
        "verdict": job.verdict,
        "n_trials": job.n_trials,
        "trials": (job.chosen or {}).get("trials"),
        "n_births": job.n_births,
        "n_evaluated": job.n_evaluated,
        "n_screened_out": job.n_screened_out,
        "n_elites": len(job.elites),
        "elites": list(job.elites),
        "candidates": list(job.candidates),
        "births_sha256": job.births_sha256,
        "repairs": list(job.repairs),
        "quarantined": list(job.quarantined),
        "workers": list(job.workers),
        "stalls": list(job.stalls),
        "seconds": job.seconds,
        "files": {name: str(path) for name, path in files_of(job).items()},
    }


def files_of(job: "JobView") -> dict[str, Path]:
    """Return what is in the run folder, by what it is."""
    from cluster.report import report_path
    from cluster.structured_log import LOG_FILE

    places = {
        "run": job.run_dir,
        "report": report_path(job.run_dir),
        "genealogy": job.run_dir / "genealogy.html",
        "births": job.run_dir / "births.parquet",
        "pedigree": job.run_dir / "pedigree.parquet",
        "portfolio": job.run_dir / "portfolio.json",
        "journal": job.run_dir / "journal.jsonl",
        "log": job.run_dir / LOG_FILE,
        "candidates": job.run_dir / "candidates",
        "elites": job.run_dir / "elites",
    }
    return {name: path for name, path in places.items() if path.exists()}


def show_outcome(console: "Console", job: "JobView") -> None:
    """Print the outcome of a job for people."""
    from cluster.report.numbers import by_merit
    from cluster.tables import candidate_block, gate_table, ran_sentence, tried_sentence
    from cluster.trial_ledger import tried_on_bars

    shown = by_merit(job.elites or job.candidates)[:SHOWN]
    if shown:
        console.print("Elites" if job.elites else "Best candidates, NOT PROMOTED", style="bold reverse")
    for number, record in enumerate(shown):
        console.print(candidate_block(record))
        if record["passed"] or number == 0:
            console.print(gate_table(record))
    if len(shown) < len(job.candidates):
        console.print(
            f"{len(job.candidates) - len(shown)} more candidates: `studbook show {job.id} --json`", style="dim"
        )
    console.print(tried_sentence(job), soft_wrap=True)
    console.print(tried_on_bars(job), soft_wrap=True)
    if not job.health.is_quiet:
        console.print(ran_sentence(job), style="yellow", soft_wrap=True)
    console.print(job.verdict or f"The job is {job.status}.", style="bold", soft_wrap=True)
    if job.status == "interrupted":
        console.print(f"`studbook resume {job.id}` goes on.")
    for name, path in files_of(job).items():
        console.print(f"  {name:<11}{path}", soft_wrap=True)
