"""Do logged propensities hold every day, or did something change on the way?"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from homing.evaluation.clusters import cluster, sums_by
from homing.evaluation.diagnostics.propensity import GroupCheck, PropensityCheck
from homing.evaluation.inputs import SUM_TOLERANCE, Floats, one_dimensional, shares, weights
from homing.statistics import two_sided

#: A day whose sum is more skewed than this is too short to tell: a rare choice or none would decide.
_MOST_SKEWED: Final = 1.0


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
    stands out here. One day is short and 1 / p is skewed, so a day's own error says little: variance and
    skewness of users' days are those of the whole log, and the day's sum is taken for a shifted gamma
    variable (Pearson's type III, by the transform of Wilson & Hilferty 1931). The largest z over days is held
    against alpha / days (Bonferroni).

    Args:
        propensity: float [n] in (0, 1] of the logged choice.
        candidates: integer [n], how many there were, >= 1, each of which could be chosen.
        day: integer [n], or dates.
        user: [n] cluster ids.
        alpha: share of correct logs that fail.

    Returns:
        One group for each day, the earliest first; z is NaN where a day is too short to tell.

    Raises:
        InputError: lengths differ, or values are out of range.
    """
    inverse = 1 / shares("propensity", propensity, above_zero=True)
    rows = len(inverse)
    counts = weights("candidates", candidates, rows)
    when = one_dimensional("day", day, rows)
    users = cluster(one_dimensional("user", user, rows), rows)
    names, day_code = np.unique(when, return_inverse=True)
    days = len(names)
    assert users.code is not None
    cells = cluster(users.code * days + day_code, rows)  # a user's decisions of one day
    assert cells.ids is not None
    gap, of_day = cells.sums(inverse - counts), cells.ids % days
    expected, observed = (sums_by(day_code, column, days) for column in (counts, inverse))
    z = _scores(sums_by(of_day, gap, days), np.bincount(of_day, minlength=days), gap)
    z[np.abs(observed - expected) <= SUM_TOLERANCE * expected] = 0.0  # logged probabilities are rounded
    tested = z[~np.isnan(z)]
    p_value = min(1.0, float(two_sided(tested).min()) * len(tested)) if len(tested) else math.nan
    checks = tuple(
        GroupCheck(str(name), float(e), float(o), float(s))
        for name, e, o, s in zip(names, expected, observed, z, strict=True)
    )
    notes = (_sentence(checks, z),) if p_value < alpha else ()
    return PropensityCheck(rows, checks, p_value, not notes, notes)


def _scores(total: Floats, size: np.ndarray, gap: Floats) -> Floats:
    """Return z of each day's total [days] of `size` gaps, all with the moments of `gap`."""
    centred = gap - gap.mean()
    spread = float(gap.std())
    if spread == 0:
        return np.where(total == 0, 0.0, np.copysign(np.inf, total))
    skew = float((centred**3).mean()) / spread**3
    plain = total / (spread * np.sqrt(size))
    lean = abs(skew) / np.sqrt(size)
    if skew == 0:
        return np.asarray(plain)
    side = math.copysign(1.0, skew)
    base = np.maximum(lean * side * plain / 2 + 1, 0.0)
    z = side * (6 / lean * (np.cbrt(base) - 1) + lean / 6)
    return np.where(lean <= _MOST_SKEWED, z, np.nan)


def _sentence(checks: tuple[GroupCheck, ...], z: Floats) -> str:
    worst = checks[int(np.nanargmax(np.abs(z)))]
    return (
        f"propensities of {worst.name} do not match what was drawn: they are off by {worst.off_by:+.1%} "
        f"that day (z = {worst.z:.1f}, the worst of {len(checks):,} days); look for a change of the logging "
        "policy or of its log"
    )
