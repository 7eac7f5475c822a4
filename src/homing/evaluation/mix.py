"""A hash of 64-bit words, for draws that depend on what they are about and on nothing else."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]

#: The golden ratio's fraction, splitmix64's increment: word + k * STEP is the k-th word of its stream.
STEP: Final = np.uint64(0x9E3779B97F4A7C15)


def mixed(word: Words) -> Words:
    """Return splitmix64 of each word (Steele, Lea & Flood 2014): uint64, of the same shape."""
    word = word + STEP
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    word ^= word >> np.uint64(31)
    return word
