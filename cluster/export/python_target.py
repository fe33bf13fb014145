"""Strategies as one Python file that needs NumPy and TA-Lib and nothing else: the same signals and the same trades.

The file holds the signals (`core.py`) and the market rules (`fitness/reference.py`, the kernel's plain twin), so its
back-test makes the trades that the kernel makes, bit for bit.
"""

from collections.abc import Mapping
from dataclasses import fields
from math import inf
from pathlib import Path
from typing import Any, Final

from cluster.export.core import core_source, literal
from cluster.export.core_rules import function_of
from cluster.export.engine_text import docstring, judged_with
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
_MANUAL: Final = """
`signals(open, high, low, close, volume, ...)` says what is wanted at the close of each bar; `backtest(...)` plays it by
the market rules that it was bred under; `python FILE BARS.csv` does both. Needs NumPy and TA-Lib.
"""
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
    data = f"RISK_ROW = {risk!r}\nCOSTS = {literal(_costs(record))}"
    needed = dict.fromkeys(name for one in operands_of(strategy) for name in function_of(one).requires)
    data += f"\nEXTRA_COLUMNS = {list(needed)!r}"
    data += "".join(f"\n{name} = {value!r}" for name, value in bars.items())
    runtime = (Path(__file__).parent / "runtime/python.txt").read_text(encoding="utf-8")
    return f"{docstring(strategy, record, _MANUAL)}\n\n{_IMPORTS}\n{core}\n\n{data}\n\n\n{runtime}"


def _costs(record: Mapping[str, Any] | None) -> dict[str, float]:
    """The costs that the record was judged with, without those that are off; without a record none at all."""
    known = (record or {}).get("costs") or {}
    costs = {field.name: known[field.name] for field in fields(Costs) if field.name in known}
    return {"fee": 0.0, "slippage": 0.0, **{name: value for name, value in costs.items() if value not in (None, inf)}}
