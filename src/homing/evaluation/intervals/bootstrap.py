"""Percentile intervals by resampling users, each drawn a Poisson number of times."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from homing.evaluation.clusters import Clusters, sums_by
from homing.evaluation.estimate import Estimate
from homing.evaluation.inputs import Floats
from homing.evaluation.mix import STEP, Words, mixed
from homing.schema.errors import InputError

#: Poisson(1) in 65,536 equal parts, with a mean and a variance of exactly 1 (its third moment is 1.0006).
_WEIGHT_OF: Final = np.repeat(np.arange(9.0), [24109, 24109, 12056, 4018, 1005, 200, 33, 5, 1])
_LANES: Final = 4  # weights from one 64-bit word
_CELLS: Final = 1 << 17  # weights at a time, so that they stay in the cache


def bootstrap(
    estimate: Estimate,
    replications: int = 500,
    seed: int = 0,
    *,
    groups: int = 20_000,
) -> Estimate:
    """Return the estimate with a percentile interval from resampled users.

    Field & Welsh (2007) with Poisson weights (Hanley & MacGibbon 2006; Chamandy, Muralidharan, Najmi &
    Naidu 2012): all decisions of a user are drawn together, a Poisson(1) number of times, and every total,
    denominators too, is taken anew. See `resampled_totals` for `groups`.

    Args:
        estimate: from any estimator here, or a `difference`.
        replications: resamples.
        seed: of the resampling; equal seeds give equal resamples to policies valued from one log.
        groups: the most units that are resampled.

    Raises:
        InputError: fewer than 2 replications or groups.
    """
    values = resampled_values([estimate], replications, seed, groups=groups)[:, 0]
    if math.isnan(estimate.std_error):
        return replace(estimate, interval="bootstrap")
    values = values[~np.isnan(values)]
    warnings = estimate.warnings
    if len(values) < replications:
        warnings += (
            f"{replications - len(values)} of {replications} resamples had no overlap at all and are left "
            "out; the interval is too short",
        )
    if len(values) < 2:
        return replace(
            estimate, std_error=math.nan, low=math.nan, high=math.nan, interval="bootstrap", warnings=warnings
        )
    tail = (1 - estimate.confidence) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return replace(
        estimate,
        std_error=float(values.std(ddof=1)),
        low=float(low),
        high=float(high),
        interval="bootstrap",
        warnings=warnings,
    )


def resampled_values(
    estimates: Sequence[Estimate], replications: int = 500, seed: int = 0, *, groups: int = 20_000
) -> Floats:
    """Return what each estimate is in each resample of users, the same for all: [replications, estimates].

    NaN where a denominator is zero in the resample.

    Args:
        estimates: of the same users.
        replications: resamples.
        seed: of the resampling.
        groups: the most units that are resampled.

    Raises:
        InputError: fewer than 2 replications or groups, or estimates of other users than the first.
    """
    if replications < 2:
        raise InputError(f"replications == {replications}, must be >= 2; 500 is plenty")
    if groups < 2:
        raise InputError(f"groups == {groups}, must be >= 2")
    users = estimates[0].clusters
    if not all(estimate.clusters.same_as(users) for estimate in estimates):
        raise InputError("estimates are of different users, must be of the same to be resampled together")
    columns = [c for e in estimates for ratio in e.ratios for c in (ratio.numerator, ratio.denominator)]
    totals = resampled_totals(columns, _keys(users), replications, seed, groups)
    values, place = np.zeros((replications, len(estimates))), 0
    for k, estimate in enumerate(estimates):
        for ratio in estimate.ratios:
            numerator, denominator = totals[:, place], totals[:, place + 1]
            drawn = np.full(replications, np.nan)
            np.divide(numerator, denominator, out=drawn, where=denominator != 0)
            values[:, k] += ratio.sign * drawn
            place += 2
    return values


def resampled_totals(
    columns: Sequence[Floats], keys: Words, replications: int, seed: int, groups: int
) -> Floats:
    """Return totals of per-user sums under Poisson weights: float64 [replications, columns].

    A user's weights are a hash of (key, seed, resample), so they do not depend on the order of users, and
    totals of disjoint sets of users add up. Over more than `groups` users, users are first dealt by hash
    into that many groups, which are then resampled: the variance is unbiased, with a relative error of about
    1 / sqrt(2 groups), well under the 1 / sqrt(2 replications) of the resampling itself, and the cost no
    longer grows with the log.

    Args:
        columns: float64 [users] each.
        keys: uint64 [users], one for each user.
        replications: resamples.
        seed: of the resampling.
        groups: the most units that are resampled.
    """
    words = _seeded(keys, seed)
    if len(words) > groups:
        dealt = (words % np.uint64(groups)).astype(np.intp)
        columns = [sums_by(dealt, column, groups) for column in columns]
        words = _seeded(np.arange(groups, dtype=np.uint64), seed)
    table = np.column_stack(columns)
    streams = np.arange(-(-replications // _LANES), dtype=np.uint64) * STEP
    totals = np.zeros((replications, len(columns)))
    block = max(_CELLS // replications, 1)
    for start in range(0, len(table), block):
        lanes = mixed(words[start : start + block, None] + streams).view(np.uint16)
        totals += _WEIGHT_OF[lanes[:, :replications]].T @ table[start : start + block]
    return totals


def _seeded(keys: Words, seed: int) -> Words:
    return mixed(keys ^ mixed(np.array([seed], np.int64).view(np.uint64)))


def _keys(users: Clusters) -> Words:
    if users.ids is not None and users.ids.dtype.kind in "iu":
        return users.ids.astype(np.uint64)
    return np.arange(len(users), dtype=np.uint64)
