"""What a model sees of candidates, and what it learns from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class FeatureSpec:
    """Names of feature columns and sizes of code spaces; a model and its input must agree on it."""

    user: tuple[str, ...]  # numeric, one value a row: user state and user features
    candidate: tuple[str, ...]  # numeric, one value a candidate
    message: tuple[str, ...]  # numeric, one value a message
    user_codes: tuple[tuple[str, int], ...]  # categorical, one code a row: (name, cardinality)
    candidate_codes: tuple[tuple[str, int], ...]  # categorical, one code a candidate
    message_codes: tuple[tuple[str, int], ...]  # categorical, one code a message


@dataclass(frozen=True)
class Features:
    """Model input for ragged candidates. NaN means missing; code -1 means missing or unknown."""

    spec: FeatureSpec
    offsets: NDArray[np.int64]  # [rows + 1]
    user: NDArray[np.float32]  # [rows, spec.user]
    user_codes: NDArray[np.int32]  # [rows, spec.user_codes]
    candidate: NDArray[np.float32]  # [n, spec.candidate]
    candidate_codes: NDArray[np.int32]  # [n, spec.candidate_codes]
    message: NDArray[np.int32]  # [n] row in the two tables below, -1: hold
    messages: NDArray[np.float32]  # [messages, spec.message]
    messages_codes: NDArray[np.int32]  # [messages, spec.message_codes]

    def __len__(self) -> int:
        return len(self.message)

    @property
    def row(self) -> NDArray[np.int64]:
        """[n] the row of each candidate."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))

    @property
    def is_hold(self) -> NDArray[np.bool_]:
        """[n] whether the candidate is hold."""
        return self.message < 0

    @classmethod
    def concatenate(cls, parts: list[Features]) -> Features:
        """Stack shards. They must share one spec and the message tables."""
        first = parts[0]
        if any(part.spec != first.spec for part in parts):
            raise ValueError("features of different specs cannot be stacked")
        counts = np.concatenate([np.diff(part.offsets) for part in parts])
        return cls(
            spec=first.spec,
            offsets=np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]),
            user=np.concatenate([part.user for part in parts]),
            user_codes=np.concatenate([part.user_codes for part in parts]),
            candidate=np.concatenate([part.candidate for part in parts]),
            candidate_codes=np.concatenate([part.candidate_codes for part in parts]),
            message=np.concatenate([part.message for part in parts]),
            messages=first.messages,
            messages_codes=first.messages_codes,
        )

    def take_rows(self, rows: NDArray[np.int64]) -> Features:
        """Return the given rows (int64 [k], any order) with all their candidates."""
        counts = np.diff(self.offsets)[rows]
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        index = np.repeat(self.offsets[rows] - offsets[:-1], counts) + np.arange(offsets[-1])
        return Features(
            spec=self.spec,
            offsets=offsets,
            user=self.user[rows],
            user_codes=self.user_codes[rows],
            candidate=self.candidate[index],
            candidate_codes=self.candidate_codes[index],
            message=self.message[index],
            messages=self.messages,
            messages_codes=self.messages_codes,
        )
