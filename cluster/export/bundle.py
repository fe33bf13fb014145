"""Functions of ours as plain source text, with all that they need and nothing else: what an exported file carries.

A function's text is taken from its module, and with it, one after the other, every function, class and constant of our
own that its body names. Types go, numba's decorators become `@compiled` (which the file defines: numba where it is
installed, nothing where not), imports of NumPy and the standard library are gathered. What can't be carried as it is
(vectors of LLVM, look-ups by name in tables) has a plain twin in `runtime/substitutes.txt`, and the tests hold it to
the original, bit for bit.
"""

import ast
import builtins
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from cluster.export.module_text import Bare, Meaning, Renamed, imports_of, is_compiling, module_text, tops_of

OURS: Final = ("strategies", "fitness")
_NUMBA: Final = ("numba", "llvmlite")
_SUBSTITUTES: Final = "runtime/substitutes.txt"
Name = tuple[str, str]
"""Module and the name of a definition at its top."""


@dataclass(frozen=True)
class Bundle:
    """Source text of definitions.

    Attributes:
        imports: lines, sorted.
        source: the definitions, each after those that it needs when it is made.
        names: what each definition that was asked for is called in the text.
    """

    imports: tuple[str, ...]
    source: str
    names: dict[Name, str]


def bundle(roots: Iterable[Name]) -> Bundle:
    """Return the definitions of `roots`, with all that they need, as one text.

    Raises:
        LookupError: a definition is not where it was asked for, or needs what can't be carried (numba's own types).
    """
    gathered = _Gathered()
    wanted = [gathered.add(root) for root in roots]
    names = _names(gathered.order)
    parts = [_text(gathered, name, names) for name in gathered.order]
    return Bundle(tuple(sorted(gathered.imports)), _joined(parts), {name: names[name] for name in wanted})


def _joined(parts: list[str]) -> str:
    """Definitions one below the other: constants close together, all else two lines apart."""
    text = ""
    for before, part in zip(["", *parts], parts, strict=False):
        near = "\n" not in before and "\n" not in part
        text += ("\n" if near else "\n\n\n") * bool(text) + part
    return text


def _names(order: list[Name]) -> dict[Name, str]:
    """A name of its own for each definition: its own where no other has it, else with its module's name before it."""
    bare = [name for _, name in order]
    return {
        (module, name): name if bare.count(name) == 1 else f"{module.rpartition('.')[2]}_{name.lstrip('_')}"
        for module, name in order
    }


class _Gathered:
    """What was met so far: definitions in an order in which they can be made, and imports."""

    def __init__(self) -> None:
        self.order: list[Name] = []
        self.imports: set[str] = set()
        self.meanings: dict[Name, dict[str, Name]] = {}
        self._under_way: list[Name] = []

    def add(self, wanted: Name) -> Name:
        """Take in a definition and all that it needs; its own place if it was imported from elsewhere."""
        name = _home(wanted)
        if name in self.order or name in self._under_way:
            return name
        self._under_way.append(name)
        meanings: dict[str, Name] = {}
        for word in _words(name):
            self._meet(name, word, meanings)
        self.meanings[name] = meanings
        self._under_way.remove(name)
        self.order.append(name)
        return name

    def _meet(self, name: Name, word: str, meanings: dict[str, Name]) -> None:
        """Take in what one word of a definition means; a dotted word is a name within an imported module."""
        head, _, tail = word.partition(".")
        module, imported = module_text(name[0]), _known(name)
        if head in module.tops and not tail:
            if (module.name, head) != name and not is_compiling(module, head):
                meanings[word] = self.add((module.name, head))
        elif head in imported:
            source, inner = imported[head]
            if _is_ours(source):
                target = (source, inner) if inner else (source, tail)
                if inner and tail and _ismodule_text(f"{source}.{inner}"):
                    target = (f"{source}.{inner}", tail)
                if target[1]:
                    meanings[word if inner is None or target[1] == tail else head] = self.add((target[0], target[1]))
            elif source.partition(".")[0] not in _NUMBA:
                self.imports.add(_import_line(source, inner, head))


def _home(wanted: Name) -> Name:
    """Where a definition stands, following imports from module to module."""
    module, name = wanted
    if wanted in _substitutes():
        return wanted
    found = module_text(module)
    if name in found.tops:
        return wanted
    if name in found.imported and found.imported[name][1]:
        source, inner = found.imported[name]
        return _home((source, str(inner)))
    raise LookupError(f"A definition to be carried along must stand in its module, but {name} does not ({module}).")


def _definition(name: Name) -> ast.stmt:
    if name in _substitutes():
        return _substitutes()[name]
    node = module_text(name[0]).tops[name[1]]
    decorators = getattr(node, "decorator_list", [])
    if any("intrinsic" in ast.unparse(each) for each in decorators):
        raise LookupError(f"An intrinsic must have a plain twin in {_SUBSTITUTES} to be carried, but {name} has none.")
    return node


@cache
def _known(name: Name) -> dict[str, Meaning]:
    """What the imported names within a definition mean: those of its module, and its own."""
    found = dict(module_text(name[0]).imported)
    for each in ast.walk(_definition(name)):
        if isinstance(each, ast.Import | ast.ImportFrom):
            found |= imports_of(each)
    return found


def _import_line(source: str, inner: str | None, alias: str) -> str:
    if inner is None:
        return f"import {source}" if source == alias else f"import {source} as {alias}"
    return f"from {source} import {inner}" + (f" as {alias}" if alias != inner else "")


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] in OURS


@cache
def _ismodule_text(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


@cache
def _bare_text(name: Name) -> str:
    """The text of a definition without types, imports and long docstrings."""
    return ast.unparse(ast.fix_missing_locations(Bare(module_text(name[0])).visit(_copy(_definition(name)))))


@cache
def _words(name: Name) -> tuple[str, ...]:
    """The names that the text of a definition will hold, each once: plain, or `module.name` for imported modules."""
    found: dict[str, None] = {}
    inside = _known(name)
    for each in ast.walk(ast.parse(_bare_text(name))):
        if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name) and each.value.id in inside:
            source, inner = inside[each.value.id]
            is_module = inner is None or _ismodule_text(f"{source}.{inner}")
            if _is_ours(source) and is_module:
                found[f"{each.value.id}.{each.attr}"] = None
        if isinstance(each, ast.Name) and not hasattr(builtins, each.id):
            found[each.id] = None
    dotted = {word.partition(".")[0] for word in found if "." in word}
    return tuple(word for word in found if word not in dotted)


def _copy(node: ast.stmt) -> ast.stmt:
    return ast.parse(ast.unparse(node)).body[0]


def _text(gathered: _Gathered, name: Name, names: dict[Name, str]) -> str:
    """The source of one definition, under its new name."""
    renamed = {word: names[meaning] for word, meaning in gathered.meanings[name].items()}
    renamed |= {top: names[(name[0], top)] for top in tops_of(_definition(name)) if (name[0], top) in names}
    if all(word == new for word, new in renamed.items()):
        return _bare_text(name)
    return ast.unparse(ast.fix_missing_locations(Renamed(renamed).visit(ast.parse(_bare_text(name)))))


@cache
def _substitutes() -> dict[Name, ast.stmt]:
    """Plain twins by the definition that they stand for, which the comment line before each names."""
    text = (Path(__file__).parent / _SUBSTITUTES).read_text(encoding="utf-8")
    found: dict[Name, ast.stmt] = {}
    for part in text.split("# for ")[1:]:
        first, _, source = part.partition("\n")
        module, _, name = first.strip().rpartition(".")
        found[(module, name)] = ast.parse(source).body[0]
    return found
