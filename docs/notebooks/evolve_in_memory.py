# %% [markdown]
# # Breed strategies in memory, and ask whether the best of them is more than luck
#
# Open this file in Jupyter, VS Code or PyCharm as a notebook, or run it: `python docs/notebooks/evolve_in_memory.py`.
# It needs no cluster, no journal and no network, and takes about half a minute; the same births come every time.

# %%
import numpy as np

from cluster import export_strategy
from evolution import EvolutionSettings, check_closed, evolve, rederive
from evolution.genome_strategy import GenomeStrategy
from fitness import Costs, Evaluator, FeatureBank, sample, shard_of, split_together, trace_any
from fitness.statistics import deflated_sharpe, luck_sharpe, moments
from strategies import express, strategy_of

# %% [markdown]
# ## Bars, and how time is cut
# All shards are cut at the same instants: what is the future of one is the future of all. The lockbox is cut off and
# stays unread here; a job reads it once, at its end, for candidates that passed every other gate.

# %%
shards = [shard_of(sample(symbol)[:3000], symbol, "1d", bars_per_year=252.0) for symbol in ("SPX", "IBM")]
splits = split_together(shards, folds=3, validation=0.2, lockbox=0.2, embargo=5, warm_up=252)
for shard, split in zip(shards, splits, strict=True):
    print(
        f"{shard.symbol}: {shard.n_bars} bars, folds of {[fold.n_bars for fold in split.folds]}, "
        f"validation {split.validation.n_bars}, lockbox {split.lockbox.n_bars} (unread)"
    )

# %% [markdown]
# ## Breed
# An `Evaluator` is the market as evolution sees it: phenotypes in, fitness out. Settings say how islands breed.

# %%
costs = Costs.from_bps(fee_bps=5, slippage_bps=2)
settings = EvolutionSettings(
    population_size=40, n_islands=2, generations=8, epoch_generations=2, objectives=("steady_sharpe", "total_return")
)
evaluator = Evaluator(shards, [split.folds for split in splits], costs, objectives=settings.objectives)
bred = evolve(
    settings,
    evaluator,
    seed=7,
    progress=lambda state, stats: print(
        f"island {state.island}, generation {stats[-1].generation}: best {np.nanmax(state.objectives[:, 0]):.2f}"
    ),
)

# %% [markdown]
# ## The pedigree proves itself
# Every parent exists, nobody descends from themselves, and every genome can be made anew from its parents and its key.

# %%
births = bred.births
check_closed(births)
assert np.array_equal(rederive(births, 7, settings), births.genome)
n_tried = int(births.evaluated.sum())
print(f"{len(births)} births, {n_tried} evaluated, {len(np.unique(births.family))} families")

# %% [markdown]
# ## The best in sample, and what luck would have given
# The best of many tries looks good by construction. `luck_sharpe` says how good the best of as many tries without any
# skill would have looked; the deflated Sharpe ratio is how surely the best beats that.

# %%
banks = [FeatureBank(shard) for shard in shards]


def returns_of(strategy, stretch):
    """Per-bar returns of a strategy in a stretch, both shards as one account of equal weight."""
    player = GenomeStrategy.of_rules(strategy)
    traces = [
        trace_any(player, shard, getattr(split, stretch), costs, bank)
        for shard, split, bank in zip(shards, splits, banks, strict=True)
    ]
    n_bars = min(one.returns.size for one in traces)
    return np.mean([one.returns[-n_bars:] for one in traces], axis=0)


def strategies_of(some):
    """The strategies of births, for people."""
    return [strategy_of(row) for row in express(some.genome, settings.language)]


# %%
founders = births.take((births.generation == 0) & births.evaluated)
sharpes = [moments(returns_of(one, "in_sample")).sharpe for one in strategies_of(founders)]
variance = float(np.nanvar(sharpes, ddof=1))  # founders have not been selected; a job permutes bars besides
best = strategies_of(births.take(np.array([np.nanargmax(births.objectives[:, 0])])))[0]
found = moments(returns_of(best, "in_sample"))
luck = luck_sharpe(n_trials=n_tried, trial_variance=variance)
surely = deflated_sharpe(
    sharpe=found.sharpe, n=found.n, skew=found.skew, kurtosis=found.kurtosis, n_trials=n_tried, trial_variance=variance
)
unseen = moments(returns_of(best, "validation")).sharpe
print(best.text())
print(f"Sharpe ratio a year: {found.sharpe * 252**0.5:.2f} in sample, {unseen * 252**0.5:.2f} on unseen bars")
print(f"the best of {n_tried} tries without skill: {luck * 252**0.5:.2f}; deflated Sharpe ratio {surely:.3f}")
print("worth a closer look" if surely > 0.95 and unseen > 0.0 else "nothing found: luck explains it")

# %% [markdown]
# ## Carry it away
# The exported file needs NumPy and TA-Lib alone, and its back-test makes the trades that the kernel makes.

# %%
source = export_strategy(best, "python")
print(f"{len(source.splitlines())} lines of Python for strategy {best.id}")
