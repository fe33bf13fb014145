"""The `evolution` section of a job file: how strategies are bred."""

from typing import Annotated, Final, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from cluster.config_section import Fraction, Section, nearest

FLOOR: Final = 0.1
_MOST_FLOOR: Final = 0.9
_NEAR: Final = 1e-9


class SpeciesShares(Section):
    """A share of each species: strategies without learners, of learners alone, and of both."""

    ta: Fraction = 0.0
    ml: Fraction = 0.0
    hybrid: Fraction = 0.0

    def learns(self) -> bool:
        """Return whether a species that learns has a share."""
        return self.ml > 0.0 or self.hybrid > 0.0

    def text(self) -> str:
        """Return the shares that are not 0, as `ta 0.5, ml 0.5`."""
        return ", ".join(f"{name} {share:g}" for name, share in self.model_dump().items() if share) or "nothing"


def _shares_of_a_number(value: object) -> object:
    """Return a plain number as the share of ta and of ml each."""
    return {"ta": value, "ml": value} if isinstance(value, int | float) and not isinstance(value, bool) else value


class MigrationSettings(Section):
    """Who sends how many clones to whom, and how many epochs later they arrive (0 migrants: nobody travels)."""

    # `archive` sends strategies out of the archive, spread over what they do, to all other islands.
    topology: Literal["ring", "torus", "full", "random", "archive", "none"] = "ring"
    migrants: Annotated[int, Field(ge=0)] = 4
    lag: Annotated[int, Field(ge=1, le=64)] = 1


class ScreenSection(Section):
    """A cheap look at every child on some cells before its full evaluation; see `evolution.screen`.

    A cell is one fold of one shard. What the screen rejects is known by its rank on few cells only and is never looked
    at again; it counts as a strategy tried all the same. Founders are always evaluated in full, which tells how well
    the screen ranks: below `min_agreement` it turns itself off.
    """

    enabled: bool = False
    # Share of the cells that the screen looks at, rounded to whole shards or cells.
    cells: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5
    # true takes all folds of some shards: a rejected strategy then costs no indicator and no mask on the other shards,
    # which is most of what an evaluation costs. false takes some folds of all shards: fewer cells rank as well, but
    # hardly any time is saved. With one shard both are the same.
    whole_shards: bool = True
    # Share of a generation's children that goes on: the best of the screen, by the job's objectives.
    keep: Annotated[float, Field(gt=0.0, le=1.0)] = 0.5
    # Share of the rejected that is evaluated in full all the same, drawn without regard to merit.
    audit: Annotated[float, Field(gt=0.0, le=1.0)] = 0.1
    # Least rank correlation (Spearman) of screen and full values, averaged over the last `window` generations.
    min_agreement: Fraction = 0.5
    window: Annotated[int, Field(ge=1, le=1000)] = 5
    # Generations that a screen which turned itself off stays off, before one generation is evaluated both ways.
    rest: Annotated[int, Field(ge=1, le=100_000)] = 20


class Bound(Section):
    """The least and the most that a recorded measure of a strategy may be."""

    min: float | None = None
    max: float | None = None


class RestartSection(Section):
    """What happens when a population has become one family: all but its best are founded anew.

    `spread` is the mean distance of two members per gene (0 to 1) below which a population has collapsed, `patience`
    for how many generations on end, `keep` the share that stays.
    """

    enabled: bool = False
    spread: Fraction = 0.03
    patience: Annotated[int, Field(ge=1, le=1000)] = 5
    keep: Fraction = 0.1


class ArchiveSection(Section):
    """An archive of the best strategy of each kind of behaviour; see `evolution.archive`."""

    enabled: bool = False
    kind: Literal["grid", "cvt"] = "cvt"
    dimensions: Annotated[tuple[str, ...], Field(strict=False, min_length=1, max_length=6)] = (
        "holding",
        "trades_a_year",
        "exposure",
        "market_correlation",
        "volatile_share",
        "payoff_skew",
    )
    # Cells in all for `cvt`, cells of each dimension for `grid`.
    cells: Annotated[int, Field(ge=2, le=100_000)] = 256


class RefineSection(Section):
    """Tuning of the numeric genes of the best by Optuna, as births of their own; see `evolution.refining`.

    Every `every` generations (0: never) each of the `best` gets `batches` batches of `batch` proposals.
    """

    every: Annotated[int, Field(ge=0, le=100_000)] = 0
    best: Annotated[int, Field(ge=1, le=1000)] = 2
    batches: Annotated[int, Field(ge=1, le=1000)] = 4
    batch: Annotated[int, Field(ge=1, le=1000)] = 8
    sampler: Literal["tpe", "cmaes", "gp"] = "tpe"


class BudgetSection(Section):
    """When a search has tried enough: so many evaluations over all islands (null: as many as the generations bear)."""

    evaluations: Annotated[int, Field(ge=1)] | None = None


class BreedingSettings(Section):
    """The genetic part of a job; `evolution.settings.EvolutionSettings` is made from it."""

    islands: Annotated[int, Field(ge=1, le=10_000)] = 4
    population_size: Annotated[int, Field(ge=4, le=100_000)] = 60
    generations: Annotated[int, Field(ge=1, le=100_000)] = 40
    epoch_generations: Annotated[int, Field(ge=1)] = 2
    crossover_rate: Fraction = 0.5
    mutation_rate: Fraction = 0.4
    template_share: Fraction = 0.2
    # Shares of the species among the founders; null is half ta and half ml, or ta alone in a language without learners.
    founders: SpeciesShares | None = None
    # Least share of each species in every population; a number is that of ta and of ml, null a tenth for each of these
    # two that found. A species that dies out all the same is founded anew.
    floor: Annotated[SpeciesShares | None, BeforeValidator(_shares_of_a_number)] = None
    tournament_size: Annotated[int, Field(ge=1)] = 4
    objectives: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] = ("steady_sharpe", "total_return")
    # Bounds on recorded measures: who keeps them all is better than who does not, then who breaks them less.
    constraints: dict[str, Bound] = Field(default_factory=dict)
    # Who lives on among equals of a Pareto front: the least crowded (nsga2), or by reference directions (nsga3).
    survival: Literal["nsga2", "nsga3"] = "nsga2"
    # How parents are chosen: by tournaments of rank, or by epsilon-lexicase over the cells (folds of shards).
    parents: Literal["tournament", "lexicase"] = "tournament"
    # What is maximised beside the objectives, so that the first good idea does not take all: youth or novelty.
    pressure: Literal["none", "age", "novelty"] = "none"
    # Share of every brood that is drawn at random instead of bred.
    newcomers: Annotated[float, Field(ge=0.0, le=0.5)] = 0.0
    # Whether operators are used as often as their children live on, instead of at the rates above.
    adaptive: bool = False
    migration: MigrationSettings = MigrationSettings()
    restart: RestartSection = RestartSection()
    archive: ArchiveSection = ArchiveSection()
    refine: RefineSection = RefineSection()
    budget: BudgetSection = BudgetSection()
    screen: ScreenSection = ScreenSection()

    @field_validator("objectives")
    @classmethod
    def _objectives_are_known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        from fitness.objectives import OBJECTIVES

        for name in names:
            if name not in OBJECTIVES:
                raise ValueError(f"must be known objectives, but was {name!r}{nearest(name, OBJECTIVES)}")
        if len(set(names)) < len(names):
            raise ValueError(f"must name every objective once, but was {', '.join(names)}")
        return names

    @field_validator("constraints")
    @classmethod
    def _constraints_are_known(cls, bounds: dict[str, Bound]) -> dict[str, Bound]:
        from fitness.objectives import MEASURE_COLUMNS

        for name, bound in bounds.items():
            if name not in MEASURE_COLUMNS:
                raise ValueError(f"must name recorded measures, but was {name!r}{nearest(name, MEASURE_COLUMNS)}")
            if bound.min is None and bound.max is None:
                raise ValueError(f"must give `min` or `max` of {name}, but gave neither")
            if bound.min is not None and bound.max is not None and bound.min > bound.max:
                raise ValueError(f"must have `min` below `max` of {name}, but was {bound.min:g} and {bound.max:g}")
        return bounds

    @field_validator("founders")
    @classmethod
    def _founders_are_all(cls, shares: SpeciesShares | None) -> SpeciesShares | None:
        if shares is not None and abs(shares.ta + shares.ml + shares.hybrid - 1.0) > _NEAR:
            raise ValueError(f"must add up to 1, but was {shares.text()}")
        return shares

    @model_validator(mode="after")
    def _floor_leaves_room(self) -> Self:
        floor = self.floor or SpeciesShares()
        if floor.ta + floor.ml + floor.hybrid > _MOST_FLOOR:
            raise ValueError(f"`floor` must leave {1 - _MOST_FLOOR:.0%} to the best of all, but was {floor.text()}")
        return self

    @model_validator(mode="after")
    def _migrants_fit(self) -> Self:
        if self.migration.migrants > self.population_size // 2:
            raise ValueError(
                "`migration.migrants` must be at most half of `population_size`, "
                f"but was {self.migration.migrants} of {self.population_size}"
            )
        return self

    @model_validator(mode="after")
    def _an_archive_sends(self) -> Self:
        if self.migration.topology == "archive" and not self.archive.enabled:
            raise ValueError(
                "`migration.topology` must be another one where `archive.enabled` is false, but was 'archive'. "
                "Enable the archive, or take `full`"
            )
        return self

    @property
    def n_epochs(self) -> int:
        """Epochs of an island; the last one is shorter where `epoch_generations` does not divide `generations`."""
        return -(-self.generations // self.epoch_generations)
