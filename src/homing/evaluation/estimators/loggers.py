"""Several logging policies: one log with a mixture for a propensity, or one estimate for each and their mean.

Agarwal, Basu, Schnabel & Joachims (2017), Effective evaluation using logged bandit feedback from multiple
loggers. The balanced estimator is `ips`, `snips` or `dr` with `mixture_propensity`; its variance is at most
that of each choice weighed by its own policy, and it needs every policy's probability of every choice. The
weighted estimator needs only the probabilities of the policies that chose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from homing.evaluation.clusters import Clusters
from homing.evaluation.estimate import Estimate, Ratio, estimate_from
from homing.evaluation.inputs import Floats, one_dimensional, shares
from homing.schema.errors import InputError


def mixture_propensity(propensity: ArrayLike, logger: ArrayLike) -> Floats:
    """Return `sum_k (n_k / n) p_k(a_i | x_i)`, the chance of each choice under all loggers: float64 [n].

    The balance heuristic (Veach & Guibas 1995; Agarwal et al. 2017).

    Args:
        propensity: float [n, K], of each logged choice under each of the K policies; a policy that could
            not have made a choice has 0.
        logger: integer [n], the policy in 0 .. K - 1 that chose.

    Raises:
        InputError: shapes differ, a value is out of range, or a choice had probability 0 under its policy.
    """
    table = np.asarray(propensity)
    if table.ndim != 2 or not table.size:
        raise InputError(f"propensity has shape {table.shape}, must be [rows, policies]")
    chances = shares("propensity", table.ravel()).reshape(len(table), -1)
    policies = chances.shape[-1]
    own = one_dimensional("logger", logger, len(chances))
    if own.dtype.kind not in "iu" or own.min() < 0 or own.max() >= policies:
        raise InputError(f"logger must be integers from 0 to {policies - 1}, the columns of propensity")
    if (chances[np.arange(len(own)), own] == 0).any():
        raise InputError("propensity is 0 for a choice under the policy that made it, must be above 0")
    return np.asarray(chances @ (np.bincount(own, minlength=policies) / len(own)))


def precision_weighted(estimates: Sequence[Estimate]) -> Estimate:
    """Return `sum_k l_k V_k` with `l_k = (1 / error_k^2) / sum_j (1 / error_j^2)`.

    Agarwal et al. (2017): of all weighted means of independent estimates it has the least
    variance. Users whom several policies decided for are joined, so that their decisions count as dependent.
    The interval takes l as given, although it is estimated; few decisions that missed rare large weights have
    a small value and a small error at once, and pull the mean down.

    Args:
        estimates: of one value, each from the decisions of one policy, such as `ips` or `dr`.

    Raises:
        InputError: no estimates, one without a positive error, or users given for some only.
    """
    if not estimates:
        raise InputError("estimates is empty; there is nothing to weigh")
    errors = np.array([found.std_error for found in estimates])
    if not (np.isfinite(errors) & (errors > 0)).all():
        raise InputError(
            f"std_error == {errors.tolist()} of the estimates, must be above 0 to weigh by; leave out "
            "policies whose log says nothing"
        )
    share = 1 / errors**2
    share /= share.sum()
    union = _union([found.clusters for found in estimates])
    ratios = [
        Ratio(union.spread(r.numerator, k), union.spread(r.denominator, k), r.sign * float(share[k]))
        for k, found in enumerate(estimates)
        for r in found.ratios
    ]
    sizes = np.array([found.effective_size for found in estimates])
    return estimate_from(
        f"precision-weighted {estimates[0].estimator}",
        ratios,
        union.clusters,
        confidence=estimates[0].confidence,
        effective_size=float(1 / (share**2 / sizes).sum()),
        max_weight=max(found.max_weight for found in estimates),
        warnings=[note for found in estimates for note in found.warnings],
    )


@dataclass(frozen=True)
class _Union:
    """The users of several logs."""

    clusters: Clusters
    places: list[NDArray[np.intp]]  # of each log's users among all

    def spread(self, values: Floats, log: int) -> Floats:
        """Return `values` [users of the log] as [all users], 0 for the others."""
        found = np.zeros(len(self.clusters))
        found[self.places[log]] = values
        return found


def _union(logs: Sequence[Clusters]) -> _Union:
    rows = sum(log.rows for log in logs)
    if all(log.ids is None for log in logs):
        starts = np.cumsum([0, *(log.rows for log in logs)])
        places = [np.arange(start, start + log.rows) for start, log in zip(starts[:-1], logs, strict=True)]
        return _Union(Clusters(rows, None, None, np.ones(rows)), places)
    known = [(log.ids, log.code) for log in logs if log.ids is not None and log.code is not None]
    if len(known) < len(logs):
        raise InputError("some estimates have users and others do not; give all of them a `user`, or none")
    ids = np.unique(np.concatenate([of_log for of_log, _ in known]))
    places = [np.searchsorted(ids, of_log) for of_log, _ in known]
    code = np.concatenate([place[codes] for place, (_, codes) in zip(places, known, strict=True)])
    counts = np.bincount(code, minlength=len(ids)).astype(np.float64)
    return _Union(Clusters(rows, ids, code, counts), places)
