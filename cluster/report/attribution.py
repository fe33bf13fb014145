"""What each member of an elite contributed, as a table of its section."""

from collections.abc import Mapping
from typing import Any

from cluster.backtest_tables import difference_cells
from cluster.report.markup import Html, element, table


def attribution_block(record: Mapping[str, Any]) -> list[Html]:
    """Return the table of a candidate record, in a list; an empty one where nothing was attributed."""
    found = record.get("attribution")
    if not found:
        return []
    rows = [_row(one) for one in found["contributions"]]
    head = ["Member", "What it says", "Return", "Sharpe", "Drawdown", "Trades"]
    return [
        element("h3", "What each member is worth"),
        element("p", f"{found['interaction']} In sample and validation, all shards as one account.", class_="lead"),
        table(head, rows, numeric_from=2),
    ]


def _row(one: Mapping[str, Any]) -> list[str]:
    if one["difference"] is None:
        return [one["kind"], f"{one['text']} ({one['note']})", "", "", "", ""]
    return [one["kind"], one["text"], *difference_cells(one["difference"])]
