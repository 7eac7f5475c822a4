"""The gain of following a score, where importance weights of many candidates are too large to say it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from homing.evaluation.clusters import cluster
from homing.evaluation.estimate import Estimate, Ratio, estimate_from
from homing.evaluation.estimators.weighted import User
from homing.evaluation.inputs import finite, weights


def linear_gain(
    residual: ArrayLike,
    score: ArrayLike,
    promised: ArrayLike,
    weight: ArrayLike,
    user: User = None,
    *,
    confidence: float = 0.95,
) -> Estimate:
    """Return what a policy gains over the log, if effects of choices are linear in its scores of them.

    The slope of effects on scores is `sum(w s r) / sum(w s^2)`, the best linear predictor of Chernozhukov,
    Demirer, Duflo & Fernandez-Val (2018), definition 2.1; the gain is the slope times the promised one. All
    decisions tell the slope, not only those in which the log did as the policy would, so a set of many
    candidates costs nothing. The interval takes the mean promise for known.

    Args:
        residual: float [n] outcome less its prediction from what was known before the choice.
        score: float [n] of the logged choice, less the mean score of its set under the reference to which
            `weight` leads. The score must not have learned from these decisions' users.
        promised: float [n] score of the policy's choice less that of the logged one.
        weight: float [n], >= 0: the reference's probability of the logged choice by the log's.
        user: [n] cluster ids, `Clusters`, or None.
        confidence: of the interval.

    Returns:
        NaN with a warning where scores never vary.

    Raises:
        InputError: empty, lengths differ, negative weights, or values that are not finite.
    """
    outcome = finite("residual", residual)
    rows = len(outcome)
    own, gain = finite("score", score, rows), finite("promised", promised, rows)
    pull, groups = own * weights("weight", weight, rows), cluster(user, rows)
    slope = Ratio(groups.sums(float(np.mean(gain)) * pull * outcome), groups.sums(pull * own))
    return estimate_from("linear gain", [slope], groups, confidence=confidence)
