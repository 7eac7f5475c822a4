"""Tomorrow's decisions: one draw per user at an epoch, by the current release, under every hard rule.

Shards are planned one after the other and never talk. Decisions reach the ledger in one commit at the end,
so a run that dies leaves nothing, and the same plan made twice adds nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from homing.decision import decide
from homing.engine import over_shards, worker_count
from homing.lifecycle.estimates import unit_of
from homing.lifecycle.horizons import over_horizons
from homing.lifecycle.progress import Progress, Silent, Timings
from homing.lifecycle.record import Record, save_record, stage_facts
from homing.lifecycle.release import Release, load_release
from homing.report.facts import Count, Expected, Funnel, HourRow, MessageShare, Named, Schedule
from homing.schema import Candidates, Config, Exclusions, Instants, Shard, Vocabularies
from homing.schema.drawn import Drawn
from homing.schema.times import DAY, MISSING, check_epoch, format_time, parse_duration, to_datetime
from homing.state import ZoneTable, local_hour_of_week
from homing.store import (
    LoadedShard,
    Run,
    Workspace,
    append_decisions,
    append_exclusions,
    decision_rows,
    exclusion_rows,
    load_messages,
    load_shard,
    write_decisions,
)

_WEEK = 7 * DAY
_MESSAGES_SHOWN = 15


@dataclass(frozen=True)
class Planned:
    """A plan and what it came to."""

    run_id: str
    release: str
    epoch_at: int  # us
    added: int  # decisions that the ledger did not have yet
    funnel: Funnel
    schedule: Schedule
    record: Record
    timings: Timings


@dataclass(frozen=True)
class _Decided:
    """One shard, decided but not yet written."""

    partition: int
    loaded: LoadedShard
    drawn: Drawn
    removed: Exclusions
    hold_values: NDArray[np.float64]  # [objectives] sum over rows


class _Tally:
    """Counts over the shards of one plan."""

    def __init__(self, release: Release, vocabularies: Vocabularies) -> None:
        self.rules: dict[str, int] = {}
        self.users = self.opportunities = self.eligible = self.sends = self.added = 0
        self.hours = np.zeros((len(vocabularies.channels), 24), np.int64)
        self.by_message = np.zeros(len(vocabularies.messages), np.int64)
        self.message_values = np.zeros((len(vocabularies.messages), len(release.objectives)))
        self.per_user = np.zeros(1, np.int64)  # [sends in a week] users
        self.values = np.zeros(len(release.objectives))
        self.hold_values = np.zeros(len(release.objectives))

    def add(self, done: _Decided, epoch_at: int) -> None:
        shard, drawn = done.loaded.shard, done.drawn
        self.hold_values += done.hold_values
        for rule, count in zip(done.removed.rules, done.removed.counts.tolist(), strict=True):
            self.rules[rule] = self.rules.get(rule, 0) + count
        sent = np.flatnonzero(drawn.message >= 0)
        waiting, owner = shard.opportunities, np.zeros(len(shard.users), np.bool_)
        owner[drawn.rows.user] = True
        alive = (waiting.created_at <= epoch_at) & (waiting.expires_at > epoch_at)
        self.opportunities += int((alive & np.repeat(owner, np.diff(waiting.offsets))).sum())
        self.users += len(drawn)
        self.sends += len(sent)
        self.eligible += int(drawn.candidates.sum()) - len(drawn)
        self.values += drawn.values.sum(axis=0, dtype=np.float64)
        message, start = drawn.message[sent], drawn.slot_start[sent]
        zones = ZoneTable.build(shard.vocabularies.zones.names, epoch_at, int(start.max(initial=epoch_at)))
        hour = local_hour_of_week(shard.users.zone[drawn.rows.user[sent]], start, zones) % 24
        np.add.at(self.hours, (drawn.channel[sent], hour), 1)
        np.add.at(self.by_message, message, 1)
        np.add.at(self.message_values, message, drawn.values[sent])
        log = shard.decisions
        recent = (log.message >= 0) & (log.slot_start >= epoch_at - _WEEK) & (log.epoch_at < epoch_at)
        week = np.bincount(log.user[recent], minlength=len(shard.users))[drawn.rows.user] + (
            drawn.message >= 0
        )
        counts = np.bincount(week, minlength=len(self.per_user))
        self.per_user = counts + np.pad(self.per_user, (0, len(counts) - len(self.per_user)))


def plan(
    workspace: Workspace, at: int, progress: Progress | None = None, release_name: str | None = None
) -> Planned:
    """Decide for every user who has signed up by the epoch.

    Args:
        workspace: with a ledger and a release.
        at: the epoch, us. Nothing that happened at it or after it is looked at.
        progress: where to report.
        release_name: which release decides; by default the current one.

    Raises:
        InputError: the epoch is before 1990, or not before 2100.
        WorkspaceError: there is no release.
        PlannedError: the epoch was planned before, and this release decides otherwise.
    """
    check_epoch(at)
    progress, timings = progress or Silent(), Timings()
    vocabularies, partitions = workspace.ledger.vocabularies(), workspace.ledger.partitions
    workers = min(worker_count(workspace.config.engine.threads), partitions)
    # shards beside each other use the cores; threads within them would only be in each other's way
    release = load_release(workspace, vocabularies, release_name, threads=1 if workers > 1 else None)
    run = Run(
        run_id=f"plan-{to_datetime(at):%Y%m%dT%H%M%SZ}-{release.id}",
        release_id=release.id,
        decided_at=_now(),
        objectives=release.objectives,
    )
    tally, catalogue = _Tally(release, vocabularies), load_messages(workspace)
    # an opportunity that expired within the horizon is counted as removed
    decided_since = at - memory_of(workspace.config)
    open_since = at - parse_duration(workspace.config.slots.horizon)

    def decided(partition: int) -> _Decided:
        with timings.measure("read"):
            loaded = load_shard(
                workspace, partition, decided_since, open_since, messages=catalogue, sends_only=True
            )
        with timings.measure("decide and score"):
            score = _Scorer(release, loaded.shard)
            rows = users_at(loaded.shard, at)
            drawn, removed = decide(loaded.shard, rows, release.policy(), workspace.config, score)
        return _Decided(partition, loaded, drawn, removed, score.hold_values)

    with workspace.ledger.write() as writer:
        for done in over_shards(decided, partitions, workers):
            with timings.measure("write"):
                frame = decision_rows(done.loaded, done.drawn, run)
                tally.added += append_decisions(workspace, writer, done.partition, frame)
                write_decisions(workspace, run, done.partition, frame)
                gone = exclusion_rows(done.loaded, done.removed, at, run)
                append_exclusions(workspace, writer, done.partition, gone)
                tally.add(done, at)
            progress.update("plan", (done.partition + 1) / partitions, f"{tally.users:,} users")
    funnel = _funnel(tally)
    schedule = _schedule(release, vocabularies, at, tally, catalogue.category)
    facts = stage_facts(workspace, "plan", timings, release.id, funnel=funnel, schedule=schedule)
    record = Record("plan", facts)
    save_record(workspace, record)
    return Planned(run.run_id, release.id, at, tally.added, funnel, schedule, record, timings)


def memory_of(config: Config) -> int:
    """Return how long before an epoch (us) decisions still matter to it: for caps, spacing and the report.

    A delivery may trail the epoch of its decision by the horizon and a day; one whose decision was not read
    counts as a send of its own, so decisions are read until their deliveries cannot matter either.
    """
    limits = [(channel.caps, channel.spacing) for channel in config.channels.values()]
    limits.append((config.limits.caps, config.limits.spacing))
    windows = [parse_duration(length) for caps, gap in limits for length in (gap, *(cap.per for cap in caps))]
    return max(_WEEK, *windows) + parse_duration(config.slots.horizon) + 2 * DAY


def users_at(shard: Shard, at: int) -> Instants:
    """Return one row for each user who has signed up by `at` (or whose sign-up is not known)."""
    signed_up = shard.users.signed_up_at
    user = np.flatnonzero((signed_up <= at) | (signed_up == MISSING)).astype(np.int32)
    return Instants(user, np.full(len(user), at, np.int64))


class _Scorer:
    """The release's model as a score of candidates; remembers what hold is worth."""

    def __init__(self, release: Release, shard: Shard) -> None:
        self._release, self._shard = release, shard
        self.hold_values = np.zeros(len(release.objectives))

    def __call__(self, candidates: Candidates) -> NDArray[np.float32]:
        model, view = self._release.model, self._release.view
        values = np.empty((len(candidates), len(self._release.objectives)), np.float32)
        for rows, features in view.batches(self._shard, candidates):
            values[candidates.offsets[rows.start] : candidates.offsets[rows.stop]] = model.predict(features)
        self.hold_values += values[candidates.offsets[:-1]].sum(axis=0, dtype=np.float64)
        return values


def _funnel(tally: _Tally) -> Funnel:
    removed = sorted(((n, rule) for rule, n in tally.rules.items() if n), reverse=True)
    return Funnel(
        users=tally.users,
        opportunities=tally.opportunities,
        candidates=tally.eligible + sum(tally.rules.values()),
        eligible=tally.eligible,
        sends=tally.sends,
        holds=tally.users - tally.sends,
        removed=tuple(Count(rule, n) for n, rule in removed),
    )


def _schedule(
    release: Release, vocabularies: Vocabularies, at: int, tally: _Tally, category: NDArray[np.int32]
) -> Schedule:
    names, kinds = vocabularies.messages.names, vocabularies.categories.names
    top = np.argsort(-tally.by_message, kind="stable")[:_MESSAGES_SHOWN]
    by_category = np.bincount(category, weights=tally.by_message, minlength=len(kinds))
    counted = over_horizons(release.config)
    return Schedule(
        epoch_at=format_time(at),
        users=tally.users,
        sends=tally.sends,
        holds=tally.users - tally.sends,
        channels=tuple(
            Count(name, int(tally.hours[code].sum())) for code, name in enumerate(vocabularies.channels.names)
        ),
        hours=tuple(
            HourRow(name, tuple(tally.hours[code].tolist()))
            for code, name in enumerate(vocabularies.channels.names)
        ),
        messages=tuple(
            MessageShare(
                names[code],
                kinds[category[code]],
                int(tally.by_message[code]),
                tuple(
                    Named(name, float(value))
                    for name, value in zip(
                        release.objectives, tally.message_values[code] / tally.by_message[code], strict=True
                    )
                ),
            )
            for code in top.tolist()
            if tally.by_message[code]
        ),
        categories=tuple(
            Count(kinds[code], int(by_category[code]))
            for code in np.argsort(-by_category)
            if by_category[code]
        ),
        sends_per_user=tuple(Count(str(n), int(users)) for n, users in enumerate(tally.per_user.tolist())),
        expected=tuple(
            Expected(
                name,
                unit_of(counted.objectives[name]),
                float(tally.values[k] / max(tally.users, 1)),
                float(tally.hold_values[k] / max(tally.users, 1)),
            )
            for k, name in enumerate(release.objectives)
        ),
    )


def _now() -> int:
    return int(datetime.now(UTC).timestamp() * 1_000_000)
