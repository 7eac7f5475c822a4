"""Percentile intervals by resampling users."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from homing.evaluation.estimate import Estimate
from homing.evaluation.inputs import Floats
from homing.schema.errors import InputError


def bootstrap(
    estimate: Estimate,
    replications: int = 500,
    seed: int = 0,
    *,
    groups: int = 20_000,
) -> Estimate:
    """Return the estimate with a percentile interval from resampled users (Efron 1979, Field & Welsh 2007).

    All decisions of a user are drawn together, and every total, denominators too, is taken anew. Over
    more than `groups` users, users are first dealt at random into that many groups, which are then
    resampled: the variance is unbiased, with a relative error of about 1 / sqrt(2 groups), well under the
    1 / sqrt(2 replications) of the resampling itself, and the cost no longer grows with the log.

    Args:
        estimate: from any estimator here, or a `difference`.
        replications: resamples.
        seed: of the resampling; equal seeds give equal resamples to policies valued from one log.
        groups: the most units that are resampled.

    Raises:
        InputError: fewer than 2 replications or groups.
    """
    if replications < 2:
        raise InputError(f"replications == {replications}, must be >= 2; 500 is plenty")
    if groups < 2:
        raise InputError(f"groups == {groups}, must be >= 2")
    if math.isnan(estimate.std_error):
        return replace(estimate, interval="bootstrap")
    generator = np.random.default_rng(seed)
    columns = [c for ratio in estimate.ratios for c in (ratio.numerator, ratio.denominator)]
    totals = resampled_totals(columns, replications, generator, groups)
    sign = np.array([ratio.sign for ratio in estimate.ratios])
    numerator, denominator = totals[:, 0::2], totals[:, 1::2]
    defined = (denominator != 0).all(axis=1)
    values = (numerator[defined] / denominator[defined]) @ sign
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


def resampled_totals(
    columns: list[Floats], replications: int, generator: np.random.Generator, groups: int
) -> Floats:
    """Return totals of per-user sums under resampling: float64 [replications, columns].

    Args:
        columns: float64 [users] each.
        replications: resamples.
        generator: of the resampling.
        groups: the most units that are resampled; more users are dealt into this many groups.
    """
    units = len(columns[0])
    if units > groups:
        dealt = generator.integers(groups, size=units)
        table = np.column_stack([np.bincount(dealt, weights=c, minlength=groups) for c in columns])
        units = groups
    else:
        table = np.column_stack(columns)
    totals = np.empty((replications, len(columns)))
    for replication in range(replications):
        drawn = np.bincount(generator.integers(units, size=units), minlength=units)
        totals[replication] = drawn @ table
    return totals
