"""Which of several estimates of one value to report: bias against variance, from the log alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from homing.evaluation.estimate import Estimate, difference
from homing.evaluation.inputs import Floats, finite, weights
from homing.schema.errors import InputError

#: Of a wider interval's half-width, how much another value may stray (Tucker & Lee 2021).
_SLACK: Final = math.sqrt(6) - 1


@dataclass(frozen=True)
class Selection:
    """The estimate that was selected, and what it was selected by."""

    estimate: Estimate  # with a warning that it was selected
    place: int  # among the candidates
    scores: Floats  # [candidates] half-widths of the intervals, or root mean squared errors; NaN: not usable


def select_by_slope(candidates: Sequence[Estimate], *, ordered: bool = False) -> Selection:
    """Return the narrowest estimate that agrees with all wider ones.

    SLOPE: Su, Srinath & Krishnamurthy (2020), Adaptive estimator selection for off-policy evaluation, with
    the tighter comparison of Tucker & Lee (2021): from the widest interval on, candidate i is taken while
    `|value_i - value_j| <= width_i + (sqrt(6) - 1) width_j` for every wider candidate j, where widths are
    halves of the candidates' own intervals. The error is then within a constant factor of the best
    candidate's, provided that narrower ones have more bias, as along a grid of shrinkages or bandwidths.

    Args:
        candidates: of one value, from one log, with intervals of one confidence. Their order matters only
            between equal widths, where earlier ones count as wider.
        ordered: the candidates' own order is that of rising bias, and stays.

    Raises:
        InputError: no candidate has both a value and an interval.
    """
    widths = np.array([(found.high - found.low) / 2 for found in candidates])
    values = np.array([found.value for found in candidates])
    order = np.arange(len(candidates)) if ordered else np.argsort(-widths, kind="stable")
    order = order[np.isfinite(widths[order])]
    if not len(order):
        raise InputError(f"none of the {len(candidates)} candidates has a value with an interval")
    taken = [order[0]]
    for place in order[1:]:
        if (np.abs(values[taken] - values[place]) > widths[place] + _SLACK * widths[taken]).any():
            break
        taken.append(place)
    return _selected(candidates, int(taken[-1]), widths, "SLOPE")


def select_by_mse(candidates: Sequence[Estimate], bias: ArrayLike) -> Selection:
    """Return the estimate with the least `std_error^2 + bias^2`.

    Su, Dimakopoulou, Krishnamurthy & Dudik (2020), with a bias from `bias_against` or `bias_bound`.

    Args:
        candidates: of one value, from one log.
        bias: float [candidates], in units of the outcome.

    Raises:
        InputError: lengths differ, a bias is not finite, or no candidate has both a value and an error.
    """
    bound = finite("bias", bias, len(candidates))
    scores = np.hypot([found.std_error for found in candidates], bound)
    if np.isnan(scores).all():
        raise InputError(f"none of the {len(candidates)} candidates has a value with an error")
    return _selected(candidates, int(np.nanargmin(scores)), scores, "mean squared error")


def bias_bound(
    residual: ArrayLike,
    weight: ArrayLike,
    shrunk: ArrayLike,
    *,
    confidence: float = 0.95,
    largest: float | None = None,
) -> float:
    """Return a bound on the bias that shrunk weights bring, in units of the outcome.

    `|mean((w - v) e)| + m sqrt(2 mean(w^2) log(2 / d) / n) + 2 m max(w) log(2 / d) / (3 n)` for weights w,
    shrunk weights v, residuals e of at most m and d = 1 - confidence: the direct estimate and Bernstein's
    inequality, Su et al. (2020), where m is 1. It counts every row as independent; `bias_against` goes by
    user.

    Args:
        residual: float [n], outcome less prediction of the choice; the outcome itself for IPS.
        weight: float [n], >= 0.
        shrunk: float [n], >= 0, from `shrink`.
        confidence: of the bound.
        largest: m; None: the largest residual of the log, which makes the bound scale with the outcome.

    Raises:
        InputError: empty, lengths differ, negative or not finite, or `confidence` outside (0, 1).
    """
    e = finite("residual", residual)
    w = weights("weight", weight, len(e))
    v = weights("shrunk", shrunk, len(e))
    if not 0 < confidence < 1:
        raise InputError(f"confidence == {confidence}, must be in (0, 1)")
    m = float(np.abs(e).max()) if largest is None else largest
    rare = math.log(2 / (1 - confidence))
    direct = abs(float(((w - v) * e).mean()))
    noise = math.sqrt(2 * float((w * w).mean()) * rare / len(e)) + 2 * float(w.max()) * rare / (3 * len(e))
    return direct + m * noise


def bias_against(candidate: Estimate, reference: Estimate, *, confidence: float = 0.0) -> float:
    """Return a candidate's bias as its paired difference to an unbiased estimate says, or a bound on it.

    `|difference| + z error(difference)`, cluster-robust by user, with z = 0 at confidence 0: the direct
    estimate of Su et al. (2020). Bounds of a usual confidence are so wide that shrinkage is hardly ever
    selected; see `benchmarks/selection.py`.

    Args:
        candidate: with some bias.
        reference: unbiased, of the same users, such as `ips` or `dr` without shrinkage.
        confidence: of the bound, in [0, 1).

    Raises:
        InputError: the estimates are not of the same users, one has no value, or `confidence` is not in
            [0, 1).
    """
    if not 0 <= confidence < 1:
        raise InputError(f"confidence == {confidence}, must be in [0, 1)")
    gap = difference(candidate, reference)
    if math.isnan(gap.std_error):
        raise InputError(
            f"{gap.estimator} is not known, so there is no bound on its bias; both need a value and two users"
        )
    return abs(gap.value) + NormalDist().inv_cdf(0.5 + confidence / 2) * gap.std_error


def _selected(candidates: Sequence[Estimate], place: int, scores: Floats, rule: str) -> Selection:
    chosen = candidates[place]
    note = f"selected from {len(candidates)} estimates by {rule}; the interval counts neither that nor bias"
    return Selection(replace(chosen, warnings=(*chosen.warnings, note)), place, scores)
