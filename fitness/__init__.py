"""Bars to numbers: shards, folds, kernel, measures, statistics, gates.

`load_shard` reads bars, `split_together` cuts them, `Evaluator` scores genomes on them, `trace_any` plays one strategy
in full. Names are loaded when they are asked for, so that whoever needs one module pays for one.
"""

from typing import TYPE_CHECKING

from strategies.on_demand import names_on_demand

if TYPE_CHECKING:
    from fitness.bank import FeatureBank
    from fitness.costs import Costs
    from fitness.evaluator import Evaluator
    from fitness.folds import Window
    from fitness.measures import MEASURES, measure
    from fitness.objectives import OBJECTIVES, Evaluation, score
    from fitness.played import trace_any
    from fitness.reference import simulate
    from fitness.samples import sample, write_samples
    from fitness.shard import Shard
    from fitness.shards import list_shards, load_shard, shard_of
    from fitness.signals import signal
    from fitness.timeline import split_together
    from fitness.trace import Trace, trace_buy_and_hold

__all__ = [
    # bars
    "Shard",
    "shard_of",
    "load_shard",
    "list_shards",
    "sample",
    "write_samples",
    # time
    "Window",
    "split_together",
    # the market
    "Costs",
    "FeatureBank",
    # many strategies at once
    "Evaluator",
    "Evaluation",
    "score",
    "OBJECTIVES",
    "MEASURES",
    "measure",
    # one strategy in full
    "trace_any",
    "trace_buy_and_hold",
    "Trace",
    "signal",
    "simulate",
]
_HOMES = {
    "Shard": "shard",
    "shard_of": "shards",
    "load_shard": "shards",
    "list_shards": "shards",
    "sample": "samples",
    "write_samples": "samples",
    "Window": "folds",
    "split_together": "timeline",
    "Costs": "costs",
    "FeatureBank": "bank",
    "Evaluator": "evaluator",
    "Evaluation": "objectives",
    "score": "objectives",
    "OBJECTIVES": "objectives",
    "MEASURES": "measures",
    "measure": "measures",
    "trace_any": "played",
    "signal": "signals",
    "simulate": "reference",
}

__getattr__, __dir__ = names_on_demand(__name__, __all__, _HOMES, otherwise="trace")
