"""The bias battery: does a result survive what it should survive? Asked of every elite, unasked.

subject.py    `Subject`, the strategy and its market, and `Finding`
acts.py       its decisions on a shard, played under other conditions
causality.py  `look_ahead`, `warm_up`: does it need the future, or the distant past?
frictions.py  `delay`, `costs`: does it live off fills that nobody gets?
luck.py       `best_trades`, `start`: does it live off a few bars?
mirrored.py   `mirror`: does it mean the same of falling as of rising prices?

No check sees the lockbox. A figure that is not defined (a strategy that never trades has none) does not pass. Add one:
a function `(Subject) -> Finding` and a line in `BATTERY`.
"""

import difflib
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from fitness.battery.causality import look_ahead, warm_up
from fitness.battery.frictions import costs, delay
from fitness.battery.luck import best_trades, start
from fitness.battery.mirrored import mirror
from fitness.battery.subject import Finding, Subject
from strategies.errors import UsageError

__all__ = ["BATTERY", "Check", "Finding", "Subject", "run_battery"]

Check = Callable[[Subject], Finding]

BATTERY: Final[Mapping[str, Check]] = MappingProxyType(
    {
        "look_ahead": look_ahead,
        "warm_up": warm_up,
        "delay": delay,
        "costs": costs,
        "mirror": mirror,
        "best_trades": best_trades,
        "start": start,
    }
)
"""All checks by name, in the order of a report."""


def run_battery(subject: Subject, names: Sequence[str] | None = None) -> tuple[Finding, ...]:
    """What the checks of these names found, in this order; by default all of `BATTERY`.

    Raises:
        UsageError: a name that is no check.
        StrategyError: an operand of the strategy can't be computed on a shard.
    """
    wanted = tuple(BATTERY) if names is None else tuple(names)
    for name in wanted:
        if name not in BATTERY:
            near = difflib.get_close_matches(name, BATTERY, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(BATTERY)}."
            raise UsageError(f"A check must be one of the battery, but was {name!r}; {hint}")
    return tuple(BATTERY[name](subject) for name in wanted)
