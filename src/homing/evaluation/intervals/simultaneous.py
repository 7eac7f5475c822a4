"""Intervals that hold together, so that one may look at all estimates and pick any of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from statistics import NormalDist

import numpy as np

from homing.evaluation.estimate import Estimate
from homing.evaluation.intervals.bootstrap import resampled_values


def simultaneous(
    estimates: Sequence[Estimate], confidence: float = 0.95, replications: int = 500, seed: int = 0
) -> tuple[Estimate, ...]:
    """Return the estimates with intervals that all hold at once with `confidence`.

    The critical value is the quantile of the largest |t| over the estimates in resamples of users (max-t:
    Westfall & Young 1993; Chernozhukov, Chetverikov & Kato 2013). It uses what estimates share: those of
    policies that hardly differ cost little more than one. It lies between one interval's value and
    Bonferroni's, whatever the noise of the resampling. Because all intervals hold, that of an estimate which
    was picked for what it says holds too. An estimate that warns gets no interval, and costs the others
    none.

    Args:
        estimates: of the same users, in any units.
        confidence: of all intervals together, in (0, 1).
        replications: resamples.
        seed: of the resampling.

    Raises:
        InputError: estimates of other users than the first, or fewer than 2 replications.
    """
    reach = _critical_value([one for one in estimates if not one.warnings], confidence, replications, seed)
    held = []
    for one in estimates:
        width = math.nan if one.warnings else reach * one.std_error
        low, high = one.value - width, one.value + width
        held.append(replace(one, low=low, high=high, confidence=confidence, interval="simultaneous"))
    return tuple(held)


def _critical_value(estimates: Sequence[Estimate], confidence: float, replications: int, seed: int) -> float:
    """Return how many standard errors all intervals must reach to hold together."""
    varying = [estimate for estimate in estimates if estimate.std_error > 0]
    tail = (1 - confidence) / 2
    single = NormalDist().inv_cdf(1 - tail)
    if not varying:
        return single
    drawn = resampled_values(varying, replications, seed)
    centred = drawn - np.array([estimate.value for estimate in varying])
    largest = (np.abs(centred) / centred.std(axis=0)).max(axis=1)
    return float(
        np.clip(np.quantile(largest, confidence), single, NormalDist().inv_cdf(1 - tail / len(varying)))
    )
