"""Settings of a job file, changed by flags of the command line."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cluster.job_yaml import yaml_values
from strategies.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from cluster.job_config import JobConfig


def overridden(
    config: "JobConfig",
    pairs: list[str],
    *,
    executor: str | None = None,
    workers: int | None = None,
    root: Path | None = None,
) -> "JobConfig":
    """Return the config with `--set KEY=VALUE` pairs and flags applied, checked as a job file is.

    Raises:
        UsageError: a pair is not KEY=VALUE, or its key leads through something that is no section.
        ConfigError: the result breaks a rule of job files.
    """
    changes = [_parsed(pair) for pair in pairs]
    flags = {"cluster.executor": executor, "cluster.workers": workers, "output.root": str(root) if root else None}
    changes += [(key, value) for key, value in flags.items() if value is not None]
    if not changes:
        return config
    from cluster.settings import config_from

    values = config.model_dump(mode="json")
    for key, value in changes:
        _put(values, key, value)
    return config_from(values, where=", ".join(f"--set {pair}" for pair in pairs) or "flags")


def _parsed(pair: str) -> tuple[str, Any]:
    """A pair as dotted key and value; values are read as YAML, so 5 is a number and [a, b] a list."""
    key, equals, text = pair.partition("=")
    if not equals or not key.strip():
        raise UsageError(f"`--set` must be KEY=VALUE, but was {pair!r}; as in --set evolution.generations=5.")
    try:
        return key.strip(), yaml_values(text, where=f"--set {key}")
    except ConfigError as error:
        raise UsageError(f"`--set` must have a YAML value, but was {pair!r}: {error}") from error


def _put(values: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key; unknown names are left to the config's own check, which names the nearest known one."""
    *sections, last = key.split(".")
    place = values
    for name in sections:
        if place.get(name) is None:  # a section that may be left out, such as `evolution.founders`
            place[name] = {}
        inner = place[name]
        if not isinstance(inner, dict):
            raise UsageError(f"`--set` must name a setting inside a section, but `{name}` in {key!r} is no section.")
        place = inner
    place[last] = value
