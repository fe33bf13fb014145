"""Racing settings against each other by Optuna: TPE proposes them, Wilcoxon's test ends those that are losing.

A setting is scored on instances, one after the other, each in the same way for every setting, so that values are
compared in pairs. What Optuna is told is how much better than the first setting (one's own) it is there: then the mean
of a few instances can be compared with that of all. Nothing here knows what a setting or an instance is.

Source: Bergstra et al. 2011 (TPE); Wilcoxon 1945; the pruner is Optuna's, which tests anew after every instance, so its
threshold is not the size of a test. Whether tuning helped is another question, see `compared`, on instances of its own.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from evolution.refining import quiet

if TYPE_CHECKING:
    import optuna

Value = str | float | int | bool
Setting = Mapping[str, Value]
Score = Callable[[Setting, int], float]
"""A setting and the number of an instance to a finite value, larger is better."""

P_THRESHOLD: Final = 0.1  # a setting is given up once the test says with this p that it loses to the best
MIN_STARTUP: Final = 3  # settings by chance before TPE models anything, at least


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included."""

    low: float
    high: float
    whole: bool = False
    log: bool = False


@dataclass(frozen=True)
class Choice:
    """One of some values without an order."""

    values: tuple[Value, ...]


@dataclass(frozen=True)
class Trial:
    """One setting and how it did.

    Attributes:
        number: 0 is one's own setting.
        setting: what was tried.
        values: by number of the instance; fewer than all where it was given up.
        gain: mean difference to one's own setting on the same instances.
        pruned: whether it was given up because it was losing.
    """

    number: int
    setting: Setting
    values: Mapping[int, float]
    gain: float
    pruned: bool


@dataclass(frozen=True)
class Comparison:
    """How tuned and untuned settings differ on instances that decided nothing.

    Attributes:
        median_difference: of the pairs, tuned less untuned.
        p: that the tuned setting is no better, by Wilcoxon's signed-rank test, one-sided; 1 where all pairs are equal.
        n: pairs.
    """

    median_difference: float
    p: float
    n: int


def race(
    space: Mapping[str, Range | Choice],
    own: Setting,
    score: Score,
    *,
    n_trials: int,
    n_instances: int,
    seed: int,
) -> Iterator[Trial]:
    """Yield each setting once it is scored or given up: first `own`, which must lie in `space`, then what TPE proposes.

    A function of its arguments: where `score` gives the same values again, the same settings come again.
    """
    from optuna.exceptions import ExperimentalWarning

    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # of the pruner
        study = _study(n_trials, seed)
        distributions = {name: _distribution(part) for name, part in space.items()}
        study.enqueue_trial(dict(own))
    basis: dict[int, float] = {}
    for number in range(n_trials):
        order = np.random.Generator(np.random.Philox(key=(seed << 32) + number)).permutation(n_instances).tolist()
        with quiet():
            trial = study.ask(distributions)
        setting, values, pruned = dict(trial.params), {}, False
        for instance in order:
            values[instance] = score(setting, instance)
            basis.setdefault(instance, values[instance])
            trial.report(values[instance] - basis[instance], instance)
            pruned = number > 0 and trial.should_prune()
            if pruned:
                break
        gain = float(np.mean([value - basis[instance] for instance, value in values.items()]))
        study.tell(trial, gain)
        yield Trial(number, setting, dict(sorted(values.items())), gain, pruned)


def best_of(trials: Sequence[Trial]) -> Trial:
    """Return the trial of the largest gain among those that were scored on every instance; of equals the first."""
    return max((trial for trial in trials if not trial.pruned), key=lambda trial: (trial.gain, -trial.number))


def compared(tuned: Sequence[float], untuned: Sequence[float]) -> Comparison:
    """Return how two settings differ on the same instances, (n,) values each.

    >>> compared([2.0, 3.0, 4.0, 6.0, 7.0], [1.0, 1.0, 1.0, 1.0, 1.0])
    Comparison(median_difference=3.0, p=0.03125, n=5)
    """
    from scipy.stats import wilcoxon  # type: ignore[import-untyped, unused-ignore]

    differences = np.array(tuned) - np.array(untuned)
    p = (
        1.0
        if not differences.any()
        else float(wilcoxon(differences, alternative="greater", zero_method="zsplit").pvalue)
    )
    return Comparison(float(np.median(differences)), p, len(differences))


def _study(n_trials: int, seed: int) -> "optuna.Study":
    import optuna

    return optuna.create_study(
        study_name="tuning",
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=seed % 2**32, n_startup_trials=max(MIN_STARTUP, n_trials // 4)),
        pruner=optuna.pruners.WilcoxonPruner(p_threshold=P_THRESHOLD),
    )


def _distribution(part: Range | Choice) -> "optuna.distributions.BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(part, Choice):
        return CategoricalDistribution(part.values)
    if part.whole:
        return IntDistribution(int(part.low), int(part.high), log=part.log)
    return FloatDistribution(part.low, part.high, log=part.log)
