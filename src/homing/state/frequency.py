"""Frequency caps and spacing: which further sends a user's limits still allow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from homing.schema.decisions import Instants
from homing.schema.events import Sends
from homing.state.accumulate import lower_bound


@dataclass(frozen=True)
class FrequencyLimits:
    """At most `maximum` sends in any window `[x, x + window)`. Spacing s: at most 1 in a window of s."""

    channel: NDArray[np.int16]  # [limits] code; -1: all channels together
    maximum: NDArray[np.int32]  # [limits] sends
    window: NDArray[np.int64]  # [limits] us; an empty window limits nothing

    def __len__(self) -> int:
        return len(self.channel)


def frequency_rule(
    sends: Sends,
    rows: Instants,
    row: NDArray[np.int64],
    channel: NDArray[np.int16],
    slot_start: NDArray[np.int64],
    limits: FrequencyLimits,
) -> NDArray[np.int16]:
    """Return the first limit that a further send would break: int16 [n], -1 where it breaks none.

    A limit is broken when any window that contains the new send would hold more than the maximum, sends
    that are planned for later included. Only sends known before the row's instant count
    (`known_at < rows.at[row]`), so a replay sees what the decision saw.

    Args:
        sends: what was sent or is planned, ragged by user, sorted by time.
        rows: the instants of the decisions.
        row: int64 [n] each candidate's place in `rows`.
        channel: int16 [n] code of each candidate's channel.
        slot_start: int64 [n] us when each candidate would be sent.
        limits: all limits; those of other channels do not count.
    """
    return _first_broken(  # type: ignore[no-any-return]
        sends.offsets,
        sends.at,
        sends.channel,
        sends.known_at,
        rows.user[row],
        rows.at[row],
        channel,
        slot_start,
        limits.channel,
        limits.maximum,
        limits.window,
    )


@njit(nogil=True, cache=True)
def _first_broken(  # type: ignore[no-untyped-def]
    offsets, at, sent_by, known_at, user, instant, channel, slot, limit_channel, maximum, window
):
    result = np.full(len(user), -1, np.int16)
    for n in range(len(user)):
        first, last = offsets[user[n]], offsets[user[n] + 1]
        for limit in range(len(maximum)):
            only = limit_channel[limit]
            span = window[limit]
            if span <= 0 or (only >= 0 and only != channel[n]):
                continue
            # The fullest window that holds the slot starts at a send or at the slot itself: moving
            # any other window's start on to its first send loses nothing.
            start = lower_bound(at, first, last, slot[n] - span + 1)
            most = 0
            end, inside = start, 0
            while True:
                at_slot = start >= last or at[start] > slot[n]
                begin = slot[n] if at_slot else at[start]
                while end < last and at[end] < begin + span:
                    inside += _counts(sent_by, known_at, end, only, instant[n])
                    end += 1
                most = max(most, inside)
                if at_slot:
                    break
                inside -= _counts(sent_by, known_at, start, only, instant[n])
                start += 1
            if most + 1 > maximum[limit]:
                result[n] = limit
                break
    return result


@njit(nogil=True, cache=True)
def _counts(sent_by, known_at, place, only, instant):  # type: ignore[no-untyped-def]
    return 1 if known_at[place] < instant and (only < 0 or sent_by[place] == only) else 0
