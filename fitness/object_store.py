"""Stores of shards in an object store: `s3://bucket/prefix` and its like, beside folders on a disk.

An `ObjectPath` offers what a store of shards asks of a `pathlib.Path`, so that the code above is the same for both. A
shard is one object: a reader meets the old one or the new one, never half of either. Its bytes come and go through
fsspec, whole, because the seal is over all of them. Endpoint and credentials are those of the environment
(`AWS_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID`, a profile, a role): none is ever taken from a job file, where the journal
would keep it.
"""

import contextlib
import functools
import importlib
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Final, Self
from urllib.parse import urlsplit

from fitness.files import atomic_write_bytes
from strategies.errors import ClusterError, ConfigError

PACKAGES: Final = {"s3": "s3fs", "gs": "gcsfs", "az": "adlfs", "abfs": "adlfs", "abfss": "adlfs"}
"""Scheme -> the package through which fsspec speaks it."""
_SETTINGS: Final[dict[str, dict[str, Any]]] = {
    "s3": {"config_kwargs": {"connect_timeout": 10, "read_timeout": 60, "retries": {"total_max_attempts": 1}}}
}
"""s3fs itself tries five times what is worth it; the client below it would multiply that."""
_URL = re.compile(r"([a-z][a-z0-9+.-]{1,9}):(/+|$)")
"""A URL, or what `Path` makes of one: `s3:/bucket/prefix`. A drive letter is one letter."""


class ObjectPath:
    """A place in an object store, used as a `Path` is: a store, a partition or a shard. It never changes.

    Attributes:
        scheme: that of the URL, a key of `PACKAGES`.
        key: bucket and key, without a slash at either end.
        system: the fsspec file system that all places of one store share.
    """

    __slots__ = ("key", "scheme", "system")

    def __init__(self, scheme: str, key: str, system: Any) -> None:
        self.scheme, self.key, self.system = scheme, key, system

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ObjectPath) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __repr__(self) -> str:
        return f"ObjectPath({str(self)!r})"

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __str__(self) -> str:
        return f"{self.scheme}://{self.key}"

    def __truediv__(self, name: str) -> Self:
        return type(self)(self.scheme, f"{self.key}/{name}", self.system)

    @property
    def parts(self) -> tuple[str, ...]:
        """Bucket, then the steps of the key."""
        return tuple(self.key.split("/"))

    @property
    def name(self) -> str:
        """The last step."""
        return self.parts[-1]

    @property
    def parent(self) -> Self:
        """The place without its last step."""
        return type(self)(self.scheme, self.key.rpartition("/")[0], self.system)

    @property
    def parents(self) -> tuple[Self, ...]:
        """Its parent, the parent of that, and so on up to the bucket."""
        above = range(len(self.parts) - 1, 0, -1)
        return tuple(type(self)(self.scheme, "/".join(self.parts[:n]), self.system) for n in above)

    def as_posix(self) -> str:
        """The URL."""
        return str(self)

    def exists(self) -> bool:
        """Whether there is an object of this key.

        Raises:
            ClusterError: the store does not answer or does not let us in.
        """
        with _asking(self):
            return bool(self.system.isfile(self.key))

    is_file = exists

    def is_dir(self) -> bool:
        """Whether any object lies below; an object store has no empty folders.

        Raises:
            ClusterError: as `exists`.
        """
        return any(True for _ in self._below())

    def glob(self, pattern: str) -> Iterator[Self]:
        """The objects below that fit, step for step; `**` is not known.

        Raises:
            ClusterError: as `exists`.
        """
        depth = len(pattern.split("/"))
        for below in self._below():
            if len(below.parts) == depth and below.match(pattern):
                yield self / str(below)

    def read_bytes(self) -> bytes:
        """All bytes of the object.

        Raises:
            FileNotFoundError: there is no such object, or no such bucket.
            ClusterError: as `exists`, also when the answer breaks off.
        """
        with _asking(self):
            return bytes(self.system.cat_file(self.key))

    def write_bytes(self, data: bytes) -> None:
        """Put the object there, whole: who reads meanwhile gets the old one; what breaks off leaves the old one.

        Raises:
            FileNotFoundError: there is no such bucket.
            ClusterError: as `exists`.
        """
        with _asking(self):
            self.system.pipe_file(self.key, data)

    def _below(self) -> Iterator[PurePosixPath]:
        with _asking(self), contextlib.suppress(FileNotFoundError):
            for key in self.system.find(self.key):
                yield PurePosixPath(key).relative_to(self.key)


Place = Path | ObjectPath
Root = Path | str | ObjectPath
"""How a store is named: a folder, a URL, or a place that was found before."""


def place_of(root: Root) -> Place:
    """The folder, or the place in an object store, that `root` names.

    A URL that went through a `Path` on its way here, and lost a slash, is one again.

    Raises:
        ConfigError: a URL with credentials, of an unknown scheme, without a bucket, or whose package is missing.

    >>> place_of("data").name
    'data'
    """
    if isinstance(root, ObjectPath):
        return root
    text = str(root)
    if not _URL.match(text):
        return Path(root)
    scheme, key = checked_url(_URL.sub(r"\1://", text, count=1))
    return ObjectPath(scheme, key, _file_system(scheme, _environment()))


def checked_url(url: str) -> tuple[str, str]:
    """Scheme and key of the URL of a store; nothing is asked of the network.

    Raises:
        ConfigError: as `place_of`, but for the package.

    >>> checked_url("s3://bars/daily/")
    ('s3', 'bars/daily')
    """
    parts = urlsplit(url)
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ConfigError(
            "the URL of a data store must hold a bucket and a prefix alone, but one for "
            f"{parts.scheme}:// had credentials, `?` or `#` in it (it is not repeated here). "
            "Put credentials into the environment, as AWS_ACCESS_KEY_ID or a profile."
        )
    if parts.scheme not in PACKAGES:
        known = ", ".join(f"{name}://" for name in PACKAGES)
        raise ConfigError(
            f"a data store must be a folder or one of {known}, but was {url!r}; use one of these, or mount it."
        )
    key = f"{parts.netloc}{parts.path}".rstrip("/")
    if any(step in ("", ".", "..") for step in key.split("/")):
        raise ConfigError(f"the URL of a data store must be scheme://bucket/prefix, but was {url!r}; mend it.")
    return parts.scheme, key


def write_whole(place: Place, data: bytes) -> None:
    """Put `data` there, whole or not at all.

    Raises:
        OSError: as `atomic_write_bytes`, or there is no such bucket.
        ClusterError: the object store does not answer or does not let us in.
    """
    if isinstance(place, ObjectPath):
        place.write_bytes(data)
    else:
        atomic_write_bytes(place, data)


def scan_options(place: Place) -> dict[str, str] | None:
    """What polars needs to be told, beside the environment, to scan the Parquet files there itself."""
    if isinstance(place, Path) or not os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://"):
        return None
    return {"aws_allow_http": "true"}


def _environment() -> tuple[tuple[str, str], ...]:
    """What of the environment decides where a client connects and as whom."""
    return tuple(sorted(pair for pair in os.environ.items() if pair[0].startswith(("AWS_", "GOOGLE_", "AZURE_"))))


@functools.lru_cache(maxsize=4)
def _file_system(scheme: str, _key: tuple[tuple[str, str], ...]) -> Any:
    """The client of an object store; making one takes a quarter of a second, so it is kept for this environment."""
    try:
        fsspec: Any = importlib.import_module("fsspec")
        settings = {"use_listings_cache": False, "skip_instance_cache": True, **_SETTINGS.get(scheme, {})}
        return fsspec.filesystem(scheme, **settings)
    except ImportError as error:
        raise ConfigError(
            f"bars at {scheme}:// must be read through the package {PACKAGES[scheme]}, but it is missing ({error}). "
            f"Install it where the driver runs (`pip install {PACKAGES[scheme]}`), or use a folder."
        ) from error


@contextlib.contextmanager
def _asking(place: ObjectPath) -> Iterator[None]:
    """Word whatever the clients of object stores raise; only a missing object stays what it is."""
    try:
        yield
    except FileNotFoundError:
        raise
    except Exception as error:  # every client has its own tree of errors
        why = (str(error).strip().split("\n", 1)[0] or "no reason given")[:300]
        raise ClusterError(
            f"an object store must answer and let us in, but {place} did not: {type(error).__name__}: {why}. Check its "
            "endpoint (AWS_ENDPOINT_URL), the credentials in the environment and the network, then try again."
        ) from error
