"""One pass over replayed decisions: what every policy would have done, and what a model makes of it.

Only per-decision sums leave the pass, so memory grows with decisions x policies and not with candidates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from homing.decision import Context, Policy
from homing.decision.replay import Replay, batches, replay, take_rows
from homing.engine import over_shards, worker_count
from homing.evaluation import LogFaults, chosen_faults, log_faults
from homing.lifecycle.horizons import over_horizons
from homing.lifecycle.population import Portrait
from homing.lifecycle.progress import Progress
from homing.lifecycle.release import Release
from homing.lifecycle.replay import View, chosen_candidates, observed_until, outcomes_of, stages_at
from homing.schema import Candidates, Features, InputError, Instants, Shard
from homing.schema.times import parse_duration
from homing.state import stages
from homing.store import Workspace, load_shard

#: Which decisions of a shard to look at: bool [decisions].
Wanted = Callable[[Shard], NDArray[np.bool_]]
#: Predictions of a cross-fitted model for candidates of rows whose users have these hashes.
Predict = Callable[[Features, NDArray[np.uint64], NDArray[np.int32]], NDArray[np.float32]]

_NO_FAULTS: Final = LogFaults()


@dataclass(frozen=True)
class Chosen:
    """The logged choices of the wanted decisions, as a model sees them."""

    features: Features  # one candidate a row
    outcome: NDArray[np.float32]  # [rows, objectives]
    user_hash: NDArray[np.uint64]  # [rows]
    release: NDArray[np.int32]  # [rows] code of the release that logged it


@dataclass(frozen=True)
class Valued:
    """One row per replayed decision."""

    user: NDArray[np.int64]  # [rows] unique over shards
    release: NDArray[np.int32]  # [rows] code of the release that logged it
    test: NDArray[np.bool_]  # [rows] held out from training
    day: NDArray[np.datetime64]  # [rows] of the epoch, in UTC
    message: NDArray[np.int32]  # [rows] logged choice, -1: hold
    channel: NDArray[np.int16]  # [rows] logged choice, -1: hold
    propensity: NDArray[np.float64]  # [rows] logged
    offered: NDArray[np.int32]  # [rows, channels] candidates by channel; hold is one more
    outcome: NDArray[np.float32]  # [rows, objectives] NaN: not complete
    expected: NDArray[np.float32]  # [rows, objectives] the release's prediction for the logged choice
    fitted: NDArray[np.float32]  # [rows, objectives] the cross-fitted prediction for the logged choice
    weight: NDArray[np.float32]  # [rows, policies] target probability of the choice by its propensity
    direct: NDArray[np.float32]  # [rows, policies, objectives] sum over candidates of pi times fitted
    send: NDArray[np.float32]  # [rows, policies] probability of sending anything
    people: NDArray[np.float32]  # [rows, columns] of the user, as a `Portrait` shows them
    traits: NDArray[np.int32]  # [rows, features] code of the user's categorical features, -1: missing
    stage: NDArray[np.int8]  # [rows] of the user's lifecycle, a place in STAGES
    later: NDArray[np.int8]  # [rows] the same after `evaluation.journey`, -1: not known yet
    domains: NDArray[np.bool_]  # [rows, domains] whether the domain has a candidate
    lift: NDArray[np.float32]  # [rows, messages, objectives] expected beyond hold; NaN: not eligible

    def __len__(self) -> int:
        return len(self.user)

    @classmethod
    def concatenate(cls, parts: Sequence[Valued]) -> Valued:
        """Stack shards."""
        return cls(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(cls)))


@dataclass(frozen=True)
class Agreement:
    """Does the replay see what the log saw, and does the log contradict itself?"""

    other_set: int = 0  # rows whose candidate set has another hash than the log's
    faults: LogFaults = _NO_FAULTS  # outside: decisions whose logged choice is not in the replayed set
    drawn_here: LogFaults = _NO_FAULTS  # of decisions by releases of this workspace, by their distributions

    def __add__(self, other: Agreement) -> Agreement:
        """Return that of both parts of a log."""
        return Agreement(
            self.other_set + other.other_set, self.faults + other.faults, self.drawn_here + other.drawn_here
        )


def gather_chosen(workspace: Workspace, view: View, wanted: Wanted, progress: Progress) -> Chosen:
    """Return features and outcomes of the logged choices of all wanted decisions.

    Raises:
        InputError: none of them has a complete outcome.
    """
    watermark, partitions = observed_until(workspace), workspace.ledger.partitions

    def of_shard(partition: int) -> list[Chosen]:
        shard = load_shard(workspace, partition).shard
        return [
            Chosen(
                view.features(shard, chosen_candidates(shard, row)),
                outcomes_of(shard, row, over_horizons(view.config), watermark),
                shard.users.hash[shard.decisions.user[row], 0],
                shard.decisions.release[row],
            )
            for row in batches(shard.decisions, wanted(shard))
        ]

    parts: list[Chosen] = []
    workers = worker_count(view.config.engine.threads)
    for partition, found in enumerate(over_shards(of_shard, partitions, workers)):
        parts += found
        progress.update("outcomes", (partition + 1) / partitions)
    if not any(np.isfinite(part.outcome).any() for part in parts):
        raise InputError("no held-out decision has a complete outcome; ingest later events, or train again")
    return Chosen(
        Features.concatenate([part.features for part in parts]),
        np.concatenate([part.outcome for part in parts]),
        np.concatenate([part.user_hash for part in parts]),
        np.concatenate([part.release for part in parts]),
    )


def value_decisions(
    workspace: Workspace,
    release: Release,
    policies: Sequence[Policy],
    loggers: Mapping[int, Policy],
    portrait: Portrait,
    wanted: Wanted,
    is_test: Wanted,
    predict: Predict,
    lift_messages: int,
    progress: Progress,
) -> tuple[Valued, Agreement]:
    """Replay the wanted decisions and value them under every policy.

    Args:
        workspace: whose ledger is replayed.
        release: whose model gives values and whose rules hold.
        policies: what to compare.
        loggers: code of a release -> its policy, where the workspace has it.
        portrait: what to keep of the users.
        wanted: which decisions.
        is_test: which of them training never saw.
        predict: the cross-fitted outcome model.
        lift_messages: how many messages to keep the expected lift of; 0 for none.
        progress: where to report.
    """
    watermark, partitions = observed_until(workspace), workspace.ledger.partitions
    journey = parse_duration(workspace.config.evaluation.journey)

    def of_shard(partition: int) -> list[tuple[Valued, Agreement]]:
        shard = load_shard(workspace, partition).shard
        test, found = is_test(shard), []
        for row in batches(shard.decisions, wanted(shard)):
            seen = replay(shard, row, release.view.config)
            features = release.view.features(shard, seen.candidates)
            log = shard.decisions
            user = log.user[seen.row]
            values = release.model.predict(features)
            fitted = predict(features, shard.users.hash[user, 0], log.release[seen.row])
            context = Context(shard, seen.candidates, values)
            starts = seen.candidates.offsets[:-1]
            weight, direct, send = [], [], []
            for policy in policies:
                share = policy.probabilities(context)
                weight.append(share[seen.chosen] / log.propensity[seen.row])
                direct.append(np.add.reduceat(share[:, None] * fitted, starts))
                send.append(1 - share[starts])  # hold is the first of every row
            valued = Valued(
                user=(np.int64(partition) << 40) + user,
                release=log.release[seen.row],
                test=test[seen.row],
                day=log.epoch_at[seen.row].astype("datetime64[us]").astype("datetime64[D]"),
                message=log.message[seen.row],
                channel=log.channel[seen.row],
                propensity=log.propensity[seen.row],
                offered=_offered(seen.candidates, len(shard.vocabularies.channels)),
                outcome=outcomes_of(shard, seen.row, over_horizons(release.view.config), watermark),
                expected=values[seen.chosen],
                fitted=fitted[seen.chosen],
                weight=np.stack(weight, axis=1).astype(np.float32),
                direct=np.stack(direct, axis=1).astype(np.float32),
                send=np.stack(send, axis=1).astype(np.float32),
                people=portrait.of(shard, features, user),
                traits=shard.users.categorical[user],
                stage=stages(features, release.view.layout),
                later=stages_at(
                    shard, release.view, Instants(user, log.epoch_at[seen.row] + journey), watermark
                ),
                domains=_domains(seen.candidates, shard),
                lift=_lift(seen.candidates.message, seen.candidates.row, values, starts, lift_messages),
            )
            counts = np.zeros(len(row), np.int64)
            counts[np.searchsorted(row, seen.row)] = seen.candidates.counts
            agreement = Agreement(
                int((~seen.same_set).sum()),
                chosen_faults(log.propensity[row], counts),
                _drawn_here(seen, loggers),
            )
            found.append((valued, agreement))
        return found

    parts: list[tuple[Valued, Agreement]] = []
    workers = worker_count(release.config.engine.threads)
    for partition, found in enumerate(over_shards(of_shard, partitions, workers)):
        parts += found
        progress.update("policies", (partition + 1) / partitions)
    agreement = sum((part for _, part in parts), Agreement())
    return Valued.concatenate([valued for valued, _ in parts]), agreement


def _drawn_here(seen: Replay, loggers: Mapping[int, Policy]) -> LogFaults:
    """Return the faults of decisions whose logging policy can be asked again for the same candidates."""
    log, found = seen.shard.decisions, LogFaults()
    for code, policy in loggers.items():
        rows = np.flatnonzero((log.release[seen.row] == code) & seen.same_set)
        if not len(rows):
            continue
        candidates = take_rows(seen.candidates, rows)
        choice = seen.chosen[rows] - seen.candidates.offsets[rows] + candidates.offsets[:-1]
        chance = policy.probabilities(Context(seen.shard, candidates))
        found += log_faults(chance, candidates.offsets, choice, log.propensity[seen.row[rows]])
    return found


def _offered(candidates: Candidates, channels: int) -> NDArray[np.int32]:
    sends = np.flatnonzero(~candidates.is_hold)
    cell = candidates.row[sends] * channels + candidates.channel[sends]
    counts = np.bincount(cell, minlength=len(candidates.rows) * channels)
    return counts.reshape(len(candidates.rows), channels).astype(np.int32)


def _domains(candidates: Candidates, shard: Shard) -> NDArray[np.bool_]:
    sends = np.flatnonzero(~candidates.is_hold)
    domain = shard.messages.domain[candidates.message[sends]]
    known = domain >= 0
    found = np.zeros((len(candidates.rows), len(shard.vocabularies.domains)), np.bool_)
    found[candidates.row[sends[known]], domain[known]] = True
    return found


def _lift(
    message: NDArray[np.int32],
    row: NDArray[np.int64],
    values: NDArray[np.float32],
    starts: NDArray[np.int64],
    messages: int,
) -> NDArray[np.float32]:
    """Return values beyond hold by row and message, averaged over channels and slots."""
    shape = (len(starts), messages)
    lift = np.full((*shape, values.shape[1]), np.nan, np.float32)
    kept = np.flatnonzero((message >= 0) & (message < messages))
    cell = row[kept] * messages + message[kept]
    count = np.bincount(cell, minlength=shape[0] * messages)
    for k in range(values.shape[1]):
        total = np.bincount(cell, weights=values[kept, k], minlength=len(count))
        mean = np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
        lift[:, :, k] = mean.reshape(shape) - values[starts, k][:, None]
    return lift
