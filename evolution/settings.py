"""The settings of evolution, checked once when they are made."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from evolution.archive import ArchiveSettings
from evolution.checking import check_share, check_whole
from evolution.constraints import Constraint
from evolution.islands import ARCHIVE, TOPOLOGIES
from evolution.keys import MAX_BROOD, MAX_GENERATION, MAX_ISLANDS
from evolution.pressure import PRESSURES
from evolution.refining import RefineSettings
from evolution.restarts import RestartSettings
from evolution.species import Counts, Shares, apportioned, floor_shares, founder_shares, least
from fitness.objectives import check_objectives
from strategies.errors import ConfigError
from strategies.language import DEFAULT, Language

MIN_POPULATION: Final = 4
SURVIVALS: Final = ("nsga2", "nsga3")
PARENTS: Final = ("tournament", "lexicase")
NEVER: Final = RefineSettings()
_MOST_NEWCOMERS: Final = 0.5


@dataclass(frozen=True, kw_only=True)
class ScreenSettings:
    """How children are screened before they are evaluated in full, see `evolution.screen`.

    Attributes:
        keep: share of a brood, the best on the screen, that goes on.
        audit: share of the others that is evaluated in full all the same, to measure how well the screen ranks.
        min_agreement: rank agreement, averaged over the window, below which the screen turns itself off.
        window: generations over which the agreement is averaged.
        rest: generations without a screen before it is tried again on a whole brood.
    """

    keep: float = 0.5
    audit: float = 0.1
    min_agreement: float = 0.5
    window: int = 5
    rest: int = 20

    def __post_init__(self) -> None:
        """Check every setting.

        Raises:
            ConfigError: a setting out of its range, named with the range, its value and what to do.
        """
        for name in ("keep", "audit", "min_agreement"):
            check_share(name, getattr(self, name))
        for name in ("keep", "audit"):
            if getattr(self, name) == 0:
                raise ConfigError(f"`{name}` must be above 0, but was 0 (evolution: screen). Raise it.")
        check_whole("window", self.window, 1, 1000)
        check_whole("rest", self.rest, 1, MAX_GENERATION)


@dataclass(frozen=True, kw_only=True)
class EvolutionSettings:
    """How islands breed and exchange migrants.

    Attributes:
        population_size: strategies on one island; each generation bears as many children.
        n_islands: islands of the job.
        generations: generations to breed after the founders.
        epoch_generations: generations between two exchanges, which is the unit of dispatch and checkpoint.
        objectives: names in `fitness.objectives.OBJECTIVES`, in the order of `Evaluation.objectives`.
        crossover_rate: chance that a child has two parents.
        mutation_rate: chance that a child of two parents is mutated too; a child of one parent always is.
        template_share: share of the founders of each species that come from templates, if it has any.
        language: what strategies may say.
        founders: share of each species among the founders, by name or in the order of `SPECIES`, which is how it is
            kept; None is half ta and half ml, or ta alone where the language has no learners.
        floor: least share of each species in the population, likewise; a number is that of ta and of ml, None a tenth
            for those of these two that found.
        tournament_size: candidates from which one parent is chosen.
        max_retries: further mutations of a child that is already known, before it is given up as a duplicate.
        topology: a name in `islands.TOPOLOGIES`.
        n_migrants: emigrants an island offers after each epoch.
        migration_lag: an epoch takes what its neighbours sent this many epochs ago.
        screen: how children are screened before they are evaluated in full; None evaluates all of them in full.
        constraints: bounds on recorded measures; who breaks one is not feasible.
        survival: a name in `SURVIVALS`: what decides within a Pareto front, crowding or reference directions.
        parents: a name in `PARENTS`: tournaments of rank, or epsilon-lexicase over the cells, whose annual Sharpe
            ratios are then the last columns of the measures.
        pressure: a name in `pressure.PRESSURES`: what is maximised beside the objectives in ranking.
        newcomers: share of every brood that is drawn at random.
        adaptive: whether operators are used as often as their children live on, instead of at the rates above.
        restart: when a population that has collapsed begins anew; None never.
        archive: the archive of behaviours, whose descriptors then follow the recorded measures; None keeps none.
        refine: how the numeric genes of the best are refined, by default never.
        max_evaluations: of all islands together; when an island's part is spent it breeds no more. None: no bound.
    """

    population_size: int = 100
    n_islands: int = 2
    generations: int = 20
    epoch_generations: int = 5
    objectives: tuple[str, ...] = ("steady_sharpe", "max_drawdown")
    crossover_rate: float = 0.7
    mutation_rate: float = 0.4
    template_share: float = 0.2
    language: Language = DEFAULT
    founders: Mapping[str, float] | Shares | None = None
    floor: Mapping[str, float] | Shares | float | None = None
    tournament_size: int = 2
    max_retries: int = 8
    topology: str = "ring"
    n_migrants: int = 3
    migration_lag: int = 1
    screen: ScreenSettings | None = None
    constraints: tuple[Constraint, ...] = ()
    survival: str = "nsga2"
    parents: str = "tournament"
    pressure: str = "none"
    newcomers: float = 0.0
    adaptive: bool = False
    restart: RestartSettings | None = None
    archive: ArchiveSettings | None = None
    refine: RefineSettings = NEVER
    max_evaluations: int | None = None

    def __post_init__(self) -> None:
        """Check every setting.

        Raises:
            ConfigError: a setting out of its range, named with the range, its value and what to do.
        """
        object.__setattr__(self, "objectives", tuple(self.objectives))
        smallest = max(MIN_POPULATION, 2 * len(self.objectives))
        check_whole("population_size", self.population_size, smallest, MAX_BROOD // 2)
        check_whole("n_islands", self.n_islands, 1, MAX_ISLANDS)
        check_whole("generations", self.generations, 1, MAX_GENERATION)
        check_whole("epoch_generations", self.epoch_generations, 1, MAX_GENERATION)
        check_whole("tournament_size", self.tournament_size, 1, self.population_size)
        check_whole("max_retries", self.max_retries, 0, 1000)
        check_whole("n_migrants", self.n_migrants, 0, self.population_size)
        check_whole("migration_lag", self.migration_lag, 1, MAX_GENERATION)
        if self.max_evaluations is not None:
            check_whole("max_evaluations", self.max_evaluations, self.n_islands, 2**62)
        for name in ("crossover_rate", "mutation_rate", "template_share"):
            check_share(name, getattr(self, name))
        learners = self.language.learners
        founders = founder_shares(self.founders, learners=learners)
        object.__setattr__(self, "founders", founders)
        object.__setattr__(self, "floor", floor_shares(self.floor, founders, learners=learners))
        self._check_room()
        self._check_names()

    @property
    def founder_counts(self) -> Counts:
        """How many founders are of each species."""
        return apportioned(cast("Shares", self.founders), self.population_size)

    @property
    def floor_counts(self) -> Counts:
        """How many of each species live on at least, if there are as many; 0 where a species has no floor."""
        return least(cast("Shares", self.floor), self.population_size)

    @property
    def n_newcomers(self) -> int:
        """How many of a brood are drawn at random."""
        return round(self.newcomers * self.population_size)

    def budget(self, island: int) -> int | None:
        """Return how many evaluations an island may spend in all; None if any number."""
        if self.max_evaluations is None:
            return None
        each, rest = divmod(self.max_evaluations, self.n_islands)
        return each + (island < rest)

    def _check_room(self) -> None:
        if not 0.0 <= self.newcomers <= _MOST_NEWCOMERS:
            raise ConfigError(
                f"`newcomers` must be between 0 and {_MOST_NEWCOMERS}, but was {self.newcomers!r} (evolution). "
                "Lower it."
            )
        room = self.population_size - len(self.objectives) - self.n_newcomers
        wanted = sum(self.floor_counts)
        if wanted > room:
            raise ConfigError(
                f"`floor` must leave a place for the best of each objective, {room} at most for all species, but was "
                f"{wanted} of {self.population_size} (evolution). Lower it."
            )

    def _check_names(self) -> None:
        check_objectives(self.objectives)
        for name, known in (
            ("topology", TOPOLOGIES),
            ("survival", SURVIVALS),
            ("parents", PARENTS),
            ("pressure", PRESSURES),
        ):
            if getattr(self, name) not in known:
                raise ConfigError(
                    f"`{name}` must be one of {', '.join(known)}, but was {getattr(self, name)!r} (evolution). "
                    "Choose one of these."
                )
        if self.topology == ARCHIVE and self.archive is None:
            raise ConfigError("`topology` must not be 'archive' without an archive, but was (evolution). Add one.")
