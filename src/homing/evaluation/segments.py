"""Where is a candidate better, and where is it worse? Estimates by segment, as many as there are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from homing.evaluation.bootstrap import resampled_values
from homing.evaluation.clusters import Clusters, cluster
from homing.evaluation.estimate import FEW_USERS, Estimate, Ratio, estimate_from
from homing.evaluation.inputs import Floats, finite, one_dimensional
from homing.evaluation.multiplicity import benjamini_hochberg, two_sided
from homing.evaluation.verdict import Direction, Judgement
from homing.schema.errors import InputError

_MOST: Final = 200  # segments


@dataclass(frozen=True)
class Segment:
    """The gain in one segment."""

    name: str
    estimate: Estimate  # with a simultaneous interval; NaN bounds: too few users
    share: float  # of the decisions
    p_value: float  # adjusted over segments; NaN: too few users
    judgement: Judgement


def by_segment(
    gain: ArrayLike,
    segment: ArrayLike,
    user: ArrayLike | Clusters | None = None,
    *,
    direction: Direction = "up",
    confidence: float = 0.95,
    replications: int = 500,
    seed: int = 0,
) -> tuple[Segment, ...]:
    """Return the mean gain in each segment, the most decisions first.

    Ten segments of a policy that changes nothing hold a "significant" one in four logs of ten. So the
    judgement goes by p-values adjusted for a false discovery rate of 1 - confidence (`benjamini_hochberg`),
    and intervals hold for all segments at once: the critical value is the quantile of the largest |t| over
    segments in resamples of users (max-t: Westfall & Young 1993; Chernozhukov, Chetverikov & Kato 2013),
    which uses what segments share. It can so happen that a segment is judged better and its interval touches
    zero: a list may hold a few errors, an interval of a set none.

    A segment must be known before the decision, as a user's country is; the channel that was chosen is not,
    and weights do not average 1 in it.

    Args:
        gain: float [n], what the candidate would bring beyond the current policy in each decision, such as
            `sum_a pi q + w (r - q) - r`.
        segment: integer or text [n].
        user: [n] cluster ids, or None.
        direction: whether more is better.
        confidence: of all intervals together.
        replications: resamples.
        seed: of the resampling.

    Raises:
        InputError: lengths differ, gains are not finite, or there are more than 200 segments.
    """
    values = finite("gain", gain)
    names, code = np.unique(one_dimensional("segment", segment, len(values)), return_inverse=True)
    if len(names) > _MOST:
        raise InputError(f"segment has {len(names):,} values, must have at most {_MOST}; merge the rare ones")
    users = cluster(user, len(values))
    found = [_mean(str(name), values, code == k, users, confidence) for k, name in enumerate(names)]
    told = [k for k, (_, members) in enumerate(found) if members >= FEW_USERS]
    estimates = [found[k][0] for k in told]
    reach = _critical_value(estimates, confidence, replications, seed) if estimates else 0.0
    z = np.full(len(names), np.nan)
    z[told] = [_z(estimate) for estimate in estimates]
    adjusted = benjamini_hochberg(two_sided(z))
    rows = np.bincount(code)
    segments = []
    for place in np.argsort(-rows, kind="stable").tolist():
        estimate, members = found[place]
        width = reach * estimate.std_error if members >= FEW_USERS else np.nan
        estimate = replace(
            estimate,
            low=estimate.value - width,
            high=estimate.value + width,
            interval="simultaneous",
            warnings=() if members >= FEW_USERS else (f"only {members} users",),
        )
        p = float(adjusted[place])
        judgement = _judgement(estimate, p, direction)
        segments.append(Segment(estimate.estimator, estimate, rows[place] / len(values), p, judgement))
    return tuple(segments)


def _mean(
    name: str, gain: Floats, inside: NDArray[np.bool_], users: Clusters, confidence: float
) -> tuple[Estimate, int]:
    """Return the mean gain of a segment and how many users it has decisions of."""
    counts = users.sums(inside.astype(np.float64))
    ratio = Ratio(users.sums(np.where(inside, gain, 0.0)), counts)
    return estimate_from(name, [ratio], users, confidence=confidence), int(np.count_nonzero(counts))


def _critical_value(estimates: list[Estimate], confidence: float, replications: int, seed: int) -> float:
    """Return how many standard errors all intervals must reach to hold together.

    Between one interval's value and Bonferroni's, whatever the noise of the resampling.
    """
    varying = [estimate for estimate in estimates if estimate.std_error > 0]
    tail = (1 - confidence) / 2
    single = NormalDist().inv_cdf(1 - tail)
    if not varying:
        return single
    drawn = resampled_values(varying, replications, seed)
    centred = drawn - np.array([estimate.value for estimate in varying])
    largest = (np.abs(centred) / centred.std(axis=0)).max(axis=1)
    return float(
        np.clip(np.quantile(largest, confidence), single, NormalDist().inv_cdf(1 - tail / len(varying)))
    )


def _z(estimate: Estimate) -> float:
    return estimate.value / estimate.std_error if estimate.std_error > 0 else float("nan")


def _judgement(estimate: Estimate, p_value: float, direction: Direction) -> Judgement:
    if np.isnan(estimate.low):
        return "do_not_trust"
    if not p_value <= 1 - estimate.confidence:
        return "cannot_tell"
    return "better" if (estimate.value > 0) == (direction == "up") else "worse"
