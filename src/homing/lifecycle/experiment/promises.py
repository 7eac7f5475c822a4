"""What evaluation had promised of an arm's policy from a log, beside what the arm's decisions brought."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from homing.experiments import Moments, from_arrays, levels, ratio
from homing.lifecycle.experiment.measuring import Measured
from homing.lifecycle.horizons import over_horizons
from homing.lifecycle.record import load_record
from homing.lifecycle.release import current_release
from homing.lifecycle.replay import outcomes_of
from homing.report.experiment import ArmPromise
from homing.report.facts import Estimate, ObjectiveValues, Promise, Values
from homing.schema import Config
from homing.schema.experiment import Arm
from homing.schema.experiment_record import Record
from homing.schema.times import MISSING
from homing.store import Workspace, load_shard

_QUANTILE = 1.959963984540054  # of the normal distribution, for 95 %


def promises_of(
    workspace: Workspace, record: Record, measured: Measured, until: int
) -> tuple[ArmPromise, ...]:
    """Return promise and outcome by arm and objective, where the newest evaluation is of the arm's policy.

    Args:
        workspace: with the newest evaluation.
        record: of the experiment.
        measured: who is in which arm.
        until: us; decisions whose outcomes were not complete by then are left out.
    """
    facts = load_record(workspace, "evaluate")
    if facts is None or facts.values is None:
        return ()
    valued = facts.header.release
    today = current_release(workspace)
    named = {
        name: policy
        for name, arm in record.design.arms.items()
        if (policy := _evaluated(arm, facts.values, valued, today)) is not None
    }
    treated = [name for name in named if name != record.design.control]
    if not treated:
        return ()
    config = workspace.config
    moments = _per_decision(workspace, record, measured, until)
    if moments is None:
        return ()
    return tuple(
        ArmPromise(arm, _promise(table, facts.values, named[arm], moments, arm, record))
        for arm in treated
        for table in facts.values.objectives
        if table.objective in config.objectives
    )


def _evaluated(arm: Arm, values: Values, valued: str | None, today: str | None) -> str | None:
    """Return the name under which an evaluation has an arm's policy; None where it has not."""
    policy = arm.policy or "learned"
    known = {row.policy for table in values.objectives for row in table.policies}
    mine = policy in ("hold", "uniform") or policy.startswith("constant:") or (arm.release or today) == valued
    return policy if policy in known and mine and not arm.weights else None


def _promise(
    table: ObjectiveValues, values: Values, policy: str, moments: Moments, arm: str, record: Record
) -> Promise:
    rows = {row.policy: row.value for row in table.policies}
    at = levels(moments, ratio(table.objective, "decisions"))
    return Promise(
        objective=table.objective,
        unit=table.unit,
        meaning=table.meaning,
        log=rows[values.logging],
        promised=rows[policy],
        realised=_interval(at.value[at.arms.index(arm)], at.noise[at.arms.index(arm)]),
        control=_interval(
            at.value[at.arms.index(record.design.control)], at.noise[at.arms.index(record.design.control)]
        ),
    )


def _per_decision(workspace: Workspace, record: Record, measured: Measured, until: int) -> Moments | None:
    """Return moments of users' sums of outcomes over decisions, by arm; None without complete ones."""
    config, total = workspace.config, None
    arms = np.array(list(record.design.arms))
    for partition, users in enumerate(measured.users):
        shard = load_shard(
            workspace, partition, record.started_at, tables=("users", "decisions", "events")
        ).shard
        log = shard.decisions
        mine = (users.arm >= 0) & (users.assigned_at != MISSING)
        row = np.flatnonzero(
            (log.epoch_at < until) & mine[log.user] & (log.epoch_at >= users.assigned_at[log.user])
        )
        followed = outcomes_of(shard, row, over_horizons(config), until).astype(np.float64)
        whole = np.isfinite(followed).all(axis=1)
        user = log.user[row[whole]]
        inside = np.flatnonzero(np.bincount(user, minlength=len(mine)) > 0)
        if not len(inside):
            continue
        columns = _sums(user, followed[whole], config, len(mine))
        part = from_arrays(arms[users.arm[inside]], {name: of[inside] for name, of in columns.items()})
        total = part if total is None else total + part
    if total is None or not set(arms) <= set(total.arms):
        return None
    return total


def _sums(
    user: NDArray[np.int32], followed: NDArray[np.float64], config: Config, users: int
) -> dict[str, NDArray[np.float64]]:
    sums = [np.bincount(user, outcome, minlength=users).astype(np.float64) for outcome in followed.T]
    counts = np.bincount(user, minlength=users).astype(np.float64)
    return {"decisions": counts} | dict(zip(config.objectives, sums, strict=True))


def _interval(value: float, noise: float) -> Estimate:
    half = _QUANTILE * float(np.sqrt(noise))
    return Estimate(float(value), float(value) - half, float(value) + half)
