"""Job files: YAML text to a frozen `JobConfig`, and every way in which a job file can be wrong, said by name.

The environment may only say *where* a job runs (`RAY_ADDRESS`, `MLFLOW_TRACKING_URI`); an unknown key is an error that
names its nearest known neighbour. The YAML itself is read by `job_yaml.py`.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import ValidationError

from cluster.job_config import JobConfig, ShardName, nearest
from cluster.job_yaml import read_yaml
from strategies.errors import ConfigError

__all__ = [
    "JobConfig",
    "ShardName",
    "config_from",
    "config_hash",
    "first_difference",
    "load_config",
    "with_environment",
]

MOST_COMPLAINTS: Final = 20
_MOST_SHOWN: Final = 100
_MOST_SAID: Final = 400
_MOST_BITS: Final = 300


def load_config(path: Path, *, environment: Mapping[str, str] | None = None) -> JobConfig:
    """Return the job that a YAML file describes; `RAY_ADDRESS` and `MLFLOW_TRACKING_URI` win over its two keys.

    Raises:
        ConfigError: the file is missing, not YAML, not a mapping, or a key or value in it breaks a rule.
    """
    values = read_yaml(path)
    if not isinstance(values, dict):
        kind = "empty" if values is None else f"a {_kind(values)}"
        raise ConfigError(f"A job file must be a mapping of keys to values, but was {kind} ({path}).")
    config = config_from(values, where=str(path))
    return with_environment(config, os.environ if environment is None else environment)


def config_from(values: Mapping[str, Any], *, where: str) -> JobConfig:
    """Return the checked job of a mapping (a parsed file, or the journal's record of one).

    Raises:
        ConfigError: a key or value breaks a rule; the text names all of them and `where`.
    """
    try:
        return JobConfig.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_complaints(error.errors(), where)) from error


def with_environment(config: JobConfig, environment: Mapping[str, str]) -> JobConfig:
    """Return `config` with the two addresses that the environment may set."""
    address, uri = environment.get("RAY_ADDRESS"), environment.get("MLFLOW_TRACKING_URI")
    if address:
        config = config.model_copy(update={"cluster": config.cluster.model_copy(update={"address": address})})
    if uri:
        config = config.model_copy(update={"tracking": config.tracking.model_copy(update={"uri": uri})})
    return config


def config_hash(config: JobConfig) -> str:
    """Return the SHA-256 (hex) of what decides a job's result: every section but `cluster`, `tracking`, `output`."""
    values = config.model_dump(mode="json", exclude={"cluster", "tracking", "output"})
    return hashlib.sha256(json.dumps(values, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def first_difference(recorded: JobConfig, offered: JobConfig) -> str | None:
    """Return "key is 7 in the journal but 8 in the file" for the first key that decides results, or None."""
    old, new = (dict(_leaves(config.model_dump(mode="json"))) for config in (recorded, offered))
    for key in list(old) + [key for key in new if key not in old]:
        if not key.startswith(("cluster.", "tracking.", "output.")) and old.get(key) != new.get(key):
            return f"`{key}` is {old.get(key)!r} in the journal but {new.get(key)!r} in the file"
    return None


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if items is None:
        yield key, value
        return
    for name, inner in items:
        yield from _leaves(inner, f"{key}[{name}]" if isinstance(value, list) else f"{key}.{name}".lstrip("."))


def _complaints(faults: Sequence[Any], where: str) -> str:
    lines = [_complaint(dict(fault), where) for fault in faults[:MOST_COMPLAINTS]]
    more = len(faults) - len(lines)
    return "\n".join([*lines, f"And {more:,} more of this kind ({where})."] if more else lines)


def _complaint(fault: dict[str, Any], where: str) -> str:
    place = ".".join(_shown_key(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        close = nearest(str(fault["loc"][-1])[:_MOST_SHOWN], _known_keys(fault["loc"][:-1]))
        return f"Every key must be known, but was `{place}` ({where}){close}."
    if fault["type"] == "missing":
        return f"`{place}` must be given, but was missing ({where})."
    if fault["type"] == "value_error":
        text = _shortened(str(fault["ctx"]["error"]), _MOST_SAID)
        at = f"{where}: {place}" if place else where
        return f"{text} ({at})." if text.startswith("`") else f"`{place}` {text} ({where})."
    return f"`{place}` {_rule(fault)}, but was {_shown(fault['input'])} ({where})."


def _shown(value: Any) -> str:
    """A value as an error shows it: short, on one line, whatever it is."""
    if isinstance(value, dict | list):
        return f"a {_kind(value)}"
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:  # Python refuses to write the longest ones
        return f"a number of {value.bit_length():,} bits"
    return _shortened(repr(value), _MOST_SHOWN)


def _shown_key(key: object) -> str:
    text = str(key)
    return _shortened(text if text.isprintable() else repr(text), _MOST_SHOWN)


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}..."


def _rule(fault: Mapping[str, Any]) -> str:
    kind, message = str(fault["type"]), str(fault["msg"])
    if kind in ("model_type", "model_attributes_type"):
        return "must be a mapping of keys to values"
    for words, ours in _REWORDED.items():
        if message.startswith(words):
            return ours + message[len(words) :]
    return f"must be right: {message}"


_REWORDED = {
    "Input should be a valid integer": "must be a whole number",
    "Input should be a valid number": "must be a number",
    "Input should be a valid string": "must be text",
    "Input should be a valid boolean": "must be true or false",
    "Input should be a valid tuple": "must be a list",
    "Input should be greater than or equal to ": "must be at least ",
    "Input should be less than or equal to ": "must be at most ",
    "Input should be ": "must be ",
    "String should match pattern ": "must match the pattern ",
    "String should ": "must ",
    "Tuple should ": "must ",
}


def _known_keys(place: tuple[int | str, ...]) -> list[str]:
    section: Any = JobConfig
    for part in place:  # a number is an index into `shards`, the only list of mappings
        known = getattr(section, "model_fields", {})
        if isinstance(part, int) or part not in known:  # not in it: the name of an entry, as in `constraints`
            section = ShardName if isinstance(part, int) else section
            continue
        section = known[part].annotation
        section = next((one for one in get_args(section) if hasattr(one, "model_fields")), section)  # may be null
    return list(getattr(section, "model_fields", {}))


def _kind(value: Any) -> str:
    return {dict: "mapping", list: "list", str: "text", bool: "yes/no", int: "number", float: "number"}.get(
        type(value), type(value).__name__
    )
