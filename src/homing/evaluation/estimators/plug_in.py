"""Estimates from logs without propensities: a model of what was chosen stands in for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from numpy.typing import ArrayLike, NDArray

from homing.evaluation.cross_fit import Rows, cross_fit
from homing.evaluation.estimate import Estimate
from homing.evaluation.estimators.one_decision import importance_weights
from homing.evaluation.inputs import Floats

_WARNING: Final = (
    "propensities are estimated and were not logged: the value is right only if all that decided the choices "
    "is in their model, and the interval does not count the model's error"
)


def plug_in(
    estimate_with: Callable[[Floats], Estimate],
    target_probability_of_choice: ArrayLike,
    fold: ArrayLike,
    fit_predict: Callable[[Rows, Rows], NDArray[Any]],
) -> Estimate:
    """Return an estimate whose weights rest on cross-fitted propensities, and which says so.

    Chernozhukov et al. (2018), definition 3.1; Hirano, Imbens & Ridder (2003) for the weights.

    Args:
        estimate_with: the estimate for importance weights [n], such as
            `lambda weight: snips(reward, weight, user)`.
        target_probability_of_choice: float [n] in [0, 1].
        fold: integer [n], from `folds_by_user`.
        fit_predict: takes rows to fit on and rows to predict, both rising; returns the probability in (0, 1]
            that the log's policy chose as it did, for each of the latter.

    Raises:
        InputError: as `cross_fit`, or a predicted probability outside (0, 1].
    """
    propensity = cross_fit(fold, fit_predict)
    found = estimate_with(importance_weights(target_probability_of_choice, propensity))
    return replace(
        found,
        estimator=f"{found.estimator}, propensities estimated",
        warnings=(_WARNING, *found.warnings),
    )
