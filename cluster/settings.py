"""Job files: YAML text to a frozen `JobConfig`, and every way in which a job file can be wrong, said by name.

The environment may only say *where* a job runs (`RAY_ADDRESS`, `MLFLOW_TRACKING_URI`); an unknown key is an error that
names its nearest known neighbour.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import ValidationError

from cluster.job_config import JobConfig, ShardName, nearest
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

MAX_CONFIG_BYTES = 1 << 20


def load_config(path: Path, *, environment: Mapping[str, str] | None = None) -> JobConfig:
    """Return the job that a YAML file describes; `RAY_ADDRESS` and `MLFLOW_TRACKING_URI` win over its two keys.

    Raises:
        ConfigError: the file is missing, not YAML, not a mapping, or a key or value in it breaks a rule.
    """
    text = _read(path)
    try:
        values = yaml.load(text, Loader=_Loader)  # noqa: S506 - a subclass of SafeLoader
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ConfigError(f"A job file must be YAML, but was not ({path}{_yaml_place(error)}).") from error
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
        lines = [_complaint(dict(fault), where) for fault in error.errors()]
        raise ConfigError("\n".join(lines)) from error


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


def _read(path: Path) -> str:
    try:
        size = path.stat().st_size
        if size > MAX_CONFIG_BYTES:
            raise ConfigError(f"A job file must be below {MAX_CONFIG_BYTES:,} bytes, but was {size:,} ({path}).")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        beside = sorted(name.name for name in path.parent.glob("*.yaml")) if path.parent.is_dir() else []
        raise ConfigError(f"A job file must exist, but there is none at {path}{nearest(path.name, beside)}.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"A job file must be UTF-8 text, but byte {error.start} was not ({path}).") from error
    except OSError as error:
        raise ConfigError(f"A job file must be readable, but was not: {error.strerror} ({path}).") from error


class _Loader(yaml.SafeLoader):
    """Safe YAML that refuses a key given twice, reads 1e-3 as the number it is, and leaves dates as text."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} is not text", key_node.start_mark)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} is given twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def _yaml_place(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or type(error).__name__
    return f", line {mark.line + 1}, column {mark.column + 1}: {problem}" if mark else f": {problem}"


def _complaint(fault: dict[str, Any], where: str) -> str:
    place = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        close = nearest(str(fault["loc"][-1]), _known_keys(fault["loc"][:-1]))
        return f"Every key must be known, but was `{place}` ({where}){close}."
    if fault["type"] == "missing":
        return f"`{place}` must be given, but was missing ({where})."
    if fault["type"] == "value_error":
        text = str(fault["ctx"]["error"])
        at = f"{where}: {place}" if place else where
        return f"{text} ({at})." if text.startswith("`") else f"`{place}` {text} ({where})."
    value = fault["input"] if not isinstance(fault["input"], dict | list) else f"a {_kind(fault['input'])}"
    return f"`{place}` {_rule(fault)}, but was {value!r} ({where})."


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
        section = ShardName if isinstance(part, int) else section.model_fields[part].annotation
        section = next((one for one in get_args(section) if hasattr(one, "model_fields")), section)  # may be null
    return list(getattr(section, "model_fields", {}))


def _kind(value: Any) -> str:
    return {dict: "mapping", list: "list", str: "text", bool: "yes/no", int: "number", float: "number"}.get(
        type(value), type(value).__name__
    )
