"""Fills that nobody gets: what is left when orders go out a bar later, and when every cost is twice as high."""

import math
from dataclasses import replace
from typing import Final

import numpy as np

from fitness.battery.acts import delayed
from fitness.battery.subject import Finding, Subject, finding, pooled, sharpe_of, shown
from fitness.costs import WORST_FILL, Costs
from fitness.pooled import equity

COST_FACTOR: Final = 2.0
_BELOW_ONE: Final = float(np.nextafter(1.0, 0.0))
_BELOW_WORST_FILL: Final = float(np.nextafter(WORST_FILL, 0.0))


def delay(subject: Subject) -> Finding:
    """The Sharpe ratio when every decision, to enter and to leave, is acted on one bar later; it must stay above 0.

    Not more is asked: a rule that lives for a few bars honestly loses much of its edge to a bar of delay. One that
    turns to a loss lives off the one fill right after its signal, which a late feed, a slow order or a wrong time stamp
    takes away. Stops and targets, which rest in the market, are not delayed.
    """
    value = sharpe_of(subject.played([delayed(act, 1) for act in subject.acts], with_trades=False))
    text = (
        f"Acting one bar later, the Sharpe is {shown(value)} a year where it was {shown(subject.sharpe)}; more than 0 "
        "is needed"
    )
    return finding("delay", "One bar late", value=value, threshold=0.0, passed=value > 0.0, text=text)


def costs(subject: Subject) -> Finding:
    """The total return of the pooled account when every cost is doubled; it must stay above 0.

    What a strategy earns per trade should not hang on a guess of its costs, and twice the guess is within what a
    stressed market asks.
    """
    value = math.nan
    dear = dearer(subject.costs, fees=COST_FACTOR, slippage=COST_FACTOR, holding=COST_FACTOR)
    if subject.n_trades:
        value = float(equity(pooled(subject.played(subject.acts, costs=dear, with_trades=False)).returns)[-1]) - 1.0
    return_shown = f"{value:+.2%}" if math.isfinite(value) else "not defined"
    text = f"With every cost doubled the total return is {return_shown}; more than 0 is needed"
    if dear == subject.costs:
        text += " (all costs are 0, so doubling them shows nothing)"
    return finding("costs", "Costs doubled", value=value, threshold=0.0, passed=value > 0.0, text=text)


def dearer(costs: Costs, *, fees: float, slippage: float, holding: float) -> Costs:
    """The costs with those of one kind multiplied by a factor, 0 or more.

    Args:
        costs: as they are.
        fees: factor of the fee on the notional and of that per unit.
        slippage: factor of the slippage, of the spread by volatility and of the market impact.
        holding: factor of borrowing and funding. Funding is paid by one side to the other: where costs go up, only what
            is paid does, and what is received stays; where they go down, both do.
    """
    paid, borrow = costs.funding * holding, costs.borrow * holding
    if holding > 1.0:  # what the other side receives of a payment that grew, borrowing takes away
        paid = costs.funding * holding if costs.funding > 0.0 else costs.funding
        borrow += (holding - 1.0) * abs(costs.funding)
    return replace(
        costs,
        fee=min(costs.fee * fees, _BELOW_ONE),
        fee_per_unit=costs.fee_per_unit * fees,
        slippage=min(costs.slippage * slippage, _BELOW_WORST_FILL),
        spread_volatility=costs.spread_volatility * slippage,
        impact=costs.impact * slippage,
        borrow=borrow,
        funding=paid,
    )
