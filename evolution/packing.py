"""Named arrays to bytes and back: the same arrays give the same bytes, and any damage is found.

Layout: `MAGIC` (the format's version is in it), the header's length (8 bytes, little-endian), the header (canonical
JSON: kind, gene table fingerprint, whole numbers, array names with dtype and shape), the arrays' bytes one after the
other, and the seal: the SHA-256 of all before the arrays and of their `checksum`. Header and arrays are padded to eight
bytes, with spaces and zeros, so that arrays can be used where they lie. Nothing is pickled, nothing read runs code.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from evolution.checksum import checksum
from strategies.errors import JournalError
from strategies.genes import fingerprint

MAGIC: Final = b"STUDBK\x00\x02"
_DIGEST: Final = 32
_ALIGNMENT: Final = 8
_MOST: Final = 2**63 - 1
_PREFIX: Final = len(MAGIC) + 8
_RECOVERY: Final = "Restore it from a copy, or resume the job from its journal."


class Column(NamedTuple):
    """What an array must be: little-endian dtype such as "<f8", number of dimensions, and the rows it is one of.

    Columns that name the same `rows` have the same length.
    """

    dtype: str
    n_dimensions: int = 1
    rows: str = "rows"


class Schema(NamedTuple):
    """What the bytes of one kind hold: names of whole numbers, and columns by name."""

    kind: str
    numbers: tuple[str, ...]
    columns: Mapping[str, Column]


class Packed(NamedTuple):
    """What `unpack` read: whole numbers and read-only arrays, by name."""

    numbers: dict[str, int]
    arrays: dict[str, NDArray[Any]]


def pack(schema: Schema, numbers: Mapping[str, int], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return the bytes of `arrays`, in the order and with the dtypes of the schema."""
    parts = {name: np.ascontiguousarray(arrays[name], dtype=column.dtype) for name, column in schema.columns.items()}
    header = {
        "kind": schema.kind,
        "genes": fingerprint(),
        "numbers": {name: int(numbers[name]) for name in schema.numbers},
        "arrays": [[name, schema.columns[name].dtype, list(part.shape)] for name, part in parts.items()],
    }
    text = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    head = MAGIC + len(text).to_bytes(8, "little") + text
    body: list[NDArray[np.uint64]] = []
    for part in parts.values():  # views where it can be: the arrays are copied once, into the result
        octets = part.reshape(-1).view(np.uint8)
        even = len(octets) - len(octets) % _ALIGNMENT
        rest = np.zeros(_ALIGNMENT if even < len(octets) else 0, dtype=np.uint8)
        rest[: len(octets) - even] = octets[even:]
        body += [octets[:even].view("<u8"), rest.view("<u8")]
    return b"".join([head, *(words.data for words in body), _seal(head, body)])


def _seal(head: bytes, body: Iterable[NDArray[np.uint64]]) -> bytes:
    return hashlib.sha256(head + checksum(body)).digest()


def unpack(data: bytes, schema: Schema) -> Packed:
    """Return what `pack` wrote; the arrays are read-only views of `data`.

    Raises:
        JournalError: damaged or cut bytes, another format or kind, another gene table, or other columns.
    """
    header, offset = _header(data, schema)
    arrays: dict[str, NDArray[Any]] = {}
    for name, dtype, shape in header["arrays"]:
        count = math.prod(shape)
        size = count * np.dtype(dtype).itemsize
        odd = min(shape, default=0) < 0 or max(shape, default=0) > len(data)  # long, but empty in another dimension
        if odd or offset + size > len(data) - _DIGEST:
            _refuse(schema.kind, f"must hold {count} values of {name}", "ended before them", _RECOVERY)
        arrays[name] = np.frombuffer(data, dtype=dtype, count=count, offset=offset).reshape(shape)
        offset += size + -size % _ALIGNMENT
    lengths = {(column.rows, len(arrays[name])) for name, column in schema.columns.items()}
    if len(lengths) != len({rows for rows, _ in lengths}):
        _refuse(schema.kind, "must have columns of one length", f"had {sorted(lengths)}", _RECOVERY)
    if offset != len(data) - _DIGEST:
        _refuse(schema.kind, "must end after its arrays", f"had {len(data) - _DIGEST - offset} bytes more", _RECOVERY)
    return Packed(header["numbers"], arrays)


def _header(data: bytes, schema: Schema) -> tuple[dict[str, Any], int]:
    """Return the header, checked against the schema and the gene table, and where the arrays begin."""
    _check_whole(data, schema.kind)
    stop = _PREFIX + int.from_bytes(data[len(MAGIC) : _PREFIX], "little")
    try:
        header = json.loads(data[_PREFIX:stop])
        _check_form(header)
    except (ValueError, TypeError, KeyError) as error:
        _refuse(schema.kind, "must have a readable header", f"it could not be read ({error})", _RECOVERY)
    if header["kind"] != schema.kind:
        was = f"were of kind {header['kind']!r}"
        _refuse(schema.kind, f"must be of kind {schema.kind!r}", was, "Pass the right file.")
    if header["genes"] != fingerprint():
        mend = "Open them with the version of Studbook that wrote them."
        _refuse(schema.kind, f"must fit the gene table {fingerprint()}", f"fit {header['genes']}", mend)
    listed = [(name, dtype, len(shape)) for name, dtype, shape in header["arrays"]]
    wanted = [(name, column.dtype, column.n_dimensions) for name, column in schema.columns.items()]
    if listed != wanted or sorted(header["numbers"]) != sorted(schema.numbers):
        held = ", ".join([*header["numbers"], *(f"{name} ({dtype})" for name, dtype, _ in listed)])
        _refuse(schema.kind, f"must hold {', '.join([*schema.numbers, *schema.columns])}", f"held {held}", _RECOVERY)
    return header, stop


def _check_whole(data: bytes, kind: str) -> None:
    if not data.startswith(MAGIC[:-1]):
        _refuse(kind, f"must begin with {MAGIC[:-1]!r}", f"began with {data[: len(MAGIC)]!r}", _RECOVERY)
    if len(data) < _PREFIX + _DIGEST:
        _refuse(kind, f"must be at least {_PREFIX + _DIGEST} long", f"were {len(data)}", _RECOVERY)
    if data[len(MAGIC) - 1] != MAGIC[-1]:
        mend = "Open them with the version of Studbook that wrote them."
        _refuse(kind, f"must have format {MAGIC[-1]}", f"had format {data[len(MAGIC) - 1]}", mend)
    stop = len(data) - _DIGEST
    start = min(_PREFIX + int.from_bytes(data[len(MAGIC) : _PREFIX], "little"), stop)
    n_words, odd = divmod(stop - start, _ALIGNMENT)
    body = np.frombuffer(data, dtype="<u8", count=n_words, offset=start)
    digest, written = _seal(data[:start] + data[stop - odd : stop], [body]).hex(), data[stop:].hex()
    if digest != written:
        was = f"gave {digest[:16]} ({len(data)} bytes)"
        _refuse(kind, f"must match their seal {written[:16]}", was, _RECOVERY)


def _check_form(header: Any) -> None:
    """Raise ValueError, TypeError or KeyError unless the header has the form that `pack` writes."""
    if not all(isinstance(header[name], str) for name in ("kind", "genes")):
        raise TypeError("kind and genes are not text")
    if not isinstance(header["numbers"], dict) or not isinstance(header["arrays"], list):
        raise TypeError("numbers and arrays are not listed")
    if not all(type(value) is int and abs(value) <= _MOST for value in header["numbers"].values()):
        raise TypeError("a number is not whole")
    for name, dtype, shape in header["arrays"]:
        if not isinstance(name, str) or not isinstance(dtype, str) or not all(type(size) is int for size in shape):
            raise TypeError(f"array {name} is not described")


def _refuse(kind: str, rule: str, was: str, mend: str) -> NoReturn:
    raise JournalError(f"The {kind} bytes {rule}, but {was:.1000}. {mend}")
