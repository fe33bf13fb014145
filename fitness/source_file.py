"""Files from outside, CSV or Parquet, as raw tables: nothing is interpreted here but the container.

CSV cells stay text. Parquet from outside is decoded in a child process, because polars aborts the whole process on some
damaged files (a wrong length makes it ask for exabytes); the child's death is an error with a name.
"""

import csv
import gzip
import io
import subprocess
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from strategies.errors import DataError

MAX_BYTES = 1 << 32
"""Of a file, unpacked: a minute bar of twenty years takes a hundredth of it, a file made to fill the memory all."""
_PARQUET = b"PAR1"
_GZIP = b"\x1f\x8b"
_DELIMITERS = ",;\t|"
_CHILD_TIMEOUT_S = 600
_CHILD = """
import io, sys
import polars as pl
try:
    frame = pl.read_parquet(io.BytesIO(sys.stdin.buffer.read()))
    frame.write_ipc(sys.stdout.buffer)
except BaseException as error:
    print("refused: " + str(error).split("\\n", 1)[0][:200], file=sys.stderr)
    sys.exit(3)
"""


@dataclass(frozen=True)
class SourceFile:
    """A table as it came.

    Attributes:
        name: name of the file, for messages.
        table: columns in the file's order under the file's own names; for CSV text without surrounding blanks, empty
            cells null.
        text: the whole text of a CSV, from which line numbers are found; empty for Parquet.
        delimiter: of the CSV.
        n_blank_end: empty lines at its end, left out of the table.
    """

    name: str
    table: pl.DataFrame
    text: str = ""
    delimiter: str = ","
    n_blank_end: int = 0

    def lines(self) -> list[int]:
        """First line in the file of each data row; empty for Parquet, and where rows and lines can't be matched."""
        if not self.text:
            return []
        reader = csv.reader(io.StringIO(self.text, newline=""), delimiter=self.delimiter)
        starts: list[int] = []
        start = 1
        try:
            for record in reader:
                if record or starts:
                    starts.append(start)
                start = reader.line_num + 1
        except csv.Error:
            return []
        return starts[1:] if len(starts) == 1 + self.table.height + self.n_blank_end else []


def read_source(path: Path) -> SourceFile:
    """The table in a file, CSV (also gzipped; comma, semicolon, tab or bar) or Parquet, known by its content.

    Raises:
        DataError: no such file, a folder, unreadable, empty, not text, ragged, repeated column names, cut or damaged.
    """
    data = _bytes_of(path)
    if not data:
        raise DataError(f"a file to import must hold bars, but {path} is empty (0 bytes); export it again.")
    if data.startswith(_PARQUET) or path.suffix.lower() in (".parquet", ".pq"):
        table = _parquet(data, path)
        if table.is_empty():
            raise DataError(f"a file to import must hold bars, but {path} has no rows; export it again.")
        return SourceFile(path.name, table)
    return _csv(data, path)


def _bytes_of(path: Path) -> bytes:
    if path.is_dir():
        raise DataError(f"import takes one file, but {path} is a folder; name a CSV or Parquet file in it.")
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise DataError(f"a file to import must exist, but {path} does not; check the path.") from error
    except (OSError, ValueError) as error:
        raise DataError(f"a file to import must be readable, but {path} is not ({error}); check it.") from error
    if data.startswith(_GZIP) and len(data) <= MAX_BYTES:
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(data)) as unpacked:
                data = unpacked.read(MAX_BYTES + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"a gzipped file must be whole, but {path} is not ({error}); fetch it again.") from error
    if len(data) > MAX_BYTES:
        raise DataError(
            f"a file to import must have at most {MAX_BYTES:,} bytes, but {path} has more; import it in parts."
        )
    return data


def _parquet(data: bytes, path: Path) -> pl.DataFrame:
    footer_fits = len(data) >= 12 and int.from_bytes(data[-8:-4], "little") <= len(data) - 12
    if not (data.startswith(_PARQUET) and data.endswith(_PARQUET) and footer_fits):
        raise DataError(
            f"a Parquet file must begin and end with PAR1 and hold its footer, but {path} does not: it was cut short "
            "or is no Parquet; fetch it again."
        )
    try:
        child = subprocess.run(  # noqa: S603 - our own interpreter and our own text
            [sys.executable, "-P", "-c", _CHILD], input=data, capture_output=True, timeout=_CHILD_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DataError(
            f"a Parquet file must be readable in {_CHILD_TIMEOUT_S} s, but {path} is not ({error})."
        ) from error
    if child.returncode != 0:
        said = child.stderr.decode(errors="replace").rpartition("refused: ")[2].strip()
        why = said if child.returncode == 3 else f"the decoder died with code {child.returncode}"
        raise DataError(f"a Parquet file must be undamaged, but {path} is not ({why}); fetch it again.")
    return pl.read_ipc(io.BytesIO(child.stdout))


def _csv(data: bytes, path: Path) -> SourceFile:
    text = _text(data, path)
    delimiter = max(_DELIMITERS, key=text.lstrip().partition("\n")[0].count)
    header = _header(text, delimiter, path)
    try:
        table = pl.read_csv(io.BytesIO(text.encode()), separator=delimiter, infer_schema=False)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise _ragged(text, delimiter, len(header), path) from error
    if table.width != len(header):
        raise _ragged(text, delimiter, len(header), path)
    table = table.rename(dict(zip(table.columns, header, strict=True)))
    table = table.select(pl.all().str.strip_chars().replace("", None))
    filled = table.select(pl.any_horizontal(pl.all().is_not_null()).alias("filled"))["filled"].arg_true()
    if filled.is_empty():
        raise DataError(f"a file to import must hold bars, but {path} has a header and no rows; export it again.")
    n_rows = int(filled[-1]) + 1
    return SourceFile(path.name, table.head(n_rows), text, delimiter, table.height - n_rows)


def _text(data: bytes, path: Path) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"a CSV must be UTF-8 text, but {path} is not (byte {error.start} is {data[error.start]:#04x}); "
            "save it as UTF-8, or is it another kind of file?"
        ) from error
    if not text.strip():
        raise DataError(f"a file to import must hold bars, but {path} is empty; export it again.")
    return text


def _header(text: str, delimiter: str, path: Path) -> list[str]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        names = [name.strip() for name in next(record for record in reader if record)]
    except (csv.Error, StopIteration) as error:
        raise DataError(f"the first line of a CSV must be its header, but that of {path} is not ({error}).") from error
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DataError(f"column names must differ, but {path} repeats {', '.join(map(repr, repeated))}; rename them.")
    return names


def _ragged(text: str, delimiter: str, width: int, path: Path) -> DataError:
    """The error for a table that polars refuses, with the first line that is too long if that was why."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    start = 1
    try:
        for record in reader:
            if len(record) > width:
                return DataError(
                    f"every line of a CSV must have the fields of its header, but {path}, line {start}, has "
                    f"{len(record)} instead of {width}; mend the line (a decimal comma, an unquoted text?)."
                )
            start = reader.line_num + 1
    except csv.Error as error:
        return DataError(f"a CSV must be readable, but {path}, line {start}, is not ({error}); mend the line.")
    return DataError(f"a CSV must be readable, but {path} is not (a quote that never closes?); export it again.")
