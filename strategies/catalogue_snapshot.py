"""The catalogue as it was discovered once, in a file of the package, so that a process need not discover it again.

The file is canonical JSON under a key: the versions of TA-Lib and the digest of the code that discovers. Where the key
is another one, the file says nothing and the catalogue is discovered as ever, a third of a second later and just as
well. After a change to that code, or of TA-Lib, write the file anew:

    python -m strategies.catalogue_snapshot
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from strategies import talib_library
from strategies.operand_kind import Discovery, Mirror, OperandKind, Parameter
from strategies.scales import Scale

PATH = Path(__file__).with_name("catalogue.json")
DISCOVERING = (
    "discovery",
    "examination",
    "grids",
    "hidden_imports",
    "indicators",
    "kept_columns",
    "mirror_search",
    "operand_columns",
    "operand_kind",
    "patterns",
    "probes",
    "scales",
    "talib_library",
)
"""Modules of this package whose code decides what is discovered."""

_FORMAT = "studbook.catalogue/1"


def key() -> list[str]:
    """What a snapshot must have been made with to be of use: the format, TA-Lib's versions, the discovering code."""
    sources = (PATH.with_name(f"{name}.py").read_bytes() for name in DISCOVERING)
    return [_FORMAT, *talib_library.versions(), hashlib.sha256(b"\0".join(sources)).hexdigest()]


def load(path: Path = PATH) -> Discovery | None:
    """What the file holds, or None where there is none that was made with this TA-Lib and this code."""
    try:
        data = json.loads(path.read_bytes())
        return _discovery(data) if data["key"] == key() else None
    except (OSError, ValueError, LookupError, TypeError):  # not there, or not what was written
        return None


def text_of(found: Discovery) -> str:
    """The canonical text of a discovery: equal for equal ones, a line for each kind of operand."""
    grids = sorted({parameter.grid for kind in found.kinds for parameter in kind.parameters})
    parts = {
        "grids": [_line(grid) for grid in grids],
        "key": _line(key()),
        "kinds": [_line(_kind_entry(kind, grids)) for kind in found.kinds],
        "mirrors": _line([[mirror.kind, mirror.flips] for mirror in found.mirrors]),
        "put_aside": _line(dict(found.put_aside)),
    }
    bodies = {name: body if isinstance(body, str) else "[\n" + ",\n".join(body) + "\n]" for name, body in parts.items()}
    return "{\n" + ",\n".join(f'"{name}":{body}' for name, body in bodies.items()) + "\n}\n"


def _line(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _kind_entry(kind: OperandKind, grids: Sequence[tuple[float, ...]]) -> dict[str, Any]:
    """A kind as JSON; grids are told by their place in the list, for most kinds share one."""
    parameters = [[each.name, each.default, grids.index(each.grid), each.integer] for each in kind.parameters]
    scale = [kind.scale.price_degree, kind.scale.volume_degree, kind.scale.located]
    return {**vars(kind), "parameters": parameters, "scale": scale}


def _discovery(data: dict[str, Any]) -> Discovery:
    grids = [tuple(grid) for grid in data["grids"]]
    kinds = tuple(_kind(entry, grids) for entry in data["kinds"])
    mirrors = tuple(Mirror(kind, flips) for kind, flips in data["mirrors"])
    return Discovery(kinds, MappingProxyType(data["put_aside"]), mirrors)


def _kind(entry: dict[str, Any], grids: Sequence[tuple[float, ...]]) -> OperandKind:
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in entry.items()}
    values["parameters"] = tuple(
        Parameter(name, default, grids[place], integer) for name, default, place, integer in entry["parameters"]
    )
    values["scale"] = Scale(*entry["scale"])
    return OperandKind(**values)


def write(path: Path = PATH) -> bool:
    """Discover and write the file, whole or not at all; False where it held just that already."""
    from strategies.discovery import discover

    text = text_of(discover())
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return False
    whole = path.with_suffix(".tmp")
    whole.write_text(text, encoding="utf-8", newline="\n")
    whole.replace(path)
    return True


if __name__ == "__main__":
    print(f"{PATH.name}: {'written' if write() else 'was true already'}")
