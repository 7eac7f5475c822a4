"""Do logged propensities hold every day, or did something change on the way?"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from homing.evaluation.clusters import cluster
from homing.evaluation.inputs import Floats, one_dimensional, shares, weights
from homing.evaluation.multiplicity import two_sided
from homing.evaluation.propensity import GroupCheck, PropensityCheck, identity


def check_days(
    propensity: ArrayLike,
    candidates: ArrayLike,
    day: ArrayLike,
    user: ArrayLike,
    *,
    alpha: float = 0.01,
) -> PropensityCheck:
    """Check propensities day by day: `E[1 / p]` of a decision is its number of candidates on each of them.

    A fault of a few days, such as a release whose log was wrong, drowns in the check of the whole log and
    stands out here. The largest z over days is held against alpha / days (Bonferroni).

    Args:
        propensity: float [n] in (0, 1] of the logged choice.
        candidates: integer [n], how many there were, >= 1, each of which could be chosen.
        day: integer [n], or dates.
        user: [n] cluster ids.
        alpha: share of correct logs that fail.

    Returns:
        One group for each day, the earliest first.

    Raises:
        InputError: lengths differ, or values are out of range.
    """
    inverse = 1 / shares("propensity", propensity, above_zero=True)
    rows = len(inverse)
    counts = weights("candidates", candidates, rows)
    who, when = one_dimensional("user", user, rows), one_dimensional("day", day, rows)
    order = np.argsort(when, kind="stable")
    names, starts = np.unique(when[order], return_index=True)
    checks = []
    for name, places in zip(names, np.split(order, starts[1:]), strict=True):
        checks.append(identity(str(name), inverse[places], counts[places], cluster(who[places], len(places))))
    z = np.array([check.z for check in checks])
    tested = z[~np.isnan(z)]
    p_value = min(1.0, float(two_sided(tested).min()) * len(tested)) if len(tested) else math.nan
    notes = (_sentence(checks, z),) if p_value < alpha else ()
    return PropensityCheck(rows, tuple(checks), p_value, not notes, notes)


def _sentence(checks: list[GroupCheck], z: Floats) -> str:
    worst = checks[int(np.nanargmax(np.abs(z)))]
    return (
        f"propensities of {worst.name} do not match what was drawn: they are off by {worst.off_by:+.1%} "
        f"that day (z = {worst.z:.1f}, the worst of {len(checks):,} days); look for a change of the logging "
        "policy or of its log"
    )
