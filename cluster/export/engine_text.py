"""Exported files that trade on an engine: docstring, imports, the signals of the strategy, and the engine's runtime.

A runtime (`runtime/ENGINE.txt`) is Python source that is the same for every strategy: it reads `RISK` and `signals()`
of the core above it. Its imports are its first paragraph.
"""

import re
import textwrap
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from cluster.export.core import core_source
from strategies.errors import StrategyError
from strategies.strategy import Strategy

_BREAK: Final = "\n\n\n"
_NOT_PASSED: Final = "It did NOT pass Studbook's gates: an example, no finding."

_MADE: Final = re.compile(r"^(?:def |class )?(\w+(?:, \w+)*)(?= = |\(|:$)", re.MULTILINE)
_IMPORTED: Final = re.compile(r"^(?:import|from \S+ import) (.*)$", re.MULTILINE)
_ALIASED: Final = re.compile(r"[\w.]+ as |\.[\w.]+")
_WORD: Final = re.compile(r"\w+")


def engine_text(
    strategy: Strategy,
    record: Mapping[str, Any] | None,
    *,
    engine: str,
    manual: str,
    constants: Mapping[str, float | str] | None = None,
) -> str:
    """Return the source of a file that trades `strategy` on an engine.

    Args:
        strategy: any that the core can express.
        record: of the candidate, if it has one; where it did not pass its gates, the docstring says so.
        engine: name of the runtime.
        manual: what the docstring says of the engine: versions, options, what differs.
        constants: what the runtime reads of the record, by name.

    Raises:
        StrategyError: the core can't express a part of the strategy.
    """
    signals, source = core_source(strategy), runtime_source(engine)
    _refuse_two_meanings(strategy, signals, source, engine)
    core_imports, _, core = signals.partition(_BREAK)
    runtime_imports, _, runtime = source.partition(_BREAK)
    head = docstring(strategy, record, manual)
    values = ["\n".join(f"{name} = {value!r}" for name, value in constants.items())] if constants else []
    return _BREAK.join([f"{head}\n\n{_merged(core_imports, runtime_imports)}", core.rstrip(), *values, runtime])


def docstring(strategy: Strategy, record: Mapping[str, Any] | None, manual: str) -> str:
    """Return the docstring of an exported file: id, rules, whether it passed, and `manual`."""
    note = "" if record is None or record.get("passed") else f"\n{_NOT_PASSED}\n"
    text = "\n".join([wrapped(strategy.text()), note, manual.strip()])
    return f'"""Strategy {strategy.id}, exported by Studbook.\n\n{text}\n"""'


def wrapped(text: str) -> str:
    """Return text as lines that fit, and that can't end a docstring."""
    return "\n".join(textwrap.wrap(text.replace("\\", "/").replace('"""', "'''"), 110))


def judged_with(record: Mapping[str, Any] | None) -> dict[str, float | str]:
    """Return the constants of what a strategy was judged with: daily bars and no costs where no record says it."""
    shards = (record or {}).get("per_shard") or [{}]
    costs = (record or {}).get("costs") or {}
    return {
        "TIMEFRAME": str(shards[0].get("timeframe") or "1d"),
        "BARS_PER_YEAR": float((record or {}).get("bars_per_year") or 252.0),
        "FEE": float(costs.get("fee") or 0.0),
        "SLIPPAGE": float(costs.get("slippage") or 0.0),
    }


@cache
def runtime_source(engine: str) -> str:
    """Return the source that trades on an engine, as it stands in every file exported for it."""
    return (Path(__file__).parent / f"runtime/{engine}.txt").read_text(encoding="utf-8")


def names_made(source: str) -> set[str]:
    """Return the names that a module's source, formatted as ours is, defines at its top without those it imports."""
    return {name for line in _MADE.findall(source) for name in _WORD.findall(line)}


def names_imported(source: str) -> set[str]:
    """Return the names that a module's source imports at its top, a line each."""
    return {name for line in _IMPORTED.findall(source) for name in _WORD.findall(_ALIASED.sub("", line))}


def _refuse_two_meanings(strategy: Strategy, core: str, runtime: str, engine: str) -> None:
    """Refuse a file in which a name of the runtime would take the place of one of the signals', or the reverse."""
    both = names_made(core) & (names_made(runtime) | names_imported(runtime))
    both |= names_made(runtime) & names_imported(core)
    if both:
        raise StrategyError(
            f"A name in an exported file must have one meaning, but {', '.join(sorted(both))} would have two for "
            f"{engine} ({strategy.id}). Export as Python instead, and rename it in cluster/export/runtime/{engine}.txt."
        )


def _merged(*blocks: str) -> str:
    """Import lines of several blocks, each once, plain imports first."""
    lines = {line for block in blocks for line in block.splitlines() if line}
    return "\n".join(sorted(lines, key=lambda line: (line.startswith("from"), line)))
