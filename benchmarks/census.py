"""How much of what the sampler draws is of use? A census of random genomes: valid, trading, different, and why not.

Method: `n` random genomes of each species, and of the founders' law as it is, decoded and played over the folds of the
S&P 500 and of one stock (all bundled bars, cut as a job cuts them, 5 basis points a fill). The first question that a
genome fails is its cause. Conditions are looked at one by one, each as the only condition of a long entry.

Run: python -m benchmarks.census [n] [file]      (10,000 and docs/census.md; ten minutes)
"""

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.genome_count import CAUSES, DAILY, ENOUGH, Conditions, Counted, conditions_of, count, numbered, shard
from strategies.codec import express
from strategies.sampler import random_genomes
from strategies.species import SPECIES, species_of

Rows = NDArray[np.float64]
Flags = NDArray[np.bool_]

MEASURES: dict[str, Callable[[Counted], Flags]] = {
    "valid": lambda c: c.valid,
    "trades at all": lambda c: c.trades.sum(axis=1) > 0,
    "trades in every fold": lambda c: c.trades.min(axis=1) > 0,
    "5 trades a fold or more": lambda c: c.trades.sum(axis=1) >= ENOUGH * c.trades.shape[1],
    "always in (98 % of bars)": lambda c: c.held > 0.98,
    "never in": lambda c: c.trades.sum(axis=1) == 0,
    "exit undoes every entry": lambda c: c.undone > 0.95,
    "both sides at once, mostly": lambda c: c.both > 0.5,
}
"""Shares that the census gives, of all genomes counted."""


def unique_shares(found: Counted) -> dict[str, float]:
    """How many of all genomes, and of those that trade, differ from each other, by what is compared."""
    trading = found.trades.sum(axis=1) > 0
    n_trading = max(int(trading.sum()), 1)
    n_behaviours = len(np.unique(found.behaviour[trading]))
    return {
        "different phenotypes": len(np.unique(numbered(found.phenotypes))) / len(trading),
        "different behaviours": n_behaviours / len(trading),
        "different behaviours among those that trade": n_behaviours / n_trading,
        "different decisions among those that trade": len(np.unique(found.decisions[trading])) / n_trading,
    }


def _percent(share: float) -> str:
    return f"{100.0 * share:.1f} %"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def report_of(counts: dict[str, Counted]) -> str:
    """The shares and causes of some counts by name, as Markdown tables."""
    rows = [
        [name, *(_percent(float(rule(found).mean())) for found in counts.values())] for name, rule in MEASURES.items()
    ]
    shares = [unique_shares(found) for found in counts.values()]
    rows += [[label, *(_percent(share[label]) for share in shares)] for label in shares[0]]
    causes = [
        [cause, *(_percent(float((found.cause == place).mean())) for found in counts.values())]
        for place, cause in enumerate(CAUSES)
    ]
    return _table(["share of genomes", *counts], rows) + "\n" + _table(["first question failed", *counts], causes)


def _rates(group: NDArray[np.str_], found: Conditions, least: int = 1) -> list[list[str]]:
    """A row for each group: how many, and the shares that are never, rarely and always true."""
    rows = []
    for name, size in Counter(group.tolist()).most_common():
        share = found.share[group == name]
        known = share[~np.isnan(share)]
        if size >= least and known.size:
            parts = ((known == 0).mean(), ((known > 0) & (known < 0.002)).mean(), (known > 0.99).mean())
            rows.append([name, str(size), *(_percent(float(part)) for part in parts)])
    return rows


_HEAD = ("conditions", "never true", "under 0.2 % of bars", "over 99 %")


def report(n: int) -> str:
    """The census of `n` genomes a species as Markdown."""
    parts = [_INTRODUCTION.format(n=n)]
    drawn: dict[str, Rows] = {}
    for number, species in enumerate((None, *SPECIES)):
        rng = np.random.Generator(np.random.Philox(key=[2026, number]))
        drawn[species or "as they come"] = random_genomes(n, rng, DAILY, species=species)
    mixed = species_of(express(drawn["as they come"], DAILY))
    mix = ", ".join(f"{name} {_percent(float((mixed == place).mean()))}" for place, name in enumerate(SPECIES))
    for symbol in ("SPX", "IBM"):
        bars = shard(symbol)
        counts = {name: count(genomes, bars) for name, genomes in drawn.items()}
        parts.append(f"## {symbol}, {bars.n_bars:,} bars\n\n{report_of(counts)}")
        if symbol == "SPX":
            looked_at = conditions_of(counts["as they come"].phenotypes, bars)
    parts.append(f"Species of those that come as they come: {mix}.\n")
    return "\n".join([*parts, *_about_conditions(looked_at)])


def _about_conditions(looked_at: Conditions) -> list[str]:
    parts = ["## Conditions, by the family of the left operand (SPX, as they come)\n"]
    parts.append(_table(["family", *_HEAD], _rates(looked_at.family, looked_at)))
    parts.append("## By what they compare\n\n" + _table(["form", *_HEAD], _rates(looked_at.form, looked_at)))
    tenths = np.floor(10.0 * np.clip(np.nan_to_num(looked_at.depth), 0.0, 0.999)) / 10.0
    named = np.array([f"{low:.1f} to {low + 0.1:.1f}" for low in tenths.tolist()])
    named[np.isnan(looked_at.depth)] = "no level"
    rows = sorted(_rates(named, looked_at))
    parts.append("## By where the level stands in its range\n\n" + _table(["place", *_HEAD], rows))
    worst = sorted(_rates(looked_at.kind, looked_at, 30), key=lambda row: -float(row[2].split()[0]))[:25]
    parts.append("## The operands whose conditions are never true most often (30 conditions or more)\n")
    parts.append(_table(["operand", *_HEAD], worst))
    return parts


_INTRODUCTION = """# Census of random genomes

Written by `python -m benchmarks.census {n}`: {n:,} genomes of each species, and {n:,} as the founders' law draws them,
played over the folds of the bundled bars, 5 basis points a fill. Seed and cut are fixed: the figures can be had again.

- Behaviours differ where the tallies of the folds differ in any bit; those that never trade are not counted.
  Decisions differ where a side is to be entered or left at another bar.
- "Never fills": wherever a side may be entered, its exit or the other side's entry is true as well.
- "Exit undoes every entry": at more than 95 % of the bars of entry. "Both sides, mostly": at more than half of them.
- A condition is looked at alone, over the bars of the folds; `under 0.2 %` does not count those that are never true.
"""


if __name__ == "__main__":
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    text = report(wanted)
    Path(sys.argv[2] if len(sys.argv) > 2 else "docs/census.md").write_text(text)
    print(text)
