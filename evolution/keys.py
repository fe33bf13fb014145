"""Where chance comes from: one Philox key for every purpose, island and generation.

The 128-bit key is the BLAKE2b digest of `seed, island, generation` (three little-endian 64-bit words) followed by the
purpose's name in ASCII. The words have a fixed width, so no two inputs write the same message. Under a key each birth
has streams of its own, see `philox`. So a draw depends on these alone: not on workers, order, a crash or a resume.
"""

import hashlib
import struct
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from strategies.errors import ConfigError

GENERATION_BITS: Final = 20
INDEX_BITS: Final = 20
MAX_SEED: Final = 2**63 - 1
MAX_ISLANDS: Final = 2**23
MAX_GENERATION: Final = 2**GENERATION_BITS - 1
MAX_BROOD: Final = 2**INDEX_BITS
_PERSON: Final = b"studbook keys 2"


class Purpose(StrEnum):
    """What a stream of random numbers is for; no two purposes share numbers."""

    FOUNDERS = "founders"
    PARENTS = "parents"
    CROSSOVER = "crossover"
    MUTATION = "mutation"
    NEWCOMERS_TA = "newcomers ta"
    NEWCOMERS_ML = "newcomers ml"
    NEWCOMERS_HYBRID = "newcomers hybrid"
    NEWCOMERS_ANY = "newcomers any"
    EMIGRANTS = "emigrants"
    TOPOLOGY = "topology"
    REFINING = "refining"


@dataclass(frozen=True)
class Place:
    """Where a draw happens: seed of the job, island and generation.

    Raises:
        ConfigError: one of them is out of its range.
    """

    seed: int
    island: int
    generation: int

    def __post_init__(self) -> None:
        for name, high in (("seed", MAX_SEED), ("island", MAX_ISLANDS - 1), ("generation", MAX_GENERATION)):
            value = getattr(self, name)
            if not 0 <= value <= high:
                raise ConfigError(
                    f"`{name}` must be between 0 and {high}, but was {value} (evolution). Choose one in this range."
                )

    def key(self, purpose: Purpose) -> int:
        """Return the 128-bit key of the numbers drawn here for one purpose."""
        message = struct.pack("<3Q", self.seed, self.island, self.generation) + purpose.encode("ascii")
        return int.from_bytes(hashlib.blake2b(message, digest_size=16, person=_PERSON).digest(), "little")

    def generator(self, purpose: Purpose) -> np.random.Generator:
        """Return NumPy's generator over the Philox stream of this key."""
        return np.random.Generator(np.random.Philox(key=self.key(purpose)))
