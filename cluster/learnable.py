"""The part of a market that evolution may learn from, as it is and with the order taken out of its bars."""

from collections.abc import Sequence
from dataclasses import replace

from cluster.evaluation import learnable
from cluster.market import Market
from fitness.folds import Split, Window
from fitness.null_bars import bootstrapped, permuted


def learnable_market(market: Market) -> Market:
    """Return the market up to its last fold: no validation stretch and no lockbox are there."""
    shards = tuple(learnable(shard, cut) for shard, cut in zip(market.shards, market.splits, strict=True))
    splits = tuple(learnable_split(cut.folds) for cut in market.splits)
    return Market(shards, splits, market.costs)


def learnable_split(folds: Sequence[Window]) -> Split:
    """Return a split that has folds alone: what watches validation sees the last fold, the lockbox has no bars."""
    end = folds[-1].stop
    return Split(tuple(folds), Window("validation", folds[-1].start, end), Window("lockbox", end, end))


def permuted_market(market: Market, seed: int) -> Market:
    """Return the learnable market with all bars from the first fold on permuted; see `fitness.null_bars`.

    Several shards keep their bars whole, so that they still move together.
    """
    bare = learnable_market(market)
    kept = [cut.folds[0].start for cut in bare.splits]
    return replace(bare, shards=permuted(bare.shards, seed, keep_first=kept, whole_bars=len(bare.shards) > 1))


def bootstrapped_market(market: Market, seed: int, block: float) -> Market:
    """Return the learnable market with bars from the first fold on drawn in blocks of this mean length."""
    bare = learnable_market(market)
    kept = [cut.folds[0].start for cut in bare.splits]
    return replace(bare, shards=bootstrapped(bare.shards, seed, block=block, keep_first=kept))
