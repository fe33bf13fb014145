"""The table of `studbook bench` in the terminal."""

from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cluster.bench.words import HEAD, cells, conditions, remarks
from cluster.tables import plain_table

if TYPE_CHECKING:
    from rich.console import Console

    from cluster.bench.measuring import Bench

STYLES = {"yes": "green", "no": "bold red"}


def show_bench(console: "Console", bench: "Bench") -> None:
    """Print the figures, then what each of them counts."""
    console.print(bench.exactness.text(), style="bold")
    console.print(bench.data, style="dim")
    console.print(_figures(bench))
    for row in bench.rows:
        console.print(row.name, style="bold")
        for line in remarks(row):
            console.print(Padding(Text(line), (0, 0, 0, 2)))
    console.print(conditions(bench), style="dim")


def _figures(bench: "Bench") -> Table:
    table = plain_table(*HEAD)
    for column in table.columns[1:4]:
        column.justify, column.no_wrap = "right", True
    for row in bench.rows:
        *plain, verdict = cells(row)
        table.add_row(*plain, Text(verdict, style=STYLES.get(verdict, "")))
    return table
