"""One epoch, as it runs inside any worker: unpack, breed, pack. Pure but for the wall clock in its facts."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cluster.breeding_config import ArchiveSection, RestartSection, ScreenSection
from cluster.evaluation import EvaluateTallies, Rows, Segment, screen_folds, screen_mask
from cluster.executor import EpochResult, EpochTask
from cluster.job_config import JobConfig
from cluster.journal import plain
from cluster.quarantine import NOBODY, Quarantine
from evolution.admission import Evaluate
from evolution.advance import Advance, advance, found
from evolution.archive import ArchiveSettings
from evolution.constraints import Constraint
from evolution.credit import COMPETING
from evolution.figures import GenerationStats
from evolution.founding import founders
from evolution.islands import emigrants, emigrants_from_bytes
from evolution.keys import Place
from evolution.pedigree import OPERATORS, REFINED, TEMPLATE, Births, concat, index_of
from evolution.population import State, state_from_bytes
from evolution.refining import RefineSettings
from evolution.restarts import RestartSettings
from evolution.selection import feasible
from evolution.settings import EvolutionSettings, ScreenSettings
from fitness.behaviour import BEHAVIOURS, behaviours
from fitness.measures import measure
from fitness.objectives import MEASURE_COLUMNS, SCREENED_OUT, Evaluation, score, sharpe_by_cell
from fitness.tally import N_TALLY
from strategies.codec import express
from strategies.encoding import strategy_of
from strategies.language import Language
from strategies.species import SPECIES


@dataclass(frozen=True)
class Breeding:
    """What every epoch of a job has in common.

    Attributes:
        seed: the job's seed.
        settings: of evolution.
        min_trades: fewer in sample is a reason against a strategy.
        bars_per_year: of each shard, in their order.
        n_folds: windows of each shard that evolution is scored on, likewise.
        on_screen: folds of each shard that a screen looks at first; empty without a screen.
    """

    seed: int
    settings: EvolutionSettings
    min_trades: int
    bars_per_year: tuple[float, ...]
    n_folds: tuple[int, ...]
    on_screen: tuple[tuple[int, ...], ...] = ()

    @property
    def measure_names(self) -> tuple[str, ...]:
        """The columns of the measures: those of every job, behaviours where an archive is kept, cells for lexicase."""
        n_cases = sum(self.n_folds) if self.settings.parents == "lexicase" else 0
        kinds = BEHAVIOURS if self.settings.archive is not None else ()
        return (*MEASURE_COLUMNS, *(f"behaviour.{name}" for name in kinds), *(f"case.{n}" for n in range(n_cases)))

    def score(self, tallies: Rows, movements: Rows | None = None) -> Evaluation:
        """Return the evaluation of tallies (n, sum of n_folds, N_TALLY).

        Where an archive is kept it takes `movements` (n, sum of n_folds, N_CO), see `fitness.behaviour`.
        """
        rates = self._rates()
        found = score(tallies, rates, self.settings.objectives, min_trades=self.min_trades)
        further = [] if movements is None else [behaviours(tallies, movements, rates)]
        if self.settings.parents == "lexicase":
            further.append(sharpe_by_cell(tallies, rates))
        if not further:
            return found
        return Evaluation(found.objectives, found.reasons, np.concatenate([found.measures, *further], axis=1))

    def score_screen(self, tallies: Rows) -> Evaluation:
        """Return the evaluation of tallies (n, cells on the screen, N_TALLY), with that share of `min_trades`."""
        seen = screen_mask(self.n_folds, self.on_screen)
        min_trades = max(1, self.min_trades * int(seen.sum()) // len(seen))
        return score(tallies, self._rates()[seen], self.settings.objectives, min_trades=min_trades)

    def _rates(self) -> Rows:
        return np.repeat(np.array(self.bars_per_year), self.n_folds)


def breeding_of(config: JobConfig, bars_per_year: Sequence[float], n_folds: Sequence[int]) -> Breeding:
    """Return what a job file says about breeding.

    Raises:
        ConfigError: a setting that evolution refuses.
    """
    return Breeding(
        seed=config.seed,
        settings=evolution_settings(config),
        min_trades=config.gates.min_trades,
        bars_per_year=tuple(bars_per_year),
        n_folds=tuple(n_folds),
        on_screen=on_screen_of(config, n_folds),
    )


def on_screen_of(config: JobConfig, n_folds: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Return the folds of each shard that the job's screen looks at; empty without a screen."""
    screen = config.evolution.screen
    return screen_folds(n_folds, screen.cells, whole_shards=screen.whole_shards) if screen.enabled else ()


def evolution_settings(config: JobConfig) -> EvolutionSettings:
    """Return the evolution section as evolution knows it; without migrants nobody is anybody's neighbour.

    Raises:
        ConfigError: a setting that evolution refuses.
    """
    section = config.evolution
    return EvolutionSettings(
        population_size=section.population_size,
        n_islands=section.islands,
        generations=section.generations,
        epoch_generations=section.epoch_generations,
        objectives=section.objectives,
        crossover_rate=section.crossover_rate,
        mutation_rate=section.mutation_rate,
        template_share=section.template_share,
        language=language_of(config),
        founders=section.founders.model_dump() if section.founders is not None else None,
        floor=section.floor.model_dump() if section.floor is not None else None,
        tournament_size=section.tournament_size,
        topology=section.migration.topology if section.migration.migrants else "none",
        n_migrants=section.migration.migrants,
        migration_lag=section.migration.lag,
        screen=_screen_settings(section.screen),
        constraints=tuple(Constraint(name, bound.min, bound.max) for name, bound in section.constraints.items()),
        survival=section.survival,
        parents=section.parents,
        pressure=section.pressure,
        newcomers=section.newcomers,
        adaptive=section.adaptive,
        restart=_restart_settings(section.restart),
        archive=_archive_settings(section.archive, config.seed),
        refine=RefineSettings(**section.refine.model_dump()),
        max_evaluations=section.budget.evaluations,
    )


def _restart_settings(section: RestartSection) -> RestartSettings | None:
    return RestartSettings(**section.model_dump(exclude={"enabled"})) if section.enabled else None


def _archive_settings(section: ArchiveSection, seed: int) -> ArchiveSettings | None:
    if not section.enabled:
        return None
    cells = section.cells if section.kind == "cvt" else (section.cells,) * len(section.dimensions)
    return ArchiveSettings(kind=section.kind, dimensions=section.dimensions, cells=cells, seed=seed)


def language_of(config: JobConfig) -> Language:
    """Return what the strategies of a job may say; without extra columns where these are not known yet."""
    section = config.language
    return Language(
        learners=section.learners,
        patterns=section.patterns,
        timeframes=section.timeframes,
        columns=section.columns or (),
        intraday=section.intraday is not False,
    )


def _screen_settings(section: ScreenSection) -> ScreenSettings | None:
    if not section.enabled:
        return None
    return ScreenSettings(
        keep=section.keep,
        audit=section.audit,
        min_agreement=section.min_agreement,
        window=section.window,
        rest=section.rest,
    )


@dataclass(frozen=True)
class CellEvaluation:
    """Evolution's way to fitness: all folds at once, or the screen's folds first and the rest of some rows later."""

    breeding: Breeding
    evaluate_tallies: EvaluateTallies
    quarantine: Quarantine = NOBODY

    def __call__(self, phenotypes: Rows, /) -> Evaluation:
        """Return the evaluation of `phenotypes` (n, N_GENES) on all folds of all shards."""
        if self.breeding.settings.archive is None:
            found = self.breeding.score(self.evaluate_tallies(phenotypes, "folds"))
            return self.quarantine.marked(phenotypes, found, "folds")
        found = self.breeding.score(*self._parted(phenotypes))
        return self.quarantine.marked(phenotypes, found, "behaviour")

    def movements(self, phenotypes: Rows) -> Rows | None:
        """Return what the behaviour of `phenotypes` (n, N_GENES) takes besides tallies; None if nobody asks."""
        return None if self.breeding.settings.archive is None else self._parted(phenotypes)[1]

    def _parted(self, phenotypes: Rows) -> tuple[Rows, Rows]:
        both = self.evaluate_tallies(phenotypes, "behaviour")
        return np.ascontiguousarray(both[:, :, :N_TALLY]), np.ascontiguousarray(both[:, :, N_TALLY:])

    def screen(self, phenotypes: Rows, /) -> "CellLook":
        """Return a look at `phenotypes` (n, N_GENES) on the screen's folds."""
        tallies = self.evaluate_tallies(phenotypes, "screen")
        seen = self.quarantine.marked(phenotypes, self.breeding.score_screen(tallies), "screen")
        return CellLook(self, phenotypes, tallies, seen)


@dataclass(frozen=True, eq=False)
class CellLook:
    """What a screen saw: tallies (n, cells on the screen, N_TALLY) of `phenotypes`, and their scores."""

    parent: CellEvaluation
    phenotypes: Rows
    tallies: Rows
    evaluation: Evaluation

    def finish(self, rows: NDArray[np.int64], /) -> Evaluation:
        """Return the evaluation of some rows on all folds; only those that the screen left out are computed."""
        breeding = self.parent.breeding
        rest = self.parent.evaluate_tallies(self.phenotypes[rows], "rest")
        seen = screen_mask(breeding.n_folds, breeding.on_screen)
        tallies = np.empty((len(rows), len(seen), rest.shape[2]))
        tallies[:, seen], tallies[:, ~seen] = self.tallies[rows], rest
        movements = self.parent.movements(self.phenotypes[rows])
        found = breeding.score(tallies, movements)
        segments: tuple[Segment, ...] = ("rest",) if movements is None else ("rest", "behaviour")
        return self.parent.quarantine.marked(self.phenotypes[rows], found, *segments)


def run_epoch(task: EpochTask, breeding: Breeding, evaluate_tallies: EvaluateTallies) -> EpochResult:
    """Return what one epoch gives; equal tasks give equal bytes, wherever and however often they are run."""
    started = time.perf_counter()
    quarantine = Quarantine(task.quarantine)
    evaluate_tallies = quarantine.around(evaluate_tallies)
    state, births, stats, screens = _breed(task, breeding, CellEvaluation(breeding, evaluate_tallies, quarantine))
    leaving = emigrants(state, breeding.settings.n_migrants, breeding.settings.topology)
    facts = {
        "generations": [stats[0].generation, stats[-1].generation],
        "n_births": len(births),
        "n_evaluated": int(births.evaluated.sum()),
        "n_screened_out": int((births.evaluated & (births.reason == SCREENED_OUT)).sum()),
        "n_refined": int((births.operator == REFINED).sum()),
        "n_emigrants": len(leaving),
        "templates": _templates(births, breeding),
        "stats": [_stats_dict(one, breeding.settings.objectives) for one in stats],
        "screen": [asdict(one) for one in screens],
        "validation_best": _validation_best(state, breeding, evaluate_tallies),
        "seconds": round(time.perf_counter() - started, 3),
    }
    plain_facts: dict[str, Any] = plain(facts)
    return EpochResult(task.island, task.epoch, state.to_bytes(), births.to_bytes(), leaving.to_bytes(), plain_facts)


def _breed(task: EpochTask, breeding: Breeding, evaluate: Evaluate) -> Advance:
    settings = breeding.settings
    if task.epoch > 0:
        immigrants = [emigrants_from_bytes(group) for group in task.immigrants]
        return advance(state_from_bytes(task.state), evaluate, settings, task.generations, immigrants)
    founded = found(breeding.seed, task.island, settings, evaluate)
    bred = advance(founded.state, evaluate, settings, task.generations)
    births: Births = concat([founded.births, bred.births])
    return Advance(bred.state, births, founded.stats + bred.stats, founded.screens + bred.screens)


def _templates(births: Births, breeding: Breeding) -> list[dict[str, Any]]:
    """Return which founders came from which template, and whether they were mutated because it was there already."""
    first = births.take(births.operator == TEMPLATE)
    if not len(first):
        return []
    names = founders(Place(breeding.seed, int(first.island[0]), 0), breeding.settings).names
    rows = zip(first.birth_id.tolist(), index_of(first.birth_id).tolist(), first.retries.tolist(), strict=True)
    return [{"family": family, "name": names[index], "mutated": retries > 0} for family, index, retries in rows]


def _stats_dict(stats: GenerationStats, objectives: Sequence[str]) -> dict[str, Any]:
    values = asdict(stats)
    values["species"] = dict(zip(SPECIES, values["species"], strict=True))
    if stats.archive is not None:
        values["archive"] = stats.archive._asdict()
    if stats.operators is not None:
        values["operators"] = {OPERATORS[code]: share for code, share in zip(COMPETING, stats.operators, strict=True)}
    for name in ("best", "mean"):
        found = values[name]
        values[name] = dict(zip(objectives, found, strict=True)) if found is not None else None
    return values


def _validation_best(state: State, breeding: Breeding, evaluate_tallies: EvaluateTallies) -> Mapping[str, Any] | None:
    """Return the best in sample and its Sharpe ratio in the validation stretch: for people to watch, not to select."""
    fit = np.flatnonzero(feasible(state.objectives, state.reasons))
    if not len(fit):
        return None
    row = fit[np.argmax(state.objectives[fit, 0])]
    phenotype = express(state.genomes[row : row + 1], breeding.settings.language)
    strategy = strategy_of(phenotype[0])
    tallies = evaluate_tallies(phenotype, "validation")[0]
    sharpes = measure("sharpe", tallies, np.array(breeding.bars_per_year))
    known = np.isfinite(sharpes)
    return {
        "id": strategy.id,
        "text": strategy.text(),
        "species": SPECIES[state.species[row]],
        "birth_id": int(state.birth_ids[row]),
        "objectives": dict(zip(breeding.settings.objectives, state.objectives[row].tolist(), strict=True)),
        "sharpe": float(sharpes[known].mean()) if known.any() else None,
    }


def breeding_to_json(config: JobConfig, bars_per_year: Sequence[float], n_folds: Sequence[int]) -> str:
    """Return what a worker needs to make its own `Breeding`, as text."""
    market = {"bars_per_year": list(bars_per_year), "n_folds": list(n_folds)}
    return json.dumps({"config": config.model_dump(mode="json"), **market})


def breeding_from_json(text: str) -> Breeding:
    """Return the breeding that `breeding_to_json` described."""
    values = json.loads(text)
    return breeding_of(JobConfig.model_validate(values["config"]), values["bars_per_year"], values["n_folds"])
