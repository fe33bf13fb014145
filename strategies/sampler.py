"""Random genomes, gene by gene: the law of the founders that no template made, and of blocks that mutation redraws."""

from functools import cache
from itertools import accumulate
from typing import Final

import numpy as np
from numpy.typing import NDArray

from strategies.catalogue import catalogue
from strategies.codec import Rows, express
from strategies.errors import UsageError
from strategies.genes import (
    COLUMN,
    CONDITION_BLOCKS,
    DIRECTIONS,
    GENES,
    MAX_LAG,
    N_GENES,
    N_LEARNERS,
    Gene,
    GeneKind,
)
from strategies.language import DEFAULT, Language
from strategies.mirrors import mirror
from strategies.species import SPECIES

_FAMILIES: Final = {  # how often each family of operands is said beside the others
    "price": 8.0,
    "indicator": 110.0,
    "pattern": 14.0,
    "structure": 20.0,
    "calendar": 4.0,
    "regime": 6.0,
    "extra": 20.0,
    "learner": 10.0,
}
_ON: Final = {"entry": 0.5, "exit": 0.5}
_NEGATED: Final = 0.06
_COMPARATORS: Final = (0.32, 0.32, 0.18, 0.18)
_LAGGED: Final = 0.2
_NEXT_LAG: Final = 0.7  # the chance of a lag over that of the lag before it
_TIMEFRAMES: Final = (0.87, 0.11, 0.02)
_WEIGHTS: Final = (0.8, 0.14, 0.06)
_NEEDED: Final = (3.0, 1.5, 1.0, 0.6, 0.3, 0.2, 0.1, 0.1)
_GATED: Final = 0.15
_LEARNING: Final = 0.25  # chance that a learner votes
_FEATURES: Final = 0.6
_WITH_A_VOTE: Final = 0.25  # share of the entry conditions that stay where learners vote alone
_SIZES: Final = (0.4, 0.25, 0.15, 0.15, 0.05)
_DIRECTION: Final = (0.45, 0.2, 0.35)


@cache
def quantiles(language: Language = DEFAULT) -> tuple[tuple[float, ...] | None, ...]:
    """Return for each gene how a fraction `u` of [0, 1) becomes its value: None means that it is `u` itself.

    Else the value is the number of entries of the tuple, which ascends, that are not above `u`:
    `bisect.bisect_right(entries, u)`. So each gene takes one fraction, and any gene can be drawn alone.
    """
    return tuple(None if gene.kind is GeneKind.UNIT else _entries(gene, language) for gene in GENES)


def _entries(gene: Gene, language: Language) -> tuple[float, ...]:
    """Return as many zeros as the low bound, then the cumulative chances of all values but the last."""
    sums = list(accumulate(_chances(gene, language)))
    return (0.0,) * int(gene.low) + tuple(part / sums[-1] for part in sums[:-1])


def _chances(gene: Gene, language: Language) -> tuple[float, ...]:
    """Return how likely each value of a whole gene is beside the others, from the low bound to the high one."""
    name = gene.name.rpartition(".")[2]
    if name == "kind":
        return kind_chances(language, features=gene.module == "learner")
    if name == "lag":
        steps = accumulate([1.0 - _NEXT_LAG] + [_NEXT_LAG] * (MAX_LAG - 2), lambda chance, next_: chance * next_)
        nearer = [_LAGGED * step for step in steps]
        return 1.0 - _LAGGED, *nearer, _LAGGED - sum(nearer)  # what would lie beyond is at the longest lag
    if name == "timeframe":
        said = _TIMEFRAMES[: language.timeframes + 1]
        return said + (0.0,) * (len(_TIMEFRAMES) - len(said))
    by_name: dict[str, tuple[float, ...]] = {
        "on": _even(_on(gene, language)),
        "negate": _even(_NEGATED),
        "comparator": _COMPARATORS,
        "weight": _WEIGHTS,
        "needed": _NEEDED,
        "direction": _DIRECTION,
        "size_kind": _SIZES,
        "trend": (1.0 - _GATED, *[_GATED / 6.0] * 6),
        "volatility": (1.0 - _GATED, *[_GATED / 2.0] * 2),
    }
    return by_name.get(name, (1.0,) * (int(gene.high) - int(gene.low) + 1))


def _even(chance: float) -> tuple[float, float]:
    return 1.0 - chance, chance


def _on(gene: Gene, language: Language) -> float:
    if gene.module != "learner":
        return _ON.get(gene.module, 0.0)
    return 0.0 if not language.learners else _LEARNING if gene.block.count(".") == 1 else _FEATURES


@cache
def kind_chances(language: Language, features: bool = False) -> tuple[float, ...]:
    """Return chances (n_kinds,): a family shares its own among functions, a function among its outputs.

    Args:
        language: what it leaves unsaid has no chance.
        features: of a learner's features, which are no learners.
    """
    weights = _FAMILIES
    kinds = catalogue()
    said = [language.says(kind) and not (features and kind.family == "learner") for kind in kinds]
    functions = {
        family: {k.function for k, is_said in zip(kinds, said, strict=True) if is_said and k.family == family}
        for family in weights
    }
    outputs = [sum(other.function == kind.function for other in kinds) for kind in kinds]
    return tuple(
        weights[kind.family] / len(functions[kind.family]) / n_outputs if is_said else 0.0
        for kind, n_outputs, is_said in zip(kinds, outputs, said, strict=True)
    )


def random_genomes(n: int, rng: np.random.Generator, language: Language = DEFAULT, species: str | None = None) -> Rows:
    """Return `n` random genomes (n, N_GENES) inside the gene bounds, from n x N_GENES fractions that `rng` draws.

    Each gene is its quantile of one fraction, but for what a species must be, and the direction of those that would
    want to go both ways at once.

    Args:
        n: how many.
        rng: draws the fractions.
        language: what they may say.
        species: "ta", "ml" or "hybrid" to have all of one species; None for whatever comes.

    Raises:
        UsageError: no such species, or one that learns in a language without learners.
    """
    if species is not None and species not in SPECIES:
        raise UsageError(f"`species` must be one of {', '.join(SPECIES)}, but was {species!r}. Choose one of these.")
    if species in ("ml", "hybrid") and not language.learners:
        raise UsageError(f"`species` {species!r} needs learners, but the language has none. Set `learners: true`.")
    genomes: NDArray[np.float64] = rng.random((n, N_GENES))
    fractions = genomes.copy()
    for column, entries in enumerate(quantiles(language)):
        if entries is not None:
            genomes[:, column] = np.searchsorted(entries, genomes[:, column], side="right")
    if species == "ta":
        _without_learners(genomes, fractions, language)
    elif species is not None:
        genomes[:, COLUMN["learner.0.on"]] = 1.0
        if species == "ml":
            _learners_alone(genomes, fractions)
        else:
            _first_reads_bars(genomes, fractions, language)
    return _one_sided(genomes, language)


def _one_sided(genomes: Rows, language: Language) -> Rows:
    """The genomes, those that trade both sides though their entry is its own mirror made long: they'd never enter."""
    columns = [column for name, column in COLUMN.items() if name.startswith("entry.")]
    direction, gate = COLUMN["risk.direction"], COLUMN["gate.trend"]
    rows = express(genomes, language)
    turned = mirror(rows)
    same = (rows[:, columns] == turned[:, columns]).all(axis=1) & (rows[:, gate] == turned[:, gate])
    for number in range(N_LEARNERS):
        same &= rows[:, COLUMN[f"learner.{number}.weight"]] == 0.0
    genomes[same & (rows[:, direction] == DIRECTIONS.index("both")), direction] = DIRECTIONS.index("long")
    return genomes


def _without_learners(genomes: Rows, fractions: Rows, language: Language) -> None:
    """Nobody votes but conditions, and these read bars."""
    for number in range(N_LEARNERS):
        genomes[:, COLUMN[f"learner.{number}.on"]] = 0.0
    for block in CONDITION_BLOCKS:
        _draw_kinds(genomes, fractions, block, kind_chances(language, features=True))


def _learners_alone(genomes: Rows, fractions: Rows) -> None:
    """Conditions read learners against levels; for the entry there are fewer, as a learner votes already."""
    chances = tuple(float(kind.family == "learner") for kind in catalogue())
    for block in CONDITION_BLOCKS:
        _draw_kinds(genomes, fractions, block, chances)
        genomes[:, COLUMN[f"{block}.against"]] = 1.0
        if block.startswith("entry"):
            genomes[:, COLUMN[f"{block}.on"]] *= fractions[:, COLUMN[f"{block}.weight"]] < _WITH_A_VOTE


def _first_reads_bars(genomes: Rows, fractions: Rows, language: Language) -> None:
    """The first condition of the entry is on and reads bars, the others are as they come."""
    genomes[:, COLUMN["entry.0.on"]] = 1.0
    _draw_kinds(genomes, fractions, "entry.0", kind_chances(language, features=True))


def _draw_kinds(genomes: Rows, fractions: Rows, block: str, chances: tuple[float, ...]) -> None:
    """Draw the kinds of a condition's operands anew, from the same fractions."""
    sums = list(accumulate(chances))
    entries = [part / sums[-1] for part in sums[:-1]]
    for side in ("left", "right"):
        column = COLUMN[f"{block}.{side}.kind"]
        genomes[:, column] = np.searchsorted(entries, fractions[:, column], side="right")
