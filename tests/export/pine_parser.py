"""Pine Script v6 as a tree: the part of the language that is exported, by its published grammar of operators."""

import re
from dataclasses import dataclass
from typing import Any, Final

Node = tuple[Any, ...]
TYPES: Final = ("float", "int", "bool")
_WORDS: Final = (
    "and or not if else for to by in while switch var varip import export method type enum const series simple "
    "true false na catch class do ellipse is polygon range return struct text throw try"
)
RESERVED: Final = frozenset(_WORDS.split(" "))
_TOKEN: Final = re.compile(
    r'\s*(?:(?P<number>\d+(?:\.\d+)?(?:e[+-]?\d+)?)|(?P<name>[A-Za-z_][\w.]*)|(?P<string>"[^"]*")'
    r"|(?P<mark>:=|\+=|-=|=>|==|!=|<=|>=|[-+*/%<>=?:(),\[\]]))"
)
_LEVELS: Final = (("or",), ("and",), ("==", "!="), ("<", ">", "<=", ">="), ("+", "-"), ("*", "/", "%"))


@dataclass(frozen=True)
class Function:
    """A function of a script."""

    name: str
    parameters: tuple[str, ...]
    body: list[Node]


def parse(source: str) -> tuple[dict[str, Function], list[Node]]:
    """The functions of a script by name, and what it does at each bar."""
    lines = source.splitlines()
    if lines[0] != "//@version=6":
        raise SyntaxError(f"a script must begin with its version, but began with {lines[0]!r}")
    kept = [line for line in (_uncommented(line) for line in lines) if line.strip()]
    functions: dict[str, Function] = {}
    body: list[Node] = []
    place = 0
    while place < len(kept):
        head = kept[place]
        block, after = _block(kept, place)
        if head.endswith("=>"):
            function = _function(head, block)
            if function.name in functions:
                raise NameError(f"{function.name} is declared twice")
            functions[function.name] = function
            place = after
        else:
            found, place = _statement(kept, place)
            body.append(found)
    return functions, body


def _uncommented(line: str) -> str:
    """A line without its comment; what stands in quotes is none."""
    found = re.match(r'(?:[^"/]|"[^"]*"|/(?!/))*', line)
    return found[0].rstrip() if found else line


def _indent(line: str) -> int:
    n = len(line) - len(line.lstrip(" "))
    if n % 4 or "\t" in line:
        raise SyntaxError(f"a block must be indented by four spaces, but was {line!r}")
    return n // 4


def _block(lines: list[str], place: int) -> tuple[list[str], int]:
    """The lines of the block below a line, and the place after it."""
    depth, after = _indent(lines[place]), place + 1
    while after < len(lines) and _indent(lines[after]) > depth:
        after += 1
    return lines[place + 1 : after], after


def _statements(lines: list[str]) -> list[Node]:
    out: list[Node] = []
    place = 0
    while place < len(lines):
        found, place = _statement(lines, place)
        out.append(found)
    return out


def _function(head: str, block: list[str]) -> Function:
    found = re.fullmatch(r"(\w+)\((.*)\) =>", head)
    if found is None or not block:
        raise SyntaxError(f"a function must have a name, parameters and a body, but was {head!r}")
    words = [word.split() for word in found[2].split(",") if word.strip()]
    if not all(len(word) == 2 and word[0] in TYPES for word in words):
        raise SyntaxError(f"parameters must have a type and a name, but were {found[2]!r}")
    for _, name in words:
        _checked(name)
    return Function(found[1], tuple(name for _, name in words), _statements(block))


def _statement(lines: list[str], place: int) -> tuple[Node, int]:
    line = lines[place].strip()
    block, after = _block(lines, place)
    if line.startswith("if "):
        return _branches(lines, place)
    counted = re.fullmatch(r"for (\w+) = (.+) to (.+)", line)
    if counted:
        return ("for", _checked(counted[1]), expression(counted[2]), expression(counted[3]), _statements(block)), after
    if block:
        raise SyntaxError(f"nothing must be indented below {line!r}")
    return _simple(line), after


def _branches(lines: list[str], place: int) -> tuple[Node, int]:
    depth = _indent(lines[place])
    found: list[tuple[Node | None, list[Node]]] = []
    while place < len(lines) and _indent(lines[place]) == depth:
        line = lines[place].strip()
        opening = re.fullmatch(r"(if|else if) (.+)", line)
        if not (opening and (opening[1] == "if") == (not found)) and not (found and line == "else"):
            break
        block, place = _block(lines, place)
        if not block:
            raise SyntaxError(f"a branch must have a body: {line!r}")
        found.append((expression(opening[2]) if opening else None, _statements(block)))
    return ("if", found), place


def _simple(line: str) -> Node:
    declared = re.fullmatch(r"(var )?(?:(float|int|bool) )?([A-Za-z_]\w*) = (.+)", line)
    if declared:
        return "declare", bool(declared[1]), declared[2] or "", _checked(declared[3]), expression(declared[4])
    assigned = re.fullmatch(r"([A-Za-z_]\w*) (:=|\+=|-=) (.+)", line)
    if assigned:
        return "assign", assigned[1], "=" if assigned[2] == ":=" else assigned[2], expression(assigned[3])
    unpacked = re.fullmatch(r"\[([\w, ]+)\] = (.+)", line)
    if unpacked:
        return "unpack", [_checked(name.strip()) for name in unpacked[1].split(",")], expression(unpacked[2])
    return "expression", expression(line)


def _checked(name: str) -> str:
    if name in RESERVED:
        raise SyntaxError(f"a name must not be a word of the language, but was {name!r}")
    return name


def expression(text: str) -> Node:
    """An expression as a tree."""
    tokens, place = [], 0
    text = text.strip()
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            raise SyntaxError(f"what is {text[place:]!r} in {text!r}?")
        tokens.append((str(found.lastgroup), found[found.lastgroup or 0]))
        place = found.end()
    parser = _Parser(tokens, text)
    tree = parser.ternary()
    if parser.place != len(tokens):
        raise SyntaxError(f"what is {tokens[parser.place][1]!r} in {text!r}?")
    return tree


class _Parser:
    def __init__(self, tokens: list[tuple[str, str]], text: str) -> None:
        self._tokens, self._source = tokens, text
        self.place = 0

    def _peek(self) -> str:
        return self._tokens[self.place][1] if self.place < len(self._tokens) else ""

    def _take(self, wanted: str = "") -> tuple[str, str]:
        if self.place >= len(self._tokens) or (wanted and self._peek() != wanted):
            raise SyntaxError(f"{wanted or 'more'} is missing in {self._source!r}")
        self.place += 1
        return self._tokens[self.place - 1]

    def ternary(self) -> Node:
        condition = self._level(0)
        if self._peek() != "?":
            return condition
        self._take("?")
        yes = self.ternary()
        self._take(":")
        return "choice", condition, yes, self.ternary()

    def _level(self, level: int) -> Node:
        if level == len(_LEVELS):
            return self._unary()
        left = self._level(level + 1)
        while self._peek() in _LEVELS[level]:
            operator = self._take()[1]
            left = ("binary", operator, left, self._level(level + 1))
        return left

    def _unary(self) -> Node:
        if self._peek() in ("-", "not"):
            operator = self._take()[1]
            return "unary", operator, self._unary()
        return self._postfix()

    def _postfix(self) -> Node:
        kind, word = self._take()
        if kind == "number":
            return "number", float(word) if "." in word or "e" in word else int(word)
        if kind == "string":
            return "string", word[1:-1]
        if word == "(":
            inner = self.ternary()
            self._take(")")
            return inner
        if word == "[":
            items = [self.ternary()]
            while self._peek() == ",":
                self._take()
                items.append(self.ternary())
            self._take("]")
            return "tuple", items
        if kind != "name":
            raise SyntaxError(f"what is {word!r} in {self._source!r}?")
        if self._peek() == "(":
            return self._called(word)
        if self._peek() == "[":
            self._take()
            index = self.ternary()
            self._take("]")
            return "history", word, index
        return "name", word

    def _called(self, name: str) -> Node:
        self._take("(")
        arguments: list[Node] = []
        named: dict[str, Node] = {}
        while self._peek() != ")":
            if self._tokens[self.place + 1][1] == "=":
                key = self._take()[1]
                self._take("=")
                named[key] = self.ternary()
            else:
                arguments.append(self.ternary())
            if self._peek() != ")":
                self._take(",")
        self._take(")")
        return "call", name, arguments, named
