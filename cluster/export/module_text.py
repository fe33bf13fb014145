"""A module of ours read as text: what stands at its top, by name, and each definition without types and numba."""

import ast
import importlib
import inspect
from dataclasses import dataclass, field
from functools import cache
from typing import Final

Meaning = tuple[str, str | None]
"""What an imported name means: a module and a name in it, None for the module itself."""
_NJIT: Final = ("njit", "numba.njit")


@dataclass
class ModuleText:
    """A module as its text: what stands at its top, by name, and what its names mean."""

    name: str
    tops: dict[str, ast.stmt] = field(default_factory=dict)
    imported: dict[str, Meaning] = field(default_factory=dict)


@cache
def module_text(name: str) -> ModuleText:
    """The module of that name, read as text."""
    source = inspect.getsource(importlib.import_module(name))
    found = ModuleText(name)
    for node in ast.parse(source).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            found.imported |= imports_of(node)
        for top in tops_of(node):
            found.tops[top] = node
    return found


def tops_of(node: ast.stmt) -> list[str]:
    """The names that a statement at a module's top defines."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [node.target.id]
    if isinstance(node, ast.Assign):
        return [each.id for target in node.targets for each in ast.walk(target) if isinstance(each, ast.Name)]
    return []


def imports_of(node: ast.Import | ast.ImportFrom) -> dict[str, Meaning]:
    """What the names of an import mean."""
    if isinstance(node, ast.Import):
        return {alias.asname or alias.name.partition(".")[0]: (alias.name, None) for alias in node.names}
    return {alias.asname or alias.name: (str(node.module), alias.name) for alias in node.names}


def is_compiling(module: ModuleText, name: str) -> bool:
    """Whether a name at a module's top is a way of numba's to compile."""
    node = module.tops[name]
    value = getattr(node, "value", None)
    return isinstance(value, ast.Call) and ast.unparse(value.func) in _NJIT


class Bare(ast.NodeTransformer):
    """Drops types, imports and everything of a docstring beyond its first line; numba's decorators are `compiled`."""

    def __init__(self, module: ModuleText) -> None:
        self._module = module

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        """Drop the types of arguments and of what comes back."""
        node.returns = None
        every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
        for argument in every:
            if argument is not None:
                argument.annotation = None
        node.decorator_list = [self._decorator(each) for each in node.decorator_list]
        self._shorten(node)
        self.generic_visit(node)
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        """Keep fields as such, of no type in particular."""
        self._shorten(node)
        body: list[ast.stmt] = []
        for each in node.body:
            if isinstance(each, ast.AnnAssign):
                each.annotation = ast.Name("object", ast.Load())
                body.append(each)
            else:
                body.append(self.visit(each))
        node.body = body
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt | None:
        """Make a plain assignment of a typed one."""
        if node.value is None:
            return None
        return ast.Assign([node.target], self.visit(node.value), lineno=0)

    def visit_Import(self, node: ast.Import) -> None:
        """Drop it."""
        del node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """Drop it."""
        del node

    def _decorator(self, node: ast.expr) -> ast.expr:
        text = ast.unparse(node)
        of_numba = text.startswith("njit") or (text in self._module.tops and is_compiling(self._module, text))
        return ast.Name("compiled", ast.Load()) if of_numba else node

    @staticmethod
    def _shorten(node: ast.FunctionDef | ast.ClassDef) -> None:
        text = ast.get_docstring(node)
        if text is not None:
            node.body[0] = ast.Expr(ast.Constant(text.partition("\n")[0]))


class Renamed(ast.NodeTransformer):
    """Puts new names in place of what the old ones mean."""

    def __init__(self, renamed: dict[str, str]) -> None:
        self._renamed = renamed

    def visit_Name(self, node: ast.Name) -> ast.Name:
        """Rename what is read or written."""
        node.id = self._renamed.get(node.id, node.id)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        """Put the definition itself in place of a name within its module."""
        if isinstance(node.value, ast.Name) and f"{node.value.id}.{node.attr}" in self._renamed:
            return ast.Name(self._renamed[f"{node.value.id}.{node.attr}"], node.ctx)
        self.generic_visit(node)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        """Rename a function."""
        node.name = self._renamed.get(node.name, node.name)
        self.generic_visit(node)
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        """Rename a class."""
        node.name = self._renamed.get(node.name, node.name)
        self.generic_visit(node)
        return node
