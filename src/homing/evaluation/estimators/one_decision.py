"""What a target policy is worth from another policy's log, one decision at a time.

Notation: decision i in state x_i chose a_i with logged propensity p_i and had outcome r_i; the target chooses
with probability pi; w_i = pi(a_i | x_i) / p_i; q is a prediction of the outcome. All are means per decision,
and all intervals are cluster-robust by user.
"""

from __future__ import annotations

from numpy.typing import ArrayLike

from homing.evaluation.clusters import cluster
from homing.evaluation.diagnostics.overlap import Thresholds
from homing.evaluation.estimate import Estimate, Ratio, estimate_from
from homing.evaluation.estimators.shrinkage import Shrinkage
from homing.evaluation.estimators.weighted import User, doubly_robust_terms, used_weights, weighted_estimate
from homing.evaluation.inputs import Floats, finite, policy_mean, shares, weights


def importance_weights(target_probability_of_choice: ArrayLike, propensity: ArrayLike) -> Floats:
    """Return w_i = pi(a_i | x_i) / p_i: float64 [n].

    Args:
        target_probability_of_choice: float [n] in [0, 1], the target's probability of the logged choice.
        propensity: float [n] in (0, 1], the logged one.

    Raises:
        InputError: empty, lengths differ, or a value outside its range.
    """
    logged = shares("propensity", propensity, above_zero=True)
    target = shares("target_probability_of_choice", target_probability_of_choice, len(logged))
    return target / logged


def on_policy(reward: ArrayLike, user: User = None, *, confidence: float = 0.95) -> Estimate:
    """Return the mean outcome of the log: `mean(r)`, the value of the policy that made it.

    Args:
        reward: float [n], in units of the outcome.
        user: [n] cluster ids, `Clusters`, or None.
        confidence: of the interval.

    Raises:
        InputError: empty, lengths differ, or values that are not finite.
    """
    outcome = finite("reward", reward)
    groups = cluster(user, len(outcome))
    return estimate_from(
        "on_policy",
        [Ratio(groups.sums(outcome), groups.counts)],
        groups,
        confidence=confidence,
        effective_size=float(len(outcome)),
        max_weight=1.0,
    )


def ips(
    reward: ArrayLike,
    weight: ArrayLike,
    user: User = None,
    *,
    confidence: float = 0.95,
    thresholds: Thresholds | None = None,
    shrinkage: Shrinkage | None = None,
) -> Estimate:
    """Return the inverse-propensity estimate `mean(w r)` (Horvitz & Thompson 1952; unbiased).

    Args:
        reward: float [n], in units of the outcome.
        weight: float [n], >= 0, from `importance_weights`.
        user: [n] cluster ids, `Clusters`, or None.
        confidence: of the interval.
        thresholds: when to warn of thin overlap; None: the configuration's defaults.
        shrinkage: of the weights; None: as they are.

    Returns:
        NaN with a warning where every weight is 0: the log then says nothing.

    Raises:
        InputError: empty, lengths differ, negative weights, or values that are not finite.
    """
    outcome = finite("reward", reward)
    checked = weights("weight", weight, len(outcome))
    groups = cluster(user, len(outcome))
    used = used_weights(checked, shrinkage)
    ratio = Ratio(groups.sums(used * outcome), groups.counts)
    return weighted_estimate(
        "ips", [ratio], checked, groups, confidence, thresholds, needs_overlap=True, shrinkage=shrinkage
    )


def snips(
    reward: ArrayLike,
    weight: ArrayLike,
    user: User = None,
    *,
    confidence: float = 0.95,
    thresholds: Thresholds | None = None,
    shrinkage: Shrinkage | None = None,
) -> Estimate:
    """Return the self-normalised estimate `sum(w r) / sum(w)` (Swaminathan & Joachims 2015, equation 4).

    Consistent, with a bias of order 1/n, and equivariant: adding c to every outcome adds c to the value.
    The error counts the denominator as random: its influence values are `w (r - value) / sum(w)`.

    Args:
        reward: float [n], in units of the outcome.
        weight: float [n], >= 0, from `importance_weights`.
        user: [n] cluster ids, `Clusters`, or None.
        confidence: of the interval.
        thresholds: when to warn of thin overlap; None: the configuration's defaults.
        shrinkage: of the weights; None: as they are.

    Returns:
        NaN with a warning where every weight is 0.

    Raises:
        InputError: empty, lengths differ, negative weights, or values that are not finite.
    """
    outcome = finite("reward", reward)
    checked = weights("weight", weight, len(outcome))
    groups = cluster(user, len(outcome))
    used = used_weights(checked, shrinkage)
    ratio = Ratio(groups.sums(used * outcome), groups.sums(used))
    return weighted_estimate(
        "snips", [ratio], checked, groups, confidence, thresholds, needs_overlap=True, shrinkage=shrinkage
    )


def dm(
    target_probability: ArrayLike,
    offsets: ArrayLike,
    prediction: ArrayLike,
    user: User = None,
    *,
    confidence: float = 0.95,
) -> Estimate:
    """Return the direct estimate `mean_i sum_a pi(a | x_i) q(x_i, a)` (Dudik, Langford & Li 2011).

    It is as good as the predictions. The interval is about which users were sampled; the predictions' own
    error is not in it, however large.

    Args:
        target_probability: float [m] over the candidates of all rows; sums to 1 in each.
        offsets: int64 [n + 1], row i has candidates offsets[i]:offsets[i + 1].
        prediction: float [m] of the outcome, in its units.
        user: [n] cluster ids, `Clusters`, or None.
        confidence: of the interval.

    Raises:
        InputError: empty, lengths differ, values not finite, or probabilities that do not sum to 1.
    """
    predicted = policy_mean(target_probability, prediction, offsets)
    groups = cluster(user, len(predicted))
    ratio = Ratio(groups.sums(predicted), groups.counts)
    return estimate_from("dm", [ratio], groups, confidence=confidence)


def dr(
    reward: ArrayLike,
    weight: ArrayLike,
    target_probability: ArrayLike,
    prediction: ArrayLike,
    prediction_of_choice: ArrayLike,
    offsets: ArrayLike,
    user: User = None,
    *,
    confidence: float = 0.95,
    thresholds: Thresholds | None = None,
    shrinkage: Shrinkage | None = None,
) -> Estimate:
    """Return the doubly robust estimate `mean_i [sum_a pi(a|x_i) q(x_i,a) + w_i (r_i - q(x_i,a_i))]`.

    Dudik, Langford & Li (2011), equation 2. Unbiased when either propensities or predictions are right,
    given that the predictions did not see the rows that they predict (`cross_fit`).

    Args:
        reward: float [n], in units of the outcome.
        weight: float [n], >= 0, from `importance_weights`.
        target_probability: float [m] over the candidates of all rows; sums to 1 in each.
        prediction: float [m] of the outcome.
        prediction_of_choice: float [n], the prediction of each logged choice.
        offsets: int64 [n + 1].
        user: [n] cluster ids, `Clusters`, or None.
        confidence: of the interval.
        thresholds: when to warn of thin overlap; None: the configuration's defaults.
        shrinkage: of the weights; None: as they are.

    Returns:
        Where every weight is 0 it equals `dm`, and a warning says so.

    Raises:
        InputError: empty, lengths differ, negative weights, values not finite, or probabilities that do not
            sum to 1.
    """
    predicted, checked, residual, groups = doubly_robust_terms(
        reward, weight, target_probability, prediction, prediction_of_choice, offsets, user
    )
    residual *= used_weights(checked, shrinkage)
    ratio = Ratio(groups.sums(predicted + residual), groups.counts)
    return weighted_estimate(
        "dr", [ratio], checked, groups, confidence, thresholds, needs_overlap=False, shrinkage=shrinkage
    )


def sndr(
    reward: ArrayLike,
    weight: ArrayLike,
    target_probability: ArrayLike,
    prediction: ArrayLike,
    prediction_of_choice: ArrayLike,
    offsets: ArrayLike,
    user: User = None,
    *,
    confidence: float = 0.95,
    thresholds: Thresholds | None = None,
    shrinkage: Shrinkage | None = None,
) -> Estimate:
    """Return the self-normalised doubly robust estimate `dm + sum(w (r - q)) / sum(w)`.

    Thomas & Brunskill (2016), weighted doubly robust, for one decision. Arguments as for `dr`.

    Returns:
        NaN with a warning where every weight is 0.

    Raises:
        InputError: as `dr`.
    """
    predicted, checked, residual, groups = doubly_robust_terms(
        reward, weight, target_probability, prediction, prediction_of_choice, offsets, user
    )
    used = used_weights(checked, shrinkage)
    residual *= used
    ratios = [
        Ratio(groups.sums(predicted), groups.counts),
        Ratio(groups.sums(residual), groups.sums(used)),
    ]
    return weighted_estimate(
        "sndr", ratios, checked, groups, confidence, thresholds, needs_overlap=True, shrinkage=shrinkage
    )
