"""Frozen records of numbers and arrays that are equal by value and have one form as bytes."""

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from evolution.packing import Schema, pack, unpack


class Record:
    """Base of frozen dataclasses whose fields are the numbers and columns of `SCHEMA`, in that order.

    Arrays are kept as read-only C-contiguous views or copies with the schema's dtype; the caller's own array keeps
    its flags. Two records are equal if their numbers and all bytes of their arrays are.
    """

    SCHEMA: ClassVar[Schema]

    def __post_init__(self) -> None:
        """Keep read-only arrays of the stated dtypes."""
        for name, column in self.SCHEMA.columns.items():
            view = np.ascontiguousarray(getattr(self, name), dtype=column.dtype).view()
            view.flags.writeable = False
            object.__setattr__(self, name, view)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by name, in the order of the schema."""
        return {name: getattr(self, name) for name in self.SCHEMA.columns}

    def numbers(self) -> dict[str, int]:
        """Return the whole numbers by name."""
        return {name: getattr(self, name) for name in self.SCHEMA.numbers}

    def to_bytes(self) -> bytes:
        """Return the one form of this record as bytes."""
        return pack(self.SCHEMA, self.numbers(), self.arrays())

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Return the record that `to_bytes` wrote.

        Raises:
            JournalError: the bytes are damaged, cut, of another kind or format, or fit another gene table.
        """
        packed = unpack(data, cls.SCHEMA)
        make: Any = cls  # each subclass is a dataclass of just these fields
        record: Self = make(**packed.numbers, **packed.arrays)
        return record

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Record) or type(other) is not type(self):
            return NotImplemented
        mine, others = self.arrays(), other.arrays()
        return self.numbers() == other.numbers() and all(
            mine[name].shape == others[name].shape and mine[name].tobytes() == others[name].tobytes() for name in mine
        )

    def __hash__(self) -> int:
        return hash(tuple(self.numbers().values()))
