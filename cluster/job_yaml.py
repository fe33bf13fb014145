"""The YAML of job files: safe, without tags, without surprises, and never more of it than a job can need.

Only plain values are made: text, numbers, yes and no, null, lists and mappings. A tag is refused, a key given twice is
refused, `1e-3` is the number it is, dates and `1:30` stay text. Aliases may share values, but what they expand to is
bounded, so that a kilobyte can't become a gigabyte.
"""

import re
from pathlib import Path
from typing import Any, Final

import yaml

from cluster.config_section import nearest
from strategies.errors import ConfigError

MAX_CONFIG_BYTES: Final = 1 << 20
MAX_VALUES: Final = 200_000


def read_yaml(path: Path) -> Any:
    """Return the values in a YAML file.

    Raises:
        ConfigError: it is missing, too big, not readable, not UTF-8, or not YAML; or it expands to too many values.
    """
    return yaml_values(_read(path), where=str(path))


def yaml_values(text: str, *, where: str) -> Any:
    """Return the values of YAML text; `where` is for the message.

    Raises:
        ConfigError: it is not YAML, or it expands to too many values.
    """
    try:
        values = yaml.load(text, Loader=_Loader)  # noqa: S506 - a subclass of SafeLoader
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ConfigError(f"A job file must be YAML, but was not ({where}{_place(error)}).") from error
    if _expands_beyond(values, MAX_VALUES):
        raise ConfigError(
            f"A job file must hold at most {MAX_VALUES:,} values, but its aliases expand to more ({where}). "
            "Write out what they stand for."
        )
    return values


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
    """Safe YAML that refuses tags and a key given twice, reads 1e-3 as the number it is, and leaves dates as text."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if getattr(event, "tag", None) is not None:
            problem = f"could not determine a constructor for a tag, {event.tag!r:.60}; a job file has none"
            raise yaml.composer.ComposerError(None, None, problem, event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise _wrong_key(key_node, "is not text")
            if key in seen:
                raise _wrong_key(key_node, "is given twice")
            seen.add(key)
        return super().construct_mapping(node, deep)


def _wrong_key(node: Any, problem: str) -> yaml.YAMLError:
    key = f"{node.value!r:.80}" if node.tag == "tag:yaml.org,2002:str" else f"{node.value!s:.80}"
    return yaml.constructor.ConstructorError(None, None, f"key {key} {problem}", node.start_mark)


# Without dates, and without numbers to the base of 60: 12:30 would be 750, and a long one takes minutes to read.
_OWN = ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _OWN]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int",
    re.compile(r"^(?:[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+)$"),
    list("-+0123456789"),
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?[0-9]+[eE][-+]?[0-9]+|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
    ),
    list("-+0123456789."),
)


def _expands_beyond(values: Any, most: int) -> bool:
    """Whether a tree whose branches may be shared, or contain themselves, has more than `most` values."""
    waiting, n_seen = [values], 0
    while waiting and n_seen <= most:
        value = waiting.pop()
        n_seen += 1
        if isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
    return n_seen > most


def _place(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or type(error).__name__
    return f", line {mark.line + 1}, column {mark.column + 1}: {problem}" if mark else f": {problem}"
