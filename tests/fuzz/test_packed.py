"""Packed states, births and emigrants: damaged or wrong under a fitting seal, they open or are refused."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from evolution.checksum import checksum
from evolution.islands import Emigrants
from evolution.packing import MAGIC
from evolution.pedigree import Births
from evolution.population import State
from strategies.errors import JournalError
from tests.fuzz.law import hold
from tests.fuzz.mutations import ODD_LENGTHS, ODD_NUMBERS, as_json, damaged_bytes, damaged_tree

pytestmark = pytest.mark.chaos
EPOCHS = Path(__file__).parents[1] / "golden" / "job-4-stopped" / "epochs"
START = len(MAGIC) + 8
KINDS = {"state": State, "births": Births, "emigrants": Emigrants}


def parts_of(data):
    """The header and the arrays' bytes of whole packed bytes."""
    stop = START + int.from_bytes(data[len(MAGIC) : START], "little")
    return json.loads(data[START:stop]), data[stop:-32]


def sealed(header, body):
    """Packed bytes with any header (a tree, or bytes) and any body, under the seal that fits them."""
    text = header if isinstance(header, bytes) else as_json(header).encode()
    text += b" " * (-len(text) % 8)
    body += b"\0" * (-len(body) % 8)
    head = MAGIC + len(text).to_bytes(8, "little") + text
    words = np.frombuffer(body, dtype="<u8")
    return head + body + hashlib.sha256(head + checksum([words])).digest()


@pytest.fixture(scope="module")
def whole():
    """One file of each kind, as release 4 wrote it, sealed anew for the gene table of now."""
    from strategies.genes import fingerprint

    found = {}
    for kind, name in (("state", "i000-e0001"), ("births", "i000-e0001"), ("emigrants", "i000-e0000")):
        header, body = parts_of((EPOCHS / f"{name}.{kind}").read_bytes())
        found[kind] = sealed(header | {"genes": fingerprint()}, body)
    return found


def case(rng, whole):
    kind = rng.choice(list(KINDS))
    data = whole[kind]
    if rng.random() < 0.3:
        return kind, damaged_bytes(rng, data)
    header, body = parts_of(data)
    what = rng.random()
    if what < 0.5:
        header = damaged_tree(rng, header)
    elif what < 0.7:
        shape = rng.choice(header["arrays"])[2]
        shape[rng.randrange(len(shape))] = rng.choice((*ODD_LENGTHS, -1, -8, 0.5, None))
    elif what < 0.8 and header["numbers"]:
        header["numbers"][rng.choice(list(header["numbers"]))] = rng.choice(ODD_NUMBERS)
    else:
        body = damaged_bytes(rng, body)
    return kind, sealed(header, body)


def comes_back(given):
    kind, data = given
    record = KINDS[kind].from_bytes(data)
    again = KINDS[kind].from_bytes(record.to_bytes())
    assert again == record
    assert all(not array.flags.writeable for array in again.arrays().values())


def test_packed_bytes_with_any_damage_are_a_value_or_refused_by_name(amount, whole):
    found = hold(lambda rng: case(rng, whole), comes_back, n=amount(2_000, 100_000), errors=JournalError, named="bytes")
    assert min(found.values()) > 0
