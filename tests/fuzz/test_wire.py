"""Messages between the driver and its workers: whole, or a `ClusterError` that says which field."""

import json

import pytest

from cluster.executor import EpochFailure, EpochResult, EpochTask, Examination, Notice, from_wire, to_wire
from strategies.errors import ClusterError
from tests.fuzz.law import hold
from tests.fuzz.mutations import ODD_LENGTHS, as_json, damaged_bytes, damaged_tree

pytestmark = pytest.mark.chaos

MESSAGES = (
    EpochTask(1, 2, 3, b"state" * 9, (b"some", b"", b"more" * 5)),
    EpochResult(1, 2, b"s" * 30, b"b" * 20, b"", {"n_births": 3, "stats": [{"best": None, "mean": 0.5}]}),
    EpochFailure(0, 7, "evaluator 0.1", "it died", suspects=b"genes"),
    Examination(0, 7, ((3, "killed its worker"), (5, "raised"))),
    Notice("workers", {"present": 2, "wanted": 4, "reason": "a node joined"}),
)


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_comes_back_as_it_was(message):
    assert from_wire(type(message), to_wire(message)) == message


def header_and_rest(data):
    stop = 8 + int.from_bytes(data[:8], "little")
    return json.loads(data[8:stop]), data[stop:]


def case(rng):
    """A message and the kind that is expected: with damaged bytes, a wrong header, or wrong lengths in it."""
    message = rng.choice(MESSAGES)
    kind = type(message) if rng.random() < 0.9 else type(rng.choice(MESSAGES))
    data = to_wire(message)
    if rng.random() < 0.4:
        return kind, damaged_bytes(rng, data)
    header, rest = header_and_rest(data)
    if rng.random() < 0.3:
        blobs = [part for part in header.values() if isinstance(part, dict) and "blobs" in part]
        if blobs:
            odd = (*ODD_LENGTHS, -1, -8, 0.5, True)
            rng.choice(blobs)["blobs"] = [rng.choice(odd) for _ in range(rng.randint(0, 3))]
    else:
        header = damaged_tree(rng, header)
    text = as_json(header).encode()
    return kind, len(text).to_bytes(8, "little") + text + rest


def comes_back(given):
    kind, data = given
    message = from_wire(kind, data)
    assert from_wire(kind, to_wire(message)) == message


def test_a_message_with_any_damage_is_a_message_or_refused_by_name(amount):
    found = hold(case, comes_back, n=amount(2_000, 100_000), errors=ClusterError, named="wire")
    assert min(found.values()) > 0


def test_a_number_beyond_all_numbers_is_refused():
    """`1e999` is JSON, but Python reads infinity, which it would not write."""
    header, rest = header_and_rest(to_wire(MESSAGES[1]))
    text = json.dumps(header).replace("0.5", "1e999").encode()
    with pytest.raises(ClusterError, match="1e999 is no number"):
        from_wire(EpochResult, len(text).to_bytes(8, "little") + text + rest)
