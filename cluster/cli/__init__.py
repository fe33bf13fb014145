"""The command line. `main` is what `studbook` runs; a module here for each group of commands.

Importing this package imports typer and nothing heavier: `studbook --help` answers in half a second. Every command
imports what it needs when it runs.
"""

from cluster.cli import (
    backtesting,
    bench,
    data,
    exporting,
    health,
    looking,
    pedigree,
    portfolio,
    proving,
    running,
    serving,
    submitting,
    trials,
    tuning,
    verifying,
    watching,
)
from cluster.cli.app import app
from cluster.kernel_cache import share_kernels

__all__ = [
    "app",
    "main",
    "running",
    "looking",
    "exporting",
    "backtesting",
    "data",
    "serving",
    "health",
    "bench",
    "proving",
    "trials",
    "pedigree",
    "tuning",
    "submitting",
    "watching",
    "verifying",
    "portfolio",
]


def main() -> None:
    """Run the command line of this process and end the process with its exit code."""
    share_kernels()
    app(prog_name="studbook")
