"""What each user of an experiment did before and after entering it: one scan of decisions and events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from homing.schema.experiment import SENT
from homing.schema.experiment_record import Record
from homing.schema.times import DAY, MISSING
from homing.store.columns import TIME, contract_types, newest, scan, times
from homing.store.workspace import Workspace

_SATURDAY: Final = 6  # by ISO
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
        users = everyone.join(_entries(decisions, cohort), on="user_id", how="left")
    else:
        users = everyone.with_columns(
            arm=pl.lit(0, pl.Int32),
            several=pl.lit(False),
            assigned=pl.lit(cohort.start),
            entered=_signed_up(cohort),
        )
    frame = users.sort("hash_hi", "hash_lo").collect()
    counted = frame.lazy()
    if numbers:
        happened = _happened(workspace, partition, cohort, numbers, decisions, reach)
        entered = frame.lazy().filter(pl.col("entered").is_not_null()).select("user_id", "entered")
        relative = happened.join(entered, on="user_id").with_columns(since=pl.col("at") - pl.col("entered"))
        sums = relative.group_by("user_id").agg(_aggregate(number) for number in numbers)
        counted = counted.join(sums, on="user_id", how="left")
    table = counted.sort("hash_hi", "hash_lo").collect()
    values = table.select(pl.col(number.name).fill_null(0).cast(pl.Float64) for number in numbers)
    return UserNumbers(
        hash=np.ascontiguousarray(table.select("hash_hi", "hash_lo").to_numpy()),
        signed_up_at=times(table["signed_up_at"]),
        arm=table["arm"].fill_null(_NONE).to_numpy(),
        several=table["several"].fill_null(value=False).to_numpy(),
        assigned_at=table["assigned"].fill_null(MISSING).to_numpy(),
        entered_at=table["entered"].fill_null(MISSING).to_numpy(),
        values=values.to_numpy() if numbers else np.zeros((len(table), 0)),
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


def _aggregate(number: Number) -> pl.Expr:
    taken = (pl.col("type") == number.event) & (pl.col("since") >= number.since)
    if number.until is not None:
        taken &= pl.col("since") < number.until
    if number.weekend is not None:
        weekend = pl.col("at").cast(pl.Datetime("us")).dt.weekday() >= _SATURDAY
        taken &= weekend if number.weekend else ~weekend
    if number.unexplained:
        taken &= pl.col("unexplained")
    match number.aggregate:
        case "any":
            found = taken.any().cast(pl.Float64)
        case "count":
            found = taken.sum().cast(pl.Float64)
        case "sum":
            found = pl.col("value").filter(taken).sum()
        case "active_days":
            found = (pl.col("since") // DAY).filter(taken).n_unique().cast(pl.Float64)
    return (found if number.cap is None else found.clip(upper_bound=number.cap)).alias(number.name)


def _between(column: str, since: int, until: int) -> pl.Expr:
    return (pl.col(column) >= pl.lit(since).cast(TIME)) & (pl.col(column) < pl.lit(until).cast(TIME))
