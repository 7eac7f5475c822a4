"""Ragged arrays: row `r` owns the places `offsets[r]:offsets[r + 1]` of a flat array."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def offsets_of(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return int64 [rows + 1] for int64 [rows] lengths."""
    offsets = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    return offsets


def spans(first: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the places first[r], first[r] + 1 ... of every row in turn: int64 [sum of counts]."""
    offsets = offsets_of(counts)
    places = np.repeat(first - offsets[:-1], counts)
    places += np.arange(offsets[-1])
    return places
