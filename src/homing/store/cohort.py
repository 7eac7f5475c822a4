"""What each user of an experiment did before and after entering it: one scan of decisions and events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from homing.schema import Vocabulary
from homing.schema.experiment import SENT
from homing.schema.experiment_record import Record
from homing.schema.times import MISSING
from homing.store.around import Around, Number
from homing.store.columns import TIME, codes, contract_types, newest, run_codes, scan, times
from homing.store.workspace import Workspace

_NONE, _UNKNOWN = -1, -2  # in place of an arm


@dataclass(frozen=True)
class Cohort:
    """How users are found and from when on they count."""

    arms: tuple[str, ...]
    start: int  # us
    until: int  # us; nothing from it on is looked at
    experiment: str = ""  # empty: no experiment; all users are in the first arm and enter at the start
    triggered: bool = False  # users enter with their first trigger rather than their first decision
    newcomers: bool = False  # without an experiment: who signs up later is counted from the start, too

    @classmethod
    def of(cls, record: Record, until: int) -> Cohort:
        """Return the users of an experiment, read up to an instant (us)."""
        design = record.design
        triggered = design.exposure == "triggered"
        return cls(tuple(design.arms), record.started_at, until, record.name, triggered)


@dataclass(frozen=True)
class UserNumbers:
    """Every user of a partition, whether in the experiment or not."""

    hash: NDArray[np.uint64]  # [users, 2]
    signed_up_at: NDArray[np.int64]  # [users] us
    arm: NDArray[np.int32]  # [users] place among the arms, of the first decision; -1: none, -2: unknown arm
    several: NDArray[np.bool_]  # [users] seen in more than one arm
    assigned_at: NDArray[np.int64]  # [users] us; the first decision in the experiment, or MISSING
    entered_at: NDArray[np.int64]  # [users] us; from when on the user counts, or MISSING
    values: NDArray[np.float64]  # [users, numbers]; 0 before entry


def user_numbers(
    workspace: Workspace, partition: int, cohort: Cohort, numbers: Sequence[Number]
) -> UserNumbers:
    """Return numbers of all users of a partition.

    Args:
        workspace: whose ledger is read.
        partition: which part.
        cohort: the users, and until when events are looked at.
        numbers: what is counted. An interval that is not over at `cohort.until` is counted as far as it got.
    """
    everyone = _everyone(workspace, partition).sort("hash_hi", "hash_lo").collect()
    names, signed_up_at = everyone["user_id"], times(everyone["signed_up_at"])
    reader = _Reader(workspace, partition, cohort, numbers, names)
    decided = reader.decisions()
    entries = _entries(decided, cohort, len(names)) if cohort.experiment else _signed_up(cohort, signed_up_at)
    around = {kind: Around.of(rows, entries.entered_at) for kind, rows in reader.happened(decided).items()}
    values = np.zeros((len(names), len(numbers)))
    for place, number in enumerate(numbers):
        values[:, place] = around[number.event].aggregated(number, len(names))
    return UserNumbers(
        hash=np.ascontiguousarray(everyone.select("hash_hi", "hash_lo").to_numpy()),
        signed_up_at=signed_up_at,
        arm=entries.arm,
        several=entries.several,
        assigned_at=entries.assigned_at,
        entered_at=entries.entered_at,
        values=values,
    )


@dataclass(frozen=True)
class Held:
    """When users had decisions under an arm and without it, one row as in `UserNumbers`; MISSING: never."""

    first_in: NDArray[np.int64]  # [users] us, epoch
    last_in: NDArray[np.int64]  # [users] us
    last_out: NDArray[np.int64]  # [users] us


def held_by(workspace: Workspace, partition: int, arm: str, until: int) -> Held:
    """Return when users had decisions under an arm (`experiment:arm`), at epochs before an instant (us)."""
    decisions = scan(
        workspace.ledger.files("decisions", partition),
        contract_types("decisions", ("user_id", "epoch_at", "arms")),
        pl.col("epoch_at") < pl.lit(until).cast(TIME),
    )
    epoch, inside = pl.col("epoch_at").to_physical(), pl.col("arms").list.contains(arm).fill_null(value=False)
    seen = decisions.group_by("user_id").agg(
        first_in=epoch.filter(inside).min(),
        last_in=epoch.filter(inside).max(),
        last_out=epoch.filter(~inside).max(),
    )
    everyone = _everyone(workspace, partition)
    table = everyone.join(seen, on="user_id", how="left").sort("hash_hi", "hash_lo").collect()
    return Held(*(table[name].fill_null(MISSING).to_numpy() for name in ("first_in", "last_in", "last_out")))


def _everyone(workspace: Workspace, partition: int) -> pl.LazyFrame:
    columns = contract_types("users", ("user_id", "signed_up_at"))
    columns |= {"hash_hi": pl.UInt64(), "hash_lo": pl.UInt64()}
    return newest(
        scan(workspace.ledger.files("users", partition), columns, order="order"), "user_id", "order"
    )


@dataclass(frozen=True)
class _Reader:
    """Reads what is counted of a partition's users."""

    workspace: Workspace
    partition: int
    cohort: Cohort
    numbers: Sequence[Number]
    users: pl.Series  # ids

    def decisions(self) -> pl.DataFrame:
        """Return what was decided, read once, for entries and for sends: user, at, action, arms, triggered.

        Without an experiment only sends are read, if anything counts them.
        """
        names = ("user_id", "epoch_at", "action", "arms", "triggered")
        where = self._between("epoch_at")
        wanted = True
        if not self.cohort.experiment:
            wanted, where = SENT in self._kinds, where & (pl.col("action") == "send")
        files = self.workspace.ledger.files("decisions", self.partition) if wanted else []
        rows = scan(files, contract_types("decisions", names), where).rename({"epoch_at": "at"}).collect()
        return self._placed(rows, codes(rows["user_id"], self.users))

    def happened(self, decided: pl.DataFrame) -> dict[str, pl.DataFrame]:
        """Return what is counted, by type, sends among them: user, at, value, unexplained."""
        sends = decided.lazy().filter(pl.col("action") == "send")
        found = {SENT: sends.select("user", "at", value=pl.lit(1.0), unexplained=pl.lit(False)).collect()}
        explained = any(number.unexplained for number in self.numbers)
        names = ("user_id", "at", "type", "value", *(("decision_id",) if explained else ()))
        where = pl.col("type").is_in(self._kinds) & self._between("at")
        files = self.workspace.ledger.files("events", self.partition)
        events = scan(files, contract_types("events", names), where).collect()
        events = self._placed(events, run_codes(events["user_id"], self.users)).select(
            "user",
            "at",
            "type",
            pl.col("value").fill_null(1.0),
            unexplained=pl.col("decision_id").is_null() if explained else pl.lit(False),
        )
        return found | {kind: events.filter(pl.col("type") == kind) for kind in self._kinds if kind != SENT}

    @property
    def _kinds(self) -> list[str]:
        return sorted({number.event for number in self.numbers})

    def _between(self, column: str) -> pl.Expr:
        since = self.cohort.start + min([0, *(number.since for number in self.numbers)])
        until = self.cohort.until
        return (pl.col(column) >= pl.lit(since).cast(TIME)) & (pl.col(column) < pl.lit(until).cast(TIME))

    def _placed(self, rows: pl.DataFrame, user: NDArray[np.int32]) -> pl.DataFrame:
        """Return rows with the place of their user for its id and times in us, without those of nobody."""
        placed = rows.drop("user_id").with_columns(pl.col("at").to_physical(), user=user)
        return placed if (user >= 0).all() else placed.filter(pl.col("user") >= 0)


@dataclass(frozen=True)
class _Entries:
    """Arms and entries of users, as in `UserNumbers`."""

    arm: NDArray[np.int32]
    several: NDArray[np.bool_]
    assigned_at: NDArray[np.int64]
    entered_at: NDArray[np.int64]


def _signed_up(cohort: Cohort, signed_up_at: NDArray[np.int64]) -> _Entries:
    """Return the entries of users who are in no experiment: at the start, if they had signed up."""
    start, users = np.full(len(signed_up_at), cohort.start), len(signed_up_at)
    there = np.full(users, cohort.newcomers) | (signed_up_at <= cohort.start)
    entered_at = np.where(there, start, MISSING)
    return _Entries(np.zeros(users, np.int32), np.zeros(users, np.bool_), start, entered_at)


def _entries(decided: pl.DataFrame, cohort: Cohort, users: int) -> _Entries:
    """Return arm and entry by user, from the arms that decisions were logged with."""
    prefix = f"{cohort.experiment}:"
    known = Vocabulary(tuple(f"{prefix}{arm}" for arm in cohort.arms))
    arms, at = decided["arms"], decided["at"].to_numpy()
    label = arms.explode(empty_as_null=False, keep_nulls=False)
    row = np.repeat(np.arange(len(arms)), arms.list.len().fill_null(0).to_numpy())
    mine = label.str.starts_with(prefix).fill_null(value=False).to_numpy() & (at[row] >= cohort.start)
    row, arm = row[mine], codes(label.filter(mine), known)
    order = np.argsort(at[row], kind="stable")
    row, arm = row[order], np.where(arm < 0, np.int32(_UNKNOWN), arm)[order]
    user, at = decided["user"].to_numpy()[row], at[row]
    first = _first(user, arm, users, _NONE)
    several = np.zeros(users, np.bool_)
    several[user[arm != first[user]]] = True
    enters = np.ones(len(row), np.bool_)
    if cohort.triggered:
        enters = decided["triggered"].list.contains(cohort.experiment).fill_null(value=False).to_numpy()[row]
    return _Entries(
        arm=first,
        several=several,
        assigned_at=_first(user, at, users, MISSING),
        entered_at=_first(user[enters], at[enters], users, MISSING),
    )


def _first(user: NDArray[np.int32], values: NDArray[Any], users: int, absent: int) -> NDArray[Any]:
    """Return the first of each user's values [users]; `absent` for who has none."""
    found = np.full(users, absent, values.dtype)
    found[user[::-1]] = values[::-1]  # of several values for one place NumPy keeps the last
    return found
