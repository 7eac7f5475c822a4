"""The mixer of 64 bits that all derived randomness is made with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_U = np.uint64


def mix64(word: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the SplitMix64 finaliser of each word, a bijection of 64 bits.

    Source: Steele, Lea, Flood, OOPSLA 2014, with Stafford's variant 13 of the constants.
    """
    word = (word ^ (word >> _U(30))) * _U(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> _U(27))) * _U(0x94D049BB133111EB)
    return word ^ (word >> _U(31))
