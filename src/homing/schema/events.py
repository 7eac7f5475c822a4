"""What happened, to or by users."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Events:
    """Events, ragged by user; within a user sorted by (at, type, channel, message, decision, value).

    The full sort key makes the order of events at equal times irrelevant to everything downstream.
    """

    offsets: NDArray[np.int64]  # [users + 1]
    at: NDArray[np.int64]  # [n] us
    type: NDArray[np.int16]  # [n] code
    channel: NDArray[np.int16]  # [n] code, -1: none (organic)
    message: NDArray[np.int32]  # [n] code, -1: none
    decision: NDArray[np.int32]  # [n] row in the shard's decisions, -1: none
    value: NDArray[np.float32]  # [n] minutes, money or count; 1 where the log had none

    def __len__(self) -> int:
        return len(self.at)

    @classmethod
    def none(cls, users: int) -> Self:
        """Return no events of so many users."""
        i16, i32 = np.zeros(0, np.int16), np.zeros(0, np.int32)
        return cls(
            np.zeros(users + 1, np.int64), np.zeros(0, np.int64), i16, i16, i32, i32, np.zeros(0, np.float32)
        )


@dataclass(frozen=True)
class Sends:
    """Messages already sent or planned, ragged by user, sorted by time. Caps and spacing count these."""

    offsets: NDArray[np.int64]  # [users + 1]
    at: NDArray[np.int64]  # [n] us, the start of the slot
    channel: NDArray[np.int16]  # [n] code
    known_at: NDArray[np.int64]  # [n] us; a decision at an instant counts sends known before it

    def __len__(self) -> int:
        return len(self.at)
