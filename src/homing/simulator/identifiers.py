"""Ids of simulated rows, and their MD5, for a million rows at once."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_CHUNK: Final = 16_384  # rows hashed at once, so that the working arrays stay in the cache
_BLOCK: Final = 64  # bytes of an MD5 block
_LONGEST: Final = _BLOCK - 9  # a text that still leaves room for the end mark and the length

_SHIFTS: Final = ((7, 12, 17, 22), (5, 9, 14, 20), (4, 11, 16, 23), (6, 10, 15, 21))
_SINES: Final = (np.abs(np.sin(np.arange(1, 65, dtype=np.float64))) * 2.0**32).astype(np.uint32)


def id_bytes(prefix: str, number: NDArray[np.int64], digits: int) -> NDArray[np.uint8]:
    """Return `prefix` followed by each number in `digits` decimal digits, as ASCII bytes.

    Args:
        prefix: ASCII text in front.
        number: [n] int, each in [0, 10^digits).
        digits: width of the number.

    Returns:
        [n, len(prefix) + digits] uint8.

    Raises:
        ValueError: a number does not fit.
    """
    if len(number) and (number.min() < 0 or number.max() >= 10**digits):
        raise ValueError(
            f"numbers lie in [{number.min()}, {number.max()}], must have at most {digits} digits"
        )
    text = np.empty((len(number), len(prefix) + digits), np.uint8)
    text[:, : len(prefix)] = np.frombuffer(prefix.encode("ascii"), np.uint8)
    rest = number.astype(np.int64)
    for place in range(digits):
        rest, digit = np.divmod(rest, 10)
        text[:, -1 - place] = digit + ord("0")
    return text


def id_text(text: NDArray[np.uint8]) -> NDArray[np.str_]:
    """Return ASCII bytes uint8 [n, length] as strings [n]."""
    width = text.shape[1]
    flat: NDArray[np.str_] = np.ascontiguousarray(text).view(f"S{width}").reshape(-1).astype(f"U{width}")
    return flat


def md5_words(text: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return the MD5 of each row as two big-endian words (RFC 1321).

    Args:
        text: [n, length] uint8, length at most 55: one block.

    Returns:
        [n, 2] uint64.

    Raises:
        ValueError: the rows are longer than one block takes.
    """
    if text.shape[1] > _LONGEST:
        raise ValueError(f"ids have {text.shape[1]} bytes, must have at most {_LONGEST}")
    out = np.empty((len(text), 2), np.uint64)
    for begin in range(0, len(text), _CHUNK):
        out[begin : begin + _CHUNK] = _md5_block(text[begin : begin + _CHUNK])
    return out


def _md5_block(text: NDArray[np.uint8]) -> NDArray[np.uint64]:
    block = np.zeros((len(text), _BLOCK), np.uint8)
    length = text.shape[1]
    block[:, :length] = text
    block[:, length] = 0x80
    block[:, -8:] = np.frombuffer((8 * length).to_bytes(8, "little"), np.uint8)
    words = np.ascontiguousarray(block.view("<u4").astype(np.uint32).T)
    start = np.array([0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476], np.uint32)
    a, b, c, d = (np.full(len(text), word, np.uint32) for word in start)
    for step in range(64):
        turn = step // 16
        if turn == 0:
            mix, word = d ^ (b & (c ^ d)), step
        elif turn == 1:
            mix, word = c ^ (d & (b ^ c)), (5 * step + 1) % 16
        elif turn == 2:
            mix, word = b ^ c ^ d, (3 * step + 5) % 16
        else:
            mix, word = c ^ (b | ~d), (7 * step) % 16
        total = mix + a + words[word] + _SINES[step]
        shift = np.uint32(_SHIFTS[turn][step % 4])
        a, d, c, b = d, c, b, b + ((total << shift) | (total >> (np.uint32(32) - shift)))
    digest = np.stack([a, b, c, d], axis=1) + start
    return digest.astype("<u4").view(">u8").astype(np.uint64)
