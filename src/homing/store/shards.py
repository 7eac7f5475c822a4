"""From the ledger's files to the arrays of one shard."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from homing.schema import (
    Consents,
    Decisions,
    Events,
    Messages,
    Opportunities,
    Reason,
    Shard,
    Users,
    Vocabularies,
    Vocabulary,
    WorkspaceError,
)
from homing.store.columns import (
    TIME,
    codes,
    contract_types,
    feature_types,
    features,
    floats,
    hex_words,
    newest,
    run_codes,
    scan,
    times,
    words,
)
from homing.store.workspace import Workspace

#: Tables that a shard is made of. Users are always read.
SHARD_TABLES: Final = ("users", "consents", "opportunities", "decisions", "events")

#: Columns of a decision that is read as a send.
_SEND: Final = ("decision_id", "user_id", "epoch_at", "message_id", "channel", "slot_start")
_REASONS: Final = Vocabulary(tuple(reason.name for reason in Reason))


@dataclass(frozen=True)
class ShardIds:
    """The ids that the codes of a shard stand for."""

    users: pl.Series  # String [users]
    opportunities: pl.Series  # String [opportunities]
    decisions: pl.Series  # String [decisions]


@dataclass(frozen=True)
class LoadedShard:
    """One partition of the ledger as arrays."""

    partition: int
    shard: Shard
    ids: ShardIds


def load_messages(workspace: Workspace) -> Messages:
    """Read the catalogue. A message's row is its code in `Vocabularies.messages`."""
    vocabularies = workspace.ledger.vocabularies()
    names = ("message_id", "domain", "category", "channels", "valid_from", "valid_until", "priority")
    columns = contract_types("messages", names) | feature_types("messages", vocabularies)
    rows = newest(scan(workspace.ledger.files("messages"), columns, order="order"), "message_id", "order")
    catalogue = pl.LazyFrame({"message_id": pl.Series(vocabularies.messages.names, dtype=pl.String)})
    frame = catalogue.join(rows, on="message_id", how="left", maintain_order="left").collect()
    listed = frame.select(pl.int_range(pl.len()).alias("row"), "channels").explode("channels")
    channel = codes(listed["channels"], vocabularies.channels)
    channels = np.zeros((len(frame), len(vocabularies.channels)), np.bool_)
    channels[listed["row"].to_numpy()[channel >= 0], channel[channel >= 0]] = True
    numeric, categorical = features(frame, "messages", vocabularies)
    return Messages(
        domain=codes(frame["domain"], vocabularies.domains),
        category=codes(frame["category"], vocabularies.categories),
        channels=channels,
        valid_from=times(frame["valid_from"]),
        valid_until=times(frame["valid_until"]),
        transactional=(frame["priority"].fill_null("normal") == "transactional").to_numpy(),
        numeric=numeric,
        categorical=categorical,
    )


def load_shard(
    workspace: Workspace,
    partition: int,
    decided_since: int | None = None,
    open_since: int | None = None,
    tables: Collection[str] = SHARD_TABLES,
    messages: Messages | None = None,
    sends_only: bool = False,
    opportunities: bool = False,
) -> LoadedShard:
    """Read one partition of the ledger.

    Args:
        workspace: an open workspace.
        partition: from 0 to `workspace.ledger.partitions` - 1.
        decided_since: us; leaves out decisions of earlier epochs. An event that names one of them has none.
        open_since: us; leaves out opportunities that expired before it. A decision for one of them has none.
        tables: those of `SHARD_TABLES` that are needed; the others are empty, and codes into them -1.
        messages: the catalogue, where it has been read before.
        sends_only: reads decisions only as what caps count: holds are left out, and of the others all but
            id, user, epoch, message, channel and slot start counts as not logged.
        opportunities: with `sends_only`, reads which opportunity a send was of as well.

    Raises:
        WorkspaceError: a row names a user that the ledger does not have.
    """
    reader = _Reader(workspace, partition, workspace.ledger.vocabularies(), frozenset(tables))
    users, user_ids = reader.users()
    waiting, opportunity_ids = reader.opportunities(user_ids, open_since)
    read = (*_SEND, *(("opportunity_id",) if opportunities else ())) if sends_only else None
    decisions, decision_ids = reader.decisions(user_ids, opportunity_ids, decided_since, read)
    shard = Shard(
        vocabularies=reader.vocabularies,
        messages=load_messages(workspace) if messages is None else messages,
        users=users,
        consents=reader.consents(user_ids),
        opportunities=waiting,
        events=reader.events(user_ids, decision_ids, decisions.user),
        decisions=decisions,
    )
    return LoadedShard(partition, shard, ShardIds(user_ids, opportunity_ids, decision_ids))


@dataclass(frozen=True)
class _Reader:
    workspace: Workspace
    partition: int
    vocabularies: Vocabularies
    tables: frozenset[str]

    def _scan(
        self,
        table: str,
        columns: dict[str, pl.DataType],
        where: pl.Expr | None = None,
        order: str | None = None,
    ) -> pl.LazyFrame:
        wanted = table == "users" or table in self.tables
        paths = self.workspace.ledger.files(table, self.partition) if wanted else []
        return scan(paths, columns, where, order)

    def _users_of(self, table: str, frame: pl.DataFrame, user_ids: pl.Series) -> NDArray[np.int32]:
        user = run_codes(frame["user_id"], user_ids)
        lost = np.flatnonzero(user < 0)
        if len(lost):
            raise WorkspaceError(
                f"ledger table {table!r}, partition {self.partition}: {len(lost)} rows name users that "
                f"are not in the ledger (the first: {frame['user_id'][int(lost[0])]!r}); run 'homing doctor'"
            )
        return user

    def users(self) -> tuple[Users, pl.Series]:
        columns = contract_types("users", ("user_id", "timezone", "signed_up_at"))
        columns |= {"hash_hi": pl.UInt64(), "hash_lo": pl.UInt64()} | feature_types(
            "users", self.vocabularies
        )
        rows = newest(self._scan("users", columns, order="order"), "user_id", "order")
        frame = rows.sort("hash_hi", "hash_lo").collect()
        zone = codes(frame["timezone"], self.vocabularies.zones)
        default = self.vocabularies.zones.code(self.workspace.config.workspace.timezone)
        numeric, categorical = features(frame, "users", self.vocabularies)
        users = Users(
            hash=np.ascontiguousarray(frame.select("hash_hi", "hash_lo").to_numpy()),
            zone=np.where(zone < 0, np.int32(default), zone),
            signed_up_at=times(frame["signed_up_at"]),
            numeric=numeric,
            categorical=categorical,
        )
        return users, frame["user_id"]

    def consents(self, user_ids: pl.Series) -> Consents:
        columns = contract_types("consents", ("user_id", "at", "channel", "reachable"))
        frame = self._scan("consents", columns).collect()
        user = self._users_of("consents", frame, user_ids)
        at = times(frame["at"])
        channel = codes(frame["channel"], self.vocabularies.channels).astype(np.int16)
        order = time_order(user, at, pl.DataFrame({"channel": channel}))
        return Consents(
            offsets=_offsets(user, len(user_ids)),
            at=at[order],
            channel=channel[order],
            reachable=frame["reachable"].to_numpy()[order],
        )

    def opportunities(self, user_ids: pl.Series, since: int | None) -> tuple[Opportunities, pl.Series]:
        names = ("opportunity_id", "user_id", "message_id", "generator", "domain_value")
        columns = contract_types("opportunities", (*names, "created_at", "earliest_at", "expires_at"))
        columns |= {"hash": pl.UInt64()} | feature_types("opportunities", self.vocabularies)
        frame = self._scan("opportunities", columns, _since("expires_at", since)).collect()
        user = pl.Series("user", self._users_of("opportunities", frame, user_ids))
        frame = frame.with_columns(user).sort("user", "hash", "opportunity_id")
        numeric, categorical = features(frame, "opportunities", self.vocabularies)
        opportunities = Opportunities(
            offsets=_offsets(frame["user"].to_numpy(), len(user_ids)),
            hash=frame["hash"].to_numpy(),
            message=codes(frame["message_id"], self.vocabularies.messages),
            generator=codes(frame["generator"], self.vocabularies.generators),
            domain_value=floats(frame["domain_value"]),
            created_at=times(frame["created_at"]),
            earliest_at=times(frame["earliest_at"].fill_null(frame["created_at"])),
            expires_at=times(frame["expires_at"]),
            numeric=numeric,
            categorical=categorical,
        )
        return opportunities, frame["opportunity_id"]

    def decisions(
        self,
        user_ids: pl.Series,
        opportunity_ids: pl.Series,
        since: int | None,
        of_sends: tuple[str, ...] | None,
    ) -> tuple[Decisions, pl.Series]:
        """Read decisions; with `of_sends` only sends, and only those columns of them."""
        names = ("decision_id", "user_id", "epoch_at", "opportunity_id", "message_id", "channel")
        more = ("slot_start", "slot_end", "propensity", "candidates", "candidate_set", "release_id", "reason")
        values = [f"value_{name}" for name in self.workspace.config.objectives]
        columns = contract_types("decisions", (*names, *more)) | dict.fromkeys(values, pl.Float32())
        where, read = _since("epoch_at", since), columns
        if of_sends is not None:
            sent = pl.col("message_id").is_not_null()
            where = sent if where is None else where & sent
            read = {name: columns[name] for name in of_sends}
        frame = self._scan("decisions", read, where).collect()
        frame = frame.with_columns(
            pl.lit(None, kind).alias(name) for name, kind in columns.items() if name not in read
        )
        user = self._users_of("decisions", frame, user_ids)
        epoch_at = times(frame["epoch_at"])
        order = time_order(user, epoch_at, frame.select("decision_id"))
        reason = codes(frame["reason"], _REASONS)
        decision_ids = frame["decision_id"].gather(order)
        decisions = Decisions(
            offsets=_offsets(user, len(user_ids)),
            id=hex_words(decision_ids),
            epoch_at=epoch_at[order],
            opportunity=codes(frame["opportunity_id"], opportunity_ids)[order],
            message=codes(frame["message_id"], self.vocabularies.messages)[order],
            channel=codes(frame["channel"], self.vocabularies.channels).astype(np.int16)[order],
            slot_start=times(frame["slot_start"])[order],
            slot_end=times(frame["slot_end"])[order],
            propensity=frame["propensity"].to_numpy()[order],
            candidates=frame["candidates"].fill_null(0).cast(pl.Int32).to_numpy()[order],
            candidate_set=words(frame["candidate_set"])[order],
            values=_columns([floats(frame[name]) for name in values], len(frame))[order],
            release=codes(frame["release_id"], self.vocabularies.releases)[order],
            reason=np.where(reason < 0, Reason.imported, reason).astype(np.int8)[order],
        )
        return decisions, decision_ids

    def events(self, user_ids: pl.Series, decision_ids: pl.Series, decided: NDArray[np.int32]) -> Events:
        """Events link to decisions of the same user only (`decided`: int32 [decisions], their users)."""
        names = ["user_id", "at", "type", "channel", "message_id", "value"]
        if len(decision_ids):
            names.append("decision_id")
        frame = self._scan("events", contract_types("events", names)).collect()
        user = self._users_of("events", frame, user_ids)
        at = times(frame["at"])
        kind = codes(frame["type"], self.vocabularies.event_types).astype(np.int16)
        channel = codes(frame["channel"], self.vocabularies.channels).astype(np.int16)
        message = codes(frame["message_id"], self.vocabularies.messages)
        value = frame["value"].cast(pl.Float32).fill_null(1.0).to_numpy()
        decision = np.full(len(frame), -1, np.int32)
        if len(decision_ids):
            named = frame["decision_id"].is_not_null()
            row = named.arg_true().to_numpy()
            found = codes(frame["decision_id"].filter(named), decision_ids)
            decision[row] = np.where(decided[found] == user[row], found, np.int32(-1))
        ties = {"type": kind, "channel": channel, "message": message, "decision": decision, "value": value}
        order = time_order(user, at, pl.DataFrame(ties))
        return Events(
            offsets=_offsets(user, len(user_ids)),
            at=at[order],
            type=kind[order],
            channel=channel[order],
            message=message[order],
            decision=decision[order],
            value=value[order],
        )


def _since(time: str, at: int | None) -> pl.Expr | None:
    return None if at is None else pl.col(time) >= pl.lit(at).cast(TIME)


def time_order(user: NDArray[np.int32], at: NDArray[np.int64], ties: pl.DataFrame) -> NDArray[np.int64]:
    """Return the order of rows by (user, at, all columns of `ties`) as int64 [n].

    One sort of a packed 64-bit key, then a full comparison of the few rows whose keys are equal: several
    times faster than a sort by all columns.
    """
    if not len(user):
        return np.empty(0, np.int64)
    first = int(at.min())
    bits = (int(at.max()) - first).bit_length()
    if bits + int(user.max()).bit_length() > 63:
        return _full_order(ties, {"user": user, "at": at})
    key = (user.astype(np.int64) << bits) | (at - first)
    # the stable sort merges runs, and every file is sorted by user and time already
    order = np.argsort(key, kind="stable")
    same = np.diff(key[order]) == 0
    tied = np.flatnonzero(np.append(same, False) | np.append(False, same))
    rows = order[tied]
    order[tied] = rows[_full_order(ties[rows], {"key": key[rows]})]
    return order


def _full_order(ties: pl.DataFrame, first: Mapping[str, NDArray[Any]]) -> NDArray[np.int64]:
    frame = pl.DataFrame(first).hstack(ties)
    return frame.with_row_index("row").sort(frame.columns)["row"].cast(pl.Int64).to_numpy()


def _offsets(user: NDArray[np.int32], users: int) -> NDArray[np.int64]:
    counts = np.bincount(user, minlength=users)
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])


def _columns(parts: list[NDArray[np.float32]], rows: int) -> NDArray[np.float32]:
    return np.column_stack(parts) if parts else np.empty((rows, 0), np.float32)
