"""Accumulators of a shard kept between runs, so that a later run folds only what is new."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from homing.schema.errors import InputError
from homing.schema.shard import Shard
from homing.schema.times import MISSING
from homing.state.accumulate import Kept, Plan, plan_of, stream_of, take_users
from homing.state.layout import StateLayout
from homing.state.local_time import ZoneTable
from homing.state.threads import over_users


@dataclass(frozen=True)
class Snapshot:
    """What the fold knew of every user of a shard from all that lay before the watermark."""

    layout: str  # JSON of the StateLayout, by which another one is recognised
    watermark: int  # us; events and consents before it are in
    hash: NDArray[np.uint64]  # [users, 2] whose accumulator it is; codes of users may change between runs
    category: NDArray[np.int32]  # [messages] as they were, since exposure is told by them
    sums: NDArray[np.float64]  # [users, plan.sums]
    marks: NDArray[np.int64]  # [users, plan.marks]

    def save(self, path: Path) -> None:
        """Write to `path` as .npz; it appears whole or not at all.

        Most sums are zero, so only the others are written.
        """
        filled = np.flatnonzero(self.sums)
        aside = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with aside.open("wb") as file:
                np.savez(
                    file,
                    layout=np.array(self.layout),
                    watermark=np.array(self.watermark),
                    hash=self.hash,
                    category=self.category,
                    shape=np.array(self.sums.shape),
                    filled=filled,
                    sums=self.sums.ravel()[filled],
                    marks=self.marks,
                )
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            InputError: the file is no snapshot, or is broken.
        """
        try:
            with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                sums = np.zeros(int(np.prod(file["shape"])))
                sums[file["filled"]] = file["sums"]
                return cls(
                    layout=str(file["layout"]),
                    watermark=int(file["watermark"]),
                    hash=file["hash"],
                    category=file["category"],
                    sums=sums.reshape(file["shape"]),
                    marks=file["marks"],
                )
        except (BadZipFile, KeyError, ValueError, EOFError) as error:
            raise InputError(f"{path} is no snapshot of user states ({error}); delete it") from error


def snapshot(shard: Shard, until: int, layout: StateLayout, previous: Snapshot | None = None) -> Snapshot:
    """Return accumulators of all users of `shard` with everything before `until`, in us.

    Args:
        shard: users with their events.
        until: the watermark; a later fold starts there.
        layout: what the state consists of.
        previous: an earlier snapshot to go on from, for the users for whom it still holds.

    Raises:
        InputError: `previous` has another layout or a later watermark.
    """
    check_shard(shard, layout)
    if previous is not None and previous.watermark > until:
        raise InputError(
            f"snapshot.watermark == {previous.watermark}, must be at most until == {until}; "
            "start from an earlier snapshot or from none"
        )
    plan = plan_of(layout)
    at = shard.events.at
    start, end = (int(at.min()), int(at.max())) if len(at) else (0, 0)
    stream = stream_of(shard, ZoneTable.build(shard.vocabularies.zones.names, start, end))
    kept = kept_of(plan, shard, layout, previous)
    users = len(shard.users)
    sums, marks = np.empty((users, plan.sums)), np.empty((users, plan.marks), np.int64)
    over_users(
        lambda low, high: take_users(plan, stream, kept, low, high, until, sums, marks),
        users,
        layout.threads,
    )
    return Snapshot(_key(layout), until, shard.users.hash, shard.messages.category, sums, marks)


def check_shard(shard: Shard, layout: StateLayout) -> None:
    """Raise InputError where the shard has codes for which the layout has no place."""
    vocabularies, events, consents = shard.vocabularies, shard.events, shard.consents
    for name, ours, theirs in (
        ("event types", layout.event_types, vocabularies.event_types.names),
        ("channels", layout.channels, vocabularies.channels.names),
    ):
        if ours != theirs:
            raise InputError(
                f"{name} of the state are {list(ours)}, must be the shard's {list(theirs)}; "
                "make the layout from the same vocabularies"
            )
    # Compiled code does not check bounds, so a code out of range would be written somewhere else.
    for name, codes, low, high in (
        ("events.type", events.type, 0, len(layout.event_types)),
        ("events.channel", events.channel, -1, len(layout.channels)),
        ("events.message", events.message, -1, len(shard.messages)),
        ("consents.channel", consents.channel, 0, len(layout.channels)),
        ("messages.category", shard.messages.category, 0, len(vocabularies.categories)),
        ("users.zone", shard.users.zone, 0, len(vocabularies.zones)),
    ):
        if len(codes) and not (codes.min() >= low and codes.max() < high):
            raise InputError(f"{name} in {codes.min()}..{codes.max()}, must be codes in {low}..{high - 1}")


def kept_of(plan: Plan, shard: Shard, layout: StateLayout, snapshot: Snapshot | None) -> Kept:
    """Return where each user of `shard` is in `snapshot`.

    Raises:
        InputError: the snapshot has another layout.
    """
    users = shard.users.hash
    nowhere = np.full(len(users), -1, np.int64)
    if snapshot is None:
        return Kept(nowhere, MISSING, np.empty((0, plan.sums)), np.empty((0, plan.marks), np.int64))
    if snapshot.layout != _key(layout):
        raise InputError("the snapshot was made with another [state] or other vocabularies; make a new one")
    known = len(snapshot.category)
    if not np.array_equal(snapshot.category, shard.messages.category[:known]):
        # A message moved to another category: what the snapshot tells by category is of the past.
        row = nowhere
    elif np.array_equal(snapshot.hash, users):
        row = np.arange(len(users), dtype=np.int64)
    else:
        row = nowhere
        place = {key.tobytes(): index for index, key in enumerate(snapshot.hash)}
        for index, key in enumerate(users):
            row[index] = place.get(key.tobytes(), -1)
    return Kept(row, snapshot.watermark, snapshot.sums, snapshot.marks)


def _key(layout: StateLayout) -> str:
    return json.dumps({name: value for name, value in asdict(layout).items() if name != "threads"})
