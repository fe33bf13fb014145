"""The functions that an exported Pine script brings along: those that it calls, and those that these call."""

import re
from functools import cache
from pathlib import Path
from typing import Final

RUNTIME: Final = Path(__file__).parent / "runtime"
FILES: Final = ("pine_averages.txt", "pine_windows.txt", "pine_momentum.txt", "pine_channels.txt", "pine_volume.txt")
_CALL: Final = re.compile(r"\b(f_\w+)\(")


@cache
def library() -> dict[str, str]:
    """Return the text of every function by name, comment included, each below those that it calls."""
    found: dict[str, str] = {}
    for file in FILES:
        for block in (RUNTIME / file).read_text(encoding="utf-8").strip().split("\n\n"):
            head = next(line for line in block.splitlines() if not line.startswith("//"))
            found[head.partition("(")[0]] = block
    return found


def functions_for(text: str) -> list[str]:
    """Return the functions that `text` needs, in an order in which each stands below those that it calls."""
    order: dict[str, str] = {}

    def take(name: str) -> None:
        if name in order:
            return
        block = library()[name]
        for other in _CALL.findall(block.partition("=>")[2]):
            take(other)
        order[name] = block

    for name in _CALL.findall(text):
        take(name)
    return list(order.values())
