"""Candidates and the one that was drawn."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Self

import numpy as np
from numpy.typing import NDArray


class Reason(IntEnum):
    """Why a decision is what it is."""

    drawn = 0  # from the softmax
    explored = 1  # from the uniform floor
    no_candidate = 2  # hold was all there was
    transactional = 3  # sent without optimisation
    imported = 4  # another system's decision
    arm = 5  # by an arm or holdout whose policy gives some candidates no chance; compares with no other
    budget_stop = 6  # hold was all that fit in what shared limits have left


@dataclass(frozen=True)
class Instants:
    """Rows at which something is asked: one user at one instant each, sorted by (user, at)."""

    user: NDArray[np.int32]  # [rows] code
    at: NDArray[np.int64]  # [rows] us

    def __len__(self) -> int:
        return len(self.user)


@dataclass(frozen=True)
class Candidates:
    """What each row may receive, ragged by row. The first candidate of every row is hold.

    After hold, candidates are sorted by (opportunity, channel, slot_start).
    """

    rows: Instants  # the epoch of each row
    offsets: NDArray[np.int64]  # [rows + 1]
    opportunity: NDArray[np.int32]  # [n] row in the shard's opportunities, -1: hold
    message: NDArray[np.int32]  # [n] code, -1: hold
    channel: NDArray[np.int16]  # [n] code, -1: hold
    slot_start: NDArray[np.int64]  # [n] us; the epoch for hold
    slot_end: NDArray[np.int64]  # [n] us, exclusive; the epoch for hold
    hour_of_week: NDArray[np.int16]  # [n] of slot_start (the epoch for hold) in local time; 0: Monday 00h

    def __len__(self) -> int:
        return len(self.message)

    @property
    def counts(self) -> NDArray[np.int64]:
        """[rows] candidates of each row, hold included."""
        return np.diff(self.offsets)

    @property
    def row(self) -> NDArray[np.int64]:
        """[n] the row of each candidate."""
        return np.repeat(np.arange(len(self.rows)), self.counts)

    @property
    def is_hold(self) -> NDArray[np.bool_]:
        """[n] whether the candidate is hold."""
        return self.message < 0

    def take(self, rows: slice) -> Self:
        """Return consecutive rows with all their candidates, without copying."""
        offsets = self.offsets[rows.start : rows.stop + 1]
        instants = Instants(self.rows.user[rows], self.rows.at[rows])
        return self._of(instants, offsets - offsets[0], slice(int(offsets[0]), int(offsets[-1])))

    def pick(self, index: NDArray[np.int64]) -> Self:
        """Return one candidate a row: `index` int64 [rows] into the candidates, one within each row."""
        return self._of(self.rows, np.arange(len(self.rows) + 1, dtype=np.int64), index)

    def _of(self, rows: Instants, offsets: NDArray[np.int64], index: NDArray[np.int64] | slice) -> Self:
        return type(self)(
            rows=rows,
            offsets=offsets,
            opportunity=self.opportunity[index],
            message=self.message[index],
            channel=self.channel[index],
            slot_start=self.slot_start[index],
            slot_end=self.slot_end[index],
            hour_of_week=self.hour_of_week[index],
        )


@dataclass(frozen=True)
class Exclusions:
    """Candidates that a rule removed: counts by rule for all, rows for a sample of users."""

    rules: tuple[str, ...]  # names of the rules, in the order in which they are asked
    counts: NDArray[np.int64]  # [rules] candidates that each removed; every one has exactly one rule
    user: NDArray[np.int32]  # [sampled] code
    opportunity: NDArray[np.int32]  # [sampled] row in the shard's opportunities
    channel: NDArray[np.int16]  # [sampled] code
    slot_start: NDArray[np.int64]  # [sampled] us; MISSING where the rule is not about a slot
    rule: NDArray[np.int16]  # [sampled] place in `rules`


@dataclass(frozen=True)
class Decisions:
    """The ledger's decisions of one shard, sorted by (user, epoch_at)."""

    offsets: NDArray[np.int64]  # [users + 1]
    id: NDArray[np.uint64]  # [n, 2] derived from (salt, user, epoch); zeros when imported
    epoch_at: NDArray[np.int64]  # [n] us
    opportunity: NDArray[np.int32]  # [n] row in the shard's opportunities, -1: hold or unknown
    message: NDArray[np.int32]  # [n] code, -1: hold
    channel: NDArray[np.int16]  # [n] code, -1: hold
    slot_start: NDArray[np.int64]  # [n] us; MISSING: hold
    slot_end: NDArray[np.int64]  # [n] us; MISSING: hold
    propensity: NDArray[np.float64]  # [n] in (0, 1]
    candidates: NDArray[np.int32]  # [n] how many there were, hold included; 0: not logged
    candidate_set: NDArray[np.uint64]  # [n, 2] hash of the candidate set; zeros: not logged
    values: NDArray[np.float32]  # [n, objectives] of the chosen candidate; NaN: not logged
    release: NDArray[np.int32]  # [n] code in Vocabularies.releases
    reason: NDArray[np.int8]  # [n] Reason

    def __len__(self) -> int:
        return len(self.epoch_at)

    @classmethod
    def none(cls, users: int, objectives: int) -> Self:
        """Return no decisions of so many users."""
        i32, i64, words = np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros((0, 2), np.uint64)
        return cls(
            offsets=np.zeros(users + 1, np.int64),
            id=words,
            epoch_at=i64,
            opportunity=i32,
            message=i32,
            channel=np.zeros(0, np.int16),
            slot_start=i64,
            slot_end=i64,
            propensity=np.zeros(0),
            candidates=i32,
            candidate_set=words,
            values=np.zeros((0, objectives), np.float32),
            release=i32,
            reason=np.zeros(0, np.int8),
        )

    @property
    def user(self) -> NDArray[np.int32]:
        """[n] user code of each decision."""
        return np.repeat(np.arange(len(self.offsets) - 1, dtype=np.int32), np.diff(self.offsets))

    @property
    def instants(self) -> Instants:
        """The user and epoch of each decision."""
        return Instants(self.user, self.epoch_at)


def format_ids(ids: NDArray[np.uint64]) -> NDArray[np.str_]:
    """Return decision ids uint64 [n, 2] as the 32 hexadecimal digits that the ledger holds."""
    raw = np.ascontiguousarray(ids.astype(">u8")).tobytes().hex()
    return np.array([raw[start : start + 32] for start in range(0, len(raw), 32)], dtype="U32")
