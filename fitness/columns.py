"""Which column of a foreign table is which of ours, by name."""

import difflib
import re
from collections.abc import Mapping, Sequence

from fitness.checks import COLUMNS
from strategies.errors import DataError
from strategies.extra_columns import EXTRA_COLUMNS

ALIASES: dict[str, tuple[str, ...]] = {
    "timestamp": ("timestamp", "date", "datetime", "time", "date_time", "ts", "open_time", "gmt_time"),
    "open": ("open", "o", "open_price"),
    "high": ("high", "h", "high_price"),
    "low": ("low", "l", "low_price"),
    "close": ("close", "c", "close_price"),
    "volume": ("volume", "v", "vol"),
    **{name: (name,) for name in EXTRA_COLUMNS},
}
"""Names that mean our columns; case, blanks, dots and brackets do not count. Extra columns go by their own names."""
KNOWN = (*COLUMNS, *EXTRA_COLUMNS)
ADJUSTED = ("adj_close", "adjclose", "adjusted_close", "adjusted")


def match_columns(
    names: Sequence[str], where: str, *, column_map: Mapping[str, str] | None = None, extra: str = "error"
) -> tuple[dict[str, str], list[str]]:
    """Our column, required or extra -> the file's column, and the file's columns that are left out.

    Args:
        names: the file's column names.
        where: the file, for messages.
        column_map: the file's name -> ours, for names that are no alias; it goes before the aliases.
        extra: `error` refuses unknown columns other than an adjusted close, `ignore` leaves them out.

    Raises:
        DataError: a column is missing, unknown or named twice, or `column_map` names what does not exist.
    """
    if extra not in ("error", "ignore"):
        raise DataError(f"`extra` must be 'error' or 'ignore', but was {extra!r}.")
    found = _mapped(names, where, column_map or {})
    for name in names:
        if name in found.values():
            continue
        ours = _meaning(name)
        if ours is None or (column_map and ours in column_map.values()):
            continue
        if ours in found:
            raise DataError(
                f"each column may appear once, but {where} has {found[ours]!r} and {name!r} for {ours!r}; "
                f"say which with column_map={{{name!r}: {ours!r}}} and extra='ignore'."
            )
        found[ours] = name
    if names and names[0] == "" and "timestamp" not in found:
        found["timestamp"] = ""  # pandas writes its index under an empty name
    left_out = [name for name in names if name not in found.values()]
    unknown = [name for name in left_out if _plain(name) not in ADJUSTED]
    missing = [ours for ours in COLUMNS if ours not in found]
    if missing:
        raise _missing(missing, unknown, names, where)
    if unknown and extra == "error":
        raise _unknown(unknown, where)
    return found, left_out


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.casefold()).strip("_")


def _meaning(name: str) -> str | None:
    plain = _plain(name)
    return next((ours for ours, aliases in ALIASES.items() if plain in aliases), None)


def _mapped(names: Sequence[str], where: str, column_map: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, ours in column_map.items():
        if name not in names:
            raise DataError(
                f"column_map must name columns of the file, but {name!r} is not in {where}"
                f"{_nearest(name, names)}; the file has {', '.join(map(repr, names))}."
            )
        if ours not in KNOWN:
            raise DataError(
                f"column_map must lead to one of {', '.join(KNOWN)}, but {name!r} leads to {ours!r}"
                f"{_nearest(ours, KNOWN)}."
            )
        if ours in found:
            raise DataError(f"column_map must be one to one, but {found[ours]!r} and {name!r} both lead to {ours!r}.")
        found[ours] = name
    return found


def _nearest(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _nearest_alias(name: str) -> str:
    aliases = [alias for group in ALIASES.values() for alias in group if len(alias) > 2]
    near = difflib.get_close_matches(_plain(name), aliases, n=1, cutoff=0.6)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _unknown(unknown: Sequence[str], where: str) -> DataError:
    listed = ", ".join(f"{name!r}{_nearest_alias(name)}" for name in unknown)
    return DataError(
        f"columns must be {', '.join(COLUMNS)} or an alias of one, or an extra one ({', '.join(EXTRA_COLUMNS)}), but "
        f"{where} has the unknown column"
        f"{'s' if len(unknown) > 1 else ''} {listed}; rename, map with column_map "
        "(`--column THEIRS=OURS`), or leave out with extra='ignore' (`--ignore-extra`)."
    )


def _missing(missing: Sequence[str], unknown: Sequence[str], names: Sequence[str], where: str) -> DataError:
    listed = ", ".join(map(repr, missing))
    others = ", ".join(f"{name!r}{_nearest_alias(name)}" for name in unknown)
    hint = f" (unknown there: {others})" if others else ""
    return DataError(
        f"bars need the columns {', '.join(COLUMNS)}, but {where} has no {listed}{hint}; it has "
        f"{', '.join(map(repr, names))}. Rename or map it (column_map, `--column`), or add it (the "
        "first line must be a header)."
    )
