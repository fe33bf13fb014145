"""BLAKE2b with digests of 128 bits over rows of 64-bit words, compiled: `hashlib.blake2b`, a whole population a call.

Source: RFC 7693 (Saarinen, Aumasson 2015). The test compares it with `hashlib`.
"""

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

WORDS: Final = 16  # 64-bit words in one block of the message
_ROUNDS: Final = 12
_PARAMETERS = np.uint64(0x01010010)  # depth 1, fan-out 1, no key, digests of 16 bytes
_ONES = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
_START: Final = np.array(
    [
        0x6A09E667F3BCC908, 0xBB67AE8584CAA73B, 0x3C6EF372FE94F82B, 0xA54FF53A5F1D36F1,
        0x510E527FADE682D1, 0x9B05688C2B3E6C1F, 0x1F83D9ABFB41BD6B, 0x5BE0CD19137E2179,
    ],
    dtype=np.uint64,
)  # fmt: skip
_ORDER: Final = np.array(
    [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
        [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
        [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
        [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
        [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
        [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
        [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
        [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
        [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
        [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
        [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
    ]
)


@njit(inline="always")
def _turn(word: np.uint64, count: int) -> np.uint64:
    return (word >> np.uint64(count)) | (word << np.uint64(64 - count))


@njit(inline="always")
def _mix(
    a: np.uint64, b: np.uint64, c: np.uint64, d: np.uint64, first: np.uint64, second: np.uint64
) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    a = a + b + first
    d = _turn(d ^ a, 32)
    c = c + d
    b = _turn(b ^ c, 24)
    a = a + b + second
    d = _turn(d ^ a, 16)
    c = c + d
    b = _turn(b ^ c, 63)
    return a, b, c, d


@njit(cache=True, nogil=True, error_model="numpy")
def digest_nb(message: NDArray[np.uint64], n_words: int, state: NDArray[np.uint64]) -> None:
    """Leave the digest of the first `n_words` words, at least one, in the first two words of `state` (8,).

    `message` has room for whole blocks of 16 words and is 0 in the last of them from `n_words` on.
    """
    state[:] = _START
    state[0] ^= _PARAMETERS
    n_blocks = (n_words + WORDS - 1) // WORDS
    for block in range(n_blocks):
        words = message[block * WORDS : (block + 1) * WORDS]
        a, b, c, d, e, f, g, h = state[0], state[1], state[2], state[3], state[4], state[5], state[6], state[7]
        i, j, k, l = _START[0], _START[1], _START[2], _START[3]  # noqa: E741 - the sixteen words of the standard
        m, n, o, p = _START[4], _START[5], _START[6], _START[7]
        m ^= np.uint64(8 * min((block + 1) * WORDS, n_words))
        if block == n_blocks - 1:
            o ^= _ONES
        for turn in range(_ROUNDS):
            at = _ORDER[turn]
            a, e, i, m = _mix(a, e, i, m, words[at[0]], words[at[1]])
            b, f, j, n = _mix(b, f, j, n, words[at[2]], words[at[3]])
            c, g, k, o = _mix(c, g, k, o, words[at[4]], words[at[5]])
            d, h, l, p = _mix(d, h, l, p, words[at[6]], words[at[7]])  # noqa: E741
            a, f, k, p = _mix(a, f, k, p, words[at[8]], words[at[9]])
            b, g, l, m = _mix(b, g, l, m, words[at[10]], words[at[11]])  # noqa: E741
            c, h, i, n = _mix(c, h, i, n, words[at[12]], words[at[13]])
            d, e, j, o = _mix(d, e, j, o, words[at[14]], words[at[15]])
        state[0] ^= a ^ i
        state[1] ^= b ^ j
        state[2] ^= c ^ k
        state[3] ^= d ^ l
        state[4] ^= e ^ m
        state[5] ^= f ^ n
        state[6] ^= g ^ o
        state[7] ^= h ^ p


@njit(cache=True, nogil=True, error_model="numpy")
def sparse_digests_nb(rows: NDArray[np.uint64], digests: NDArray[np.uint64]) -> None:
    """Fill `digests` (n, 2) with those of `rows` (n, width), each written as a bit map and its words that are not 0.

    Bit `c & 63` of word `c >> 6` of the map says whether column `c` is not 0; the columns that are follow in order.
    """
    n_map = (rows.shape[1] + 63) // 64
    message = np.zeros((n_map + rows.shape[1] + WORDS - 1) // WORDS * WORDS, dtype=np.uint64)
    state = np.empty(8, dtype=np.uint64)
    for row in range(rows.shape[0]):
        n_words = n_map
        message[:n_map] = np.uint64(0)
        for column in range(rows.shape[1]):
            word = rows[row, column]
            message[n_words] = word  # also where it is 0: then the next word takes its place
            if word != np.uint64(0):
                message[column >> 6] |= np.uint64(1) << np.uint64(column & 63)
                n_words += 1
        message[n_words : (n_words + WORDS - 1) // WORDS * WORDS] = np.uint64(0)
        digest_nb(message, n_words, state)
        digests[row, 0] = state[0]
        digests[row, 1] = state[1]
