"""Genomes, templates and strategy files under the contract of everything that is a strategy.

Masks are those of the bank, so decisions, and with them trades, are those that evolution scored; mutation and crossover
are evolution's own, with a key drawn from the caller's generator.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, Self

import numpy as np
from numpy.typing import NDArray

from strategies.codec import bounded, express
from strategies.contract import METRICS, AnyStrategy, Decisions, MarketBars, Parameter, Requires, RiskPlan
from strategies.encoding import encode, phenotype_of, strategy_of
from strategies.errors import StrategyError, UsageError
from strategies.genes import GENES, N_GENES
from strategies.hand_written import only_genomes
from strategies.language import DEFAULT, Language
from strategies.operands import warm_up
from strategies.strategy import Operand, Strategy

if TYPE_CHECKING:
    from fitness.bank import FeatureBank

Floats = NDArray[np.float64]

_KEY_WORDS: Final = 2


@dataclass(frozen=True, eq=False)
class GenomeStrategy:
    """A strategy of the grammar, with the genome that it evolves by.

    Attributes:
        strategy: the rules.
        dna: `(N_GENES,)` the genome, inside the gene bounds; None where the rules lie on no grid of the gene table:
            they trade all the same, but can't be bred.
        label: what it is called; its id, without.
    """

    strategy: Strategy
    dna: Floats | None
    label: str = ""

    @classmethod
    def of_genome(cls, genome: Floats, language: Language = DEFAULT) -> Self:
        """The strategy that a genome `(N_GENES,)` expresses in a language."""
        row = bounded(genome.reshape(1, N_GENES))
        row.flags.writeable = False
        return cls(strategy_of(express(row, language)[0]), row[0])

    @classmethod
    def of_rules(cls, strategy: Strategy, label: str = "") -> Self:
        """A template, or a strategy that was read from a file, with the genome that says it, if one does."""
        try:
            genome: Floats | None = encode(strategy)
        except StrategyError:
            return cls(strategy, None, label)
        assert genome is not None
        genome.flags.writeable = False
        return cls(strategy, genome, label)

    @property
    def id(self) -> str:
        """The strategy's content hash."""
        return self.strategy.id

    @property
    def name(self) -> str:
        """The label, or the id."""
        return self.label or self.id

    @cached_property
    def phenotype(self) -> Floats:
        """The canonical row `(N_GENES,)`, read-only."""
        row = phenotype_of(self.strategy)
        row.flags.writeable = False
        return row

    @cached_property
    def requires(self) -> Requires:
        """Columns and rungs that its operands read, and the longest of their warm-ups, in bars of the shard's own.

        What a learner or a bar of a higher timeframe needs beyond that is not counted: there a condition is false.
        """
        from strategies.catalogue import catalogue, kind_index

        operands = operands_of(self.strategy)
        kinds = [catalogue()[kind_index(operand.kind)] for operand in operands]
        columns = sorted({name for kind in kinds for name in kind.requires})
        rungs = sorted({0, *(operand.timeframe for operand in operands)})
        bars = [
            warm_up(kind_index(operand.kind), operand.parameters) + operand.lag
            for operand, kind in zip(operands, kinds, strict=True)
            if operand.timeframe == 0 and kind.family != "learner"
        ]
        return Requires(columns=tuple(columns), warm_up=max(bars, default=0), rungs=tuple(rungs))

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """Every gene that has a say, in natural units; the grids of the gene table bound them, not two numbers."""
        return {
            gene.name: Parameter(float(value))
            for gene, value in zip(GENES, self.phenotype, strict=True)
            if value != 0.0
        }

    @property
    def metrics(self) -> tuple[str, ...]:
        """The usual ones."""
        return METRICS

    @property
    def risk(self) -> RiskPlan:
        """Stop, target, size and the rest of the strategy."""
        return RiskPlan.of(self.strategy)

    def text(self) -> str:
        """The rules as one line."""
        return self.strategy.text()

    def decide(self, bars: MarketBars, /, bank: "FeatureBank | None" = None) -> Decisions:
        """The masks of its rules on a shard; `bank` is the shard's, and one is made where none is given.

        Raises:
            StrategyError: an operand can't be computed on this shard.
            UsageError: the bars are no shard.
        """
        from fitness.bank import FeatureBank
        from fitness.played import decisions_of
        from fitness.shard import Shard

        if not isinstance(bars, Shard):
            raise UsageError(f"A strategy of the grammar must decide on a Shard, but was given {type(bars).__name__}.")
        return decisions_of(self.phenotype, bank or FeatureBank(bars))

    def to_json(self) -> str:
        """The canonical JSON of the strategy; what the genome does not express is not in it."""
        return self.strategy.to_json()

    def from_json(self, text: str) -> Self:
        """The strategy that `text` describes, with the genome that says it, if one does.

        Raises:
            StrategyError: it describes none.
        """
        return self.of_rules(Strategy.from_json(text))

    def mutate(self, rng: np.random.Generator) -> "GenomeStrategy":
        """A mutant, by evolution's mutation; it reads no column of the bars that this one does not read.

        Raises:
            StrategyError: it has no genome.
        """
        from evolution.mutation import mutated

        nothing, language = np.zeros(1, dtype=np.int64), Language(columns=self.requires.columns)
        mutants = mutated(_genome(self, "mutate")[None, :], _key(rng), nothing, nothing, language)
        return self.of_genome(mutants[0], language)

    def cross(self, other: AnyStrategy, rng: np.random.Generator) -> "GenomeStrategy":
        """A child of two, by evolution's crossover.

        Raises:
            StrategyError: one of the two has no genome.
        """
        from evolution.crossover import N_NUMBERS, origins
        from evolution.philox import uniforms

        mine, theirs = _genome(self, "be crossed"), _genome(other, "be crossed")
        key, first = _key(rng), np.zeros(1, dtype=np.int64)
        language = Language(columns=(*self.requires.columns, *other.requires.columns))
        from_other = origins(uniforms(key, N_NUMBERS, indices=first), key, first, language)[0]
        return self.of_genome(np.where(from_other, theirs, mine), language)


def operands_of(strategy: Strategy) -> tuple[Operand, ...]:
    """Return every operand that the rules read, features of learners among them."""
    conditions = [*strategy.entry.conditions, *strategy.exit.conditions]
    read = [one for condition in conditions for one in (condition.left, condition.right) if one is not None]
    return (*read, *(feature for learner in strategy.learners for feature in learner.features))


def _genome(strategy: AnyStrategy, verb: str) -> Floats:
    if strategy.dna is None:
        raise only_genomes(strategy.name, verb)
    return strategy.dna


def _key(rng: np.random.Generator) -> int:
    low, high = rng.integers(0, 2**64, size=_KEY_WORDS, dtype=np.uint64).tolist()
    return int(low) | int(high) << 64
