"""Events and consents so far, in the order of time. What is still to come is kept until its day."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from homing.schema import EVENT_TYPES, Consents
from homing.simulator.latents import LOSSES, NEVER, Reach
from homing.simulator.sending import Sending


@dataclass(frozen=True)
class Block:
    """Events as columns of codes."""

    user: NDArray[np.int32]  # [n]
    at: NDArray[np.int64]  # [n] us
    type: NDArray[np.int16]  # [n] place in EVENT_TYPES
    channel: NDArray[np.int16]  # [n] code, -1: organic
    message: NDArray[np.int32]  # [n] code, -1: organic
    decision: NDArray[np.uint64]  # [n, 2] zeros: organic
    value: NDArray[np.float32]  # [n] minutes, money or 1

    def __len__(self) -> int:
        return len(self.user)

    def take(self, index: NDArray[np.int64] | slice) -> Self:
        """Return some rows, in the order given."""
        return type(self)(*(getattr(self, field.name)[index] for field in fields(self)))

    @classmethod
    def concatenate(cls, blocks: list[Block]) -> Self:
        """Return the rows of all blocks."""
        return cls(*(np.concatenate([getattr(b, field.name) for b in blocks]) for field in fields(cls)))


def organic(
    name: str, user: NDArray[np.int64], at: NDArray[np.int64], value: NDArray[np.float64] | None = None
) -> Block:
    """Return events of one type that no message caused."""
    n = len(user)
    return Block(
        user=user.astype(np.int32),
        at=at.astype(np.int64),
        type=np.full(n, EVENT_TYPES.index(name), np.int16),
        channel=np.full(n, -1, np.int16),
        message=np.full(n, -1, np.int32),
        decision=np.zeros((n, 2), np.uint64),
        value=(np.ones(n) if value is None else value).astype(np.float32),
    )


def caused(
    name: str,
    sending: Sending,
    which: NDArray[np.bool_],
    at: NDArray[np.int64],
    value: NDArray[np.float64] | None = None,
) -> Block:
    """Return events of one type for the sends of a mask; `at` and `value` are columns of all sends."""
    rows = sending.where(which)
    block = organic(name, rows.user, at[which], None if value is None else value[which])
    return Block(
        user=block.user,
        at=block.at,
        type=block.type,
        channel=rows.channel.astype(np.int16),
        message=rows.message.astype(np.int32),
        decision=rows.decision,
        value=block.value,
    )


def empty() -> Block:
    """Return no events."""
    return organic("session", np.empty(0, np.int64), np.empty(0, np.int64))


class EventLog:
    """Grows by a day at a time; blocks of the past never change."""

    def __init__(self) -> None:
        self._past: list[Block] = []
        self._to_come = empty()

    def advance(self, blocks: list[Block], now: int) -> None:
        """Add events; those before `now` (us) become visible, sorted by time."""
        every = Block.concatenate([self._to_come, *blocks])
        every = every.take(np.lexsort((every.type, every.user, every.at)))
        split = int(np.searchsorted(every.at, now))
        self._past.append(every.take(slice(0, split)))
        self._to_come = every.take(slice(split, None))

    def since(self, days: int) -> tuple[int, Block]:
        """Return the number of events before that day, and all visible ones from it on."""
        before = sum(len(block) for block in self._past[:days])
        return before, Block.concatenate([empty(), *self._past[days:]])


REASONS: Final = ("opt_in", *LOSSES)


@dataclass(frozen=True)
class ConsentRows:
    """Changes of reachability with their reasons."""

    consents: Consents
    reason: NDArray[np.int8]  # [n] place in REASONS


class ConsentLog:
    """Every change of who can be reached; those of the future stay unseen until then."""

    def __init__(self, reach: Reach) -> None:
        """Begin with what was so before the first day."""
        self.reach = reach
        self._rows: list[tuple[NDArray[np.int64], ...]] = []
        nobody = np.full_like(reach.since, NEVER)
        self._add(Reach(nobody, nobody, np.zeros_like(reach.lost)), reach)

    def advance(self, reach: Reach) -> None:
        """Add what a day changed."""
        self._add(self.reach, reach)
        self.reach = reach

    def _add(self, before: Reach, after: Reach) -> None:
        for changed, at, reason in (
            ((before.since != after.since) & (after.since != NEVER), after.since, np.zeros_like(after.since)),
            ((before.until != after.until) & (after.until != NEVER), after.until, 1 + after.lost),
        ):
            user, channel = np.nonzero(changed)
            self._rows.append((user, channel, at[user, channel], reason[user, channel].astype(np.int64)))

    def before(self, now: int) -> ConsentRows:
        """Return the changes before `now` (us), sorted by (user, at, channel)."""
        user, channel, at, reason = (np.concatenate(columns) for columns in zip(*self._rows, strict=True))
        known = np.flatnonzero(at < now)
        order = known[np.lexsort((channel[known], at[known], user[known]))]
        counts = np.bincount(user[order], minlength=len(self.reach.since))
        return ConsentRows(
            Consents(
                offsets=np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]),
                at=at[order],
                channel=channel[order].astype(np.int16),
                reachable=reason[order] == 0,
            ),
            reason[order].astype(np.int8),
        )

    def reachable(self, now: int) -> NDArray[np.bool_]:
        """Return who is reachable at `now` (us), [users, channels]."""
        return (self.reach.since < now) & (now <= self.reach.until)
