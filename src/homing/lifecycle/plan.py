"""Tomorrow's decisions: one draw per user at an epoch, by the current release, under every hard rule.

Without budgets, shards are planned one after the other and never talk; arms of experiments decide for their
users. With budgets, all shards' candidates make prices first (`together.py`). Decisions reach the ledger in
one commit at the end, so a run that dies leaves nothing, and the same plan made twice adds nothing.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from homing.decision import decide
from homing.engine import over_shards
from homing.lifecycle.alerts import selection_alerts
from homing.lifecycle.epoch import Epoch, Scorer, users_at
from homing.lifecycle.experiment.arms import Part, Underway, underway_at
from homing.lifecycle.experiment.deciders import Decider
from homing.lifecycle.prices import save_prices
from homing.lifecycle.progress import Progress, Silent, Timings
from homing.lifecycle.record import Record, load_record, save_record, stage_facts
from homing.lifecycle.tally import Tally, funnel_of, schedule_of
from homing.lifecycle.together import Together, together
from homing.report.facts import Budgets, Funnel, Schedule
from homing.schema import Exclusions, InputError, Instants
from homing.schema.drawn import Deciders, Drawn
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
    drawn: Drawn
    removed: Exclusions
    hold_values: NDArray[np.float64]  # [objectives] sum over rows
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
        InputError: the epoch is before 1990, or not before 2100; budgets cannot be kept; or there are budgets
            while an experiment or a holdout has users.
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
            _refuse_arms(underway)
            shared = stack.enter_context(together(epoch, epoch.limits, run.run_id, relax, progress))

        def decided(partition: int) -> _Decided:
            return _alone(epoch, underway, partition) if shared is None else _drawn(epoch, shared, partition)

        for done in over_shards(decided, epoch.partitions, epoch.workers):
            with timings.measure("write"):
                frame = decision_rows(done.loaded, done.drawn, run, done.deciders)
                tally.added += append_decisions(workspace, writer, done.partition, frame)
                write_decisions(workspace, run, done.partition, frame)
                gone = exclusion_rows(done.loaded, done.removed, at, run)
                append_exclusions(workspace, writer, done.partition, gone)
                tally.add(done.loaded.shard, done.drawn, done.removed, done.hold_values, at)
            progress.update("plan", (done.partition + 1) / epoch.partitions, f"{tally.users:,} users")
        if shared is not None:
            save_prices(workspace, run.run_id, at, shared.prices, shared.draws.used, shared.started_from)
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


def _alone(epoch: Epoch, underway: Underway, partition: int) -> _Decided:
    """Return one shard's decisions, whatever others decide."""
    loaded = epoch.loaded(partition)

    def draw(rows: Instants, by: Decider) -> Part:
        score = Scorer(by.release, loaded.shard)
        drawn, removed = decide(loaded.shard, rows, by.policy, epoch.workspace.config, score)
        return Part(drawn, removed, score.hold_values)

    with epoch.timings.measure("decide and score"):
        part, deciders = underway.draw(loaded.shard, users_at(loaded.shard, epoch.at), draw)
    return _Decided(partition, loaded, part.drawn, part.removed, part.hold_values, deciders)


def _drawn(epoch: Epoch, shared: Together, partition: int) -> _Decided:
    """Return one shard's decisions, drawn together with the others'."""
    offer, drawn = shared.decided(partition)
    deciders = Deciders((epoch.release.id,), np.zeros(len(drawn), np.int16))
    return _Decided(partition, offer.loaded, drawn, offer.removed, offer.hold_values, deciders)


def _refuse_arms(underway: Underway) -> None:
    """Raise InputError where others than the release decide: they would spend what its prices share out."""
    who = [f"the experiment {record.name}" for record in underway.records]
    if underway.workspace.config.holdout.share > 0:
        who.append("the global holdout")
    if who:
        raise InputError(
            f"budgets cannot be planned while others decide for some users ({', '.join(who)}): arms that "
            "share a budget change each other's decisions; stop them, or take [[budgets]] out of homing.toml"
        )


def _now() -> int:
    return int(datetime.now(UTC).timestamp() * 1_000_000)
