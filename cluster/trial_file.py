"""The trials of one search as a file: few enough bytes to keep for good, sealed, and read back only whole.

Layout: `MAGIC` (the format's version is in it), the header's length (8 bytes, little-endian), the header (JSON), the
keys (16 bytes each), the behaviours (8 bytes each), and the SHA-256 of all that. It knows no gene table: the count of
what was tried must outlive the table that it was tried with.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from fitness.files import atomic_write_bytes
from strategies.errors import JournalError, UsageError

MAGIC: Final = b"STUDTRL\x01"
FOLDER: Final = "trials"
SUFFIX: Final = ".trials"
JOB: Final = "job"
SUMS: Final = ("n_births", "n_evaluated", "n_screened", "n_refined")
_DIGEST: Final = 32
_PREFIX: Final = len(MAGIC) + 8
_RESTORE: Final = (
    "Restore it from a copy, or move it elsewhere and know that the trials of this search are no longer counted."
)
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")

_FACTS: Final = frozenset(
    (*("name", "what", "shard_hashes", "created_at", "source"), *SUMS, "n_genomes", "n_behaviours")
)

Keys = NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class Trials:
    """What one search tried: numbers, and two sets of digests.

    Attributes:
        name: a job's id, or what another search calls itself.
        what: "job", or the kind of search, as "walk-forward".
        shard_hashes: content hashes of its bars, ascending.
        created_at: when it began, ISO 8601 with its offset from UTC.
        source: digest of the journalled epochs that were counted; empty for another search.
        n_births: strategies bred, migrants and those whose fitness was known included.
        n_evaluated: of them, those that were evaluated, if only by the screen.
        n_screened: of these, those that only the screen saw.
        n_refined: of them, those that refining made.
        keys: (n_genomes, 2) uint64, ascending: phenotype keys of what was evaluated, each once.
        behaviours: (n_behaviours,) uint64, ascending: what `trial_ledger.behaviours_of` makes of it, each once.
    """

    name: str
    what: str
    shard_hashes: tuple[str, ...]
    created_at: str
    source: str
    n_births: int
    n_evaluated: int
    n_screened: int
    n_refined: int
    keys: NDArray[np.uint64]
    behaviours: NDArray[np.uint64]

    @property
    def order(self) -> tuple[datetime, str]:
        """By what searches are put in order: when they began, then their names."""
        return datetime.fromisoformat(self.created_at), self.name

    def facts(self) -> dict[str, Any]:
        """Return all but the digests as plain JSON values, with how many of them there are."""
        found = {field.name: getattr(self, field.name) for field in fields(self)[:-2]}
        counts = {"n_genomes": len(self.keys), "n_behaviours": len(self.behaviours)}
        return {**found, "shard_hashes": list(self.shard_hashes), **counts}


def distinct(parts: Sequence[Keys]) -> Keys:
    """Return the distinct rows of `parts`, each (n, 2) or each (n,), ascending.

    `np.unique` builds a table of them first and takes 70 times as long (NumPy 2.4, a million).
    """
    rows = np.concatenate(parts)
    if rows.ndim == 1:
        rows.sort()
        first = rows[1:] != rows[:-1]
    else:
        rows = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
        first = (rows[1:] != rows[:-1]).any(axis=1)
    return rows[np.concatenate([np.ones(min(len(rows), 1), dtype=np.bool_), first])]


def hashes_of(hashes: Iterable[str]) -> tuple[str, ...]:
    """Return content hashes in the form in which they are kept: ascending, each once."""
    return tuple(sorted(set(hashes)))


def trials_path(root: Path, name: str) -> Path:
    """Return where the trials of the search `name` are kept under a folder of runs."""
    return root / FOLDER / f"{name}{SUFFIX}"


def check_name(name: str) -> None:
    """Raise a `UsageError` unless `name` can be the name of a file on every system."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"The name of a search must be letters, digits, `.`, `_` and `-`, 1 to 200 of them, but was {name!r} "
            "(trial ledger). Give it another."
        )


def write_file(root: Path, trials: Trials) -> Path:
    """Put the trials in their file, whole or not at all, and return its path.

    Raises:
        OSError: the disk refused.
    """
    path = trials_path(root, trials.name)
    atomic_write_bytes(path, trials_to_bytes(trials))
    return path


def read_file(path: Path) -> Trials:
    """Return the trials of a file.

    Raises:
        JournalError: it can't be read, is damaged, or is of another format.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise JournalError(
            f"A file of trials must be readable, but was not: {error.strerror} ({path}). {_RESTORE}"
        ) from error
    return trials_from_bytes(data, where=str(path))


def trials_to_bytes(trials: Trials) -> bytes:
    """Return the one form of trials as bytes: equal trials, equal bytes."""
    header = json.dumps(trials.facts(), sort_keys=True, separators=(",", ":")).encode()
    body = [MAGIC, len(header).to_bytes(8, "little"), header]
    body += [np.ascontiguousarray(part, dtype="<u8").tobytes() for part in (trials.keys, trials.behaviours)]
    content = b"".join(body)
    return content + hashlib.sha256(content).digest()


def trials_from_bytes(data: bytes, *, where: str) -> Trials:
    """Return what `trials_to_bytes` wrote; `where` is for the message.

    Raises:
        JournalError: damaged or cut bytes, or another format.
    """
    if data.startswith(MAGIC[:-1]) and not data.startswith(MAGIC):
        was = f"had {data[len(MAGIC) - 1]}" if len(data) >= len(MAGIC) else "ended before it"
        mend = "Open it with the version of Studbook that wrote it."
        _refuse(f"have format {MAGIC[-1]}", was, where, mend)
    if not data.startswith(MAGIC):
        _refuse(f"begin with {MAGIC!r}", f"began with {data[: len(MAGIC)]!r}", where, _RESTORE)
    written, found = data[-_DIGEST:].hex(), hashlib.sha256(data[:-_DIGEST]).hexdigest()
    if written != found:
        _refuse(f"match its seal {written[:16]}", f"gave {found[:16]}", where, _RESTORE)
    stop = _PREFIX + int.from_bytes(data[len(MAGIC) : _PREFIX], "little")
    header = _header(data[_PREFIX : min(stop, len(data) - _DIGEST)], where)
    n_genomes, n_behaviours = header.pop("n_genomes"), header.pop("n_behaviours")
    n_words, odd = divmod(max(len(data) - _DIGEST - stop, 0), 8)
    if odd or n_words != 2 * n_genomes + n_behaviours:
        rule = f"hold {n_genomes} genomes and {n_behaviours} behaviours"
        _refuse(rule, f"held {8 * n_words + odd} bytes", where, _RESTORE)
    words = np.frombuffer(data, dtype="<u8", count=n_words, offset=stop).astype(np.uint64, copy=False)
    keys, behaviours = words[: 2 * n_genomes].reshape(n_genomes, 2), words[2 * n_genomes :]
    return Trials(**{**header, "shard_hashes": tuple(header["shard_hashes"])}, keys=keys, behaviours=behaviours)


def _header(text: bytes, where: str) -> dict[str, Any]:
    """The facts of a file, each of its type; a seal that fits does not make them right."""
    try:
        header = json.loads(text)
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict) or set(header) != _FACTS:
        _refuse(f"hold {', '.join(sorted(_FACTS))}", "did not", where, _RESTORE)
    for name, value in header.items():
        if not _fits(name, value):
            _refuse("hold facts that can be", f"held {value!r:.100} as {name}", where, _RESTORE)
    return header


def _fits(name: str, value: Any) -> bool:
    if name.startswith("n_"):
        return type(value) is int and 0 <= value < 2**63
    if name == "shard_hashes":
        return isinstance(value, list) and all(isinstance(one, str) for one in value)
    return isinstance(value, str) and (name != "created_at" or _is_instant(value))


def _is_instant(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _refuse(rule: str, was: str, where: str, mend: str) -> NoReturn:
    raise JournalError(f"A file of trials must {rule}, but {was} ({where}). {mend}")
