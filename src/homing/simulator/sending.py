"""What the platform sends on a day: columns, their rules, and the luck that belongs to each row."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from homing.schema import InputError, Messages
from homing.schema.times import DAY, MISSING, format_time

if TYPE_CHECKING:
    from homing.simulator.latents import Reach

UNIFORMS = 9  # numbers in [0, 1) that the outcomes of one send take
NORMALS = 4  # standard normal numbers that they take


@dataclass(frozen=True)
class Sending:
    """Sends of one day. A user has at most one; holds are absent."""

    user: NDArray[np.int64]  # [n] code
    message: NDArray[np.int64]  # [n] code
    channel: NDArray[np.int64]  # [n] code
    slot_start: NDArray[np.int64]  # [n] us
    slot_end: NDArray[np.int64]  # [n] us, exclusive
    decision: NDArray[np.uint64]  # [n, 2]
    uniform: NDArray[np.float64]  # [n, UNIFORMS] the user's luck of the day
    normal: NDArray[np.float64]  # [n, NORMALS]

    def __len__(self) -> int:
        return len(self.user)

    def where(self, keep: NDArray[np.bool_]) -> Self:
        """Return the rows of a mask."""
        return type(self)(*(getattr(self, field.name)[keep] for field in fields(self)))

    def and_then(self, other: Self) -> Self:
        """Return these rows followed by others."""
        return type(self)(
            *(
                np.concatenate([getattr(self, field.name), getattr(other, field.name)])
                for field in fields(self)
            )
        )


def nothing() -> Sending:
    """Return no sends at all."""
    none = np.empty(0, np.int64)
    return Sending(*(none,) * 5, np.empty((0, 2), np.uint64), np.empty((0, UNIFORMS)), np.empty((0, NORMALS)))


def check_sending(sending: Sending, day_start: int, reach: Reach, messages: Messages) -> None:
    """Refuse sends that no rule-abiding platform would make.

    Raises:
        InputError: a code is out of range, a user comes twice, a slot is empty or lies outside of the day and
            the next, a message is not valid or not made for the channel, or the user is not reachable.
    """
    for name, size in (
        ("user", len(reach.since)),
        ("message", len(messages)),
        ("channel", messages.channels.shape[1]),
    ):
        column = getattr(sending, name)
        _refuse((column < 0) | (column >= size), sending, f"{name} must be a code in [0, {size})", day_start)
    twice = np.ones(len(sending), np.bool_)
    twice[np.unique(sending.user, return_index=True)[1]] = False
    _refuse(twice, sending, "a user has at most one send a day", day_start)
    outside = (sending.slot_start < day_start) | (sending.slot_start >= day_start + 2 * DAY)
    _refuse(outside, sending, "slot_start must lie on the day or the next", day_start)
    _refuse(sending.slot_end <= sending.slot_start, sending, "slot_end must be after slot_start", day_start)
    shown = messages.channels[sending.message, sending.channel]
    _refuse(~shown, sending, "the message must be made for the channel", day_start)
    until = messages.valid_until[sending.message]
    invalid = (sending.slot_start < messages.valid_from[sending.message]) | (
        (until != MISSING) & (sending.slot_start >= until)
    )
    _refuse(invalid, sending, "the message must be valid at slot_start", day_start)
    since = reach.since[sending.user, sending.channel]
    left = reach.until[sending.user, sending.channel]
    unreachable = (since >= day_start) | (left < day_start)  # at the epoch: what comes later is not known
    _refuse(unreachable, sending, "the user must be reachable through the channel; see consents()", day_start)


def _refuse(bad: NDArray[np.bool_], sending: Sending, rule: str, day_start: int) -> None:
    if bad.any():
        row = int(bad.argmax())
        values = ", ".join(
            f"{name} == {getattr(sending, name)[row]}"
            for name in ("user", "message", "channel", "slot_start", "slot_end")
        )
        raise InputError(
            f"{int(bad.sum())} of {len(sending)} sends on {format_time(day_start)} break a rule: {rule}; "
            f"the first is row {row} with {values}"
        )
