"""Alexander's filter rule: what no rule of the gene table says, because it looks back to its own last decision.

Source: Alexander 1961, "Price movements in speculative markets: trends or random walks"; Fama and Blume 1966, "Filter
rules and stock-market trading".
"""

from dataclasses import dataclass, field

from strategies.contract import Decisions, MarketBars, RiskPlan
from strategies.strategy import Distance


@dataclass(frozen=True)
class AlexanderFilter:
    """Long once the close is `size` above its lowest since the last sale, short once as far below its highest."""

    size: float = field(default=0.05, metadata={"low": 0.001, "high": 0.9})

    risk = RiskPlan(stop=Distance("percent", 15.0))
    metrics = ("sharpe", "cagr", "max_drawdown", "win_rate", "n_trades")

    def decide(self, bars: MarketBars) -> Decisions:
        """Walk through the bars once: the lowest and highest closes begin anew at each decision."""
        decisions = Decisions.none(bars.close.size)
        side, low, high = 0, float("inf"), 0.0
        for t, close in enumerate(bars.close.tolist()):
            low, high = min(low, close), max(high, close)
            if side < 1 and close >= low * (1.0 + self.size):
                decisions.long_entry[t] = decisions.short_exit[t] = True
                side, high = 1, close
            elif side > -1 and close <= high * (1.0 - self.size):
                decisions.short_entry[t] = decisions.long_exit[t] = True
                side, low = -1, close
        return decisions
