"""Defaults of a project or a user: flag, then environment, then project file, then user file, then built in.

The project file is `studbook.toml` in the working folder, the user file `studbook/config.toml` in XDG_CONFIG_HOME
(or ~/.config). Both hold option names at the top level for every command, and tables for single ones:

    runs = "/big/disk/runs"
    [ui]
    port = 5001
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def preference_files() -> tuple[Path, ...]:
    """The files that may hold preferences, weakest first."""
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.environ.get("HOME", ""), ".config")  # noqa: PTH118
    return (Path(home) / "studbook" / "config.toml", Path("studbook.toml"))


def default_map(group: Any) -> dict[str, Any]:
    """Defaults for every command of `group`, read from the preference files, as click looks them up.

    Raises:
        ConfigError: a file is not TOML, or names an option or command that does not exist.
    """
    found: dict[str, Any] = {}
    for path in preference_files():
        _apply(found, group, _read(path), path)
    return found


def _read(path: Path) -> dict[str, Any]:
    """The table in `path`, empty when there is no such file."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return {}
    except OSError as error:
        from strategies.errors import ConfigError

        raise ConfigError(f"preferences must be readable, but {path} is not: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:  # not TOML, not UTF-8, a number or a nesting beyond all use
        from strategies.errors import ConfigError

        raise ConfigError(f"preferences must be TOML, but {path} is not: {error!s:.300}.") from error


def _apply(found: dict[str, Any], command: Any, table: Mapping[str, Any], path: Path) -> None:
    """Put the entries of `table` where click looks for them: at every command below `command` that knows them."""
    children = getattr(command, "commands", {})
    for key, value in table.items():
        if isinstance(value, Mapping) and key in children:
            _apply(found.setdefault(key, {}), children[key], value, path)
        elif isinstance(value, Mapping) or not _give(found, command, key.replace("-", "_"), value):
            raise _unknown(key, sorted({*children, *_options(command)}), path)


def _give(found: dict[str, Any], command: Any, option: str, value: Any) -> bool:
    """Set `option` for `command` or for those of its subcommands that have it; whether any has."""
    children = getattr(command, "commands", None)
    if children is not None:
        given = [_give(found.setdefault(name, {}), child, option, value) for name, child in children.items()]
        return any(given)
    if option not in _options(command):
        return False
    found[option] = value
    return True


def _options(command: Any) -> set[str]:
    """The names of all options of `command` and below it."""
    children = getattr(command, "commands", None)
    if children is None:
        return {parameter.name for parameter in command.params}
    return set().union(*map(_options, children.values()))


def _unknown(key: str, known: list[str], path: Path) -> Exception:
    """The error for a name that no command knows."""
    from difflib import get_close_matches

    from strategies.errors import ConfigError

    near = get_close_matches(key, known, n=1)
    hint = f"did you mean `{near[0]}`?" if near else f"known: {', '.join(known)}."
    return ConfigError(f"preferences may hold options and commands, but was `{key}` ({path}); {hint}")
