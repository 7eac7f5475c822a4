"""Past decisions as a model and an evaluator see them: the state, the candidates, the choice, the outcomes.

Replay calls the functions that planning calls, at the instants of the log.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from homing.decision import build_candidates, candidate_set_hash
from homing.schema import Candidates, Config, Decisions, Features, FeatureSpec, Instants, Shard
from homing.schema.times import parse_time
from homing.state import StateLayout, ZoneTable, build_features, fold, local_hour_of_week, outcomes
from homing.store import Workspace

_BATCH = 8_000  # rows
_ROWS = 100_000  # replayed at once, so that memory does not grow with the length of the log


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


@dataclass(frozen=True)
class Replay:
    """Decisions of one shard with all the candidates that they had."""

    shard: Shard
    row: NDArray[np.int64]  # [rows] rows in shard.decisions
    candidates: Candidates  # of those rows
    chosen: NDArray[np.int64]  # [rows] the logged choice, as a place among the candidates
    same_set: NDArray[np.bool_]  # [rows] whether the log's hash of the set agrees (or it had none)
    lost: int  # decisions whose logged choice is not among the replayed candidates; they are left out


def observed_until(workspace: Workspace) -> int:
    """Return the instant (us) up to which the ledger has all events; MISSING when it has none."""
    known = workspace.config.events.complete_until
    return workspace.ledger.watermark() if known is None else parse_time(known)


def batches(decisions: Decisions, wanted: NDArray[np.bool_]) -> Iterator[NDArray[np.int64]]:
    """Yield the wanted rows of `decisions` in order, some 100,000 at a time."""
    rows = np.flatnonzero(wanted)
    for start in range(0, len(rows), _ROWS):
        yield rows[start : start + _ROWS]


def instants_of(decisions: Decisions, row: NDArray[np.int64]) -> Instants:
    """Return user and epoch of the given decisions."""
    return Instants(decisions.user[row], decisions.epoch_at[row])


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


def replay(shard: Shard, row: NDArray[np.int64], config: Config) -> Replay:
    """Regenerate the candidate sets of past decisions and find the logged choices in them.

    Args:
        shard: with users, consents, opportunities, events and decisions.
        row: int64 [rows] sorted rows in shard.decisions.
        config: whose rules hold.
    """
    log = shard.decisions
    candidates, _ = build_candidates(shard, instants_of(log, row), config)
    logged = candidate_set_hash(shard, candidates)
    same = (log.candidate_set[row] == logged).all(axis=1) | (log.candidate_set[row] == 0).all(axis=1)
    of_row = candidates.row
    hit = (
        (candidates.opportunity == log.opportunity[row][of_row])
        & (candidates.channel == log.channel[row][of_row])
        & (candidates.is_hold | (candidates.slot_start == log.slot_start[row][of_row]))
    )
    chosen = np.flatnonzero(hit)
    found = np.zeros(len(row), np.bool_)
    found[of_row[chosen]] = True
    if found.all():
        return Replay(shard, row, candidates, chosen, same, 0)
    kept = take_rows(candidates, np.flatnonzero(found))
    shift = np.cumsum(np.where(found, 0, candidates.counts))[found]
    return Replay(shard, row[found], kept, chosen - shift, same[found], int((~found).sum()))


def take_rows(candidates: Candidates, rows: NDArray[np.int64]) -> Candidates:
    """Return the given rows with all their candidates."""
    counts = candidates.counts[rows]
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    index = np.repeat(candidates.offsets[rows] - offsets[:-1], counts) + np.arange(offsets[-1])
    return dataclasses.replace(
        candidates.pick(index),
        rows=Instants(candidates.rows.user[rows], candidates.rows.at[rows]),
        offsets=offsets,
    )


def outcomes_of(shard: Shard, row: NDArray[np.int64], config: Config, watermark: int) -> NDArray[np.float32]:
    """Return float32 [rows, objectives]: what followed each decision, NaN where it is not complete yet."""
    return outcomes(shard, instants_of(shard.decisions, row), config, watermark, row.astype(np.int32))
