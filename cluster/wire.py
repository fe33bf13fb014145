"""Messages of the executor seam as bytes: frozen dataclasses of numbers, text, plain JSON and byte strings.

Layout: the header's length (8 bytes, little-endian), the header (JSON: the message's kind, and of each field its value
or the lengths of its byte strings), the byte strings one after the other. Nothing is pickled, and nothing read is
believed: a message has exactly the fields of its kind, each of its type, and ends where its byte strings end.
"""

import json
from collections.abc import Mapping
from dataclasses import fields
from math import isfinite
from types import UnionType
from typing import Any, Final, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

from strategies.errors import ClusterError

Message = TypeVar("Message")

_PREFIX: Final = 8
_MOST_SHOWN: Final = 100
_BLOB, _BLOBS = bytes, tuple[bytes, ...]
_KNOWN: Final[dict[Any, Mapping[str, Any]]] = {}


def to_wire(message: Any) -> bytes:
    """Return a message, any frozen dataclass of such fields, as bytes."""
    header: dict[str, Any] = {"type": type(message).__name__}
    blobs: list[bytes] = []
    for name, kind in _kinds(type(message)).items():
        value = getattr(message, name)
        if kind in (_BLOB, _BLOBS):
            some = (value,) if kind is _BLOB else value
            header[name] = {"blobs": [len(blob) for blob in some]}
            blobs += some
        else:
            header[name] = {"json": value}
    text = json.dumps(header, allow_nan=False).encode()
    return b"".join([len(text).to_bytes(_PREFIX, "little"), text, *blobs])


def from_wire(kind: type[Message], data: bytes) -> Message:
    """Return the message that `to_wire` wrote.

    Raises:
        ClusterError: the bytes are damaged, or another kind of message.
    """
    header, start = _header(kind, data)
    values: dict[str, Any] = {}
    for name, wanted in _kinds(kind).items():
        part = header[name]
        if wanted in (_BLOB, _BLOBS):
            blobs, start = _blobs(part, data, start, where=f"{kind.__name__}.{name}")
            if wanted is _BLOB and len(blobs) != 1:
                _refuse(f"{kind.__name__}.{name}", "be one byte string", f"were {len(blobs)}")
            values[name] = blobs[0] if wanted is _BLOB else blobs
        else:
            values[name] = _plain(part, wanted, where=f"{kind.__name__}.{name}")
    if start != len(data):
        _refuse(kind.__name__, "end after its byte strings", f"had {len(data) - start} bytes more")
    return kind(**values)


def _kinds(message: Any) -> Mapping[str, Any]:
    """The fields of a message and their types."""
    if message not in _KNOWN:
        hints = get_type_hints(message)
        _KNOWN[message] = {field.name: hints[field.name] for field in fields(message)}
    return _KNOWN[message]


def _header(kind: type, data: bytes) -> tuple[dict[str, Any], int]:
    """The header without its type, checked for kind and fields, and where it ends."""
    stop = _PREFIX + int.from_bytes(data[:_PREFIX], "little")
    if not _PREFIX <= stop <= len(data):
        _refuse(kind.__name__, f"hold a header of {stop - _PREFIX} bytes", f"was {len(data)} long")
    try:
        header = json.loads(data[_PREFIX:stop], parse_constant=_no_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        _refuse(kind.__name__, "have a JSON header", f"had none ({str(error)[:_MOST_SHOWN]})")
    found = header.pop("type", None) if isinstance(header, dict) else None
    if found != kind.__name__:
        _refuse("message", f"be a {kind.__name__}", f"was {found!r:.100}")
    if set(header) != set(_kinds(kind)):
        _refuse(kind.__name__, f"have the fields {', '.join(_kinds(kind))}", f"had {sorted(header)!r:.200}")
    return header, stop


def _blobs(part: Any, data: bytes, start: int, *, where: str) -> tuple[tuple[bytes, ...], int]:
    """The byte strings of a field, and where they end."""
    sizes = part.get("blobs") if isinstance(part, dict) else None
    if not isinstance(sizes, list) or not all(type(size) is int and size >= 0 for size in sizes):
        _refuse(where, "give the lengths of its byte strings", f"gave {part!r:.100}")
    if start + sum(sizes) > len(data):
        _refuse(where, f"hold {len(sizes)} byte strings", "ended before them")
    found = []
    for size in sizes:
        found.append(data[start : start + size])
        start += size
    return tuple(found), start


def _plain(part: Any, wanted: Any, *, where: str) -> Any:
    """The value of a field that is plain JSON, of the type that the message declares."""
    if not isinstance(part, dict) or set(part) != {"json"}:
        _refuse(where, "be a plain value", f"was {part!r:.100}")
    try:
        return _as_declared(part["json"], wanted)
    except TypeError:
        _refuse(where, f"be of type {getattr(wanted, '__name__', wanted)}", f"was {part['json']!r:.100}")


def _as_declared(value: Any, wanted: Any) -> Any:
    """The value, with tuples for lists where tuples are declared; raise TypeError where it is another type."""
    kind, inner = get_origin(wanted) or wanted, get_args(wanted)
    if kind is tuple and isinstance(value, list):
        types = inner[:1] * len(value) if inner[-1] is Ellipsis else inner
        if len(types) == len(value):
            return tuple(_as_declared(*pair) for pair in zip(value, types, strict=True))
    elif kind in (UnionType, Union):
        if any(_is_of(value, one) for one in inner):
            return value
    elif _is_of(value, kind):
        return value
    raise TypeError(wanted)


def _is_of(value: Any, kind: Any) -> bool:
    if kind in (Any, Mapping):
        return kind is Any or isinstance(value, dict)
    kinds = (int, float) if kind is float else kind
    return isinstance(value, kinds) and (kind is bool or not isinstance(value, bool))


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name:.100} is no number")


def _finite(text: str) -> float:
    """A number as Python reads it, unless it is beyond all that Python would write, as 1e999."""
    number = float(text)
    return number if isfinite(number) else _no_constant(text)


def _refuse(what: str, rule: str, was: str) -> NoReturn:
    raise ClusterError(f"A message must {rule}, but {was} (wire: {what}). Do driver and workers run one version?")
