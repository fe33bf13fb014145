"""Strategies that users write in Python, and how one is loaded from a module.

A strategy is any object with `decide(self, bars) -> Decisions`; a plain dataclass will do, and its fields are its
parameters (bounds go into `field(metadata={"low": 2, "high": 400})`). A module gives one of them: a `STRATEGY`, or its
only class with a `decide` that can be made without arguments. What else the contract asks for may be attributes of it:
`name`, `requires`, `metrics`, `risk`.

Loading a module runs its code, with all rights of the user: load only what you would run.
"""

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Final, TypeVar

from strategies.contract import Requires, RiskPlan
from strategies.contract_checks import place_of
from strategies.errors import StrategyError, UsageError
from strategies.hand_written import HandWritten, check_parameter

Result = TypeVar("Result")
_EXPECTED: Final = {"requires": Requires, "risk": RiskPlan, "metrics": tuple}


def load_module_strategies(name: str, folders: Sequence[Path] = ()) -> tuple[HandWritten, ...]:
    """Return the strategies that `name` means, in order of file names. Runs their code.

    Args:
        name: a module that can be imported (`strategies.examples.sma_cross`), a file ending in `.py`, a folder (each of
            its files that does not begin with `_` or `.`), or the name of a file in one of `folders`.
        folders: where names are looked up, before installed modules.

    Raises:
        UsageError: there is nothing of that name.
        StrategyError: a module fails, has no strategy or several, or one that lacks what the contract asks for.
    """
    path = Path(name)
    if not name.strip():
        raise UsageError("A module must have a name, but was ''.")  # Path("") would be the working folder
    if path.is_dir():
        files = sorted(file for file in path.glob("*.py") if not file.name.startswith(("_", ".")))
        if not files:
            raise UsageError(f"A folder of strategies must have files ending in .py, but {path} has none.")
        return tuple(_strategy_in(_from_file(file), str(file)) for file in files)
    if path.suffix == ".py" or len(path.parts) > 1:
        if not path.is_file():
            raise UsageError(f"A module must exist, but there is no file or folder {name}.")
        return (_strategy_in(_from_file(path), name),)
    for folder in folders:
        file = folder / f"{name}.py"
        if file.is_file():
            return (_strategy_in(_from_file(file), str(file)),)
    return (_strategy_in(_imported(name, folders), name),)


def _imported(name: str, folders: Sequence[Path]) -> ModuleType:
    if not _run(name, lambda: _exists(name)):
        places = ", ".join(map(str, folders)) or "no folder of strategies is set"
        raise UsageError(
            f"A module must be one that can be imported, a file, or a name in a folder of strategies, but was {name!r} "
            f"({places})."
        )
    return _run(name, lambda: importlib.import_module(name))


def _from_file(path: Path) -> ModuleType:
    """The module in a file, under a name of its own: two files called alike don't meet."""
    name = f"studbook_module_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"A module must be a Python file, but {path} can't be read as one.")
    module, loader = importlib.util.module_from_spec(spec), spec.loader
    sys.modules[name] = module  # dataclasses look their module up

    def run() -> ModuleType:
        loader.exec_module(module)
        return module

    try:
        return _run(str(path), run)
    except StrategyError:
        del sys.modules[name]
        raise


def _exists(name: str) -> bool:
    """Whether there is a module of that name; looking for it imports the packages that it is in."""
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            return False
        raise
    except ValueError:  # not a name at all
        return False


def _run(where: str, run: Callable[[], Result]) -> Result:
    """What `run` gives, which is the user's code; what it raises is said with its place."""
    try:
        return run()
    except Exception as error:
        raise StrategyError(
            f"A module of strategies must load, but {where} raised {type(error).__name__}: {error} "
            f"({place_of(error)}). Mend the module."
        ) from error


def _strategy_in(module: ModuleType, where: str) -> HandWritten:
    """The one strategy of a module."""
    found = getattr(module, "STRATEGY", None)
    if found is None:
        own = [
            value for value in vars(module).values() if isinstance(value, type) and value.__module__ == module.__name__
        ]
        rules = [one for one in own if callable(getattr(one, "decide", None))]
        if len(rules) != 1:
            listed = f" ({', '.join(one.__name__ for one in rules)})" if rules else ""
            raise StrategyError(
                f"A module must give one strategy, but {where} has {len(rules)}{listed}: write a class with "
                "`decide(self, bars)`, and where there are several, put one of them into `STRATEGY`."
            )
        found = _run(where, rules[0])
    if isinstance(found, type):
        found = _run(where, found)
    return _checked(HandWritten(found, where), where)


def _checked(strategy: HandWritten, where: str) -> HandWritten:
    """The strategy, if it has what the contract asks for, in the types that it asks for."""
    if not callable(getattr(strategy.rule, "decide", None)):
        raise StrategyError(
            f"A strategy must have `decide(self, bars)`, but STRATEGY of {where} is a {type(strategy.rule).__name__} "
            "without it: write one."
        )
    for name, kind in _EXPECTED.items():
        value = getattr(strategy, name)
        if not isinstance(value, kind):
            raise StrategyError(
                f"`{name}` of {where} must be a {kind.__name__}, but was {value!r:.80}: see strategies/contract.py."
            )
    if strategy.risk.stop is None:
        raise StrategyError(f"`risk` of {where} must have a stop, but had none: every strategy has one.")
    for name, one in strategy.parameters.items():
        check_parameter(where, name, one.value, one)
    return strategy
