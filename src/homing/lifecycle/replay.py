"""Past decisions as a model sees them: the state, the choice, the outcomes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from homing.decision.replay import instants_of
from homing.schema import Candidates, Config, Features, FeatureSpec, Instants, Shard
from homing.schema.times import parse_time
from homing.state import StateLayout, ZoneTable, build_features, fold, local_hour_of_week, outcomes, stages
from homing.store import Workspace

_BATCH = 8_000  # rows


@dataclass(frozen=True)
class View:
    """What turns a shard into model input. A release freezes it, so that training and serving agree."""

    config: Config
    layout: StateLayout
    spec: FeatureSpec
    rhythm: NDArray[np.float32]  # [168] the population's activity by local hour of week

    def features(self, shard: Shard, candidates: Candidates) -> Features:
        """Return the model's input for the candidates, as of their rows' instants."""
        states = fold(shard, candidates.rows, self.layout, self.rhythm)
        return build_features(shard, candidates, states, self.layout, self.spec)

    def batches(self, shard: Shard, candidates: Candidates) -> Iterator[tuple[slice, Features]]:
        """Yield what `features` returns some thousand rows at a time: the rows, and their input.

        Less memory, and memory that was used before: fresh pages cost as much as what is written to them.
        """
        states = fold(shard, candidates.rows, self.layout, self.rhythm)
        for start in range(0, len(states), _BATCH):
            rows = slice(start, min(start + _BATCH, len(states)))
            part = build_features(shard, candidates.take(rows), states.take(rows), self.layout, self.spec)
            yield rows, part


def observed_until(workspace: Workspace) -> int:
    """Return the instant (us) up to which the ledger has all events; MISSING when it has none."""
    known = workspace.config.events.complete_until
    return workspace.ledger.watermark() if known is None else parse_time(known)


def chosen_candidates(shard: Shard, row: NDArray[np.int64]) -> Candidates:
    """Return the logged choice of each decision as a set of one candidate, without asking any rule."""
    log = shard.decisions
    rows = instants_of(log, row)
    held = log.message[row] < 0
    start = np.where(held, rows.at, log.slot_start[row])
    zones = shard.vocabularies.zones.names
    table = ZoneTable.build(zones, int(start.min(initial=0)), int(start.max(initial=0)))
    return Candidates(
        rows=rows,
        offsets=np.arange(len(row) + 1, dtype=np.int64),
        opportunity=log.opportunity[row],
        message=log.message[row],
        channel=log.channel[row],
        slot_start=start,
        slot_end=np.where(held, rows.at, log.slot_end[row]),
        hour_of_week=local_hour_of_week(shard.users.zone[rows.user], start, table),
    )


def holds(shard: Shard, rows: Instants) -> Candidates:
    """Return a set of hold alone for each row, for features need a set."""
    none = np.full(len(rows), -1, np.int32)
    zones = ZoneTable.build(
        shard.vocabularies.zones.names, int(rows.at.min(initial=0)), int(rows.at.max(initial=0))
    )
    return Candidates(
        rows=rows,
        offsets=np.arange(len(rows) + 1, dtype=np.int64),
        opportunity=none,
        message=none,
        channel=none.astype(np.int16),
        slot_start=rows.at,
        slot_end=rows.at,
        hour_of_week=local_hour_of_week(shard.users.zone[rows.user], rows.at, zones),
    )


def stages_at(shard: Shard, view: View, rows: Instants, watermark: int) -> NDArray[np.int8]:
    """Return the lifecycle stage of each row's user as of its instant: int8 [rows], a place in `STAGES`.

    -1 where the instant passes the watermark, so that it cannot be known yet.
    """
    found = np.full(len(rows), -1, np.int8)
    known = np.flatnonzero(rows.at <= watermark)
    instants = Instants(rows.user[known], rows.at[known])
    for part, features in view.batches(shard, holds(shard, instants)):
        found[known[part]] = stages(features, view.layout)
    return found


def outcomes_of(
    shard: Shard,
    row: NDArray[np.int64],
    config: Config,
    watermark: int,
    until: NDArray[np.int64] | None = None,
) -> NDArray[np.float32]:
    """Return float32 [rows, objectives]: what followed each decision, NaN where it is not complete yet.

    With `until` (int64 [rows], us) windows end there, if they are not over before.
    """
    instants = instants_of(shard.decisions, row)
    return outcomes(shard, instants, config, watermark, row.astype(np.int32), until)
