import dataclasses

import pytest

from evolution.settings import EvolutionSettings
from strategies.errors import ConfigError
from strategies.language import Language

PLAIN = Language(learners=False)


def test_defaults_are_valid_and_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign"):
        EvolutionSettings().seed = 1


def test_objectives_may_come_as_a_list():
    assert EvolutionSettings(objectives=["sharpe", "turnover"]).objectives == ("sharpe", "turnover")


def test_species_are_settled_by_the_language_unless_they_are_given():
    given = EvolutionSettings()
    assert (given.founders, given.floor) == ((0.5, 0.5, 0.0), (0.1, 0.1, 0.0))
    assert (given.founder_counts, given.floor_counts) == ((50, 50, 0), (10, 10, 0))
    plain = EvolutionSettings(language=PLAIN)
    assert (plain.founders, plain.floor) == ((1.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    assert EvolutionSettings(founders={"ta": 1.0}).floor == (0.1, 0.0, 0.0)
    assert EvolutionSettings(founders={"ta": 1.0}, floor=0.2).floor == (0.2, 0.2, 0.0)
    assert EvolutionSettings(floor={"hybrid": 0.3}).floor == (0.0, 0.0, 0.3)
    assert EvolutionSettings(population_size=7).founder_counts == (4, 3, 0)
    assert EvolutionSettings(population_size=12, floor=0.1).floor_counts == (2, 2, 0)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"population_size": 1}, r"`population_size` must be at least 4, but was 1 \(evolution\)\. Raise it"),
        (
            {"population_size": 4, "objectives": ("sharpe", "turnover", "max_drawdown")},
            "`population_size` must be at least 6, but was 4",
        ),
        ({"population_size": 2**20}, "`population_size` must be at most 524288, but was 1048576"),
        ({"population_size": 8.0}, "`population_size` must be a whole number, but was 8.0"),
        ({"n_islands": 0}, "`n_islands` must be at least 1, but was 0"),
        ({"generations": 0}, "`generations` must be at least 1, but was 0"),
        ({"generations": 2**20}, "`generations` must be at most 1048575, but was 1048576"),
        ({"epoch_generations": True}, "`epoch_generations` must be a whole number, but was True"),
        ({"tournament_size": 101}, "`tournament_size` must be at most 100, but was 101"),
        ({"max_retries": -1}, "`max_retries` must be at least 0, but was -1"),
        ({"n_migrants": 101}, "`n_migrants` must be at most 100, but was 101"),
        ({"migration_lag": 0}, "`migration_lag` must be at least 1, but was 0"),
        ({"crossover_rate": 1.5}, "`crossover_rate` must be between 0 and 1, but was 1.5"),
        ({"mutation_rate": float("nan")}, "`mutation_rate` must be between 0 and 1, but was nan"),
        ({"template_share": "half"}, "`template_share` must be between 0 and 1, but was 'half'"),
        ({"founders": {"ta": 0.5, "ml": 0.4}}, r"`founders` must add up to 1, but was ta 0.5, ml 0.4, 0.9 together"),
        ({"founders": {"ta": 1.5}}, "`founders.ta` must be between 0 and 1, but was 1.5"),
        ({"founders": {"dl": 1.0}}, "`founders` must name species out of ta, ml, hybrid, but was 'dl'"),
        ({"founders": (0.5, 0.5, 0.0), "language": PLAIN}, "`founders` must be of ta alone .* but was ta 0.5, ml 0.5"),
        ({"floor": 0.1, "language": PLAIN}, "`floor` must be of ta alone where the language has no learners"),
        ({"floor": {"ml": True}}, "`floor.ml` must be between 0 and 1, but was True"),
        ({"floor": 0.5}, "`floor` must leave a place for the best of each objective, 98 at most .* but was 100 of 100"),
        ({"objectives": ()}, r"`objectives` must be one or more different names, but was \[\]"),
        ({"objectives": ("sharpe", "sharpe")}, "`objectives` must be one or more different names"),
        ({"objectives": ("sharp",)}, "did you mean sharpe"),
        ({"topology": "star"}, "`topology` must be one of ring, torus, full, random, archive, none, but was 'star'"),
    ],
)
def test_each_bad_setting_is_named(change, text):
    with pytest.raises(ConfigError, match=text):
        EvolutionSettings(**change)
