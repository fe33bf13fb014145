"""The report page of a job: `report.html` in its run folder, made by replay and so at any time again."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cluster.view import JobView

__all__ = ["render_report", "report_path", "write_report"]


def report_path(run_dir: Path) -> Path:
    """Return where the report of a run is."""
    return run_dir / "report.html"


def render_report(view: "JobView") -> str:
    """Return the report page of a job as HTML."""
    from cluster.report.page import render_report as render

    return render(view)


def write_report(view: "JobView") -> Path:
    """Write the report page of a job into its run folder, whole or not at all, and return its path."""
    from fitness.files import atomic_write_text

    path = report_path(view.run_dir)
    atomic_write_text(path, render_report(view))
    return path
