"""One epoch of a workspace: who is asked about, and what each may be sent, shard by shard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from homing.decision import Context, SharedLimits
from homing.decision.decide import offer
from homing.engine import worker_count
from homing.lifecycle.progress import Timings
from homing.lifecycle.release import Release, load_release
from homing.schema import Candidates, Config, Exclusions, InputError, Instants, Messages, Shard, Vocabularies
from homing.schema.times import DAY, MISSING, WEEK, check_epoch, parse_duration
from homing.store import LoadedShard, Workspace, load_messages, load_shard


@dataclass(frozen=True)
class Offer:
    """What the users of one shard, those of one account, may be sent at an epoch."""

    partition: int
    loaded: LoadedShard
    context: Context
    removed: Exclusions
    hold_values: NDArray[np.float64]  # [objectives] sum over rows


@dataclass(frozen=True)
class Epoch:
    """All that shards of an epoch have in common."""

    workspace: Workspace
    at: int  # us
    release: Release
    vocabularies: Vocabularies
    catalogue: Messages
    limits: SharedLimits | None  # of the workspace's budgets; None without any
    workers: int  # shards at once
    timings: Timings

    @classmethod
    def of(cls, workspace: Workspace, at: int, timings: Timings, release_name: str | None = None) -> Self:
        """Return an epoch as a release, by default the current one, sees it.

        Raises:
            InputError: the epoch is before 1990, or not before 2100; or a budget names what is not there.
            WorkspaceError: there is no release.
        """
        check_epoch(at)
        vocabularies, config = workspace.ledger.vocabularies(), workspace.config
        workers = min(worker_count(config.engine.threads), workspace.ledger.partitions)
        # shards beside each other use the cores; threads within them would only be in each other's way
        release = load_release(workspace, vocabularies, release_name, threads=1 if workers > 1 else None)
        catalogue = load_messages(workspace)
        limits = shared_limits(config, release, vocabularies, catalogue, at) if config.budgets else None
        return cls(workspace, at, release, vocabularies, catalogue, limits, workers, timings)

    @property
    def partitions(self) -> int:
        """How many shards there are."""
        return self.workspace.ledger.partitions

    @property
    def threads(self) -> int | None:
        """Threads of one call of a model; shards beside each other use the cores already."""
        return 1 if self.workers > 1 else None

    def loaded(self, partition: int) -> LoadedShard:
        """Return what is known of the users of one shard."""
        config, at = self.workspace.config, self.at
        decided_since = at - memory_of(config)
        # an opportunity that expired within the horizon is counted as removed
        open_since = at - parse_duration(config.slots.horizon)
        if self.limits is not None:
            begun = int(self.limits.start.min())
            decided_since = min(decided_since, begun - parse_duration(config.slots.horizon))
            open_since = min(open_since, begun)
        with self.timings.measure("read"):
            return load_shard(
                self.workspace,
                partition,
                decided_since,
                open_since,
                messages=self.catalogue,
                sends_only=True,
                opportunities=any(budget.generator for budget in config.budgets),
            )

    def offered(self, partition: int, loaded: LoadedShard, rows: Instants, release: Release) -> Offer:
        """Return what some users of one shard may be sent, with a release's values."""
        with self.timings.measure("decide and score"):
            score = Scorer(release, loaded.shard)
            context, removed = offer(loaded.shard, rows, self.workspace.config, score)
        return Offer(partition, loaded, context, removed, score.hold_values)


def shared_limits(
    config: Config, release: Release, vocabularies: Vocabularies, messages: Messages, at: int | None
) -> SharedLimits:
    """Return the limits of a configuration, on the objectives that a release values.

    Raises:
        InputError: a budget counts an objective that the release was not trained on, or as `SharedLimits.of`.
    """
    for budget in config.budgets:
        if budget.objective is not None and budget.objective not in release.objectives:
            raise InputError(
                f"budget {budget.name!r}: counts == {budget.counts!r}, which release {release.id} was not "
                "trained on; run 'homing train'"
            )
    kept = {"budgets": config.budgets, "costs": config.costs, "slots": config.slots}
    return SharedLimits.of(release.config.model_copy(update=kept), vocabularies, messages, at)


def memory_of(config: Config) -> int:
    """Return how long before an epoch (us) decisions still matter to it: for caps, spacing and the report.

    A delivery may trail the epoch of its decision by the horizon and a day; one whose decision was not read
    counts as a send of its own, so decisions are read until their deliveries cannot matter either.
    """
    limits = [(channel.caps, channel.spacing) for channel in config.channels.values()]
    limits.append((config.limits.caps, config.limits.spacing))
    windows = [parse_duration(length) for caps, gap in limits for length in (gap, *(cap.per for cap in caps))]
    return max(WEEK, *windows) + parse_duration(config.slots.horizon) + 2 * DAY


def users_at(shard: Shard, at: int) -> Instants:
    """Return one row for each user who has signed up by `at` (or whose sign-up is not known)."""
    signed_up = shard.users.signed_up_at
    user = np.flatnonzero((signed_up <= at) | (signed_up == MISSING)).astype(np.int32)
    return Instants(user, np.full(len(user), at, np.int64))


class Scorer:
    """The release's model as a score of candidates; remembers what hold is worth."""

    def __init__(self, release: Release, shard: Shard) -> None:
        self._release, self._shard = release, shard
        self.hold_values = np.zeros(len(release.objectives))

    def __call__(self, candidates: Candidates) -> NDArray[np.float32]:
        """Return float32 [n, objectives]."""
        model, view = self._release.model, self._release.view
        values = np.empty((len(candidates), len(self._release.objectives)), np.float32)
        for rows, features in view.batches(self._shard, candidates):
            values[candidates.offsets[rows.start] : candidates.offsets[rows.stop]] = model.predict(features)
        self.hold_values += values[candidates.offsets[:-1]].sum(axis=0, dtype=np.float64)
        return values
