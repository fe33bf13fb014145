"""Strategies as one Python file that needs NumPy and TA-Lib and nothing else: the same signals and the same trades.

The file holds the signals (`core.py`) and the market rules (`fitness/reference.py`, the kernel's plain twin), so its
back-test makes the trades that the kernel makes, bit for bit.
"""

import pprint
import textwrap
from collections.abc import Mapping
from dataclasses import fields
from math import inf
from pathlib import Path
from typing import Any, Final

from cluster.export.core import core_source
from cluster.export.core_rules import function_of
from cluster.export.engine_text import judged_with
from evolution.genome_strategy import operands_of
from fitness.costs import Costs
from fitness.evaluate import risk_rows
from strategies.encoding import phenotype_of
from strategies.strategy import Strategy

MARKET_RULES: Final = {
    "simulate": ("fitness.reference", "simulate"),
    "Costs": ("fitness.costs", "Costs"),
    "ExitReason": ("fitness.tally", "ExitReason"),
}
_DOCSTRING: Final = '''"""Strategy {id}, exported by Studbook.

{text}

`signals(open, high, low, close, volume, ...)` says what is wanted at the close of each bar; `backtest(...)` plays it by
the market rules that it was bred under; `python FILE BARS.csv` does both. Needs NumPy and TA-Lib.
{note}"""
'''
_IMPORTS: Final = "import builtins\nimport csv\nimport json\nimport sys"


def python_text(strategy: Strategy, record: Mapping[str, Any] | None) -> str:
    """Return the source of the stand-alone file.

    Raises:
        StrategyError: TA-Lib, as installed here, can't compute an operand with its parameters.
    """
    bars = {name: judged_with(record)[name] for name in ("TIMEFRAME", "BARS_PER_YEAR")}
    core = core_source(
        strategy,
        extra=True,
        more=MARKET_RULES,
        timeframe=str(bars["TIMEFRAME"]),
        bars_per_year=float(bars["BARS_PER_YEAR"]),
    )
    risk = [float(value) for value in risk_rows(phenotype_of(strategy)[None, :])[0]]
    data = f"RISK_ROW = {risk!r}\nCOSTS = {_literal(_costs(record))}"
    needed = dict.fromkeys(name for one in operands_of(strategy) for name in function_of(one).requires)
    data += f"\nEXTRA_COLUMNS = {list(needed)!r}"
    data += "".join(f"\n{name} = {value!r}" for name, value in bars.items())
    runtime = (Path(__file__).parent / "runtime/python.txt").read_text(encoding="utf-8")
    return f"{docstring(_DOCSTRING, strategy, record)}\n{_IMPORTS}\n{core}\n\n{data}\n\n\n{runtime}"


def docstring(form: str, strategy: Strategy, record: Mapping[str, Any] | None) -> str:
    """Return the docstring of an exported file, `form` with its id, its rules and whether it passed."""
    failed = record is not None and not record.get("passed")
    note = "\nIt did NOT pass Studbook's gates: an example, no finding.\n" if failed else ""
    return form.format(id=strategy.id, text=wrapped(strategy.text()), note=note)


def wrapped(text: str) -> str:
    """Return text as lines that fit, and that can't end a docstring."""
    return "\n".join(textwrap.wrap(text.replace("\\", "/").replace('"""', "'''"), 110))


def _costs(record: Mapping[str, Any] | None) -> dict[str, float]:
    """The costs that the record was judged with, without those that are off; without a record none at all."""
    known = (record or {}).get("costs") or {}
    costs = {field.name: known[field.name] for field in fields(Costs) if field.name in known}
    return {"fee": 0.0, "slippage": 0.0, **{name: value for name, value in costs.items() if value not in (None, inf)}}


def _literal(value: object) -> str:
    return pprint.pformat(value, width=100, sort_dicts=False)
