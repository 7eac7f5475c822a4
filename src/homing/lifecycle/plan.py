"""Tomorrow's decisions: one draw per user at an epoch, by the current release, under every hard rule.

Arms of experiments decide for their users. Without budgets, shards are planned one after the other and never
talk. With budgets, all shards' candidates make prices first, each arm's its own (`budgets/together.py`).
Decisions reach the ledger in one commit at the end, so a run that dies leaves nothing, and the same plan made
twice adds nothing.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

from homing.decision import decide
from homing.engine import over_shards
from homing.lifecycle.alerts import selection_alerts
from homing.lifecycle.budgets.together import Together, together
from homing.lifecycle.epoch import Epoch, Scorer, users_at
from homing.lifecycle.experiment.arms import Part, Underway, underway_at
from homing.lifecycle.experiment.deciders import Decider
from homing.lifecycle.progress import Progress, Silent, Timings
from homing.lifecycle.record import Record, load_record, save_record, stage_facts
from homing.lifecycle.tally import Tally, funnel_of, schedule_of
from homing.report.facts import Budgets, Funnel, Schedule
from homing.schema import Instants
from homing.schema.drawn import Deciders
from homing.schema.times import to_datetime
from homing.store import (
    LoadedShard,
    Run,
    Workspace,
    append_decisions,
    append_exclusions,
    decision_rows,
    exclusion_rows,
    write_decisions,
)


@dataclass(frozen=True)
class Planned:
    """A plan and what it came to."""

    run_id: str
    release: str
    epoch_at: int  # us
    added: int  # decisions that the ledger did not have yet
    funnel: Funnel
    schedule: Schedule
    budgets: Budgets | None
    record: Record
    timings: Timings


@dataclass(frozen=True)
class _Decided:
    """One shard, decided but not yet written."""

    partition: int
    loaded: LoadedShard
    part: Part
    deciders: Deciders


def plan(
    workspace: Workspace,
    at: int,
    progress: Progress | None = None,
    release_name: str | None = None,
    relax: bool = False,
) -> Planned:
    """Decide for every user who has signed up by the epoch: by the release, or by an arm of an experiment.

    Args:
        workspace: with a ledger and a release.
        at: the epoch, us. Nothing that happened at it or after it is looked at.
        progress: where to report.
        release_name: which release decides; by default the current one.
        relax: widens budgets that cannot be kept together by as little as will do; else they are an error.

    Raises:
        InputError: the epoch is before 1990, or not before 2100; or budgets cannot be kept.
        WorkspaceError: there is no release, or not that of an arm.
        PlannedError: the epoch was planned before, and this release decides otherwise.
    """
    progress, timings = progress or Silent(), Timings()
    epoch = Epoch.of(workspace, at, timings, release_name)
    release, vocabularies = epoch.release, epoch.vocabularies
    underway = underway_at(workspace, at, release, vocabularies, threads=epoch.threads)
    run = Run(
        run_id=f"plan-{to_datetime(at):%Y%m%dT%H%M%SZ}-{release.id}",
        release_id=release.id,
        decided_at=_now(),
        objectives=release.objectives,
    )
    tally = Tally(release, vocabularies)
    with ExitStack() as stack:
        writer = stack.enter_context(workspace.ledger.write())
        shared: Together | None = None
        if epoch.limits is not None:
            shared = stack.enter_context(together(epoch, underway, epoch.limits, run.run_id, relax, progress))

        def decided(partition: int) -> _Decided:
            whole = _alone(epoch, underway, partition) if shared is None else shared.decided(partition)
            return _Decided(partition, *whole)

        for done in over_shards(decided, epoch.partitions, epoch.workers):
            with timings.measure("write"):
                part = done.part
                frame = decision_rows(done.loaded, part.drawn, run, done.deciders)
                tally.added += append_decisions(workspace, writer, done.partition, frame)
                write_decisions(workspace, run, done.partition, frame)
                gone = exclusion_rows(done.loaded, part.removed, at, run)
                append_exclusions(workspace, writer, done.partition, gone)
                tally.add(done.loaded.shard, part.drawn, part.removed, part.hold_values, at)
            progress.update("plan", (done.partition + 1) / epoch.partitions, f"{tally.users:,} users")
        if shared is not None:
            shared.save_prices(run.run_id)
    funnel = funnel_of(tally)
    schedule = schedule_of(release, vocabularies, at, tally, epoch.catalogue.category)
    budgets = None if shared is None else shared.facts
    trained = load_record(workspace, "train")
    selection = trained.selection if trained and trained.header.release == release.id else None
    facts = stage_facts(
        workspace,
        "plan",
        timings,
        release.id,
        funnel=funnel,
        schedule=schedule,
        budgets=budgets,
        alerts=selection_alerts(selection),
    )
    record = Record("plan", facts)
    save_record(workspace, record)
    return Planned(run.run_id, release.id, at, tally.added, funnel, schedule, budgets, record, timings)


def _alone(epoch: Epoch, underway: Underway, partition: int) -> tuple[LoadedShard, Part, Deciders]:
    """Return one shard's decisions, whatever others decide."""
    loaded = epoch.loaded(partition)

    def draw(rows: Instants, by: Decider) -> Part:
        score = Scorer(by.release, loaded.shard)
        drawn, removed = decide(loaded.shard, rows, by.policy, epoch.workspace.config, score)
        return Part(drawn, removed, score.hold_values)

    with epoch.timings.measure("decide and score"):
        part, deciders = underway.draw(loaded.shard, users_at(loaded.shard, epoch.at), draw)
    return loaded, part, deciders


def _now() -> int:
    return int(datetime.now(UTC).timestamp() * 1_000_000)
