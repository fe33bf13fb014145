"""A portfolio carried away as one folder: its document, a stand-alone Python file a member, and one for the whole."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from cluster.export.core import literal
from cluster.export.engine_text import wrapped
from cluster.export.python_target import python_text
from cluster.portfolio_document import PortfolioDocument, document_of
from cluster.portfolio_making import LOCKBOX_NOTE
from cluster.report.numbers import count
from fitness.costs import Costs
from strategies.errors import UsageError
from strategies.strategy_json import strategy_from_dict

DOCUMENT_FILE: Final = "portfolio.json"
_DOCSTRING: Final = '''"""Portfolio {id} of job {job}, exported by Studbook.

{n} on one capital, weighted by {method}.

Each member trades its own share, parted at the start: `backtest(open, high, low, close, volume, ...)` plays them by the
market rules that they were bred under, on one market, `signals(...)` says what each wants, and
`python portfolio.py BARS.csv` says both. Needs NumPy, TA-Lib and the files of the members beside it.

{note}
"""

import importlib.util
import json
import pathlib
import sys

import numpy as np

PORTFOLIO_ID = {id!r}
WEIGHTS = {weights}


'''


def portfolio_document(found: Mapping[str, Any], records: Mapping[str, Mapping[str, Any]]) -> PortfolioDocument:
    """Return the document of a portfolio that was made from candidate records, by id.

    Raises:
        UsageError: a member is no candidate of the job, or the id is not that of its members.
    """
    unknown = [one["id"] for one in found["members"] if one["id"] not in records]
    if unknown:
        raise UsageError(f"A member must be an elite of its job, but {unknown[0]} is none. Make the portfolio again.")
    document = document_of(
        [
            (strategy_from_dict(records[one["id"]]["strategy"], f"member {one['id']}"), one["weight"])
            for one in found["members"]
        ]
    )
    if document.id != found["id"]:
        raise UsageError(
            f"A portfolio's id must be that of its members, {document.id}, but was {found['id']!r:.80}. Make it again."
        )
    return document


def portfolio_files(
    found: Mapping[str, Any],
    records: Mapping[str, Mapping[str, Any]],
    costs: Costs,
    job: str,
    *,
    bars_per_year: float | None = None,
) -> dict[str, bytes]:
    """Return the files of a portfolio, bytes by name.

    Args:
        found: as `make_portfolio` returns it.
        records: of the job's candidates by id.
        costs: that the members were judged with.
        job: id of the job.
        bars_per_year: of its bars, where it is known.

    Raises:
        StrategyError: TA-Lib, as installed here, can't compute an operand of a member, or it has extra columns.
        UsageError: the portfolio is not of these records.
    """
    document = portfolio_document(found, records)
    files = {DOCUMENT_FILE: document.to_json().encode()}
    for strategy, _ in document.members:
        text = python_text(strategy, {**records[strategy.id], "costs": asdict(costs), "bars_per_year": bars_per_year})
        files[f"member_{strategy.id}.py"] = text.encode()
    weights = {strategy.id: weight for strategy, weight in document.members}
    head = _DOCSTRING.format(
        id=document.id,
        job=job,
        n=count(len(weights), "strategy", "strategies"),
        method=found["method"],
        note=wrapped(LOCKBOX_NOTE),
        weights=literal(weights),
    )
    runtime = (Path(__file__).parent / "export/runtime/portfolio.txt").read_text(encoding="utf-8")
    files["portfolio.py"] = (head + runtime).encode()
    return files
