"""Users met so far, by id, in a hash table of arrays."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from homing.evaluation.mix import Words, mixed

_EMPTY: Final = -1
_SMALLEST: Final = 1 << 12


class UserCodes:
    """Codes 0, 1, ... of integer ids, in the order in which they are met.

    Open addressing with linear probing, many ids at a time. It takes 8 bytes a user for the id and 18 to 36
    for the table, which is a third to two thirds full.
    """

    def __init__(self) -> None:
        self.count = 0
        self._ids = np.empty(0, np.uint64)  # [capacity] by code
        self._clear(_SMALLEST)

    @property
    def ids(self) -> Words:
        """uint64 [users] by code; negative ids are their two's complement."""
        return self._ids[: self.count]

    def encode(self, ids: NDArray[Any]) -> NDArray[np.intp]:
        """Return the code of each integer id, giving new ones to new users: intp [n]."""
        words = ids.astype(np.uint64, copy=False)
        code = self._look_up(words)
        new = code == _EMPTY
        if new.any():
            self._add(np.unique(words[new]))
            code[new] = self._look_up(words[new])
        return code

    def _look_up(self, words: Words) -> NDArray[np.intp]:
        slot = self._home(words)
        code = self._codes[slot].astype(np.intp)
        pending = np.flatnonzero((self._keys[slot] != words) & (code != _EMPTY))
        while len(pending):
            slot[pending] = (slot[pending] + 1) & self._mask
            here = slot[pending]
            code[pending] = self._codes[here]
            pending = pending[(self._keys[here] != words[pending]) & (code[pending] != _EMPTY)]
        return code

    def _add(self, words: Words) -> None:
        """Give codes to new, distinct ids."""
        first, self.count = self.count, self.count + len(words)
        if self.count > len(self._ids):
            self._ids = np.resize(self._ids, 2 * self.count)
        self._ids[first : self.count] = words
        slots = len(self._keys)
        while self.count > slots * 2 // 3:
            slots *= 2
        if slots > len(self._keys):
            self._clear(slots)
            first = 0
        self._place(np.arange(first, self.count))

    def _clear(self, slots: int) -> None:
        self._keys = np.zeros(slots, np.uint64)
        self._codes = np.full(slots, _EMPTY, np.int32)
        self._mask = slots - 1

    def _place(self, codes: NDArray[np.intp]) -> None:
        slot = self._home(self._ids[codes])
        while len(codes):
            free = self._codes[slot] == _EMPTY
            self._codes[slot[free]] = codes[free]  # of several that want a slot, the last has it
            placed = self._codes[slot] == codes
            self._keys[slot[placed]] = self._ids[codes[placed]]
            codes, slot = codes[~placed], (slot[~placed] + 1) & self._mask

    def _home(self, words: Words) -> NDArray[np.intp]:
        return (mixed(words) & np.uint64(self._mask)).astype(np.intp)
