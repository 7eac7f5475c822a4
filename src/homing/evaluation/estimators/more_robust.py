"""An outcome model that is fitted where the doubly robust estimate needs it.

Farajtabar, Chow & Ghavamzadeh (2018), More robust doubly robust off-policy evaluation: of all models of a
class, take the one that makes the estimate's variance least, and not the one that predicts the log best.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from homing.evaluation.cross_fit import Rows, cross_fit
from homing.evaluation.diagnostics.overlap import Thresholds
from homing.evaluation.estimate import Estimate
from homing.evaluation.estimators.one_decision import dr, importance_weights
from homing.evaluation.estimators.shrinkage import Shrinkage
from homing.evaluation.estimators.weighted import User
from homing.evaluation.inputs import Floats, choices, one_dimensional, ragged, shares
from homing.schema.errors import InputError


def mrdr_weights(target_probability_of_choice: ArrayLike, propensity: ArrayLike) -> Floats:
    """Return the weight of each row in the fit of the outcome model, `w_i^2 (1 - p_i)`: float64 [n].

    Given x the variance of `w (r - q)` is `sum_a pi(a)^2 (1 / p(a) - 1) e(a)^2` plus noise, less products of
    errors e of different candidates; the logged rows, weighted so, have the first sum as their mean. For a
    target that always takes one candidate it is `(1 - p) / p^2` where that was logged, as in Farajtabar et
    al. (2018), and the products are none.

    Args:
        target_probability_of_choice: float [n] in [0, 1].
        propensity: float [n] in (0, 1], the logged one.

    Raises:
        InputError: empty, lengths differ, a value outside its range, or no weight above 0.
    """
    weight = importance_weights(target_probability_of_choice, propensity)
    chosen_otherwise = np.maximum(1 - shares("propensity", propensity), 0)  # 1 may be rounded up
    found: Floats = weight**2 * chosen_otherwise
    if not found.any():
        raise InputError(
            "every choice has a target probability of 0 or a propensity of 1, so there is no variance for a "
            "model to reduce; use dm or ips"
        )
    return found


def mrdr(
    reward: ArrayLike,
    propensity: ArrayLike,
    target_probability: ArrayLike,
    choice: ArrayLike,
    offsets: ArrayLike,
    fold: ArrayLike,
    fit_predict: Callable[[Rows, Rows, Floats], NDArray[Any]],
    user: User = None,
    *,
    confidence: float = 0.95,
    thresholds: Thresholds | None = None,
    shrinkage: Shrinkage | None = None,
) -> Estimate:
    """Return `dr` with predictions of a model that is cross-fitted with `mrdr_weights`.

    `mean_i [q(x_i, pi) + w_i (r_i - q(x_i, a_i))]`, q from a weighted fit: Farajtabar, Chow & Ghavamzadeh
    (2018).

    Args:
        reward: float [n], in units of the outcome.
        propensity: float [n] in (0, 1], of each logged choice.
        target_probability: float [m] over the candidates of all rows; sums to 1 in each.
        choice: integer [n], the place of each logged choice among all candidates.
        offsets: int64 [n + 1].
        fold: integer [n], from `folds_by_user`.
        fit_predict: takes rows to fit on, rows to predict and the sample weights of the former; returns
            predictions for all candidates of the latter.
        user: [n] cluster ids, `Clusters`, or None.
        confidence: of the interval.
        thresholds: when to warn of thin overlap; None: the configuration's defaults.
        shrinkage: of the weights that correct the predictions; None: as they are.

    Raises:
        InputError: as `dr`, `mrdr_weights` and `cross_fit`.
    """
    target = one_dimensional("target_probability", target_probability)
    place = choices(choice, ragged(offsets, len(target)))
    sample_weight = mrdr_weights(target[place], propensity)
    prediction = cross_fit(fold, lambda train, test: fit_predict(train, test, sample_weight[train]), offsets)
    found = dr(
        reward,
        importance_weights(target[place], propensity),
        target,
        prediction,
        prediction[place],
        offsets,
        user,
        confidence=confidence,
        thresholds=thresholds,
        shrinkage=shrinkage,
    )
    return replace(found, estimator=f"mr{found.estimator}")
