"""Damage with a plan: bytes that are cut, spliced and flipped, and trees of plain values with a branch that is wrong.

Everything is drawn from a `random.Random`, so that the number of a case is all that is needed to see it again.
"""

import copy
import json
import math

ODD_NUMBERS = (0, -1, 1, 2, 2**31, 2**63, 2**64, -(2**63) - 1, 10**30, 10**400, 0.5, 1e-300, 1e300, math.inf, math.nan)
ODD_TEXTS = (
    *("", " ", "\0", "\n", "a" * 3000, "../../etc/passwd", "/etc/passwd", "..", "a/b", "C:\\x", "nan", "1e999", "null"),
    *("\u202e", "\ud800", "🦄", "é", "%s%n", "${HOME}", "`id`", "__import__('os')", "!!python/name:os.system"),
    *("2020-13-45", "9" * 40, "-0", "0x10", "1_000", "{", "[", '"', "'", "<script>", "__class__", "self", "format"),
)
ODD_LEAVES = (None, True, False, [], {}, [[]], {"": None}, *ODD_NUMBERS, *ODD_TEXTS)
ODD_LENGTHS = (0, 1, 7, 255, 2**16, 2**31 - 1, 2**32, 2**56, 2**63 - 1, 2**63, 2**64 - 1)


def damaged_bytes(rng, content):
    """The bytes with one to four pieces of damage: none of it keeps a seal."""
    for _ in range(rng.randint(1, 4)):
        content = rng.choice(_BYTE_DAMAGE)(rng, content)
    return content


def _flip(rng, content):
    found = bytearray(content or b"\0")
    found[rng.randrange(len(found))] ^= 1 << rng.randrange(8)
    return bytes(found)


def _cut(rng, content):
    return content[: rng.randint(0, len(content))]


def _lose(rng, content):
    at = rng.randint(0, len(content))
    return content[:at] + content[at + rng.choice((1, 2, 8, 64)) :]


def _repeat(rng, content):
    at = rng.randint(0, len(content))
    piece = content[at : at + rng.choice((1, 8, 100))]
    return content[:at] + piece * rng.choice((2, 3, 50)) + content[at:]


def _splice(rng, content):
    at, start = rng.randint(0, len(content)), rng.randint(0, len(content))
    return content[:at] + content[start : start + rng.randint(1, 200)] + content[at + rng.choice((0, 1, 50)) :]


def _noise(rng, content):
    at = rng.randint(0, len(content))
    return content[:at] + rng.randbytes(rng.choice((1, 4, 8, 32))) + content[at:]


def _length(rng, content):
    at = rng.choice((0, 8, rng.randint(0, len(content))))
    return content[:at] + rng.choice(ODD_LENGTHS).to_bytes(8, "little") + content[at + 8 :]


_BYTE_DAMAGE = (_flip, _flip, _cut, _lose, _repeat, _splice, _noise, _length)


def damaged_tree(rng, tree):
    """A copy of a tree of plain values (JSON, YAML, TOML) with one to three branches that are wrong."""
    found = copy.deepcopy(tree)
    for _ in range(rng.randint(1, 3)):
        found = _with_damage(rng, found)
    return found


def odd_value(rng):
    """A value that hardly any field can take: a leaf, or one wrapped in lists and mappings."""
    value = copy.deepcopy(rng.choice(ODD_LEAVES))
    for _ in range(rng.choice((0, 0, 0, 1, 2, 40))):
        value = [value] if rng.random() < 0.5 else {rng.choice(("a", "kind", "file")): value}
    return value


def deep_text(rng):
    """JSON and YAML flow text that is nested far deeper than a parser can follow."""
    depth = rng.choice((100, 1_000, 100_000))
    opening, closing = rng.choice((("[", "]"), ('{"a":', "}")))
    return opening * depth + "1" + closing * rng.choice((0, depth))


def _with_damage(rng, tree):
    places = list(_places(tree))
    if not places:
        return odd_value(rng)
    parent, key = rng.choice(places)
    what = rng.random()
    if what < 0.5:
        parent[key] = odd_value(rng)
    elif what < 0.65:
        del parent[key]
    elif what < 0.8:
        other, place = rng.choice(places)
        parent[key] = copy.deepcopy(other[place]) if place in _keys(other) else None
    elif isinstance(parent, dict):
        parent[rng.choice((f"{key}s", str(key).upper(), *ODD_TEXTS))] = parent.pop(key)
    else:
        parent *= rng.choice((2, 3, 40))
    return tree


def _keys(branch):
    return branch if isinstance(branch, dict) else range(len(branch))


def _places(tree):
    """Every place in the tree that holds a value, as its parent and its key there."""
    waiting = [tree]
    while waiting:
        branch = waiting.pop()
        if isinstance(branch, dict | list):
            for key in _keys(branch):
                yield branch, key
                waiting.append(branch[key])


def as_json(value):
    """JSON text, with NaN and infinities as Python writes them; what is no JSON value becomes its text."""
    return json.dumps(value, default=str)
