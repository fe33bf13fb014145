"""A small Pine Script v6: enough to run what is exported, bar by bar, and stricter than Pine.

It reads declarations, `var`, `:=`, `if`, `for`, functions, tuples, history `[]` and expressions, and makes a closure of
every call of a function of the script: state and history belong to the place of the call, as in Pine. What Pine would
take with a warning, or decide in its own way, is an error here: an unknown name, a second declaration, a function of
the script called inside a branch or a loop (its history would have holes), a division by zero.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from tests.export.pine_parser import Function, Node, parse

NAN: Final = math.nan
SERIES: Final = ("open", "high", "low", "close", "volume")
DECIMALS: Final = 9
"""To which Pine is said to round what it compares."""


def run(source: str, columns: Mapping[str, Any], broker: Any, *, rounds: bool = False) -> dict[str, list[Any]]:
    """The value of every variable of the script at each bar, by name.

    Args:
        source: the script.
        columns: the five columns of the bars.
        broker: what `strategy.*` talks to; told of each bar by `begin(t)` before the script runs on it.
        rounds: compare numbers rounded to nine decimals.
    """
    functions, body = parse(source)
    writer = _Writer(functions, rounds=rounds)
    code = writer.module(body)
    told: dict[str, list[Any]] = {name: [] for name in writer.recorded}
    bar = [0]
    world = {f"S_{name}": [float(value) for value in columns[name]] for name in SERIES}
    space: dict[str, Any] = {**_RUNTIME, **world, "T": bar, "OUT": told, "BROKER": broker}
    exec(compile(code, "<pine>", "exec"), space)  # written here, from a grammar that knows no Python
    step: Callable[[], Any] = space["make_main"]()
    for t in range(len(world["S_close"])):
        bar[0] = t
        broker.begin(t)
        step()
    return told


def _back(past: list[Any], now: Any, n: int) -> Any:
    if n < 0 or n != int(n):
        raise ValueError(f"history must be a whole number of bars ago, but was {n}")
    if n == 0:
        return now
    return past[-n] if n <= len(past) else NAN


def _bar_back(series: list[float], t: int, n: int) -> float:
    if n < 0 or n != int(n):
        raise ValueError(f"history must be a whole number of bars ago, but was {n}")
    return series[t - n] if n <= t else NAN


def _counted(first: int, last: int) -> range:
    """Pine counts down where the end lies below the start."""
    return range(first, last + 1) if last >= first else range(first, last - 1, -1)


def _most(*values: float) -> float:
    return NAN if any(value != value for value in values) else max(values)


def _least(*values: float) -> float:
    return NAN if any(value != value for value in values) else min(values)


def _truth(value: Any) -> bool:
    if value is not True and value is not False:
        raise TypeError(f"a condition must be a bool in v6, but was {value!r}")
    return value


def _rounded(value: Any) -> Any:
    return round(value, DECIMALS) if isinstance(value, float) and math.isfinite(value) else value


_RUNTIME: Final[dict[str, Any]] = {
    "NAN": NAN,
    "back": _back,
    "bar_back": _bar_back,
    "counted": _counted,
    "truth": _truth,
    "rounded": _rounded,
    "F_na": lambda value: value != value,
    "F_math_abs": abs,
    "F_math_max": _most,
    "F_math_min": _least,
    "F_math_sqrt": math.sqrt,
    "F_input_float": lambda default, **_: default,
    "F_input_bool": lambda default, **_: default,
    "F_strategy": lambda *_, **__: None,
    "F_plotshape": lambda *_, **__: None,
    "F_plot": lambda *_, **__: None,
}
_CONSTANTS: Final = ("color.", "shape.", "location.", "size.", "strategy.commission.", "display.", "format.")
_BROKER_WORDS: Final = ("strategy.", "syminfo.")


class _Scope:
    """Names that a block may use: its own and those of the blocks around it."""

    def __init__(self, outer: "_Scope | None" = None) -> None:
        self.outer = outer
        self.names: set[str] = set()

    def declare(self, name: str) -> None:
        if name in self.names:
            raise NameError(f"{name} is declared twice")
        self.names.add(name)

    def knows(self, name: str) -> bool:
        return name in self.names or (self.outer is not None and self.outer.knows(name))


class _Writer:
    """Python source of a script; `recorded` are the names of its variables."""

    def __init__(self, functions: Mapping[str, Function], *, rounds: bool) -> None:
        self._functions = functions
        self._rounds = rounds
        self.recorded: list[str] = []
        self._state: list[str] = []
        self._past: set[str] = set()
        self._calls = 0
        self._depth = 0
        self._is_main = False

    def module(self, body: list[Node]) -> str:
        parts = [self._closure(one.name, one.parameters, one.body) for one in self._functions.values()]
        self._is_main = True
        return "\n".join([*parts, self._closure("main", (), body)])

    def _closure(self, name: str, parameters: tuple[str, ...], body: list[Node]) -> str:
        self._state, self._past, self._calls = [], set(), 0
        scope = _Scope()
        for parameter in parameters:
            scope.declare(parameter)
        lines = self._block(body, scope, "        ", returns=not self._is_main)
        names = re.findall(r"^    (v_\w+) = ", "\n".join(self._state), re.MULTILINE)
        head = [f"def make_{name}():", *self._state, *(f"    h_{one} = []" for one in sorted(self._past))]
        head.append(f"    def f({', '.join('v_' + one for one in parameters)}):")
        head += [f"        nonlocal {', '.join(names)}"] if names else []
        tail = [f"        h_{one}.append(v_{one})" for one in sorted(self._past)]
        tail += [f"        OUT[{one!r}].append(v_{one})" for one in self.recorded] if self._is_main else []
        return "\n".join(
            [*head, *lines, *tail, "        return result" if parameters or not self._is_main else "", "    return f"]
        )

    def _block(self, body: list[Node], scope: _Scope, pad: str, *, returns: bool) -> list[str]:
        lines: list[str] = []
        for number, node in enumerate(body):
            if returns and number == len(body) - 1:
                if node[0] != "expression":
                    raise SyntaxError(f"a function must end with a value, but ends with {node[0]}")
                lines.append(f"{pad}result = {self._text(node[1], scope)}")
            else:
                lines += getattr(self, f"_{node[0]}")(node, scope, pad)
        return lines or [f"{pad}pass"]

    def _declare(self, node: Node, scope: _Scope, pad: str) -> list[str]:
        _, is_var, kind, name, value = node
        if value == ("name", "na") and not kind:
            raise TypeError(f"{name} must have a type, since it begins as na")
        text = self._text(value, scope)
        scope.declare(name)
        if self._is_main and scope.outer is None:
            self.recorded.append(name)
        if not is_var:
            return [f"{pad}v_{name} = {text}"]
        self._state.append(f"    v_{name} = {text}")
        return []

    def _assign(self, node: Node, scope: _Scope, pad: str) -> list[str]:
        _, name, operator, value = node
        if not scope.knows(name):
            raise NameError(f"{name} is set before it is declared")
        return [f"{pad}v_{name} {operator} {self._text(value, scope)}"]

    def _unpack(self, node: Node, scope: _Scope, pad: str) -> list[str]:
        text = self._text(node[2], scope)
        for name in node[1]:
            scope.declare(name)
        return [f"{pad}{', '.join('v_' + name for name in node[1])} = {text}"]

    def _expression(self, node: Node, scope: _Scope, pad: str) -> list[str]:
        return [f"{pad}{self._text(node[1], scope)}"]

    def _if(self, node: Node, scope: _Scope, pad: str) -> list[str]:
        lines = []
        for number, (condition, body) in enumerate(node[1]):
            if condition is None:
                lines.append(f"{pad}else:")
            else:
                lines.append(f"{pad}{'el' if number else ''}if truth({self._text(condition, scope)}):")
            self._depth += 1
            lines += self._block(body, _Scope(scope), pad + "    ", returns=False)
            self._depth -= 1
        return lines

    def _for(self, node: Node, scope: _Scope, pad: str) -> list[str]:
        _, name, first, last, body = node
        inner = _Scope(scope)
        inner.declare(name)
        head = f"{pad}for v_{name} in counted({self._text(first, scope)}, {self._text(last, scope)}):"
        self._depth += 1
        lines = self._block(body, inner, pad + "    ", returns=False)
        self._depth -= 1
        return [head, *lines]

    def _text(self, node: Node, scope: _Scope) -> str:
        kind = node[0]
        if kind in ("number", "string"):
            return repr(node[1])
        if kind == "name":
            return self._name(node[1], scope)
        if kind == "tuple":
            return f"({', '.join(self._text(one, scope) for one in node[1])})"
        if kind == "unary":
            return f"({node[1]} {self._text(node[2], scope)})"
        if kind == "binary":
            return self._binary(node, scope)
        if kind == "history":
            return self._history(node, scope)
        if kind == "call":
            return self._call(node, scope)
        condition = self._text(node[1], scope)
        self._depth += 1
        yes, no = self._text(node[2], scope), self._text(node[3], scope)
        self._depth -= 1
        return f"({yes} if truth({condition}) else {no})"

    def _binary(self, node: Node, scope: _Scope) -> str:
        _, operator, left, right = node
        one = self._text(left, scope)
        self._depth += operator in ("and", "or")
        other = self._text(right, scope)
        self._depth -= operator in ("and", "or")
        if self._rounds and operator in ("<", ">", "<=", ">=", "==", "!="):
            one, other = f"rounded({one})", f"rounded({other})"
        return f"({one} {operator} {other})"

    def _name(self, name: str, scope: _Scope) -> str:
        if scope.knows(name):
            return f"v_{name}"
        if name in SERIES:
            return f"S_{name}[T[0]]"
        known = {"na": "NAN", "true": "True", "false": "False", "bar_index": "T[0]"}
        if name in known:
            return known[name]
        if name.startswith(_CONSTANTS) or name in ("strategy.long", "strategy.short"):
            return repr(name)
        if name.startswith(_BROKER_WORDS):
            return f"BROKER.{name.replace('.', '_')}"
        raise NameError(f"{name} is not declared")

    def _history(self, node: Node, scope: _Scope) -> str:
        _, name, index = node
        place = self._text(index, scope)
        if scope.knows(name):
            self._past.add(name)
            return f"back(h_{name}, v_{name}, {place})"
        if name in SERIES:
            return f"bar_back(S_{name}, T[0], {place})"
        raise NameError(f"{name} has no history")

    def _call(self, node: Node, scope: _Scope) -> str:
        _, name, arguments, named = node
        words = [self._text(one, scope) for one in arguments]
        words += [f"{key}={self._text(one, scope)}" for key, one in named.items()]
        given = ", ".join(words)
        if name in self._functions:
            if self._depth:
                raise SyntaxError(f"{name} must be called at every bar, but is called in a branch or loop")
            if named or len(arguments) != len(self._functions[name].parameters):
                raise TypeError(f"{name} must have {len(self._functions[name].parameters)} arguments")
            self._calls += 1
            self._state.append(f"    c_{self._calls} = make_{name}()")
            return f"c_{self._calls}({given})"
        if name.startswith("strategy."):
            return f"BROKER.{name.replace('.', '_')}({given})"
        if f"F_{name.replace('.', '_')}" not in _RUNTIME:
            raise NameError(f"{name} is no function that is known here")
        return f"F_{name.replace('.', '_')}({given})"
