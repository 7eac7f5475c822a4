"""What each user of an experiment did before and after entering it: one scan of decisions and events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from homing.schema import Vocabulary
from homing.schema.experiment import SENT
from homing.schema.experiment_record import Record
from homing.schema.times import DAY, MISSING
from homing.store.columns import TIME, codes, contract_types, newest, scan, times
from homing.store.workspace import Workspace

_THURSDAY, _SATURDAY = 3, 5  # days after a Monday; 1970 began on a Thursday
_NONE, _UNKNOWN = -1, -2  # in place of an arm


@dataclass(frozen=True)
class Number:
    """One number of each user, from events in an interval around the user's entry."""

    name: str
    event: str  # type, or SENT
    aggregate: Literal["any", "count", "sum", "active_days"]
    since: int = 0  # us after entry, or before it where negative
    until: int | None = None  # us after entry, exclusive; None: until the end
    cap: float | None = None
    weekend: bool | None = None  # only Saturdays and Sundays, only other days (UTC), or all
    unexplained: bool = False  # only events that name no decision


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
    ledger = workspace.ledger
    everyone = _everyone(workspace, partition)
    reach = min((number.since for number in numbers), default=0)
    decisions = scan(
        ledger.files("decisions", partition),
        contract_types("decisions", ("user_id", "epoch_at", "arms", "triggered", "action")),
        _between("epoch_at", cohort.start + min(reach, 0), cohort.until),
    )
    if cohort.experiment:
        decisions = decisions.collect().lazy()  # read once, for entries and for sends
        users = everyone.join(_entries(decisions, cohort), on="user_id", how="left")
    else:
        users = everyone.with_columns(
            arm=pl.lit(0, pl.Int32),
            several=pl.lit(False),
            assigned=pl.lit(cohort.start),
            entered=_signed_up(cohort),
        )
    table = users.sort("hash_hi", "hash_lo").collect()
    values = np.zeros((len(table), len(numbers)))
    if numbers:
        happened = _happened(workspace, partition, cohort, numbers, decisions, reach)
        kinds = sorted({number.event for number in numbers})
        entered = table.lazy().with_row_index("row").filter(pl.col("entered").is_not_null())
        around = _Around.of(happened, entered.select("user_id", "row", "entered"), kinds)
        for place, number in enumerate(numbers):
            values[:, place] = around.aggregated(number, len(table))
    return UserNumbers(
        hash=np.ascontiguousarray(table.select("hash_hi", "hash_lo").to_numpy()),
        signed_up_at=times(table["signed_up_at"]),
        arm=table["arm"].fill_null(_NONE).to_numpy(),
        several=table["several"].fill_null(value=False).to_numpy(),
        assigned_at=table["assigned"].fill_null(MISSING).to_numpy(),
        entered_at=table["entered"].fill_null(MISSING).to_numpy(),
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


def _signed_up(cohort: Cohort) -> pl.Expr:
    """Return when users enter who are in no experiment: at the start, if they had signed up."""
    if cohort.newcomers:
        return pl.when(pl.lit(value=True)).then(pl.lit(cohort.start))
    there = pl.col("signed_up_at").to_physical().fill_null(MISSING) <= cohort.start
    return pl.when(there).then(pl.lit(cohort.start))


def _entries(decisions: pl.LazyFrame, cohort: Cohort) -> pl.LazyFrame:
    """Return arm and entry by user, from the arms that decisions were logged with."""
    prefix = f"{cohort.experiment}:"
    known = {f"{prefix}{arm}": code for code, arm in enumerate(cohort.arms)}
    triggered = pl.col("triggered").list.contains(cohort.experiment).fill_null(value=False)
    epoch = pl.col("epoch_at").to_physical()
    rows = (
        decisions.filter(pl.col("epoch_at") >= pl.lit(cohort.start).cast(TIME))
        .select("user_id", epoch, triggered, pl.col("arms").alias("arm"))
        .explode("arm")
        .filter(pl.col("arm").str.starts_with(prefix))
        .with_columns(pl.col("arm").replace_strict(known, default=_UNKNOWN, return_dtype=pl.Int32))
    )
    entered = epoch.filter(pl.col("triggered")).min() if cohort.triggered else epoch.min()
    return rows.group_by("user_id").agg(
        arm=pl.col("arm").sort_by("epoch_at").first(),
        several=pl.col("arm").min() != pl.col("arm").max(),
        assigned=epoch.min(),
        entered=entered,
    )


def _happened(
    workspace: Workspace,
    partition: int,
    cohort: Cohort,
    numbers: Sequence[Number],
    decisions: pl.LazyFrame,
    reach: int,
) -> pl.LazyFrame:
    """Return the events that are counted, sends among them: user_id, at, type, value, unexplained."""
    kinds = sorted({number.event for number in numbers} - {SENT})
    explained = any(number.unexplained for number in numbers)
    names = ("user_id", "at", "type", "value", *(("decision_id",) if explained else ()))
    where = pl.col("type").is_in(kinds) & _between("at", cohort.start + min(reach, 0), cohort.until)
    events = scan(workspace.ledger.files("events", partition), contract_types("events", names), where)
    parts = [
        events.select(
            "user_id",
            pl.col("at").to_physical(),
            "type",
            pl.col("value").fill_null(1.0),
            (pl.col("decision_id").is_null() if explained else pl.lit(False)).alias("unexplained"),
        )
    ]
    if any(number.event == SENT for number in numbers):
        parts.append(
            decisions.filter(pl.col("action") == "send").select(
                "user_id",
                pl.col("epoch_at").to_physical().alias("at"),
                pl.lit(SENT).alias("type"),
                pl.lit(1.0).alias("value"),
                pl.lit(False).alias("unexplained"),
            )
        )
    return pl.concat(parts)


@dataclass(frozen=True)
class _Around:
    """What happened to users who have entered, one row an event."""

    row: NDArray[np.uint32]  # of the user
    of_type: dict[str, NDArray[np.bool_]]  # [events] by type
    since: NDArray[np.int64]  # us after the entry
    value: NDArray[np.float64]
    weekend: NDArray[np.bool_]  # on a Saturday or a Sunday, UTC
    unexplained: NDArray[np.bool_]

    @classmethod
    def of(cls, happened: pl.LazyFrame, entered: pl.LazyFrame, kinds: Sequence[str]) -> _Around:
        """Return what happened (`_happened`), of these types, to users with their row and entry."""
        table = happened.join(entered, on="user_id").drop("user_id").collect()
        code = codes(table["type"], Vocabulary(tuple(kinds)))
        at = table["at"].to_numpy()
        return cls(
            row=table["row"].to_numpy(),
            of_type={name: code == place for place, name in enumerate(kinds)},
            since=at - table["entered"].to_numpy(),
            value=table["value"].to_numpy(),
            weekend=(at // DAY + _THURSDAY) % 7 >= _SATURDAY,
            unexplained=table["unexplained"].to_numpy(),
        )

    def aggregated(self, number: Number, users: int) -> NDArray[np.float64]:
        """Return a number of each user: float64 [users]."""
        taken = self.of_type[number.event] & (self.since >= number.since)
        if number.until is not None:
            taken &= self.since < number.until
        if number.weekend is not None:
            taken &= self.weekend == number.weekend
        if number.unexplained:
            taken &= self.unexplained
        row = self.row[taken]
        found: NDArray[Any]
        match number.aggregate:
            case "any":
                found = np.bincount(row, minlength=users) > 0
            case "count":
                found = np.bincount(row, minlength=users)
            case "sum":
                found = np.bincount(row, self.value[taken], users)
            case "active_days":
                found = _different(row, self.since[taken] // DAY, users)
        counted = np.asarray(found, np.float64)
        return counted if number.cap is None else np.minimum(counted, number.cap)


def _different(row: NDArray[np.uint32], day: NDArray[np.int64], users: int) -> NDArray[np.int64]:
    """Return how many different days each user has: int64 [users]."""
    if not len(day):
        return np.zeros(users, np.int64)
    first = int(day.min())
    seen = np.zeros((users, int(day.max()) - first + 1), np.bool_)
    seen[row, day - first] = True
    return np.asarray(seen.sum(axis=1), np.int64)


def _between(column: str, since: int, until: int) -> pl.Expr:
    return (pl.col(column) >= pl.lit(since).cast(TIME)) & (pl.col(column) < pl.lit(until).cast(TIME))
