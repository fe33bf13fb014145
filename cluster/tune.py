"""`studbook tune`: settings of evolution raced against the job's own, then compared on instances that decided nothing.

Every value is kept in a small file of JSON lines as soon as it is known, so an interrupted tuning goes on where it was:
the race is run again and finds the values it asks for in the file. Every evaluation of every search is a trial on these
bars and is written to the trial ledger before its value is.
"""

import hashlib
import json
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cluster.job_config import JobConfig
from cluster.journal import utc_now
from cluster.market import Market
from cluster.settings import config_hash
from cluster.trial_ledger import behaviours_of, write_trials
from cluster.tuning_instances import Instance, before, instances_of, searched, value_of
from cluster.tuning_space import changes_of, own_setting, space_of
from cluster.tuning_values import Known, ValuesFile
from evolution.tuning import Comparison, Setting, Trial, best_of, compared, race

FOLDER: Final = "tuning"
SIGNIFICANT: Final = 0.05
Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class TuneSettings:
    """How long to tune.

    Attributes:
        trials: settings to try, the job's own included.
        instances: searches of each setting, if it is not given up; as many again, of two settings, compare at the end.
        evaluations: budget of each search.
        seed: of the race; the searches' seeds count up from it.
    """

    trials: int = 20
    instances: int = 8
    evaluations: int = 2000
    seed: int = 1


@dataclass(frozen=True)
class Tuned:
    """What tuning came to.

    Attributes:
        trials: every setting, in order; the first is the job's own.
        best: the one that did best on the instances of the race.
        comparison: of `best` with the job's own on fresh instances; None if the best is the job's own.
        tuned, untuned: the values compared.
        n_evaluated: evaluations of all searches, those known from an earlier session included.
        name: under which they stand in the trial ledger.
    """

    trials: tuple[Trial, ...]
    best: Trial
    comparison: Comparison | None
    tuned: tuple[float, ...]
    untuned: tuple[float, ...]
    n_evaluated: int
    name: str

    @property
    def helped(self) -> bool:
        """Return whether the tuned setting was better on fresh instances, and surely so."""
        found = self.comparison
        return found is not None and found.p < SIGNIFICANT and found.median_difference > 0.0

    def verdict(self) -> str:
        """Return in a sentence whether tuning helped."""
        found = self.comparison
        if found is None:
            return "Tuning did not help: no setting beat the job's own."
        figures = f"median difference {found.median_difference:+.3f}, p {found.p:.3f} over {found.n} fresh instances"
        if self.helped:
            return f"Tuning helped: {figures}."
        return f"Tuning did not help: {figures}. What won the race won it by chance, as far as this shows."


def tune(
    config: JobConfig, market: Market, settings: TuneSettings, *, root: Path, stop: threading.Event, say: Say
) -> Tuned:
    """Return the best of some settings, and how it does against the job's own.

    Args:
        config: the job whose `evolution` section is tuned.
        market: its bars; nothing from the validation stretch on is looked at.
        settings: how long to tune.
        root: folder of the run folders, for the values and the trial ledger.
        stop: set it to end with `Interrupted`; what is known stays.
        say: told each step in a line.

    Raises:
        ConfigError: fewer than two folds, or settings that evolution refuses.
        JournalError: the file of values is damaged.
        Interrupted: `stop` was set.
    """
    name = name_of(config, market, settings)
    with ValuesFile.open(root / FOLDER / f"{name}.jsonl") as values:
        bench = _Bench(config, market, settings, root, stop, say, name, values)
        own = own_setting(config)
        race_on = instances_of(config, settings.instances, first=0, seed=settings.seed)
        fresh = instances_of(config, settings.instances, first=settings.instances, seed=settings.seed)
        trials = []
        for trial in race(
            space_of(config, settings.evaluations),
            own,
            lambda setting, number: bench.value(setting, race_on[number]),
            n_trials=settings.trials,
            n_instances=settings.instances,
            seed=settings.seed,
        ):
            trials.append(trial)
            say(_line(trial, settings))
        best = best_of(trials)
        if best.number == 0:
            return Tuned(tuple(trials), best, None, (), (), values.n_evaluated, name)
        say(f"comparing setting {best.number} with the job's own on {len(fresh)} fresh instances")
        tuned = tuple(bench.value(best.setting, instance) for instance in fresh)
        untuned = tuple(bench.value(own, instance) for instance in fresh)
        comparison = compared(tuned, untuned)
        return Tuned(tuple(trials), best, comparison, tuned, untuned, values.n_evaluated, name)


def name_of(config: JobConfig, market: Market, settings: TuneSettings) -> str:
    """Return what a tuning is called: equal for equal jobs, bars, budgets and seeds, whose values are the same."""
    facts = [config_hash(config), [shard.content_hash for shard in market.shards], settings.evaluations, settings.seed]
    digest = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
    return f"tune-{config.name}-{digest[:12]}"


@dataclass(frozen=True, eq=False)
class _Bench:
    """Where settings are scored, once each on each instance."""

    config: JobConfig
    market: Market
    settings: TuneSettings
    root: Path
    stop: threading.Event
    say: Say
    name: str
    values: ValuesFile

    def value(self, setting: Setting, instance: Instance) -> float:
        """Return what a setting is worth on an instance, from the file or by a search."""
        key = key_of(setting, instance)
        known = self.values.get(key)
        if known is None:
            found = searched(
                self.config,
                before(self.market, instance.fold),
                setting,
                instance,
                evaluations=self.settings.evaluations,
                stop=self.stop,
            )
            tried = found.births.take(found.births.evaluated)
            write_trials(
                self.root,
                name=self.name,
                what="tuning",
                shard_hashes=[shard.content_hash for shard in self.market.shards],
                created_at=utc_now(),
                keys=tried.key,
                behaviours=behaviours_of(tried),
            )
            known = Known(value_of(found), found.n_evaluated)
            self.values.put(key, known)
        self.say(f"  instance {instance.number} (fold {instance.fold}, seed {instance.seed}): {known.value:+.3f}")
        return known.value


def key_of(setting: Setting, instance: Instance) -> str:
    """Return the key of one value in the file: the changes of the job file, the fold and the seed, as JSON."""
    facts = {"evolution": changes_of(setting), "fold": instance.fold, "seed": instance.seed}
    return json.dumps(facts, sort_keys=True, separators=(",", ":"))


def changed(own: Setting, setting: Setting) -> dict[str, Any]:
    """Return the keys of the job file that a setting changes."""
    before_, after = changes_of(own), changes_of(setting)
    return {key: value for key, value in after.items() if before_[key] != value}


def documents(trials: Iterable[Trial], own: Setting) -> list[Mapping[str, Any]]:
    """Return trials as plain JSON values."""
    return [
        {
            "number": trial.number,
            "changes": changed(own, trial.setting),
            "gain": trial.gain,
            "pruned": trial.pruned,
            "values": {str(number): value for number, value in trial.values.items()},
        }
        for trial in trials
    ]


def _line(trial: Trial, settings: TuneSettings) -> str:
    what = "itself" if trial.number == 0 else f"given up after {len(trial.values)}" if trial.pruned else "done"
    return f"setting {trial.number} of {settings.trials - 1}: {trial.gain:+.3f} against the job's own ({what})"
