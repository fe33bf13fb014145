"""Compiled kernels on disk that may be damaged, lost or shared at will: what can't be trusted is compiled again.

Numba keeps the compiled code of a function in files and believes what it finds there: a cut file is an exception in the
middle of a job, a flipped bit is other machine code, and two processes that compile one function for different types at
the same moment may take each other's file. Its code for files is replaced here by ours, in the process that calls
`seal_kernels`, for every function it caches:

- One file for each function, types, source, numba version and CPU, named after all of them, so that nodes of different
  kinds may share a folder and nobody writes a file that means something else to another.
- A file ends with a seal, the digest of what precedes it. Without a right one nothing of it is read.
- It begins with what it was compiled for, which must be what is asked for: numba gives other types the same name, such
  as two named tuples with their fields in another order.
- Whatever goes wrong in reading, writing or rebuilding means "not kept": the function is compiled, and the job goes on.

The files hold numba's pickles, so a kernel folder must be writable by its owner alone (`cluster.kernel_cache` sees to
it): a seal finds accidents, not forgery.
"""

import hashlib
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

SUFFIX: Final = ".kernel"
SEAL_BYTES: Final = 32
_MARK: Final = "seals kernels"


def seal_kernels() -> None:
    """Make this process keep compiled functions in sealed files; calling it twice is nothing."""
    from numba.core import caching

    files, cache = caching.IndexDataCacheFile, caching.Cache
    if getattr(cache, "_studbook", "") == _MARK:
        return
    files.load, files.save = _load, _save
    cache.load_overload, cache.save_overload = (
        _forgiving_load(cache.load_overload),
        _forgiving_save(cache.save_overload),
    )
    cache._studbook = _MARK  # noqa: SLF001 - ours


def sealed(content: bytes) -> bytes:
    """Return `content` with its seal after it.

    >>> unsealed(sealed(b"code"))
    b'code'
    """
    return content + _seal(content)


def unsealed(content: bytes) -> bytes | None:
    """Return what was sealed; None if it is not what was sealed, or never was.

    >>> unsealed(b"code") is unsealed(sealed(b"code")[1:]) is unsealed(b"") is None
    True
    """
    body, seal = content[:-SEAL_BYTES], content[-SEAL_BYTES:]
    return body if len(seal) == SEAL_BYTES and _seal(body) == seal else None


def _seal(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=SEAL_BYTES, person=b"studbook kernel").digest()


def _load(self: Any, key: Any) -> Any:
    """Take the place of `IndexDataCacheFile.load`: what was saved for `key`, or None."""
    path = _path(self, key)
    try:
        content = path.read_bytes()
    except OSError:
        return None  # not there, or not for us
    if unsealed(content) is None:
        return None
    kept_for, data = self._load_data(path.name)  # numba's own reader stops where the seal begins
    return data if kept_for == key else None  # types may differ and have one name


def _save(self: Any, key: Any, data: Any) -> None:
    """Take the place of `IndexDataCacheFile.save`: the file is there whole, or it is not there."""
    path = _path(self, key)
    written = path.with_name(f"{path.name}.tmp.{uuid.uuid4().hex[:16]}")
    try:
        written.write_bytes(sealed(self._dump((key, data))))
        written.replace(path)
    except BaseException:
        with suppress(OSError):
            written.unlink()
        raise


def _path(files: Any, key: Any) -> Path:
    """The file of one function for one `key` of numba's: types, CPU, bytecode; a digest of it is in the name."""
    said = repr((key, files._source_stamp, files._version))  # noqa: SLF001 - numba's
    name = files._index_name.removesuffix(".nbi")  # noqa: SLF001
    return Path(files._cache_path) / f"{name}.{hashlib.sha256(said.encode()).hexdigest()[:24]}{SUFFIX}"  # noqa: SLF001


def _forgiving_load(load: Any) -> Any:
    def load_overload(self: Any, sig: Any, target_context: Any) -> Any:
        try:
            return load(self, sig, target_context)
        except Exception:  # noqa: BLE001 - whatever it is, the function can be compiled
            return None

    return load_overload


def _forgiving_save(save: Any) -> Any:
    def save_overload(self: Any, sig: Any, data: Any) -> None:
        with suppress(OSError):  # a full disk, a folder that is gone or not ours: it is compiled again next time
            save(self, sig, data)

    return save_overload
