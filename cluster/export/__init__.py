"""What a strategy can be carried away as. To add a target: a file with a writer, and a line in `EXPORTS`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Final

from cluster.export.backtesting_target import backtesting_text
from cluster.export.freqtrade_target import freqtrade_text
from cluster.export.json_target import json_text
from cluster.export.markdown_target import markdown_text
from cluster.export.mlflow_target import mlflow_files
from cluster.export.nautilus_target import nautilus_text
from cluster.export.onnx_target import onnx_files
from cluster.export.pine_target import pine_text
from cluster.export.python_target import python_text
from cluster.export.vectorbt_target import vectorbt_text
from strategies.errors import StrategyError, UsageError
from strategies.strategy import Strategy

__all__ = ["EXPORTS", "ExportTarget", "export_files", "export_strategy"]

Record = Mapping[str, Any]


@dataclass(frozen=True)
class ExportTarget:
    """One form to export to.

    Attributes:
        write: makes the text of a strategy and of its candidate record, if it has one; raises StrategyError, with the
            reason, for a strategy that the target can't express. None where `write_files` makes what is no text.
        suffix: of the file, with the dot; "" where a strategy becomes a folder.
        title: what it is, for people.
        write_files: makes what is no text: bytes by name. One name is a binary file; a target without suffix is a
            folder, whose names may have parts, as `data/bars.parquet`. Raises as `write` does.
    """

    write: Callable[[Strategy, Record | None], str] | None
    suffix: str
    title: str
    write_files: Callable[[Strategy, Record | None], dict[str, bytes]] | None = None

    @property
    def is_text(self) -> bool:
        """Whether it is one text, which a terminal can show."""
        return self.write is not None

    @property
    def is_folder(self) -> bool:
        """Whether a strategy becomes a folder of files."""
        return not self.suffix


EXPORTS: Final[Mapping[str, ExportTarget]] = MappingProxyType(
    {
        "json": ExportTarget(json_text, ".json", "canonical JSON, which Studbook reads back"),
        "markdown": ExportTarget(markdown_text, ".md", "a page for people: rules, figures, gates"),
        "python": ExportTarget(python_text, ".py", "a stand-alone file with NumPy and TA-Lib: signals and trades"),
        "backtesting": ExportTarget(backtesting_text, ".py", "a Strategy for backtesting.py 0.6.6, the same trades"),
        "vectorbt": ExportTarget(vectorbt_text, ".py", "a Portfolio for vectorbt 1.2.0, the same trades"),
        "freqtrade": ExportTarget(freqtrade_text, ".py", "an IStrategy for freqtrade 2026.9, the same trades"),
        "nautilus": ExportTarget(nautilus_text, ".py", "a Strategy for NautilusTrader 1.221, the same trades"),
        "mlflow": ExportTarget(None, "", "an MLflow model whose predict maps bars to signals", mlflow_files),
        "onnx": ExportTarget(None, ".onnx", "an ONNX graph from operand columns to the four signals", onnx_files),
        "pine": ExportTarget(pine_text, ".pine", "a TradingView strategy in Pine Script v6, with golden signals"),
    }
)


def target_of(to: str) -> ExportTarget:
    """Return the target of a name.

    Raises:
        UsageError: there is no such target.
    """
    if to not in EXPORTS:
        near = get_close_matches(to, EXPORTS, n=1)
        hint = f"; did you mean {near[0]}" if near else ""
        raise UsageError(f"An export target must be one of {', '.join(EXPORTS)}, but was {to!r}{hint}.")
    return EXPORTS[to]


def export_strategy(strategy: Strategy, to: str, record: Record | None = None) -> str:
    """Return `strategy` as the text of the target `to`; `record` adds figures where the target shows some.

    Raises:
        UsageError: there is no such target, or it is no text: `export_files` serves every one.
        StrategyError: the target can't express the strategy; the text says which part.
    """
    target = target_of(to)
    if target.write is None:
        texts = ", ".join(name for name, one in EXPORTS.items() if one.is_text)
        raise UsageError(
            f"An export to a text must be to one of {texts}, but was to {to!r}, which is "
            f"{'a folder' if target.is_folder else 'a binary file'}; give it a place with --out (`export_files`)."
        )
    return target.write(strategy, record)


def export_files(strategy: Strategy, to: str, record: Record | None = None) -> dict[str, bytes]:
    """Return `strategy` as files of the target `to`, bytes by name: one, named by id, unless the target is a folder.

    Raises:
        UsageError: there is no such target.
        StrategyError: the target can't express the strategy; the text says which part.
    """
    target = target_of(to)
    if target.write is not None:
        return {f"{strategy.id}{target.suffix}": target.write(strategy, record).encode()}
    if target.write_files is None:
        raise StrategyError(
            f"An export target must write a text or files, but {to!r} writes neither; give it a writer."
        )
    return target.write_files(strategy, record)
