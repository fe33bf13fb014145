"""Names of a package that are loaded when they are asked for, so that whoever needs one module pays for one."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def names_on_demand(
    package: str, names: Sequence[str], homes: Mapping[str, str], otherwise: str
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the `__getattr__` and the `__dir__` of a package.

    Args:
        package: its name.
        names: what it offers.
        homes: modules of it that hold some of them, by name.
        otherwise: the module that holds the rest.
    """

    def get(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{homes.get(name, otherwise)}"), name)

    def listed() -> list[str]:
        return sorted({*vars(import_module(package)), *names})

    return get, listed
