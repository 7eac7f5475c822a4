"""Are today's users those of the log? What is compared, and whom it is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from homing.engine import over_shards, worker_count
from homing.lifecycle.progress import Progress
from homing.lifecycle.replay import View, holds
from homing.schema import Features, Instants, Shard
from homing.schema.times import DAY, MISSING
from homing.state import StateLayout
from homing.store import Workspace, load_shard

_MOST = 50_000  # users of today that are looked at
_WEEK = 7 * DAY  # a count that forgets sooner depends on the day of the week
_BUILT_UP = 4  # half-lives of history after which a decayed count hardly grows by itself (15 / 16)
_WORD = 2.0**64


@dataclass(frozen=True)
class Portrait:
    """What is looked at of a user: what does not change by itself as time goes by.

    Sign-ups stand as of one instant for the log and for today, so that ageing is no difference and new
    users are. Counts are taken where the log's history is long enough for them not to be growing still.
    """

    names: tuple[str, ...]
    sums: tuple[tuple[int, ...], ...]  # a column each: places of the features that it is the sum of
    plain: tuple[int, ...]  # a column each: place of the feature
    as_of: int  # us; of sign-ups

    @classmethod
    def choose(cls, view: View, history: int, as_of: int) -> Self:
        """Return the columns for a log whose first decision had `history` (us) of events before it."""
        layout = view.layout
        place = {name: k for k, name in enumerate(view.spec.user)}
        columns = {
            f"{kind} events ({name})": tuple(place[f"{kind}.{source}.{name}"] for source in layout.sources)
            for kind in layout.event_types
            for name in _settled(layout, history)
        }
        own = [name for name in view.spec.user if name.startswith(("reachable.", "user."))]
        return cls(
            (*columns, *own, "days since sign-up"),
            tuple(columns.values()),
            tuple(place[name] for name in own),
            as_of,
        )

    def of(self, shard: Shard, features: Features, user: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return float32 [rows, names]; NaN: missing. Counts and days stand as log(1 + x)."""
        counts = [np.log1p(np.expm1(features.user[:, places]).clip(0).sum(axis=1)) for places in self.sums]
        since = shard.users.signed_up_at[user]
        days = np.where(since == MISSING, np.nan, (self.as_of - since).clip(0) / DAY)
        plain = [features.user[:, place] for place in self.plain]
        return np.stack([*counts, *plain, np.log1p(days)], axis=1).astype(np.float32)


@dataclass(frozen=True)
class Today:
    """The users of one instant, a row each."""

    people: NDArray[np.float32]  # [users, columns of the portrait]
    traits: NDArray[np.int32]  # [users, features] code of categorical features, -1: missing


def todays_users(workspace: Workspace, view: View, portrait: Portrait, at: int, progress: Progress) -> Today:
    """Return all who have signed up by an instant, or 50,000 of them by the hash of their id.

    Args:
        workspace: whose users.
        view: the release's.
        portrait: what to look at.
        at: us; what happened at it or later is not looked at.
        progress: where to report.
    """
    share = min(1.0, _MOST / max(workspace.ledger.counts().get("users", 0), 1))
    partitions = workspace.ledger.partitions

    def of_shard(partition: int) -> Today:
        shard = load_shard(workspace, partition, tables=("users", "consents", "events")).shard
        signed_up = shard.users.signed_up_at
        # the low word chose the partition; of the other, the high bits
        kept = (shard.users.hash[:, 1] / _WORD < share) & ((signed_up <= at) | (signed_up == MISSING))
        user = np.flatnonzero(kept).astype(np.int32)
        rows = Instants(user, np.full(len(user), at, np.int64))
        people = portrait.of(shard, view.features(shard, holds(shard, rows)), user)
        return Today(people, shard.users.categorical[user])

    parts = []
    for partition, part in enumerate(
        over_shards(of_shard, partitions, worker_count(view.config.engine.threads))
    ):
        parts.append(part)
        progress.update("today", (partition + 1) / partitions)
    return Today(np.concatenate([p.people for p in parts]), np.concatenate([p.traits for p in parts]))


def _settled(layout: StateLayout, history: int) -> Sequence[str]:
    return [
        name
        for name, length in zip(layout.half_life_names, layout.half_lives, strict=True)
        if length >= _WEEK and _BUILT_UP * length <= history
    ]
