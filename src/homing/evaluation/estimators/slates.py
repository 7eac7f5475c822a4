"""Several messages chosen at a time: a slate, with an outcome for each of its positions.

Notation: slate i has positions l = 1 .. L_i, a_l was chosen at position l, r_l is its outcome, and the value
is the mean over slates of `sum_l r_l`. How many positions a slate has must not depend on what is chosen.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from homing.evaluation.clusters import cluster
from homing.evaluation.diagnostics.overlap import Thresholds
from homing.evaluation.estimate import Estimate, Ratio
from homing.evaluation.estimators.weighted import User, weighted_estimate
from homing.evaluation.inputs import Floats, finite, ragged, row_sums, weights
from homing.schema.errors import InputError

Behaviour = Literal["standard", "independent", "cascade"]


def slate_ips(
    reward: ArrayLike,
    ratio: ArrayLike,
    offsets: ArrayLike,
    behaviour: Behaviour,
    user: User = None,
    *,
    confidence: float = 0.95,
    thresholds: Thresholds | None = None,
) -> Estimate:
    """Return `mean_i sum_l w_l r_l`, with weights that go as far as one choice acts on others' outcomes.

    - standard: `w_l` is the product of all ratios of the slate. Nothing is assumed.
    - independent: `w_l` is the ratio at l alone. Right when an outcome depends on its own position only; Li,
      Abbasi-Yadkori, Kveton et al. (2018), Offline evaluation of ranking policies with click models.
    - cascade: `w_l` is the product of the ratios up to l. Right when users go through a slate from the top;
      McInerney, Brost, Chandar et al. (2020), Counterfactual evaluation of slate recommendations with
      sequential reward interactions.

    Args:
        reward: float [s] over the positions of all slates, in order, in units of the outcome.
        ratio: float [s], >= 0, target by logged probability of each choice: given the choices at earlier
            positions, or whatever these were for `independent`.
        offsets: int64 [n + 1], slate i has positions offsets[i]:offsets[i + 1].
        behaviour: of users.
        user: [n] cluster ids of slates, `Clusters`, or None.
        confidence: of the interval.
        thresholds: when to warn of thin overlap; None: the configuration's defaults. The weight of a slate is
            the mean over its positions.

    Returns:
        NaN with a warning where every weight is 0.

    Raises:
        InputError: empty, lengths differ, negative ratios, values not finite, or an unknown behaviour.
    """
    outcome = finite("reward", reward)
    bounds = ragged(offsets, len(outcome))
    groups = cluster(user, len(bounds) - 1)
    weight = slate_weights(ratio, bounds, behaviour)
    value = row_sums(weight * outcome, bounds)
    return weighted_estimate(
        f"{behaviour} slate ips",
        [Ratio(groups.sums(value), groups.counts)],
        _of_slates(weight, bounds),
        groups,
        confidence,
        thresholds,
        needs_overlap=True,
    )


def cascade_dr(
    reward: ArrayLike,
    ratio: ArrayLike,
    prediction_of_choice: ArrayLike,
    expected_prediction: ArrayLike,
    offsets: ArrayLike,
    user: User = None,
    *,
    confidence: float = 0.95,
    thresholds: Thresholds | None = None,
) -> Estimate:
    """Return `mean_i sum_l [w_{1:l} (r_l - q_l) + w_{1:l-1} v_l]`, doubly robust under the cascade model.

    Kiyohara, Saito, Matsuhiro et al. (2022), Doubly robust off-policy evaluation for ranking policies under
    the cascade behavior model. `w_{1:l}` is the product of the ratios up to l. Variance is least when q_l
    predicts all that is still to come, `r_l + .. + r_L`; whatever q is, the estimate is unbiased with right
    ratios when outcomes depend on the choices up to their position only.

    Args:
        reward: float [s] over the positions of all slates, in order, in units of the outcome.
        ratio: float [s], >= 0, target by logged probability of each choice given earlier ones.
        prediction_of_choice: float [s], q_l of the choice at l, given earlier ones.
        expected_prediction: float [s], v_l, the target's mean of q_l over what it could choose at l, from
            `policy_mean` over those candidates.
        offsets: int64 [n + 1], slate i has positions offsets[i]:offsets[i + 1].
        user: [n] cluster ids of slates, `Clusters`, or None.
        confidence: of the interval.
        thresholds: when to warn of thin overlap; None: the configuration's defaults.

    Raises:
        InputError: empty, lengths differ, negative ratios, or values that are not finite.
    """
    outcome = finite("reward", reward)
    predicted = finite("prediction_of_choice", prediction_of_choice, len(outcome))
    expected = finite("expected_prediction", expected_prediction, len(outcome))
    bounds = ragged(offsets, len(outcome))
    groups = cluster(user, len(bounds) - 1)
    weight = slate_weights(ratio, bounds, "cascade")
    before = np.empty_like(weight)
    before[1:] = weight[:-1]
    before[bounds[:-1]] = 1.0
    value = row_sums(weight * (outcome - predicted) + before * expected, bounds)
    return weighted_estimate(
        "cascade dr",
        [Ratio(groups.sums(value), groups.counts)],
        _of_slates(weight, bounds),
        groups,
        confidence,
        thresholds,
        needs_overlap=False,
    )


def slate_weights(ratio: ArrayLike, offsets: ArrayLike, behaviour: Behaviour) -> Floats:
    """Return the weight of each position's outcome: float64 [s].

    Args:
        ratio: float [s], >= 0, as for `slate_ips`.
        offsets: int64 [n + 1].
        behaviour: of users, as for `slate_ips`.

    Raises:
        InputError: empty, lengths differ, negative or not finite, or an unknown behaviour.
    """
    if behaviour not in get_args(Behaviour):
        raise InputError(f"behaviour == {behaviour!r}, must be one of {', '.join(get_args(Behaviour))}")
    checked = weights("ratio", ratio)
    bounds = ragged(offsets, len(checked))
    if behaviour == "independent":
        return checked
    if behaviour == "standard":
        return np.repeat(np.multiply.reduceat(checked, bounds[:-1]), np.diff(bounds))
    weight = checked.copy()
    lengths = np.diff(bounds)
    for position in range(1, int(lengths.max())):
        place = bounds[:-1][lengths > position] + position
        weight[place] *= weight[place - 1]
    return weight


def _of_slates(weight: Floats, bounds: NDArray[np.int64]) -> Floats:
    return row_sums(weight, bounds) / np.diff(bounds)
