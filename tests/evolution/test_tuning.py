"""Laws of a race of settings: fair pairs, the same again from the same values, losers given up, the best kept."""

import warnings

import numpy as np
import pytest
from scipy.stats import wilcoxon

from evolution.tuning import Choice, Comparison, Range, best_of, compared, race

SPACE = {"x": Range(0.0, 1.0), "n": Range(1, 9, whole=True, log=True), "kind": Choice(("a", "b", True))}
OWN = {"x": 0.9, "n": 4, "kind": "a"}


def noisy(setting, instance):
    """Nearer to .3 is better; instances differ far more from each other than settings do."""
    noise = np.random.Generator(np.random.Philox(key=instance)).normal()
    return 10.0 * noise - abs(setting["x"] - 0.3)


def run(score=noisy, **changes):
    options = {"n_trials": 25, "n_instances": 6, "seed": 3, **changes}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return list(race(SPACE, OWN, score, **options))


def test_ones_own_setting_is_first_gains_nothing_and_is_never_given_up():
    first = run(n_trials=1)[0]
    assert first.number == 0
    assert first.setting == OWN
    assert first.gain == 0.0
    assert not first.pruned
    assert sorted(first.values) == list(range(6))


def test_the_best_is_found_through_the_noise_of_instances_and_losers_are_given_up():
    trials = run()
    best = best_of(trials)
    assert abs(best.setting["x"] - 0.3) < 0.15
    assert best.gain == pytest.approx(0.6 - abs(best.setting["x"] - 0.3))
    pruned = [trial for trial in trials if trial.pruned]
    assert len(pruned) > 5
    assert all(len(trial.values) < 6 for trial in pruned) or all(trial.gain < best.gain for trial in pruned)
    assert not any(trial is best for trial in pruned)


def test_every_setting_lies_in_the_space():
    for trial in run(n_trials=12):
        assert 0.0 <= trial.setting["x"] <= 1.0
        assert trial.setting["n"] in range(1, 10)
        assert trial.setting["kind"] in ("a", "b", True)


def test_equal_values_give_the_same_race_and_another_seed_another():
    assert run() == run()
    assert run(seed=4) != run()


def test_a_constant_added_to_an_instance_changes_no_setting():
    moved = run(lambda setting, instance: noisy(setting, instance) + 4.0 * instance)
    assert [trial.setting for trial in moved] == [trial.setting for trial in run()]


def test_each_setting_is_scored_on_an_instance_once():
    asked = []

    def score(setting, instance):
        asked.append((setting["x"], setting["n"], setting["kind"], instance))
        return noisy(setting, instance)

    trials = run(score, n_trials=8)
    assert len(asked) == len(set(asked)) == sum(len(trial.values) for trial in trials)


def test_of_equals_the_first_is_the_best():
    assert best_of(run(lambda _setting, _instance: 1.0, n_trials=5)).number == 0


@pytest.mark.parametrize("shift", [-0.5, 0.0, 0.5])
def test_a_comparison_is_scipys_wilcoxon(shift):
    tuned, untuned = np.random.Generator(np.random.Philox(key=8)).normal(size=(2, 15))
    found = compared(tuned + shift, untuned)
    assert found.p == wilcoxon(tuned + shift - untuned, alternative="greater").pvalue
    assert found.median_difference == np.median(tuned + shift - untuned)


def test_equal_settings_compare_as_no_better():
    assert compared([1.0, 2.0], [1.0, 2.0]) == Comparison(0.0, 1.0, 2)
