"""What a strategy can be carried away as. To add a target: a file with a writer, and a line in `EXPORTS`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Final

from cluster.export.json_target import json_text
from cluster.export.markdown_target import markdown_text
from cluster.export.python_target import python_text
from strategies.errors import UsageError
from strategies.strategy import Strategy

__all__ = ["EXPORTS", "ExportTarget", "export_strategy"]


@dataclass(frozen=True)
class ExportTarget:
    """One form to export to.

    Attributes:
        write: makes the text of a strategy and of its candidate record, if it has one; raises StrategyError, with the
            reason, for a strategy that the target can't express.
        suffix: of the file, with the dot.
        title: what it is, for people.
    """

    write: Callable[[Strategy, Mapping[str, Any] | None], str]
    suffix: str
    title: str


EXPORTS: Final[Mapping[str, ExportTarget]] = MappingProxyType(
    {
        "json": ExportTarget(json_text, ".json", "canonical JSON, which Studbook reads back"),
        "markdown": ExportTarget(markdown_text, ".md", "a page for people: rules, figures, gates"),
        "python": ExportTarget(python_text, ".py", "a stand-alone file with NumPy and TA-Lib that gives the signals"),
    }
)


def export_strategy(strategy: Strategy, to: str, record: Mapping[str, Any] | None = None) -> str:
    """Return `strategy` as the text of the target `to`; `record` adds figures where the target shows some.

    Raises:
        UsageError: there is no such target.
        StrategyError: the target can't express the strategy; the text says which part.
    """
    if to not in EXPORTS:
        near = get_close_matches(to, EXPORTS, n=1)
        hint = f"; did you mean {near[0]}" if near else ""
        raise UsageError(f"An export target must be one of {', '.join(EXPORTS)}, but was {to!r}{hint}.")
    return EXPORTS[to].write(strategy, record)
