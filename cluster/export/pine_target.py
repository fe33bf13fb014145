"""Strategies as a Pine Script v6 strategy for TradingView: signals as ours, orders as near as its emulator comes.

No Pine runs outside TradingView, so what is promised are the signals: the script computes every operand by TA-Lib's own
steps and carries golden signals of our kernel in comments. What the broker emulator does otherwise is said in the head.
"""

import textwrap
from collections.abc import Mapping
from typing import Any, Final

from cluster.export.pine_functions import functions_for
from cluster.export.pine_golden import golden_lines
from cluster.export.pine_operands import beyond
from cluster.export.pine_orders import order_lines
from cluster.export.pine_rules import Lines, sides_of
from strategies.errors import StrategyError
from strategies.strategy import Strategy

_WIDTH: Final = 112
_HEAD: Final = """\
Strategy {id}, exported by Studbook. Pine Script v6.

{text}

SIGNALS are those of Studbook, bar by bar, from the same first bar on: averages and running sums are seeded as TA-Lib
seeds them, so ta.* is not used. On a chart that begins at another bar, what remembers without end (OBV, AD, VWAP,
CUMSUM, NVI, PVI, PVT, WAD) differs by a constant, and what fades (EMA, RSI, ATR, ADX) only at first. Where a value is
missing, a condition is false, negated or not. Pine compares numbers rounded to nine decimals: two values that are
nearer than that count as equal here, and not in Studbook.

ORDERS: entries and exits fill at the next open. What TradingView's broker emulator does otherwise than Studbook:
- Where a bar's range holds both stop and target, it guesses which came first; Studbook takes the stop.
- Distances in per cent of the fill are counted from the signal's close on the entry's own bar, since Pine does not know
  the fill before; from the next bar on they are those of the fill. Multiples of ATR are exact; all levels are rounded
  to ticks.
- The size is counted from the signal's close and the equity there, not from the fill.
- At a reversal the breaker, if there is one, is not asked.
COSTS are set in the strategy's properties: commission {fee} % of notional a side and no slippage here; keep the input
"Fee" equal to it. Margin is off: the input "Leverage" is the cap.
{note}"""
_FEE: Final = 0.1
_DECLARATION: Final = (
    'strategy("Studbook {id}", overlay=true, initial_capital=1000000, pyramiding=0, '
    "commission_type=strategy.commission.percent, commission_value={fee}, slippage=0, "
    "process_orders_on_close=false, calc_on_every_tick=false, margin_long=0, margin_short=0, max_bars_back=1000)"
)
_INPUTS: Final = """\
float feePercent = input.float({fee}, title="Fee, % of notional a side", minval=0.0)
float leverage = input.float(1.0, title="Leverage: most notional, as a multiple of equity", minval=0.0)
bool marked = input.bool(false, title="Mark every bar with a signal")"""
_MARKS: Final = """\
plotshape(marked and longEntry, title="long entry", location=location.belowbar, style=shape.triangleup)
plotshape(marked and longExit, title="long exit", location=location.abovebar, style=shape.xcross)
plotshape(marked and shortEntry, title="short entry", location=location.abovebar, style=shape.triangledown)
plotshape(marked and shortExit, title="short exit", location=location.belowbar, style=shape.cross)"""


def pine_text(strategy: Strategy, record: Mapping[str, Any] | None) -> str:
    """Return the script.

    Raises:
        StrategyError: the strategy says what Pine can't compute exactly; the text names every such part.
    """
    parts = beyond(strategy)
    if parts:
        raise StrategyError(
            f"A strategy must be one whose every part Pine can express to be exported as Pine, but has "
            f"{', '.join(parts)} ({strategy.id}). Export as Python or JSON instead."
        )
    rules = Lines()
    for name, rule in sides_of(strategy).items():
        rules.signal(name, rule)
    body = "\n".join(
        [
            "// ---- operands",
            *rules.series(),
            "",
            "// ---- signals at the close of this bar",
            *rules.lines,
            "",
            order_lines(strategy),
            "// ---- marks",
            _MARKS,
        ]
    )
    head = ["//@version=6", *_comments(_head(strategy, record).splitlines())]
    golden = _comments(golden_lines(strategy, rules.operands))
    declared = [_DECLARATION.format(id=strategy.id, fee=_FEE), _INPUTS.format(fee=_FEE)]
    functions = "\n\n".join(functions_for(body))
    return "\n".join([*head, "//", *golden, "", *declared, "", functions, "", body]) + "\n"


def _head(strategy: Strategy, record: Mapping[str, Any] | None) -> str:
    note = (
        "" if record is None or record.get("passed") else "It did NOT pass Studbook's gates: an example, no finding.\n"
    )
    text = "\n".join(textwrap.wrap(strategy.text(), _WIDTH))
    return _HEAD.format(id=strategy.id, text=text, fee=_FEE, note=note)


def _comments(lines: list[str]) -> list[str]:
    return [f"// {line}".rstrip() for line in lines]
