"""Everybody's candidates, between finding prices and drawing: on disk, a file for each shard and account.

What an account's prices are found from, a value and an arm a candidate, is one file over all shards that is
read in order; it need not fit in memory. Where nobody is tried on there is one account, without a name.
"""

from __future__ import annotations

import dataclasses
import hashlib
import pickle
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from homing.allocation import Demand, Uses
from homing.decision import Context, SharedLimits, Softmax
from homing.decision.ragged import offsets_of, spans
from homing.lifecycle.epoch import Offer
from homing.schema import Consents, Events, Shard
from homing.store import LoadedShard


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


@dataclass
class _Parts:
    """What was appended of one account."""

    counts: list[NDArray[np.int64]] = field(default_factory=list)
    own: list[NDArray[np.int64]] = field(default_factory=list)


class Offers:
    """Offers and their demand, by account, in a folder that is deleted at the end."""

    def __init__(self, folder: Path) -> None:
        """Make the folder; one that a run left when it died is emptied."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self._folder = folder
        self._parts: dict[str, _Parts] = {}
        self._accounts: dict[int, tuple[str, ...]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def write(self, offers: Mapping[str, Offer]) -> None:
        """Keep one shard's offers by account without what drawing does not need; shards may be concurrent."""
        first = next(iter(offers.values()))
        loaded = dataclasses.replace(first.loaded, shard=_lean(first.loaded.shard))
        _dump(self._path(first.partition), loaded)
        for account, offer in offers.items():
            context = offer.context
            kept = (context.candidates, context.values, context.arm, offer.removed, offer.hold_values)
            _dump(self._path(first.partition, account), kept)
        self._accounts[first.partition] = tuple(offers)

    def accounts(self, partition: int) -> tuple[str, ...]:
        """Return the accounts that have users in a shard."""
        return self._accounts[partition]

    def partitions(self, account: str) -> tuple[int, ...]:
        """Return the shards in which an account has users, rising."""
        return tuple(sorted(shard for shard, accounts in self._accounts.items() if account in accounts))

    def read(self, partition: int, account: str = "") -> Offer:
        """Return an account's offer of one shard; its users have neither events nor consents nor features."""
        loaded: LoadedShard = _load(self._path(partition))
        candidates, values, arm, removed, hold_values = _load(self._path(partition, account))
        context = Context(loaded.shard, candidates, values, arm)
        return Offer(partition, loaded, context, removed, hold_values)

    def add(self, part: Part, account: str = "") -> None:
        """Append one shard's part to an account's demand; shards come in order."""
        known = self._parts.setdefault(account, _Parts())
        known.counts.append(part.counts)
        self._append("values", account, part.values)
        self._append("arm", account, part.arm)
        if part.own is not None:
            known.own.append(np.diff(part.own.offsets))
            self._append("limit", account, part.own.limit)
            self._append("amount", account, part.own.amount)

    def demand(self, uses: Uses, account: str = "") -> Demand:
        """Return an account's demand, all shards, in arrays that are files; `uses` are those of the arms."""
        known, own = self._parts.get(account, _Parts()), None
        if known.own:
            own = Uses(
                offsets_of(np.concatenate(known.own)),
                self._mapped("limit", account, np.int32),
                self._mapped("amount", account, np.float32),
            )
        counts = np.concatenate([np.zeros(0, np.int64), *known.counts])
        values, arm = self._mapped("values", account, np.float32), self._mapped("arm", account, np.int32)
        return Demand(offsets_of(counts), values, arm, uses, own)

    def _path(self, partition: int, account: str | None = None) -> Path:
        """Return the file of a shard, or of an account in it."""
        return self._folder / f"part-{partition:04d}{'' if account is None else _suffix(account)}"

    def _append(self, name: str, account: str, array: NDArray[Any]) -> None:
        with (self._folder / (name + _suffix(account))).open("ab") as file:
            file.write(np.ascontiguousarray(array).data)

    def _mapped(self, name: str, account: str, dtype: type) -> NDArray[Any]:
        path = self._folder / (name + _suffix(account))
        if not path.is_file() or not path.stat().st_size:  # nothing cannot be mapped
            return np.zeros(0, dtype)
        return np.memmap(path, dtype, "r")


def _suffix(account: str) -> str:
    """Return an account in the name of a file; names of many arms are longer than those may be."""
    return "-" + hashlib.blake2b(account.encode(), digest_size=8).hexdigest()


def _dump(path: Path, content: object) -> None:
    with path.open("wb") as file:
        pickle.dump(content, file, protocol=5)


def _load(path: Path) -> Any:
    with path.open("rb") as file:
        return pickle.load(file)


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
