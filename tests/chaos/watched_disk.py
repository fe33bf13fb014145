"""A folder whose every change is seen: before it is made, half made, made; and refused, where a test wants that.

Only calls that touch the folder count, so it does not matter what numba, Ray or pytest write elsewhere meanwhile.
"""

import contextlib
import io
import os
import pathlib
from dataclasses import dataclass

BY_PATH = ("mkdir", "unlink", "rename", "replace", "rmdir")
BY_DESCRIPTOR = ("fsync", "pwrite", "ftruncate")


@dataclass(frozen=True)
class Call:
    """A call that changes the disk: its name, the file it is about, and what it writes where, if it writes."""

    name: str
    path: pathlib.Path
    content: bytes = b""
    offset: int = 0

    def __str__(self):
        return f"{self.name} {self.path.name}"


def place_of(path):
    """The absolute path, links and all as they are."""
    return pathlib.Path.cwd() / path


class WatchedDisk:
    """Hands every call that changes something under `root` to `before`, and after it to `after`."""

    def __init__(self, patch, root, *, before, after=id):
        self._root, self._before, self._after = root.resolve(), before, after
        self._busy = False
        for name in BY_PATH:
            patch.setattr(os, name, self._watched_path(name, getattr(os, name)))
        for name in BY_DESCRIPTOR:
            patch.setattr(os, name, self._watched_descriptor(name, getattr(os, name)))
        patch.setattr(os, "open", self._watched_creation(os.open))
        patch.setattr(io, "open", self._watched_stream(io.open))

    @contextlib.contextmanager
    def _seen(self, call):
        """Nothing that the watchers do is watched."""
        if self._busy or not call.path.is_relative_to(self._root):
            yield
            return
        self._busy = True
        try:
            self._before(call)
        finally:
            self._busy = False
        yield
        self._busy = True
        try:
            self._after(call)
        finally:
            self._busy = False

    def _watched_path(self, name, real):
        def call(path, *arguments, **options):
            with self._seen(Call(name, place_of(path))):
                return real(path, *arguments, **options)

        return call

    def _watched_descriptor(self, name, real):
        def call(descriptor, *arguments):
            path = pathlib.Path(f"/proc/self/fd/{descriptor}").readlink()
            written = arguments if name == "pwrite" else ()
            with self._seen(Call(name, path, *written)):
                return real(descriptor, *arguments)

        return call

    def _watched_creation(self, real):
        def call(path, flags, *arguments, **options):
            if not flags & os.O_CREAT:
                return real(path, flags, *arguments, **options)
            with self._seen(Call("create", place_of(path))):
                return real(path, flags, *arguments, **options)

        return call

    def _watched_stream(self, real):
        disk = self

        class Stream(io.FileIO):
            def write(self, content):
                with disk._seen(Call("write", self.place, bytes(content), self.tell())):
                    return super().write(content)

        def call(file, mode="r", *arguments, **options):
            place = None if isinstance(file, int) else place_of(file)
            if disk._busy or place is None or mode == "r" or not place.is_relative_to(disk._root):
                return real(file, mode, *arguments, **options)
            if not set(mode) & set("wxa+"):
                return real(file, mode, *arguments, **options)
            assert mode in ("wb", "xb", "ab"), f"a new way to write: teach this class {mode!r} ({place})"
            with disk._seen(Call("create", place)):
                stream = Stream(file, mode.replace("b", ""))
            stream.place = place
            return io.BufferedWriter(stream)

        return call


def content_of(root):
    """What is under a folder: names, and the bytes of files (None for folders)."""
    return {str(path.relative_to(root)): path.read_bytes() if path.is_file() else None for path in root.rglob("*")}


def put(content, root):
    """Make a folder of `content_of` another."""
    root.mkdir(parents=True, exist_ok=True)
    for name, data in sorted(content.items()):
        path = root / name
        if data is None:
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
