"""A checksum of large arrays at the speed of memory: eight lanes of 64 bits, word `i` goes to lane `i % 8`.

A lane begins as its number and takes a word `w` as `s = rotate_left(s ^ w, 29) * 0x9E3779B97F4A7C15`, modulo 2**64.
Each step is one to one in the lane and in the word, so damage inside one word is always found, and any other damage
but for one chance in 2**64. It guards against accidents, not against people: the journal has every file's SHA-256.
"""

from collections.abc import Iterable
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from strategies.views import frozen

LANES: Final = 8
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_LEFT, _RIGHT = np.uint64(29), np.uint64(35)


def checksum(parts: Iterable[NDArray[np.uint64]]) -> bytes:
    """Return the 64 bytes, little-endian words, of the words (n,) of all `parts`, one after the other."""
    lanes, n_words = np.arange(LANES, dtype=np.uint64), 0
    for part in parts:
        absorb_nb(frozen(part, np.uint64), n_words % LANES, lanes)
        n_words += len(part)
    return lanes.astype("<u8").tobytes()


@njit(cache=True, nogil=True, error_model="numpy")
def absorb_nb(words: NDArray[np.uint64], lane: int, lanes: NDArray[np.uint64]) -> None:
    """Take `words` (n,) into `lanes` (8,), the first one into `lane`."""
    start = min((LANES - lane) % LANES, words.shape[0])
    for at in range(start):
        lanes[lane + at] = _step_nb(lanes[lane + at], words[at])
    n_rows = (words.shape[0] - start) // LANES
    now = lanes.copy()
    for row in range(n_rows):
        for at in range(LANES):
            now[at] = _step_nb(now[at], words[start + row * LANES + at])
    lanes[:] = now
    for at in range(words.shape[0] - start - n_rows * LANES):
        lanes[at] = _step_nb(lanes[at], words[start + n_rows * LANES + at])


@njit(inline="always")
def _step_nb(lane: np.uint64, word: np.uint64) -> np.uint64:
    mixed = lane ^ word
    return ((mixed << _LEFT) | (mixed >> _RIGHT)) * _FACTOR
