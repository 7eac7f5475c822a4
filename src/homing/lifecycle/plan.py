"""Tomorrow's decisions: one draw per user at an epoch, by the current release, under every hard rule.

Without budgets, shards are planned one after the other and never talk; with them, all shards' candidates make
prices first (`together.py`). Decisions reach the ledger in one commit at the end, so a run that dies leaves
nothing, and the same plan made twice adds nothing.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

from homing.decision.decide import draw_each
from homing.engine import over_shards
from homing.lifecycle.epoch import Epoch
from homing.lifecycle.offers import Offer
from homing.lifecycle.prices import save_prices
from homing.lifecycle.progress import Progress, Silent, Timings
from homing.lifecycle.record import Record, save_record, stage_facts
from homing.lifecycle.tally import Tally, funnel_of, schedule_of
from homing.lifecycle.together import together
from homing.report.facts import Budgets, Funnel, Schedule
from homing.schema.drawn import Drawn
from homing.schema.times import to_datetime
from homing.store import (
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


def plan(
    workspace: Workspace,
    at: int,
    progress: Progress | None = None,
    release_name: str | None = None,
    relax: bool = False,
) -> Planned:
    """Decide for every user who has signed up by the epoch.

    Args:
        workspace: with a ledger and a release.
        at: the epoch, us. Nothing that happened at it or after it is looked at.
        progress: where to report.
        release_name: which release decides; by default the current one.
        relax: widens budgets that cannot be kept together by as little as will do; else they are an error.

    Raises:
        InputError: the epoch is before 1990, or not before 2100; or budgets cannot be kept.
        WorkspaceError: there is no release.
        PlannedError: the epoch was planned before, and this release decides otherwise.
    """
    progress, timings = progress or Silent(), Timings()
    epoch = Epoch.of(workspace, at, timings, release_name)
    release, vocabularies, config = epoch.release, epoch.vocabularies, workspace.config
    run = Run(
        run_id=f"plan-{to_datetime(at):%Y%m%dT%H%M%SZ}-{release.id}",
        release_id=release.id,
        decided_at=_now(),
        objectives=release.objectives,
    )
    tally = Tally(release, vocabularies)

    def alone(partition: int) -> tuple[Offer, Drawn]:
        offer = epoch.offered(partition)
        with timings.measure("decide and score"):
            return offer, draw_each(offer.context, release.policy(), config)

    with ExitStack() as stack:
        writer = stack.enter_context(workspace.ledger.write())
        decided, shared = alone, None
        if epoch.limits is not None:
            shared = stack.enter_context(together(epoch, epoch.limits, run.run_id, relax, progress))
            decided = shared.decided
        for offer, drawn in over_shards(decided, epoch.partitions, epoch.workers):
            with timings.measure("write"):
                frame = decision_rows(offer.loaded, drawn, run)
                tally.added += append_decisions(workspace, writer, offer.partition, frame)
                write_decisions(workspace, run, offer.partition, frame)
                gone = exclusion_rows(offer.loaded, offer.removed, at, run)
                append_exclusions(workspace, writer, offer.partition, gone)
                tally.add(offer.loaded.shard, drawn, offer.removed, offer.hold_values, at)
            progress.update("plan", (offer.partition + 1) / epoch.partitions, f"{tally.users:,} users")
        if shared is not None:
            save_prices(workspace, run.run_id, at, shared.prices, shared.draws.used, shared.started_from)
    funnel = funnel_of(tally)
    schedule = schedule_of(release, vocabularies, at, tally, epoch.catalogue.category)
    budgets = None if shared is None else shared.facts
    facts = stage_facts(
        workspace, "plan", timings, release.id, funnel=funnel, schedule=schedule, budgets=budgets
    )
    record = Record("plan", facts)
    save_record(workspace, record)
    return Planned(run.run_id, release.id, at, tally.added, funnel, schedule, budgets, record, timings)


def _now() -> int:
    return int(datetime.now(UTC).timestamp() * 1_000_000)
