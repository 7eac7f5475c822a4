"""Prices for policies that are valued on a log: solved on its held-out decisions, budgets scaled to them.

Budgets are for a period of all users but the global holdout, whose part the others have; a held-out decision
is one user in one epoch. If the log has D decisions of theirs in a period, N held-out sets have N / D of each
budget. All periods together have one price, since a log has no tomorrow to plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from homing.allocation import Bounds, Demand, Solution, Uses, solve
from homing.decision import Context, Policy, Prices, SharedLimits, Softmax
from homing.decision.ragged import offsets_of
from homing.decision.replay import replay
from homing.experiments import in_holdout
from homing.lifecycle.budgets.offers import Part
from homing.lifecycle.budgets.pricing import solvable_temperature
from homing.lifecycle.epoch import shared_limits
from homing.lifecycle.release import Release
from homing.lifecycle.valuation import Wanted
from homing.schema import Decisions
from homing.schema.times import parse_duration
from homing.store import Workspace, load_messages, load_shard

_DECISIONS: Final = 50_000  # on whose sets prices are found


@dataclass(frozen=True)
class HeldOut:
    """Policies with prices."""

    policies: tuple[Policy, ...]
    unmet: tuple[str, ...]  # budgets that cannot be kept on these sets by the deployed policy


def with_prices(
    workspace: Workspace,
    release: Release,
    policies: Sequence[Policy],
    is_test: Wanted,
    logs: Sequence[Decisions],
) -> HeldOut:
    """Return the policies, each softmax with the prices at which it would keep the workspace's budgets.

    Args:
        workspace: with a log; without budgets nothing is changed.
        release: whose model scores.
        policies: to be valued.
        is_test: which decisions are held out.
        logs: the ledger's decisions by shard.
    """
    if not workspace.config.budgets:
        return HeldOut(tuple(policies), ())
    catalogue, vocabularies = load_messages(workspace), workspace.ledger.vocabularies()
    limits = shared_limits(workspace.config, release, vocabularies, catalogue, None)
    contexts, shared = _contexts(workspace, release, limits, is_test, logs)
    rows = sum(len(context.candidates.rows) for context in contexts)
    share = rows / _decisions_in_periods(workspace, limits, logs, shared)
    bounds = Bounds(limits.bounds.least * share, limits.bounds.most * share)
    found: list[Policy] = []
    unmet: tuple[str, ...] = ()
    for policy in policies:
        if not isinstance(policy, Softmax) or not rows:
            found.append(policy)
            continue
        solution = _solve(_demand(contexts, policy, limits), bounds, policy, release)
        found.append(replace(policy, prices=Prices(limits, solution.prices)))
        if policy.name == "learned":
            unmet = _unmet(limits, solution, bounds)
    return HeldOut(tuple(found), unmet)


def _contexts(
    workspace: Workspace,
    release: Release,
    limits: SharedLimits,
    is_test: Wanted,
    logs: Sequence[Decisions],
) -> tuple[list[Context], int]:
    """Return held-out sets with their values, and how many decisions are of users who share budgets.

    Of each shard there are at most so many sets that all are `_DECISIONS`.
    """
    most, config = -(-_DECISIONS // len(logs)), workspace.config
    found, shared = [], 0
    for partition in range(workspace.ledger.partitions):
        shard = load_shard(workspace, partition).shard
        held = in_holdout(shard.users.hash, config.workspace.salt, config.holdout.share)
        shared += int((~held[shard.decisions.user]).sum())
        row = np.flatnonzero(is_test(shard))
        seen = replay(shard, row[:: max(1, -(-len(row) // most))], release.view.config)
        if len(seen.row):
            values = release.model.predict(release.view.features(shard, seen.candidates))
            context = Context(shard, seen.candidates, values)
            found.append(replace(context, arm=limits.arms(shard, seen.candidates)))
    return found, shared


def _decisions_in_periods(
    workspace: Workspace, limits: SharedLimits, logs: Sequence[Decisions], decisions: int
) -> NDArray[np.float64]:
    """Return how many of the log's decisions are in a period of each limit: float64 [limits]."""
    epochs = np.unique(np.concatenate([log.epoch_at for log in logs]))
    span = float(parse_duration(workspace.config.slots.horizon))
    if len(epochs) > 1:
        span = float(epochs[-1] - epochs[0]) * len(epochs) / (len(epochs) - 1)
    lengths = [parse_duration(limits.budgets[place].per) for place in limits.budget.tolist()]
    return np.array([decisions * length / span for length in lengths])


def _demand(contexts: Sequence[Context], policy: Softmax, limits: SharedLimits) -> Demand:
    parts = [Part.of(context, policy, limits) for context in contexts]
    own = None
    if parts[0].own is not None:
        owns = [part.own for part in parts if part.own is not None]
        own = Uses(
            offsets_of(np.concatenate([np.diff(one.offsets) for one in owns])),
            np.concatenate([one.limit for one in owns]),
            np.concatenate([one.amount for one in owns]),
        )
    return Demand(
        offsets_of(np.concatenate([part.counts for part in parts])),
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.arm for part in parts]),
        limits.uses,
        own,
    )


def _solve(demand: Demand, bounds: Bounds, policy: Softmax, release: Release) -> Solution:
    return solve(demand, bounds, solvable_temperature(policy, release), policy.floor)


def _unmet(limits: SharedLimits, solution: Solution, bounds: Bounds) -> tuple[str, ...]:
    """Return the budgets that are broken by more than a hundredth."""
    size = np.where(np.isfinite(bounds.most), bounds.most, np.abs(bounds.least))
    broken = np.flatnonzero(solution.certificate.over > 0.01 * size)
    return tuple(limits.budgets[place].name for place in limits.budget[broken].tolist())
