"""What the records of a journal hold, by kind: a chain of hashes that fits does not make the content right.

Whoever writes a journal by hand, or with a version of Studbook that does otherwise, is told which record and which key;
nothing that reads one needs to ask again. A kind that is not listed is read past: it is of another version, and says
nothing that this one acts on.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from cluster.journal import Record
from strategies.errors import JournalError

STRATEGY_ID: Final = re.compile(r"[0-9a-f]{16}")
"""Files are named by it."""
GENOME_KEY: Final = re.compile(r"[0-9a-f]{32}")
NUMBER: Final = (int, float)
TEXT_OR_NONE: Final = (str, None)
WHOLE_OR_NONE: Final = (int, None)
NUMBER_OR_NONE: Final = (int, float, None)
_FILE: Final = {"file": str, "sha256": str}
_MOST: Final = 2**63
_GENERATION: Final = {
    "generation?": int,
    "n_births?": int,
    "n_evaluated?": int,
    "gene_spread?": NUMBER_OR_NONE,
    "best?": ({}, None),
    "mean?": ({}, None),
    "n_families?": WHOLE_OR_NONE,
    "families?": [[int, int]],
    "species?": ({"*": {}}, None),
}

FORMS: Final[dict[str, dict[str, Any]]] = {
    "job_created": {
        "format": int,
        "config": {},
        "config_hash": str,
        "shards": [{}],
        "gene_table": str,
        "versions": {},
    },
    "resumed": {"changed_versions?": {"*": [TEXT_OR_NONE, TEXT_OR_NONE]}},
    "interrupted": {"reason?": str},
    "epoch_finished": {
        "island": int,
        "epoch": int,
        "n_births": int,
        "n_evaluated": int,
        "n_screened_out": int,
        "stats?": [_GENERATION],
        "births?": _FILE,
        "state?": _FILE,
        "emigrants?": _FILE,
        "templates?": [{}],
        "screen?": [{}],
        "validation_best?": ({}, None),
        "seconds?": NUMBER_OR_NONE,
        "waited_s?": NUMBER_OR_NONE,
        "host?": TEXT_OR_NONE,
    },
    "repair": {
        "what": str,
        "island": WHOLE_OR_NONE,
        "epoch": WHOLE_OR_NONE,
        "reason": str,
        "action?": TEXT_OR_NONE,
    },
    "quarantined": {
        "key": GENOME_KEY,
        "id": str,
        "text": str,
        "reason": str,
        "segment": str,
        "island?": WHOLE_OR_NONE,
        "epoch?": WHOLE_OR_NONE,
    },
    "workers": {"present": int, "wanted": int, "reason": str},
    "stall": {"island": int, "epoch": int, "waited_s": NUMBER, "typical_s": NUMBER},
    "candidates_chosen": {"candidates": [{"id": STRATEGY_ID}], "n_trials": int},
    "lockbox_read": {"candidates": [STRATEGY_ID]},
    "candidate": {"record": {"id": STRATEGY_ID, "text": str, "strategy": {}, "passed": bool, "gates": [{}]}},
    "job_finished": {"verdict": str, "n_trials": int, "births_sha256": str},
}
"""Of each kind its keys and what they hold: types, choices of them, lists ([one] of any length), or mappings.

A key with `?` may be left out; `*` stands for every key of a mapping that names its entries itself."""


def check_records(records: Sequence[Record], path: Path) -> None:
    """Raise a `JournalError` that names the first record, and the key in it, that is not as `FORMS` says.

    What passes can be read by `health_of` and `Standing` without an error of any kind.
    """
    for record in records:
        if not _is_instant(record.at):
            raise _refusal(record, path, "at", "be a time with its offset from UTC", record.at)
        if record.kind == "job_created" and record.n > 0:  # its config would be taken for one that was checked
            raise _refusal(record, path, "n", "be 0, for a journal is of one job", record.n)
        for key, form in FORMS.get(record.kind, {}).items():
            fault = _fault(record.data, key, form)
            if fault is not None:
                raise _refusal(record, path, *fault)


def _is_instant(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _refusal(record: Record, path: Path, place: str, rule: str, value: Any) -> JournalError:
    return JournalError(
        f"`{place}` of a record {record.kind!r:.60} must {rule}, but was {value!r:.80} ({path}, line {record.n + 1}). "
        "Restore the journal from a copy, or open it with the version of Studbook that wrote it."
    )


Fault = tuple[str, str, Any]
"""Place, rule and value of what is wrong."""


def _fault(data: dict[str, Any], key: str, form: Any, where: str = "") -> Fault | None:
    """What is wrong with one key of a mapping, or None."""
    name = key if key in data else key.removesuffix("?")
    if name not in data:
        return None if key != name else (f"{where}{name}", "be there", None)
    return _mismatch(data[name], form, f"{where}{name}")


def _mismatch(value: Any, form: Any, place: str) -> Fault | None:
    if isinstance(form, tuple):
        choices = [_mismatch(value, one, place) for one in form]
        return None if None in choices else choices[0]
    if isinstance(form, dict):
        return _mapping_fault(value, form, place)
    if isinstance(form, list):
        return _list_fault(value, form, place)
    if isinstance(form, re.Pattern):
        fits = isinstance(value, str) and form.fullmatch(value)
        return None if fits else (place, f"be {16 if form is STRATEGY_ID else 32} hex digits", value)
    return None if _is(value, form) else (place, f"be {_WORDS[form]}", value)


def _mapping_fault(value: Any, form: dict[str, Any], place: str) -> Fault | None:
    if not isinstance(value, dict):
        return place, "be a mapping", value
    entries = [(key, form["*"]) for key in value] if "*" in form else list(form.items())
    faults = (_fault(value, key, one, f"{place}.") for key, one in entries)
    return next((fault for fault in faults if fault is not None), None)


def _list_fault(value: Any, form: list[Any], place: str) -> Fault | None:
    if not isinstance(value, list) or (len(form) > 1 and len(value) != len(form)):
        return place, f"be a list{f' of {len(form)}' if len(form) > 1 else ''}", value
    forms = form if len(form) > 1 else form * len(value)
    pairs = enumerate(zip(value, forms, strict=True))
    faults = (_mismatch(one, wanted, f"{place}[{number}]") for number, (one, wanted) in pairs)
    return next((fault for fault in faults if fault is not None), None)


_WORDS: Final = {int: "a whole number", float: "a number", str: "text", bool: "true or false", None: "null"}


def _is(value: Any, kind: type | None) -> bool:
    if kind is int:
        return type(value) is int and -_MOST <= value < _MOST
    return value is None if kind is None else type(value) is kind
