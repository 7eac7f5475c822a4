"""Everybody's candidates, between finding prices and drawing: on disk, a file for each shard.

What prices are found from, a value and an arm a candidate, is one file over all shards that is read in order;
it need not fit in memory.
"""

from __future__ import annotations

import dataclasses
import pickle
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from homing.allocation import Demand, Uses
from homing.decision import Context, SharedLimits, Softmax
from homing.decision.ragged import offsets_of, spans
from homing.schema import Consents, Events, Exclusions, Shard
from homing.store import LoadedShard


@dataclass(frozen=True)
class Offer:
    """What the users of one shard may be sent at an epoch."""

    partition: int
    loaded: LoadedShard
    context: Context
    removed: Exclusions
    hold_values: NDArray[np.float64]  # [objectives] sum over rows


@dataclass(frozen=True)
class Part:
    """What one shard's candidates are worth and use, before prices; no row is drawn against its will."""

    counts: NDArray[np.int64]  # [rows] candidates that can be drawn
    values: NDArray[np.float32]  # [n]
    arm: NDArray[np.int32]  # [n]
    own: Uses | None  # [n]

    @classmethod
    def of(cls, context: Context, policy: Softmax, limits: SharedLimits) -> Self:
        """Return the part of a context; a row with a transactional message has that candidate alone."""
        candidates = context.candidates
        assert context.values is not None
        worth = policy.worth(context).astype(np.float32)
        arm = limits.arms(context.shard, candidates) if context.arm is None else context.arm
        own = limits.own(arm, candidates.offsets, context.values)
        forced = context.forced >= 0
        if not forced.any():
            return cls(candidates.counts, worth, arm, own)
        counts = np.where(forced, 1, candidates.counts)
        place = spans(np.where(forced, context.forced, candidates.offsets[:-1]), counts)
        return cls(counts, worth[place], arm[place], None if own is None else own.take(place))


class Offers:
    """Offers and their demand in a folder that is deleted at the end."""

    def __init__(self, folder: Path) -> None:
        """Make the folder; one that a run left when it died is emptied."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self._folder = folder
        self._counts: list[NDArray[np.int64]] = []
        self._own: list[NDArray[np.int64]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def write(self, offer: Offer) -> None:
        """Keep the offer of one shard without what drawing does not need; several may be written at once."""
        loaded = dataclasses.replace(offer.loaded, shard=_lean(offer.loaded.shard))
        context = dataclasses.replace(offer.context, shard=loaded.shard)
        with self._path(offer.partition).open("wb") as file:
            pickle.dump(dataclasses.replace(offer, loaded=loaded, context=context), file, protocol=5)

    def read(self, partition: int) -> Offer:
        """Return the offer of one shard; its users have neither events nor consents nor features."""
        with self._path(partition).open("rb") as file:
            offer: Offer = pickle.load(file)
        return offer

    def add(self, part: Part) -> None:
        """Append one shard's part to the demand; shards come in order."""
        self._counts.append(part.counts)
        self._append("values", part.values)
        self._append("arm", part.arm)
        if part.own is not None:
            self._own = self._own or []
            self._own.append(np.diff(part.own.offsets))
            self._append("limit", part.own.limit)
            self._append("amount", part.own.amount)

    def demand(self, uses: Uses) -> Demand:
        """Return the demand of all shards, in arrays that are files; `uses` are those of the arms."""
        own = None
        if self._own is not None:
            own = Uses(
                offsets_of(np.concatenate(self._own)),
                self._mapped("limit", np.int32),
                self._mapped("amount", np.float32),
            )
        counts = np.concatenate([np.zeros(0, np.int64), *self._counts])
        values, arm = self._mapped("values", np.float32), self._mapped("arm", np.int32)
        return Demand(offsets_of(counts), values, arm, uses, own)

    def _path(self, partition: int) -> Path:
        return self._folder / f"part-{partition:04d}"

    def _append(self, name: str, array: NDArray[Any]) -> None:
        with (self._folder / name).open("ab") as file:
            file.write(np.ascontiguousarray(array).data)

    def _mapped(self, name: str, dtype: type) -> NDArray[Any]:
        path = self._folder / name
        if not path.is_file() or not path.stat().st_size:  # nothing cannot be mapped
            return np.zeros(0, dtype)
        return np.memmap(path, dtype, "r")


def _lean(shard: Shard) -> Shard:
    users, waiting = shard.users, shard.opportunities
    return dataclasses.replace(
        shard,
        users=dataclasses.replace(users, numeric=users.numeric[:, :0], categorical=users.categorical[:, :0]),
        opportunities=dataclasses.replace(
            waiting, numeric=waiting.numeric[:, :0], categorical=waiting.categorical[:, :0]
        ),
        consents=Consents(np.zeros(len(users) + 1, np.int64), *(column[:0] for column in _columns(shard))),
        events=Events.none(len(users)),
    )


def _columns(shard: Shard) -> tuple[NDArray[Any], ...]:
    return shard.consents.at, shard.consents.channel, shard.consents.reachable
