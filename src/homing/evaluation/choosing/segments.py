"""Where is a candidate better, and where is it worse? Estimates by segment, as many as there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from homing.evaluation.choosing.verdict import Direction, Judgement
from homing.evaluation.clusters import Clusters, cluster
from homing.evaluation.diagnostics.overlap import Thresholds, overlap_of_totals
from homing.evaluation.diagnostics.tail import largest_values, tail_size
from homing.evaluation.estimate import FEW_USERS, Estimate, Ratio, estimate_from
from homing.evaluation.inputs import Floats, finite, one_dimensional, weights
from homing.evaluation.intervals.simultaneous import simultaneous
from homing.schema.errors import InputError
from homing.statistics import benjamini_hochberg, two_sided

_MOST: Final = 200  # segments


@dataclass(frozen=True)
class Segment:
    """The gain in one segment."""

    column: str
    name: str
    estimate: Estimate  # with a simultaneous interval; NaN bounds where it warns
    share: float  # of the decisions
    p_value: float  # adjusted over all segments; NaN: not tested, or a gain that never varies
    judgement: Judgement


def by_segment(
    gain: ArrayLike,
    segments: Mapping[str, ArrayLike],
    user: ArrayLike | Clusters | None = None,
    weight: ArrayLike | None = None,
    *,
    direction: Direction = "up",
    confidence: float = 0.95,
    replications: int = 500,
    seed: int = 0,
    thresholds: Thresholds | None = None,
) -> tuple[Segment, ...]:
    """Return the mean gain in each segment of each column, in a column the most decisions first.

    Ten segments of a policy that changes nothing hold a "significant" one in four logs of ten. So the
    judgement goes by p-values adjusted for a false discovery rate of 1 - confidence (`benjamini_hochberg`),
    and intervals hold for all segments at once: the critical value is the quantile of the largest |t| over
    segments in resamples of users (max-t: Westfall & Young 1993; Chernozhukov, Chetverikov & Kato 2013),
    which uses what segments share. It can so happen that a segment is judged better and its interval touches
    zero: a list may hold a few errors, an interval of a set none. Memory is 16 bytes a user and segment.

    A segment must be known before the decision, as a user's country is; the channel that was chosen is not,
    and weights do not average 1 in it.

    Args:
        gain: float [n], what the candidate would bring beyond the current policy in each decision, such as
            `sum_a pi q + w (r - q) - r`.
        segments: column -> integer or text [n].
        user: [n] cluster ids, or None.
        weight: float [n], >= 0, of the candidate, so that segments of thin overlap are not judged; None: the
            gains rest on no weights.
        direction: whether more is better.
        confidence: of all intervals together.
        replications: resamples.
        seed: of the resampling.
        thresholds: when overlap is too thin; None: the configuration's defaults.

    Raises:
        InputError: lengths differ, gains are not finite, or there are more than 200 segments.
    """
    values = finite("gain", gain)
    rows = len(values)
    users = cluster(user, rows)
    checked = np.ones(rows) if weight is None else weights("weight", weight, rows)
    limits = (thresholds or Thresholds()) if weight is not None else Thresholds(0, 0)
    parts = [(column, *part) for column, names in segments.items() for part in _parts(column, names, rows)]
    if len(parts) > _MOST:
        raise InputError(
            f"segments has {len(parts):,} segments, must have at most {_MOST}; merge the rare ones"
        )
    found = [
        segment_mean(name, values, checked, code == place, users, confidence, limits)
        for _, name, code, place in parts
    ]
    told = simultaneous(found, confidence, replications, seed)
    z = np.array([np.nan if estimate.warnings else _z(estimate) for estimate in told])
    adjusted = benjamini_hochberg(two_sided(z))
    judged = []
    for place, (column, name, code, part) in enumerate(parts):
        p, share = float(adjusted[place]), float((code == part).mean())
        judgement = _judgement(told[place], p, direction)
        judged.append(Segment(column, name, told[place], share, p, judgement))
    return tuple(judged)


def _parts(column: str, names: ArrayLike, rows: int) -> list[tuple[str, NDArray[np.intp], int]]:
    """Return each segment of a column, its rows' code and that of the segment, the largest first."""
    known, code, counts = np.unique(
        one_dimensional(column, names, rows), return_inverse=True, return_counts=True
    )
    return [(str(known[k]), code, k) for k in np.argsort(-counts, kind="stable").tolist()]


def segment_mean(
    name: str,
    gain: Floats,
    weight: Floats,
    inside: NDArray[np.bool_],
    users: Clusters,
    confidence: float,
    thresholds: Thresholds,
) -> Estimate:
    """Return the mean gain in a segment, with what speaks against it: few users, thin overlap.

    Its users are all those of the log, so that segments can be compared.

    Args:
        name: of the segment.
        gain: float64 [n], in every decision of the log.
        weight: float64 [n], >= 0, of the candidate.
        inside: bool [n], the segment's decisions.
        users: of all decisions.
        confidence: of the interval.
        thresholds: when overlap is too thin.
    """
    counts = users.sums(inside.astype(np.float64))
    used = np.where(inside, weight, 0.0)
    top = largest_values(weight[inside], tail_size(int(counts.sum())) + 1)
    seen = overlap_of_totals(users.sums(used), counts, float(used @ used), top)
    members = int(np.count_nonzero(counts))
    few = (f"only {members} users (at least {FEW_USERS} are needed)",) if members < FEW_USERS else ()
    found = estimate_from(
        name,
        [Ratio(users.sums(np.where(inside, gain, 0.0)), counts)],
        users,
        confidence=confidence,
        effective_size=seen.effective_size,
        max_weight=seen.max_weight,
    )
    return replace(found, warnings=(*few, *seen.warnings(thresholds)))


def _z(estimate: Estimate) -> float:
    return estimate.value / estimate.std_error if estimate.std_error > 0 else float("nan")


def _judgement(estimate: Estimate, p_value: float, direction: Direction) -> Judgement:
    if np.isnan(estimate.low):
        return "do_not_trust"
    if not p_value <= 1 - estimate.confidence:
        return "cannot_tell"
    return "better" if (estimate.value > 0) == (direction == "up") else "worse"
