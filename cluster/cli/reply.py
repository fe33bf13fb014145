"""What a command answers: data on the true stdout, everything else on stderr, one JSON document with `--json`.

Libraries print where they like (Ray writes worker deaths to file descriptor 1, whatever its log settings), so while a
command runs, descriptor 1 points at stderr and only a `Reply` still holds the true stdout.
"""

import contextlib
import io
import json
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

UNSET = object()


class Reply:
    """The one answer of one command, as text for people or as one JSON document."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self._document: object = UNSET
        self._stream: TextIO = sys.stdout
        self._undo = contextlib.ExitStack()

    def fence(self) -> None:
        """Point stdout at stderr for everyone but this reply, until the process ends or `close`."""
        sys.stdout.flush()
        self._stream = sys.stdout
        if _descriptor(sys.stdout) == 1 and _descriptor(sys.stderr) == 2:
            self._stream = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="replace")
            self._undo.callback(self._stream.close)
            os.dup2(2, 1)
        self._undo.enter_context(contextlib.redirect_stdout(sys.stderr))

    def give(self, document: object, show: "Callable[[Console], None]") -> None:
        """Answer: `document` with `--json` (printed once, at the end), else `show` on the true stdout."""
        if self.as_json:
            self._document = document
        else:
            show(self.console())

    def text(self, text: str) -> None:
        """Write `text` to the true stdout as it is."""
        self._stream.write(text if text.endswith("\n") else text + "\n")
        self._stream.flush()

    def console(self) -> "Console":
        """A console on the true stdout; wide when there is no terminal to ask."""
        return console_on(self._stream)

    def fail(self, message: str, exit_code: int) -> None:
        """Say why the command failed, once: in the document with `--json`, else as a line on stderr."""
        if self.as_json and self._document is UNSET:
            self._document = {"error": {"message": message}, "exit_code": exit_code}
        else:
            say(f"error: {message}")

    def leave(self, exit_code: int) -> None:
        """Say with `--json` that the process ends at once; for `signals.last_words`, so on another thread."""
        if self.as_json:
            self.fail("left at once, as asked for by a second signal.", exit_code)
            self._print_document()

    def close(self) -> None:
        """Print the document, if one is due, and give stdout back."""
        if self.as_json and self._document is not UNSET:
            self._print_document()
        self._stream.flush()
        self._undo.close()

    def _print_document(self) -> None:
        from cluster.journal import plain

        self.text(json.dumps(plain(self._document), indent=2, ensure_ascii=False, allow_nan=False))


def say(text: str) -> None:
    """Write one message to stderr."""
    print(text, file=sys.stderr, flush=True)


def console_on(stream: TextIO) -> "Console":
    """A rich console on `stream`, 160 columns wide where there is no terminal (COLUMNS overrides)."""
    from rich.console import Console

    wide = None if stream.isatty() or "COLUMNS" in os.environ else 160
    return Console(file=stream, highlight=False, markup=False, emoji=False, soft_wrap=False, width=wide)


def _descriptor(stream: TextIO) -> int:
    """The file descriptor of `stream`, -1 for a stream without one."""
    try:
        return stream.fileno()
    except (OSError, ValueError, io.UnsupportedOperation):
        return -1
