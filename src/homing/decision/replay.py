"""Past decisions with all the candidates that they had, by the functions that planning calls."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from homing.decision.candidate_set import candidate_set_hash
from homing.decision.candidates import build_candidates
from homing.schema import Candidates, Config, Decisions, Instants, Shard

_ROWS = 100_000  # replayed at once, so that memory does not grow with the length of the log


@dataclass(frozen=True)
class Replay:
    """Decisions of one shard with all the candidates that they had."""

    shard: Shard
    row: NDArray[np.int64]  # [rows] rows in shard.decisions
    candidates: Candidates  # of those rows
    chosen: NDArray[np.int64]  # [rows] the logged choice, as a place among the candidates
    same_set: NDArray[np.bool_]  # [rows] whether the log's hash of the set agrees (or it had none)
    lost: int  # decisions whose logged choice is not among the replayed candidates; they are left out


def batches(decisions: Decisions, wanted: NDArray[np.bool_]) -> Iterator[NDArray[np.int64]]:
    """Yield the wanted rows of `decisions` in order, some 100,000 at a time."""
    rows = np.flatnonzero(wanted)
    for start in range(0, len(rows), _ROWS):
        yield rows[start : start + _ROWS]


def instants_of(decisions: Decisions, row: NDArray[np.int64]) -> Instants:
    """Return user and epoch of the given decisions."""
    return Instants(decisions.user[row], decisions.epoch_at[row])


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
