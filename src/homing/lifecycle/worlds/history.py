"""Decisions, events and sends of one part of a world, day by day, as a ledger would give them back.

A shard keeps every user's rows side by side. What a day adds lies behind what its user had before, so each
day is one pass over the rows so far and no sort of them.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from homing.schema import Config, Decisions, Events, Sends
from homing.schema.drawn import Drawn

Columns = dict[str, NDArray[Any]]

_DECIDED: Final = tuple(
    field.name for field in fields(Decisions) if field.name not in ("offsets", "epoch_at")
)


class History:
    """What is known of a part's users. It grows; what it returned before stays as it was."""

    def __init__(self, users: int, config: Config) -> None:
        self.events = Events.none(users)
        self.decisions = Decisions.none(users, len(config.objectives))
        self._ids: list[NDArray[np.uint64]] = []  # by day: [users, 2] id of each user's decision
        self._nth: list[NDArray[np.int32]] = []  # by day: [users] how many decisions the user had before it
        # [events] the same of the decision that an event names, -1: none
        self._event_nth = np.zeros(0, np.int32)

    def decided(self, drawn: Drawn) -> None:
        """Add the decisions of a day; `drawn.rows` has each user at most once."""
        before, users = self.decisions, len(self.decisions.offsets) - 1
        user = drawn.rows.user.astype(np.int64)
        ids = np.zeros((users, 2), np.uint64)
        ids[user] = drawn.id
        self._ids.append(ids)
        self._nth.append(np.diff(before.offsets).astype(np.int32))
        old = {name: getattr(before, name) for name in ("epoch_at", *_DECIDED)}
        new = {name: getattr(drawn, name) for name in _DECIDED if name != "release"}
        new |= {"epoch_at": drawn.rows.at, "release": np.full(len(drawn), -1, np.int32)}
        offsets, columns = _appended(before.offsets, old, user, new)
        self.decisions = Decisions(offsets=offsets, **columns)

    def happened(self, log: Columns) -> None:
        """Add events, none of them before one that was added earlier.

        Args:
            log: columns as `World.events` returns them, in any order.
        """
        nth = self._nth_of(log)
        ties = (log["value"], nth, log["message"], log["channel"], log["type"])
        order = np.lexsort((*ties, log["at"], log["user"]))
        new = {name: log[name][order] for name in ("at", "type", "channel", "message", "value")}
        old = {name: getattr(self.events, name) for name in new} | {"nth": self._event_nth}
        offsets, columns = _appended(
            self.events.offsets, old, log["user"][order].astype(np.int64), new | {"nth": nth[order]}
        )
        self._event_nth = columns.pop("nth")
        first = np.repeat(self.decisions.offsets[:-1], np.diff(offsets))
        decision = np.where(self._event_nth < 0, -1, first + self._event_nth).astype(np.int32)
        self.events = Events(offsets=offsets, decision=decision, **columns)

    def _nth_of(self, log: Columns) -> NDArray[np.int32]:
        """Return which of its user's decisions each event names, from 0: int32 [n]; -1: none."""
        nth, user = np.full(len(log["user"]), -1, np.int32), log["user"]
        left = np.flatnonzero(log["message"] >= 0)
        for ids, before in zip(reversed(self._ids), reversed(self._nth), strict=True):
            if not len(left):
                break
            same = (ids[user[left]] == log["decision"][left]).all(axis=1)
            nth[left[same]] = before[user[left[same]]]
            left = left[~same]
        return nth


class RecentSends:
    """The sends that caps still count at the next epoch."""

    def __init__(self, users: int, memory: int) -> None:
        """Begin without any.

        Args:
            users: how many people.
            memory: us before an epoch for which sends matter.
        """
        i64 = np.zeros(0, np.int64)
        self.sends = Sends(np.zeros(users + 1, np.int64), i64, np.zeros(0, np.int16), i64)
        self._memory = memory

    def decided(self, drawn: Drawn) -> None:
        """Add the sends of a day and forget those of long ago."""
        sent, users = self.sends, len(self.sends.offsets) - 1
        new = np.flatnonzero(drawn.message >= 0)
        old = np.flatnonzero(sent.known_at >= drawn.rows.at.max(initial=0) - self._memory)
        user = np.concatenate([np.repeat(np.arange(users), np.diff(sent.offsets))[old], drawn.rows.user[new]])
        at = np.concatenate([sent.at[old], drawn.slot_start[new]])
        order = np.lexsort((at, user))
        self.sends = Sends(
            offsets=_offsets(user, users),
            at=at[order],
            channel=np.concatenate([sent.channel[old], drawn.channel[new]])[order],
            known_at=np.concatenate([sent.known_at[old], drawn.rows.at[new]])[order],
        )


def _appended(
    offsets: NDArray[np.int64], old: Columns, user: NDArray[np.int64], new: Columns
) -> tuple[NDArray[np.int64], Columns]:
    """Return ragged columns with rows of `user` (sorted) behind those that each user had."""
    users = len(offsets) - 1
    added = _offsets(user, users)
    # a row moves by what came in for the users before its own, and a new one by all of its own user's
    old_place = np.arange(offsets[-1]) + np.repeat(added[:-1], np.diff(offsets))
    new_place = np.arange(len(user)) + offsets[user + 1]
    columns = {}
    for name, before in old.items():
        column = np.empty((len(before) + len(user), *before.shape[1:]), before.dtype)
        column[old_place], column[new_place] = before, new[name]
        columns[name] = column
    return offsets + added, columns


def _offsets(user: NDArray[Any], users: int) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(np.bincount(user, minlength=users))])
