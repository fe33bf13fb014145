import hashlib
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolution import packing
from evolution.checksum import checksum
from evolution.packing import Column, Schema, pack, unpack
from strategies.errors import JournalError

SCHEMA = Schema("thing", ("seed",), {"a": Column("<f8", 2), "b": Column("|i1"), "c": Column("<u8", 2, "other")})
ARRAYS = {
    "a": np.array([[1.0, np.nan], [-0.0, np.inf], [5.0, 6.0]]),
    "b": np.array([1, 2, 3], dtype=np.int8),
    "c": np.array([[2**64 - 1, 0]], dtype=np.uint64),
}
DATA = pack(SCHEMA, {"seed": 2**63 - 1}, ARRAYS)


def test_what_was_packed_comes_back_to_the_bit():
    packed = unpack(DATA, SCHEMA)
    assert packed.numbers == {"seed": 2**63 - 1}
    for name, array in ARRAYS.items():
        assert packed.arrays[name].tobytes() == array.tobytes()
        assert packed.arrays[name].shape == array.shape
        assert packed.arrays[name].flags.aligned
        assert not packed.arrays[name].flags.writeable


def test_same_arrays_same_bytes_whatever_their_layout():
    assert pack(SCHEMA, {"seed": 2**63 - 1}, {**ARRAYS, "a": np.asfortranarray(ARRAYS["a"])}) == DATA


def test_format_2_is_frozen(monkeypatch):
    monkeypatch.setattr(packing, "fingerprint", lambda: "0123456789abcdef")
    schema = Schema("golden", ("n",), {"x": Column("<i2"), "y": Column("<f8", 2)})
    golden = bytes.fromhex(
        "53545544424b000270000000000000007b22617272617973223a5b5b2278222c223c6932222c5b325d5d2c5b2279222c223c6638222c"
        "5b322c315d5d5d2c2267656e6573223a2230313233343536373839616263646566222c226b696e64223a22676f6c64656e222c226e75"
        "6d62657273223a7b226e223a337d7d20202020200100ffff00000000000000000000e03f000000000000f87fa3ff1e08f4944d50a450"
        "d0ed1caaebdeb8cd28106f5e7535276b841858381c51"
    )
    assert pack(schema, {"n": 3}, {"x": np.array([1, -1]), "y": np.array([[0.5], [np.nan]])}) == golden
    assert unpack(golden, schema).arrays["y"].tolist()[0] == [0.5]


def test_cut_bytes_are_refused_at_every_length():
    for length in range(len(DATA)):
        with pytest.raises(JournalError, match="The thing bytes must"):
            unpack(DATA[:length], SCHEMA)


def test_every_flipped_bit_is_refused():
    for at in range(8 * len(DATA)):
        damaged = bytearray(DATA)
        damaged[at // 8] ^= 1 << (at % 8)
        with pytest.raises(JournalError, match="The thing bytes must"):
            unpack(bytes(damaged), SCHEMA)


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_any_bytes_are_refused_by_name(data):
    for text in (data, packing.MAGIC + data, DATA + data + b"\0"):
        with pytest.raises(JournalError, match="The thing bytes must"):
            unpack(text, SCHEMA)


def _sealed(header: bytes, version: int = 2) -> bytes:
    head = packing.MAGIC[:-1] + bytes([version]) + len(header).to_bytes(8, "little") + header
    return head + hashlib.sha256(head + checksum([])).digest()


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (_sealed(b"{}"), "must have a readable header, but it could not be read"),
        (_sealed(b"[]"), "must have a readable header"),
        (_sealed(b"\xff"), "must have a readable header"),
        (_sealed(b"{}", version=1), "must have format 2, but had format 1. Open them with the version of Studbook"),
        (_sealed(b'{"kind":"thing","genes":"x","numbers":{"seed":1.5},"arrays":[]}'), "a number is not whole"),
        (_sealed(b'{"kind":"thing","genes":"x","numbers":{"seed":1},"arrays":[["a","<f8",["x"]]]}'), "not described"),
        (_sealed(b'{"kind":"thing","genes":"x","numbers":{"seed":1},"arrays":[]}'), "must fit the gene table"),
    ],
)
def test_sealed_nonsense_is_refused(data, text):
    with pytest.raises(JournalError, match=text):
        unpack(data, SCHEMA)


def test_other_kind_columns_or_gene_table_are_refused(monkeypatch):
    with pytest.raises(JournalError, match="must be of kind 'other', but were of kind 'thing'"):
        unpack(DATA, SCHEMA._replace(kind="other"))
    with pytest.raises(JournalError, match=re.escape("must hold seed, a, but held seed, a (<f8), b (|i1), c (<u8)")):
        unpack(DATA, SCHEMA._replace(columns={"a": Column("<f8", 2)}))
    ragged = pack(SCHEMA, {"seed": 0}, {**ARRAYS, "b": np.zeros(2, dtype=np.int8)})
    with pytest.raises(JournalError, match="must have columns of one length"):
        unpack(ragged, SCHEMA)
    monkeypatch.setattr(packing, "fingerprint", lambda: "0123456789abcdef")
    with pytest.raises(JournalError, match=r"must fit the gene table 0123456789abcdef, but fit [0-9a-f]{16}"):
        unpack(DATA, SCHEMA)
