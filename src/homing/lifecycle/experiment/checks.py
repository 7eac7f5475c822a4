"""Whether an experiment may be read: shares of arms, the time before the start, exposures, contamination."""

from __future__ import annotations

from collections.abc import Mapping
from math import nan

import numpy as np
from numpy.typing import NDArray

from homing.experiments import (
    Axis,
    Check,
    Moments,
    assign,
    before_start,
    difference,
    in_holdout,
    outliers,
    sample_ratio,
    sample_ratio_at_all_looks,
)
from homing.lifecycle.experiment.arms import split_of
from homing.lifecycle.experiment.measuring import Measured
from homing.lifecycle.experiment.segments import gathered
from homing.schema.experiment_record import Record
from homing.schema.times import MISSING
from homing.store import Workspace

_BLOCKING = 7  # checks of which one that fails stops the reading
_FEW = 0.01  # share of users without a decision from which on they are a fault, whatever their arms


def blocking_checks(workspace: Workspace, record: Record, measured: Measured, last: int) -> tuple[Check, ...]:
    """Return the checks of which one that fails stops the reading.

    Args:
        workspace: where the experiment runs.
        record: of the experiment.
        measured: what was found.
        last: the last epoch that was planned in it, us.
    """
    design, alpha = record.design, record.design.alpha_quality / _BLOCKING
    shares = design.shares
    checks = [
        _named("arms of assigned users", _ratio(measured.assigned, shares, alpha)),
        _at_all_looks(measured.assigned, shares, alpha),
    ]
    if design.exposure == "triggered":
        checks.append(_named("arms of triggered users", _ratio(measured.entered, shares, alpha)))
    parts = {
        f"{split}: {name}": part
        for split, names in measured.splits.items()
        for name, part in gathered(names).items()
    }
    if parts:
        checks.append(_named("arms in every segment", _in_segments(parts, shares, alpha)))
    varied = [metric for metric in measured.before if _varies(measured.moments, metric.column)]
    if varied:
        checks.append(before_start(measured.moments, varied, design.control, alpha=alpha))
    checks.append(_missing(workspace, record, measured, last, alpha))
    checks.append(_contamination(record, measured, alpha))
    return tuple(checks)


def cautions(record: Record, measured: Measured) -> tuple[Check, ...]:
    """Return checks of single users and of the effect in time; one that fails does not stop the reading."""
    design = record.design
    pairs = [(contrast, arm) for contrast in measured.contrasts for arm in design.treatments]
    checks = [outliers(measured.moments, name, ends) for name, ends in measured.extremes.items()]
    for contrast, arm in pairs:
        if not _varies(measured.moments, contrast.column):
            continue
        found = difference(measured.moments, contrast, arm, design.control)
        name, kind = contrast.name.rsplit(" ", 1)
        what = "the last week less the first" if kind == "later" else "weekends less other days (UTC)"
        checks.append(
            Check(
                f"{'fading or growing' if kind == 'later' else 'days of the week'}: {name} of {arm}",
                float(found.p_value),
                0.01 / len(pairs),
                f"effect a day, {what}: {float(found.value):+.3g}",
            )
        )
    return tuple(checks)


def unexplained_sends(record: Record, measured: Measured) -> dict[str, float]:
    """Return deliveries a user, that no decision explains, of arms in which nothing is to be sent."""
    holding = [name for name, arm in record.design.arms.items() if arm.policy == "hold"]
    place = measured.moments.column(measured.unexplained.column)
    found = {name: float(measured.moments.mean[measured.moments.arm(name), place]) for name in holding}
    return {name: many for name, many in found.items() if many > 0}


def _missing(workspace: Workspace, record: Record, measured: Measured, last: int, alpha: float) -> Check:
    """Check who has no decision in the experiment, though the hash says so and there was an epoch."""
    design, split = record.design, split_of(record, record.traffic_at(min(last, record.ends_at - 1)))
    missing = np.zeros(len(design.arms), np.int64)
    expected = 0
    for part in measured.users:
        arm = assign(part.hash, split, design.salt)
        held = in_holdout(part.hash, workspace.config.workspace.salt, workspace.config.holdout.share)
        there = (part.signed_up_at <= last) & (arm >= 0) & ~held
        expected += int(there.sum())
        missing += np.bincount(arm[there & (part.assigned_at == MISSING)], minlength=len(missing))
    total = int(missing.sum())
    detail = f"{total:,} of {expected:,} users have no decision"
    if total == 0:
        return Check("missing exposures", 1.0, alpha, detail)
    if total > _FEW * expected:
        return Check("missing exposures", 0.0, alpha, f"{detail}; are all epochs planned, for all users?")
    balance = _ratio(missing[None], design.shares, alpha)
    return Check("missing exposures", balance.p_value, alpha, f"{detail}: {balance.detail}")


def _contamination(record: Record, measured: Measured, alpha: float) -> Check:
    """Check that no user was in two arms, or in another one than the hash says."""
    split = split_of(record, 1.0)
    several = strange = 0
    for part in measured.users:
        seen = part.assigned_at != MISSING
        several += int((part.several & seen).sum())
        strange += int((seen & (part.arm != assign(part.hash, split, record.design.salt))).sum())
    detail = f"{several:,} users in several arms, {strange:,} in another arm than their hash gives"
    return Check("contamination", 0.0 if several or strange else 1.0, alpha, detail)


def _at_all_looks(by_day: NDArray[np.int64], shares: dict[str, float], alpha: float) -> Check:
    p = sample_ratio_at_all_looks(np.cumsum(by_day, axis=0), list(shares.values()))
    return Check("arms, looking every day", float(p[-1]) if len(p) else nan, alpha, f"over {len(p)} days")


def _ratio(by_day: NDArray[np.int64], shares: dict[str, float], alpha: float) -> Check:
    """Return the check of users [days, arms], all days together."""
    arms, users = len(shares), by_day.sum(axis=0).astype(np.float64)
    counts = Moments(tuple(shares), (), users, np.zeros((arms, 0)), np.zeros((arms, 0, 0)))
    return sample_ratio(counts, shares, alpha=alpha)


def _in_segments(parts: Mapping[str, Moments], shares: dict[str, float], alpha: float) -> Check:
    """Return the check of segments at entry, and of arms of other experiments, all together."""
    count = np.stack([part.count for part in parts.values()])
    arms, axes = next(iter(parts.values())).arms, (Axis("segment", tuple(parts)),)
    nothing = np.zeros((*count.shape, 0)), np.zeros((*count.shape, 0, 0))
    return sample_ratio(Moments(arms, (), count, *nothing, axes), shares, alpha=alpha)


def _named(name: str, check: Check) -> Check:
    return Check(name, check.p_value, check.alpha, check.detail)


def _varies(moments: Moments, column: str) -> bool:
    place = moments.column(column)
    return bool(moments.scatter[:, place, place].sum() > 0)
