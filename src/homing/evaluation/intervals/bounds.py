"""Intervals for when a normal one is not enough: for few users, and for looking many times.

Both replace `low` and `high` of an estimate and leave its value and its error. The unit is the user.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from homing.evaluation.estimate import Estimate
from homing.evaluation.inputs import Floats
from homing.schema.errors import InputError
from homing.statistics import best_mixing, normal_mixture


def empirical_bernstein(estimate: Estimate, width: float) -> Estimate:
    """Return the estimate with an interval that holds at any number of users, for a stated bound.

    The value nu solves `E[N_u - nu D_u] = 0`. The interval is every nu whose mean of `N_u - nu D_u` over G
    users lies within the empirical Bernstein bound of zero, two-sided,
    `sqrt(2 V(nu) log(4 / alpha) / G) + 7 width log(4 / alpha) / (3 (G - 1))` with V the sample variance
    (Maurer & Pontil 2009, theorem 4). Denominators are random here, too (Fieller 1954). The bound assumes
    that users are independent, and nothing else, so it is wide: use it where there are few users or very
    uneven weights.

    Args:
        estimate: one whose ratios have one denominator in common: `ips`, `snips`, `dr`, `on_policy`, or a
            difference of such over decisions.
        width: the length of a range that must hold `N_u - nu D_u` for every user. For outcomes in [a, b],
            weights up to W and at most C decisions of a user: `C W (b - a)` for `snips`, and for `ips` where
            a <= 0 <= b; `C (2 W + 1) (b - a)` for `dr` with predictions in [a, b]. W is one over the smallest
            propensity that the log could have had, and not the largest weight that it happened to have.

    Raises:
        InputError: ratios of several denominators, a width that is not positive, or one that the data pass.
    """
    if not 0 < width < math.inf:
        raise InputError(f"width == {width}, must be positive and finite: the range of a user's total")
    numerator, denominator = _over_one_denominator(estimate)
    users = len(numerator)
    if math.isnan(estimate.std_error):
        return replace(estimate, interval="empirical Bernstein")
    seen = float(np.ptp(numerator - estimate.value * denominator))
    if seen > width * (1 + 1e-9):
        raise InputError(
            f"width == {width:g}, must be at least the {seen:g} that totals of users range over already; "
            "take it from the smallest propensity that the log could have had"
        )
    log_term = math.log(4 / (1 - estimate.confidence))
    spread = 2 * log_term / users
    reach = 7 * width * log_term / (3 * (users - 1))
    moments = np.cov(numerator, denominator)
    n, d = float(numerator.mean()), float(denominator.mean())
    square = d * d - spread * float(moments[1, 1])
    if square <= 0:  # the denominator itself may be zero
        return replace(estimate, low=-math.inf, high=math.inf, interval="empirical Bernstein")
    ends = []
    for side in (-1.0, 1.0):
        # the end solves |n - nu d| - reach = sqrt(spread V(nu)): a quadratic in nu, once squared
        shifted = n + side * reach
        half = d * shifted - spread * float(moments[0, 1])
        root = half * half - square * (shifted * shifted - spread * float(moments[0, 0]))
        ends.append((half + side * math.sqrt(max(root, 0.0))) / square)
    return replace(estimate, low=ends[0], high=ends[1], interval="empirical Bernstein")


def confidence_sequence(estimate: Estimate, tightest_at: int) -> Estimate:
    """Return the estimate with an interval that holds at every look at once, not only at one chosen before.

    Looking daily at a 95 % normal interval until it excludes zero finds an effect sooner or later where
    there is none. This interval may be looked at after every user: the chance that it ever misses the
    truth is at most 1 - confidence, asymptotically, from the first few dozen users on (Waudby-Smith, Arbour,
    Sinha, Kennedy & Ramdas 2024, theorem 2.2, on influence values). It is the two-sided normal mixture
    boundary of Howard, Ramdas, McAuliffe & Sekhon (2021), `normal_mixture`, at the cluster-robust variance.

    Args:
        estimate: of the users so far; they must have come in an order that their outcomes do not set.
        tightest_at: users at which to have it as short as can be, chosen before looking; there it is about
            1.5 times as long as a normal one, and well before and after longer.

    Raises:
        InputError: `tightest_at` under 1.
    """
    if tightest_at < 1:
        raise InputError(f"tightest_at == {tightest_at}, must be >= 1: the users expected at the main look")
    alpha = 1 - estimate.confidence
    share = tightest_at / estimate.users / best_mixing(alpha)
    reach = estimate.std_error * float(normal_mixture(1.0, share, alpha))
    return replace(
        estimate,
        low=estimate.value - reach,
        high=estimate.value + reach,
        interval="confidence sequence",
    )


def _over_one_denominator(estimate: Estimate) -> tuple[Floats, Floats]:
    first = estimate.ratios[0].denominator
    if not all(np.array_equal(ratio.denominator, first) for ratio in estimate.ratios):
        raise InputError(
            f"{estimate.estimator} is a sum of ratios of different denominators, must have one; take ips, "
            "snips, dr or on_policy"
        )
    return np.sum([ratio.sign * ratio.numerator for ratio in estimate.ratios], axis=0), first
