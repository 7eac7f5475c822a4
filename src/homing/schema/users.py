"""Users of one shard, and what they allow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Users:
    """People, one row each. A user's code is its row in its shard."""

    hash: NDArray[np.uint64]  # [users, 2] MD5 of the id as two big-endian words; all randomness starts here
    zone: NDArray[np.int32]  # [users] code in Vocabularies.zones; the workspace's default where empty
    signed_up_at: NDArray[np.int64]  # [users] us; MISSING where unknown
    numeric: NDArray[np.float32]  # [users, features] NaN where missing
    categorical: NDArray[np.int32]  # [users, features] code, -1 where missing

    def __len__(self) -> int:
        return len(self.zone)


@dataclass(frozen=True)
class Consents:
    """Changes of reachability, ragged by user, sorted by time within a user."""

    offsets: NDArray[np.int64]  # [users + 1]
    at: NDArray[np.int64]  # [n] us, when it took effect
    channel: NDArray[np.int16]  # [n] code
    reachable: NDArray[np.bool_]  # [n]

    def __len__(self) -> int:
        return len(self.at)
