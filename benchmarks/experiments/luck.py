"""Experiment C. Question: does evolution find better strategies than luck, at the same number of evaluations?

Method: 30 seeds; for each a market with a planted rule of strength 0.55 and a real index (luck.yaml). On each four
searches spend the same number of evaluations of different strategies: islands (4 x 40), one population (1 x 160),
random search and hill climbing (search_methods.py). Compared are, of the best strategy in sample, the first objective
(what all four maximise) and the Sharpe ratio on the validation stretch (which none saw); pairs by seed, Wilcoxon's
signed-rank test, two-sided.

Run: `python benchmarks/experiments/luck.py` (five minutes on two cores).
"""

import json
import math
import time
from typing import Any

import numpy as np
from noise_markets import N_BARS
from planted_markets import planted_market
from results import Row, Task, arguments, collected, settings_of, write_table
from scipy.stats import wilcoxon
from search_methods import SEARCHES

from cluster.evaluation import Rows
from cluster.job_config import JobConfig
from cluster.market import Market, costs_of
from cluster.search import search
from cluster.serial_executor import local_evaluator
from cluster.settings import config_from
from fitness.measures import measure
from fitness.samples import sample
from fitness.shard import Shard
from fitness.shards import shard_of
from fitness.timeline import split_together
from strategies.codec import express

METHODS = ("islands", "one population", *SEARCHES)
FIGURES = {"in_sample": "first objective in sample", "validation": "Sharpe on the validation stretch"}


def one(text: str) -> str:
    """Return the row of one market, one method, as JSON."""
    task, begun, settings = json.loads(text), time.process_time(), settings_of("luck")
    config, market = _job(task, settings)
    genome, n = _best(task["method"], config, market, settings["experiment"]["evaluations"])
    figures = _figures(genome, config, market) if genome is not None else dict.fromkeys(FIGURES)
    seconds = round(time.process_time() - begun, 2)
    return json.dumps({"task": task, "n_evaluated": n, **figures, "seconds": seconds})


def _job(task: Task, settings: dict[str, Any]) -> tuple[JobConfig, Market]:
    data = {"source": "files", "shards": [{"symbol": "LUCK"}]}
    config = config_from({**settings["job"], "seed": task["seed"], "data": data}, where="luck.yaml")
    shard, cut = _shard(task, settings["experiment"]), config.split
    splits = split_together(
        [shard],
        folds=cut.folds,
        validation=cut.validation,
        lockbox=cut.lockbox,
        embargo=cut.embargo,
        warm_up=cut.warm_up,
    )
    return config, Market((shard,), splits, costs_of(config.costs))


def _shard(task: Task, settings: dict[str, Any]) -> Shard:
    if task["market"] in settings["rules"]:
        return planted_market(task["market"], settings["strength"], task["seed"], n_bars=settings["n_bars"]).shard
    return shard_of(sample(task["market"]).head(N_BARS), task["market"], "1d", bars_per_year=252.0)


def _best(method: str, config: JobConfig, market: Market, n: int) -> tuple[Rows | None, int]:
    """The genome of the best strategy that a method found, and how many it tried."""
    if method in SEARCHES:
        tried = SEARCHES[method](config, market, n=n)
        return (None if tried.best is None else tried.genomes[tried.best]), len(tried)
    section = config.evolution
    changed: dict[str, Any] = {"budget": section.budget.model_copy(update={"evaluations": n})}
    if method == "one population":
        changed |= {"islands": 1, "population_size": section.islands * section.population_size}
    config = config.model_copy(update={"evolution": section.model_copy(update=changed)})
    found = search(config, market, until=lambda spent: spent >= n)
    births = found.births
    merits = np.where(births.reason == 0, births.objectives[:, 0], -np.inf)
    best = births.genome[np.argmax(merits)] if np.isfinite(merits).any() else None
    return best, found.n_evaluated


def _figures(genome: Rows, config: JobConfig, market: Market) -> Row:
    from cluster.driver import with_columns
    from cluster.job_config import settled
    from cluster.worker import breeding_of

    config = settled(with_columns(config, market.shards))
    breeding = breeding_of(config, market.bars_per_year, market.n_folds)
    evaluate = local_evaluator(config, market)
    phenotype = express(genome[np.newaxis], breeding.settings.language)
    first = float(breeding.score(evaluate(phenotype, "folds")).objectives[0, 0])
    sharpe = float(measure("sharpe", evaluate(phenotype, "validation")[0], market.bars_per_year[0]).mean())
    return {"in_sample": first, "validation": sharpe if math.isfinite(sharpe) else 0.0}


def tasks() -> list[Task]:
    """Return every market and method, in the order in which they are run."""
    settings = settings_of("luck")["experiment"]
    first = settings["first_seed"]
    return [
        {"group": group, "market": names[number % len(names)], "seed": first + number, "method": method}
        for number in range(settings["seeds"])
        for group, names in (("planted", settings["rules"]), ("real", settings["real"]))
        for method in METHODS
    ]


def compared(rows: list[Row], group: str, figure: str, pair: tuple[str, str]) -> tuple[float, float, int, float]:
    """Return the medians of two methods, how often the first is better, and Wilcoxon's p."""
    by_method = {
        method: {row["task"]["seed"]: row[figure] or 0.0 for row in rows
                 if row["task"]["group"] == group and row["task"]["method"] == method}
        for method in pair
    }  # fmt: skip
    seeds = sorted(by_method[pair[0]])
    one_, other = (np.array([by_method[method][seed] for seed in seeds]) for method in pair)
    p = float(wilcoxon(one_, other).pvalue) if (one_ != other).any() else 1.0
    return float(np.median(one_)), float(np.median(other)), int((one_ > other).sum()), p


def main() -> None:
    """Run it and print its table."""
    given = arguments(__doc__ or "", "luck")
    rows = collected(one, tasks(), given)
    print("| market | figure | first | second | median of first | of second | first better in | p |")
    print("| --- | --- | --- | --- | ---: | ---: | ---: | ---: |")
    pairs = [("islands", other) for other in METHODS[1:]] + [("one population", other) for other in SEARCHES]
    for group in ("planted", "real"):
        for figure, title in FIGURES.items():
            for pair in pairs:
                first, second, better, p = compared(rows, group, figure, pair)
                print(
                    f"| {group} | {title} | {pair[0]} | {pair[1]} | {first:.3f} | {second:.3f} | {better} | {p:.2g} |"
                )
    write_table("luck", [{**row["task"], **{name: row[name] for name in FIGURES}} for row in rows])
    spent = sorted({row["n_evaluated"] for row in rows})
    print(f"evaluations: {spent[0]:,} to {spent[-1]:,} a search")


if __name__ == "__main__":
    main()
