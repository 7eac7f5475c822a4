"""The catalogue, and the reasons to send from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Messages:
    """The catalogue. A message's code is its row, the same in every shard."""

    domain: NDArray[np.int32]  # [messages] code
    category: NDArray[np.int32]  # [messages] code; the unit of repetition fatigue
    channels: NDArray[np.bool_]  # [messages, channels]
    valid_from: NDArray[np.int64]  # [messages] us; MISSING: since ever
    valid_until: NDArray[np.int64]  # [messages] us, exclusive; MISSING: for ever
    transactional: NDArray[np.bool_]  # [messages] skips optimisation and caps, never consent
    numeric: NDArray[np.float32]  # [messages, features] NaN where missing; embeddings flattened
    categorical: NDArray[np.int32]  # [messages, features] code, -1 where missing

    def __len__(self) -> int:
        return len(self.domain)


@dataclass(frozen=True)
class Opportunities:
    """Reasons to message a user, ragged by user, sorted by `hash` within a user."""

    offsets: NDArray[np.int64]  # [users + 1]
    hash: NDArray[np.uint64]  # [n] first word of the MD5 of the id
    message: NDArray[np.int32]  # [n] code
    generator: NDArray[np.int32]  # [n] code
    domain_value: NDArray[np.float32]  # [n] in the domain's own unit; NaN where missing
    created_at: NDArray[np.int64]  # [n] us; known to a decision from this instant on
    earliest_at: NDArray[np.int64]  # [n] us
    expires_at: NDArray[np.int64]  # [n] us, exclusive
    numeric: NDArray[np.float32]  # [n, features] NaN where missing
    categorical: NDArray[np.int32]  # [n, features] code, -1 where missing

    def __len__(self) -> int:
        return len(self.message)
