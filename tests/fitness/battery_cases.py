"""Markets and strategies made by hand, so that each check of the battery has one that passes and one that fails."""

import numpy as np

from fitness.bank import FeatureBank
from fitness.battery import Subject
from fitness.costs import Costs
from fitness.folds import Window
from fitness.shard import Shard, bars_hash
from strategies.encoding import phenotype_of
from strategies.strategy import Condition, Distance, Operand, Rule, Strategy

DAY_US = 86_400_000_000
CHEAP = Costs.from_bps(fee_bps=1.0, slippage_bps=1.0)
CLOSE = Operand("PRICE", "close", ())
FAST, SLOW = Operand("SMA", "close", (4.0,)), Operand("SMA", "close", (12.0,))
ALWAYS = Condition(Operand("RSI", "close", (2.0,)), ">", level=100.0, negate=True)
NEVER = Condition(Operand("RSI", "close", (2.0,)), ">", level=100.0)
FELL = Condition(CLOSE, "<", Operand("PRICE", "close", (), lag=1))
WIDE = Distance("percent", 20.0)

CROSS = Strategy("both", Rule((Condition(FAST, ">", SLOW),), 1), Rule((Condition(FAST, "<", SLOW),), 1), WIDE)
LONG_CROSS = Strategy("long", CROSS.entry, CROSS.exit, WIDE)
HOLD = Strategy("long", Rule((ALWAYS,), 1), Rule((), 0), WIDE)
FLAT = Strategy("long", Rule((NEVER,), 1), Rule((), 0), WIDE)
BUY_DIPS = Strategy("long", Rule((FELL,), 1), Rule((), 0), WIDE, time_stop=1)


def shard_from(returns, *, symbol="MADE", seed=0, first=100.0):
    """Bars whose closes have these returns, that open at the last close, with ranges around them."""
    returns = np.asarray(returns, dtype=np.float64)
    close = first * np.cumprod(1.0 + returns)
    open_ = np.concatenate([[first], close[:-1]])
    rng = np.random.default_rng(seed)
    reach = 0.001 * rng.random((2, close.size))
    values = {
        "open": open_,
        "high": np.maximum(open_, close) * (1.0 + reach[0]),
        "low": np.minimum(open_, close) * (1.0 - reach[1]),
        "close": close,
        "volume": 1000.0 + rng.integers(0, 100, close.size),
    }
    stamps = 1_000_000_000_000_000 + np.arange(close.size, dtype=np.int64) * DAY_US
    found = bars_hash(symbol, "1d", stamps, values)
    return Shard(symbol, "1d", stamps, **values, bars_per_year=252.0, content_hash=found, quality=1.0)


def waves(*, seed=0, n_bars=700, symbol="WAVES"):
    """Prices that swing up and down over 60 bars, with a little noise: what crosses of averages were made for."""
    noise = np.random.default_rng(seed).normal(0.0, 0.003, n_bars)
    return shard_from(0.012 * np.sin(2.0 * np.pi * np.arange(n_bars) / 60.0) + noise, seed=seed, symbol=symbol)


def zigzag(size, n_bars=430):
    """Up and down by `size`, bar after bar; up at odd bars."""
    return shard_from(size * np.where(np.arange(n_bars) % 2, 1.0, -1.0))


def subject(strategy, *shards, windows=((100, 250), (260, 420)), costs=CHEAP):
    """A subject with the same windows on every shard; the last ends before the last bar of all."""
    made = tuple(
        tuple(Window(f"fold {number}", *each) for number, each in enumerate(windows)) for _ in range(len(shards))
    )
    return Subject(phenotype_of(strategy), shards, made, costs, tuple(FeatureBank(one) for one in shards))
