"""Long-term outcomes from short-term ones.

A long log has users x, choices a, short-term outcomes s (a week's opens, visits, opt-outs) and the long-term
outcome y (a year's spend). What a new policy would do to y is asked before a year has passed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from homing.evaluation.clusters import Clusters, cluster
from homing.evaluation.cross_fit import cross_fit
from homing.evaluation.diagnostics.overlap import Thresholds, overlap
from homing.evaluation.estimate import Estimate, Ratio, estimate_from
from homing.evaluation.estimators.weighted import User
from homing.evaluation.inputs import Floats, finite, one_dimensional, weights
from homing.evaluation.sequential.regressors import Fit
from homing.schema.errors import InputError

#: Gap, relative to the features' mean, up to which the long log has all that the short one has.
_TOLERANCE = 1e-6


def surrogate_index(
    long_features: ArrayLike,
    long_outcome: ArrayLike,
    short_features: ArrayLike,
    short_weight: ArrayLike,
    long_user: ArrayLike | None = None,
    short_user: ArrayLike | None = None,
    *,
    confidence: float = 0.95,
    thresholds: Thresholds | None = None,
) -> Estimate:
    """Return `sum_short w h / sum_short w`, h(x, s) = E[y | x, s] by least squares on the long log.

    Athey, Chetty, Imbens & Kang (2019), The surrogate index. It assumes that

    - short-term outcomes stop every way from the choice to y: y is independent of a given x and s
      (surrogacy, Prentice 1989). Where a choice also acts on y otherwise, that part is replaced by what the
      long log's choices did, and the bias is `E[E_long[delta(x, a) | x, s]] - E[delta(x, a)]` for a direct
      effect delta, means under the policy that is valued;
    - E[y | x, s] is the same in the long log as it will be (comparability), and linear in the features;
    - the weights of the short log are right.

    The interval counts that h is estimated: `rho_j (y_j - h_j)` of the long log, `rho_j = k z_j' (Z'Z)^-1
    zbar` with zbar the weighted mean of the short log's features, is added; it sums to zero.

    Args:
        long_features: float [k, d] of (x, s); include a constant.
        long_outcome: float [k], y.
        short_features: float [n, d] of (x, s) in a log or an experiment of short duration.
        short_weight: float [n], >= 0: target probability by propensity; 1 where the target itself acted.
        long_user: [k] cluster ids; a user in both logs is one cluster. None: all rows are independent.
        short_user: [n] cluster ids, given where `long_user` is.
        confidence: of the interval.
        thresholds: when to warn of thin overlap in the short log; None: the configuration's defaults.

    Returns:
        Mean of y per row of the short log; `decisions` counts the rows of both logs, `effective_size` the
        short one's. NaN with a warning where every weight is 0.

    Raises:
        InputError: lengths differ, values are not finite, ids of one log only, or the short log has features
            that the long one lacks.
    """
    z, outcome = _table("long_features", long_features), finite("long_outcome", long_outcome)
    x = _table("short_features", short_features)
    if len(z) != len(outcome) or x.shape[1] != z.shape[1]:
        raise InputError(
            f"long_features is {z.shape} and short_features {x.shape}, must be [{len(outcome)}, d] and [n, d]"
        )
    weight = weights("short_weight", short_weight, len(x))
    groups = _both(long_user, short_user, len(z), len(x))
    found = overlap(weight)
    gram = z.T @ z
    theta = np.linalg.lstsq(gram, z.T @ outcome, rcond=None)[0]
    mean = weight @ x / max(float(weight.sum()), 1e-300)
    turned = np.linalg.lstsq(gram, mean, rcond=None)[0]
    gap = float(np.abs(gram @ turned - mean).max())
    if gap > _TOLERANCE * float(np.abs(mean).max()):
        raise InputError(
            f"short_features has what long_features lacks (a gap of {gap:.3g} in their mean), so the long "
            "log does not say what follows it; drop or merge such columns"
        )
    none = np.zeros(len(z))
    short = Ratio(
        groups.sums(np.concatenate([none, weight * (x @ theta)])),
        groups.sums(np.concatenate([none, weight])),
    )
    rho = len(z) * (z @ turned)
    long = Ratio(
        groups.sums(np.concatenate([rho * (outcome - z @ theta), np.zeros(len(x))])),
        groups.sums(np.concatenate([np.ones(len(z)), np.zeros(len(x))])),
    )
    return estimate_from(
        "surrogate_index",
        [short, long],
        groups,
        confidence=confidence,
        effective_size=found.effective_size,
        max_weight=found.max_weight,
        warnings=found.warnings(thresholds or Thresholds()),
        known=found.effective_size > 0,
    )


def surrogate_weights(
    weight: ArrayLike, features: NDArray[np.generic], fit: Fit, fold: ArrayLike | None = None
) -> Floats:
    """Return `w(x, s) = E[w(x, a) | x, s]`, by regression on the log: float64 [n].

    Saito, Abdollahpouri, Anderton, Carterette & Lalmas (2024); the authors' own code estimates it as
    `sum_a (pi(a | x) / p(a | x)) P(a | x, s)` with a classifier of choices; both have the same limit.

    It is the ratio of the chances of s under the target and in the log, `P_target(s | x) / P_log(s | x)`, and
    varies less than w(x, a).

    Args:
        weight: float [n], target probability by propensity of the logged choice, >= 0.
        features: [n, ...] of (x, s), as `fit` takes them.
        fit: of the regression, such as `tabular(cells)`.
        fold: integer [n], by user; each fold is predicted from the others. None: fitted on the whole log.

    Raises:
        InputError: lengths differ, or a fold has (x, s) that the others lack.
    """
    checked = weights("weight", weight, len(features))

    def fit_predict(train: NDArray[np.intp], wanted: NDArray[np.intp]) -> Floats:
        return fit(features[train], checked[train], np.ones(len(train)))(features[wanted])

    everything = np.arange(len(checked))
    found = (
        fit_predict(everything, everything)
        if fold is None
        else cross_fit(one_dimensional("fold", fold, len(checked)), fit_predict)
    )
    return finite("weights of surrogates", found)


def lope(
    outcome: ArrayLike,
    surrogate_weight: ArrayLike,
    prediction_of_choice: ArrayLike,
    predicted_mean: ArrayLike,
    user: User = None,
    *,
    weight: ArrayLike | None = None,
    residual: ArrayLike | None = None,
    confidence: float = 0.95,
    thresholds: Thresholds | None = None,
) -> Estimate:
    """Return `mean_i [f(x, pi) + w(x, s) (y - f(x, a))]`, f(x, pi) = sum_a pi(a | x) f(x, a).

    Saito, Abdollahpouri, Anderton, Carterette & Lalmas (2024), Long-term off-policy evaluation and learning
    (LOPE). It assumes that

    - y splits into what goes through the short-term outcomes and what does not,
      `E[y | x, a, s] = g(x, s) + h(x, a)`, and f differs from h by no more than a function of x. Then it is
      unbiased, whatever g is; surrogacy is the case h = 0, where f = 0 does. Otherwise its bias is
      `E_log[w(x, s) d(x, a)] - E_target[d(x, a)]` with d = h - f;
    - w(x, s) is right (`surrogate_weights`), for which the log's propensities must be.

    Its variance is that of w(x, s) and not that of w(x, a), and is smaller the less the choice can be read
    from the short-term outcomes.

    Args:
        outcome: float [n], y of the long log.
        surrogate_weight: float [n], w(x, s), from `surrogate_weights`.
        prediction_of_choice: float [n], f(x, a) of the logged choice, from other users.
        predicted_mean: float [n], f(x, pi), as from `policy_mean`.
        user: [n] cluster ids, `Clusters`, or None.
        weight: float [n], w(x, a); goes with `residual`.
        residual: float [n], a regression of `y - f(x, a)` on (x, s), fitted and folded as the weights were.
            `residual (w(x, a) - w(x, s))` is then added: the interval counts that w(x, s) is estimated, and
            errors of w(x, s) matter only where the residual's are, too. None: the interval takes w(x, s)
            for known.
        confidence: of the interval.
        thresholds: when to warn of thin overlap; None: the configuration's defaults.

    Returns:
        Mean of y per row; NaN with a warning where every weight is 0.

    Raises:
        InputError: lengths differ, values are not finite, weights are negative, or only one of `weight` and
            `residual` is given.
    """
    y = finite("outcome", outcome)
    n = len(y)
    w = weights("surrogate_weight", surrogate_weight, n)
    scores = finite("predicted_mean", predicted_mean, n) + w * (
        y - finite("prediction_of_choice", prediction_of_choice, n)
    )
    if (weight is None) != (residual is None):
        raise InputError("weight and residual go together: give both, or neither")
    if weight is not None and residual is not None:
        scores = scores + finite("residual", residual, n) * (weights("weight", weight, n) - w)
    groups = cluster(user, n)
    found = overlap(w, groups)
    return estimate_from(
        "lope",
        [Ratio(groups.sums(scores), groups.counts)],
        groups,
        confidence=confidence,
        effective_size=found.effective_size,
        max_weight=found.max_weight,
        warnings=found.warnings(thresholds or Thresholds()),
        known=found.effective_size > 0,
    )


def _both(long_user: ArrayLike | None, short_user: ArrayLike | None, k: int, n: int) -> Clusters:
    if (long_user is None) != (short_user is None):
        raise InputError("long_user and short_user go together: give both, or neither")
    if long_user is None or short_user is None:
        return cluster(None, k + n)
    ids = one_dimensional("long_user", long_user, k), one_dimensional("short_user", short_user, n)
    if (ids[0].dtype.kind in "iu") != (ids[1].dtype.kind in "iu"):
        raise InputError(f"long_user is {ids[0].dtype} and short_user {ids[1].dtype}, must be of one type")
    return cluster(np.concatenate(ids), k + n)


def _table(name: str, values: ArrayLike) -> Floats:
    array = np.asarray(values)
    if array.ndim != 2 or not array.size:
        raise InputError(f"{name} has shape {array.shape}, must be [rows, columns]")
    finite(name, array.ravel())
    return array.astype(np.float64, copy=False)
