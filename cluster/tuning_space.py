"""What of a job file's `evolution` section is tuned, and within which bounds; its own values always lie in them."""

from collections.abc import Mapping
from typing import Any

from cluster.breeding_config import SpeciesShares
from cluster.job_config import JobConfig
from cluster.settings import config_from
from evolution.tuning import Choice, Range, Setting, Value

_MIN_POPULATION = 12  # on each island
_SHARE_AT_ONCE = 0.25  # most of the budget that one generation of all islands may take


def space_of(config: JobConfig, evaluations: int) -> dict[str, Range | Choice]:
    """Return what is tuned, by dotted key under `evolution`; `total_population` is that of all islands together."""
    own, section = own_setting(config), config.evolution
    islands = (*dict.fromkeys((1, 2, 4, section.islands)),)
    least = _MIN_POPULATION * max(islands)
    if section.islands * section.population_size < least:  # more islands would leave each next to nobody
        islands = (section.islands,)
    floor = section.floor or SpeciesShares(ta=0.1, ml=0.1)
    strangers = max(0.0, min(0.2, 0.7 - floor.ta - floor.ml - floor.hybrid))
    space: dict[str, Range | Choice] = {
        "islands": Choice(islands),
        "total_population": Range(least, max(least, round(_SHARE_AT_ONCE * evaluations)), whole=True, log=True),
        "crossover_rate": Range(0.2, 0.95),
        "mutation_rate": Range(0.0, 1.0),
        "tournament_size": Range(1, 6, whole=True),
        "template_share": Range(0.0, 0.5),
        "newcomers": Range(0.0, strangers),
        "survival": Choice(("nsga2", "nsga3")),
        "parents": Choice(("tournament", "lexicase")),
        "pressure": Choice(("none", "age", "novelty")),
        "adaptive": Choice((False, True)),
        "migration.topology": Choice(("ring", "full", "random")),
        "migration.migrants": Range(0, 6, whole=True),
        "refine.every": Range(0, 4, whole=True),
    }
    return {name: _with(part, own[name]) for name, part in space.items()}


def own_setting(config: JobConfig) -> dict[str, Value]:
    """Return the values that the job file has itself."""
    section = config.evolution
    values = section.model_dump()
    return {
        "islands": section.islands,
        "total_population": section.islands * section.population_size,
        **{name: values[name] for name in _PLAIN},
        "migration.topology": section.migration.topology,
        "migration.migrants": section.migration.migrants,
        "refine.every": section.refine.every,
    }


def changes_of(setting: Setting) -> dict[str, Value]:
    """Return a setting as keys of the job file, shares rounded to two digits, migrants to what the islands can send."""
    values = dict(setting)
    islands, total = int(values["islands"]), int(values.pop("total_population"))
    size = total // islands
    values["population_size"] = size
    values["migration.migrants"] = min(int(values["migration.migrants"]), size // 2)
    values["tournament_size"] = min(int(values["tournament_size"]), size)
    rounded = {name: round(value, 2) if isinstance(value, float) else value for name, value in values.items()}
    return {f"evolution.{name}": value for name, value in rounded.items()}


def with_setting(values: Mapping[str, Any], setting: Setting) -> dict[str, Any]:
    """Return the mapping of a job file with a setting written into it."""
    return with_changes(values, changes_of(setting))


def with_changes(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a mapping of mappings in which dotted keys are set.

    >>> with_changes({"evolution": {"islands": 2, "refine": {"best": 1}}}, {"evolution.refine.every": 3})
    {'evolution': {'islands': 2, 'refine': {'best': 1, 'every': 3}}}
    """
    made = dict(values)
    for key, value in changes.items():
        name, _, rest = key.partition(".")
        made[name] = with_changes(made.get(name) or {}, {rest: value}) if rest else value
    return made


def tuned_config(config: JobConfig, setting: Setting) -> JobConfig:
    """Return the job with a setting; its own setting gives the job itself.

    Raises:
        ConfigError: a rule of job files forbids it.
    """
    if setting == own_setting(config):
        return config
    return config_from(with_setting(config.model_dump(mode="json"), setting), where="tune")


_PLAIN = (
    "crossover_rate", "mutation_rate", "tournament_size", "template_share", "newcomers", "survival", "parents",
    "pressure", "adaptive",
)  # fmt: skip


def _with(part: Range | Choice, value: Value) -> Range | Choice:
    """The same, widened so that `value` is in it."""
    if isinstance(part, Choice):
        return part if value in part.values else Choice((*part.values, value))
    number = float(value)
    return Range(min(part.low, number), max(part.high, number), whole=part.whole, log=part.log)
