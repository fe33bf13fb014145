"""A pedigree carried away: as a Newick tree, as GraphML, or as the table itself."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from cluster.births_file import parquet_bytes
from cluster.genealogy.graphml import graphml
from cluster.genealogy.newick import newick
from cluster.genealogy.pedigree import Pedigree
from fitness.files import TEMPORARY_SUFFIX, atomic_write_bytes, make_folder
from strategies.errors import UsageError

TEXTS: Final[dict[str, Callable[[Pedigree], Iterator[str]]]] = {"newick": newick, "graphml": graphml}
SUFFIXES: Final = {"newick": ".nwk", "graphml": ".graphml", "parquet": ".pedigree.parquet"}


def carry(pedigree: Pedigree, form: str, path: Path) -> None:
    """Write `pedigree` to `path`; what was there is replaced only when all is written.

    Raises:
        UsageError: an unknown form, or a folder in the place of the file.
        OSError: the system refused.
    """
    check_form(form)
    if path.is_dir():
        raise UsageError(f"`--out` must be a file to write, but was the folder {path}. Name a file in it.")
    if form == "parquet":
        lists = [pedigree.read_lists(name) for name in ("changed", "traits")]
        atomic_write_bytes(path, parquet_bytes(pedigree.frame.with_columns(lists)))
        return
    _write_text(path, TEXTS[form](pedigree))


def check_form(form: str) -> None:
    """Check that there is such a form.

    Raises:
        UsageError: there is not.
    """
    if form not in SUFFIXES:
        raise UsageError(f"`--to` must be one of {', '.join(SUFFIXES)}, but was {form!r}. Choose one of them.")


def _write_text(path: Path, pieces: Iterator[str]) -> None:
    """Write a text that is too long to hold, aside, and put it in place when it is whole."""
    make_folder(path.parent)
    aside = path.with_name(f".{path.name}{TEMPORARY_SUFFIX}")
    try:
        with aside.open("w", encoding="utf-8", newline="\n") as stream:
            stream.writelines(pieces)
        aside.replace(path)
    finally:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)
