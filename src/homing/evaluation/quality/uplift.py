"""Does a score find the people on whom a message makes a difference?

Rows are users of two arms, such as one message and hold, with known propensities; rows of other arms are
left out beforehand. Arm means are self-normalised by inverse propensities, so either arm stands for all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from homing.evaluation.clusters import Clusters, cluster, sums_by
from homing.evaluation.estimate import FEW_USERS, Estimate, Ratio, estimate_from
from homing.evaluation.inputs import Floats, finite, one_dimensional, shares
from homing.evaluation.intervals.bootstrap import resampled_totals
from homing.schema.errors import InputError

#: Users are dealt into groups for resampling, so that a table of sums by group and bin has this many cells.
_CELLS: Final = 500_000
_FEWEST_GROUPS: Final = 500


@dataclass(frozen=True)
class QiniCurve:
    """What treating the best-scored share of users brings over treating nobody, per user."""

    share: Floats  # [points] of users that are treated, from 0 to 1
    gain: Floats  # [points] incremental outcome per user of the population
    low: Floats  # [points] pointwise interval
    high: Floats  # [points]
    area: float  # under the curve (AUUC)
    coefficient: float  # Qini: area over the straight line of a random order
    coefficient_low: float
    coefficient_high: float
    warnings: tuple[str, ...]


def qini_curve(
    outcome: ArrayLike,
    treated: ArrayLike,
    propensity: ArrayLike,
    score: ArrayLike,
    user: ArrayLike | Clusters | None = None,
    *,
    points: int = 50,
    replications: int = 500,
    seed: int = 0,
    confidence: float = 0.95,
) -> QiniCurve:
    """Return the cumulative gain by share treated, best score first, with intervals.

    `gain(t) = t (mean outcome of the treated - mean outcome of the others)` among the best-scored share t:
    Radcliffe (2007), Using control groups to target on predicted lift, in the normalised form of
    Gutierrez & Gerardy (2017), Causal inference and uplift modelling, section 3.2. Rows of equal score
    are one block, so their order does not matter. Intervals resample users.

    Args:
        outcome: float [n].
        treated: bool [n].
        propensity: float [n] in (0, 1], of the arm that the row was in.
        score: float [n], predicted uplift or any other order.
        user: [n] cluster ids, or None.
        points: most points beyond the origin.
        replications: resamples of the intervals.
        seed: of the resampling.
        confidence: of the intervals.

    Raises:
        InputError: empty, lengths differ, values out of range, or an arm without rows.
    """
    real, arm, weight, rank, groups = _arms(outcome, treated, propensity, score, user)
    if points < 1 or replications < 2:
        raise InputError(f"points == {points} and replications == {replications}, must be >= 1 and >= 2")
    code, size = _score_bins(rank, points)
    sums = _arm_sums(real, arm, weight)
    cells = [sums_by(code, column, size) for column in sums]
    share, gain = _curve(np.stack(cells)[None])
    # each group of users is a row of 4 x bins sums, so a resample is one product
    limit = max(_FEWEST_GROUPS, _CELLS // (4 * size))
    generator = np.random.default_rng(seed)
    owner = np.arange(len(real)) if groups.code is None else groups.code
    units = len(groups)
    if units > limit:
        owner, units = generator.integers(limit, size=units)[owner], limit
    table = [
        row
        for column in sums
        for row in sums_by(code * units + owner, column, size * units).reshape(size, units)
    ]
    keys = np.arange(units, dtype=np.uint64)
    totals = resampled_totals(table, keys, replications, seed, units).reshape(replications, 4, size)
    shares_of, gains = _curve(totals)
    aligned = np.array([np.interp(share[0], x, y) for x, y in zip(shares_of, gains, strict=True)])
    coefficients = _area(shares_of, gains) - gains[:, -1] / 2
    tail = (1 - confidence) / 2
    low, high = np.quantile(aligned, [tail, 1 - tail], axis=0)
    area = float(_area(share, gain)[0])
    bounds = np.quantile(coefficients, [tail, 1 - tail])
    warnings = []
    if size < 2:
        warnings.append("all scores are equal, so there is no order to judge")
    if units < FEW_USERS:
        warnings.append(f"only {units} users: the intervals are too short")
    return QiniCurve(
        share=share[0],
        gain=gain[0],
        low=low,
        high=high,
        area=area,
        coefficient=area - float(gain[0, -1]) / 2,
        coefficient_low=float(bounds[0]),
        coefficient_high=float(bounds[1]),
        warnings=tuple(warnings),
    )


def uplift_by_quantile(
    outcome: ArrayLike,
    treated: ArrayLike,
    propensity: ArrayLike,
    score: ArrayLike,
    user: ArrayLike | Clusters | None = None,
    *,
    bins: int = 10,
    confidence: float = 0.95,
) -> tuple[Estimate, ...]:
    """Return the uplift in each quantile of the score, the best score first.

    Arguments and errors as for `qini_curve`; equal scores share a bin. A bin without rows of one arm is NaN
    and says so.
    """
    real, arm, weight, rank, groups = _arms(outcome, treated, propensity, score, user)
    code, size = _score_bins(rank, bins)
    found = []
    for place in range(size):
        sums = [groups.sums(column) for column in _arm_sums(real, arm, np.where(code == place, weight, 0.0))]
        ratios = [Ratio(sums[0], sums[1]), Ratio(sums[2], sums[3], -1.0)]
        found.append(estimate_from(f"uplift {place + 1} of {size}", ratios, groups, confidence=confidence))
    return tuple(found)


def _arms(
    outcome: ArrayLike,
    treated: ArrayLike,
    propensity: ArrayLike,
    score: ArrayLike,
    user: ArrayLike | Clusters | None,
) -> tuple[Floats, NDArray[np.bool_], Floats, Floats, Clusters]:
    real = finite("outcome", outcome)
    arm = one_dimensional("treated", treated, len(real))
    if arm.dtype != np.bool_:
        raise InputError(f"treated has dtype {arm.dtype}, must be bool")
    if arm.all() or not arm.any():
        raise InputError(f"treated is {bool(arm[0])} in every row; uplift compares two arms, and needs both")
    weight = 1 / shares("propensity", propensity, len(real), above_zero=True)
    return real, arm, weight, finite("score", score, len(real)), cluster(user, len(real))


def _arm_sums(real: Floats, arm: NDArray[np.bool_], weight: Floats) -> tuple[Floats, ...]:
    of_treated, of_control = np.where(arm, weight, 0.0), np.where(arm, 0.0, weight)
    return of_treated * real, of_treated, of_control * real, of_control


def _score_bins(score: Floats, bins: int) -> tuple[NDArray[np.intp], int]:
    """Return the bin of each row, 0 for the best scores, and how many there are; none is empty."""
    if bins < 1:
        raise InputError(f"bins == {bins}, must be >= 1")
    edges = np.quantile(-score, np.arange(1, bins) / bins, method="inverted_cdf")
    used, code = np.unique(np.searchsorted(edges, -score, side="left"), return_inverse=True)
    return code.astype(np.intp, copy=False), len(used)


def _curve(cells: Floats) -> tuple[Floats, Floats]:
    """Return share and gain [curves, 1 + bins] of sums [curves, 4, bins]; an arm yet to come has no gain."""
    value, weight, other_value, other_weight = np.moveaxis(np.cumsum(cells, axis=2), 1, 0)
    share = (weight + other_weight) / (weight + other_weight)[:, -1:]
    both = (weight > 0) & (other_weight > 0)
    lift = np.zeros_like(share)
    np.divide(value, weight, out=lift, where=both)
    other = np.zeros_like(share)
    np.divide(other_value, other_weight, out=other, where=both)
    origin = np.zeros((len(cells), 1))
    return np.hstack([origin, share]), np.hstack([origin, share * (lift - other)])


def _area(share: Floats, gain: Floats) -> Floats:
    return np.asarray((np.diff(share, axis=1) * (gain[:, 1:] + gain[:, :-1])).sum(axis=1) / 2)
