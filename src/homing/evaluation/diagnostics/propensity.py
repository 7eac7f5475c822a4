"""Were choices really drawn with the probabilities that were logged?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from homing.evaluation.clusters import Clusters, cluster, sums_by
from homing.evaluation.inputs import (
    SUM_TOLERANCE,
    Floats,
    finite,
    one_dimensional,
    ragged,
    row_sums,
    shares,
    weights,
)
from homing.schema.errors import InputError

#: A share of false alarms that one can live with when the check runs every day.
_ALPHA: Final = 0.01
#: Groups with a smaller variance of their count are too rare for a normal approximation.
_LEAST_VARIANCE: Final = 5.0
_BLOCK: Final = 1 << 16


@dataclass(frozen=True)
class GroupCheck:
    """One group of candidates: what propensities promise and what happened."""

    name: str
    expected: float
    observed: float
    z: float  # standard errors between them; NaN: too rare to tell

    @property
    def off_by(self) -> float:
        """Relative difference of observed from expected."""
        return self.observed / self.expected - 1 if self.expected else math.nan


@dataclass(frozen=True)
class PropensityCheck:
    """Whether a log's propensities can be believed."""

    rows: int
    groups: tuple[GroupCheck, ...]
    p_value: float  # of all groups together; NaN: too few choices to tell
    passed: bool
    warnings: tuple[str, ...]


def check_distribution(
    probability: ArrayLike,
    offsets: ArrayLike,
    choice: ArrayLike,
    group: ArrayLike,
    names: Mapping[int, str] | None = None,
    *,
    alpha: float = _ALPHA,
) -> PropensityCheck:
    """Compare how often each group was chosen with the sum of its logged probabilities.

    Given the logged states, the count of group g has mean `sum_i P_ig` and the counts have covariance
    `sum_i diag(P_i) - P_i P_i'`, with P_ig the probability of group g in row i. That holds however decisions
    of one user depend on each other, because each draw is new given all before it (a martingale), so the
    chi-square of the standardised differences needs no clusters.

    Args:
        probability: float [m], the logging policy's, over the candidates of all rows.
        offsets: int64 [n + 1].
        choice: int64 [n], the chosen candidate's place in `probability`.
        group: integer [m] of each candidate: channel, message, hold, or `probability_bins`.
        names: of groups; default: their numbers.
        alpha: share of correct logs that fail.

    Raises:
        InputError: lengths differ, values are not probabilities, or a choice is outside its row.
    """
    chance = shares("probability", probability)
    bounds = ragged(offsets, len(chance))
    rows = len(bounds) - 1
    chosen = one_dimensional("choice", choice, rows).astype(np.int64)
    outside = np.flatnonzero((chosen < bounds[:-1]) | (chosen >= bounds[1:]))
    if len(outside):
        raise InputError(
            f"choice is outside its row's candidates in {len(outside):,} rows (the first: {outside[0]:,}), "
            "must be a place between that row's offsets"
        )
    labels, code = np.unique(one_dimensional("group", group, len(chance)), return_inverse=True)
    expected = sums_by(code, chance, len(labels))
    observed = np.bincount(code[chosen], minlength=len(labels)).astype(np.float64)
    covariance = _null_covariance(chance, bounds, code, len(labels))
    variance = np.diag(covariance)
    usable = np.flatnonzero(variance >= _LEAST_VARIANCE)
    z = np.full(len(labels), np.nan)
    z[usable] = (observed - expected)[usable] / np.sqrt(variance[usable])
    statistic, freedom = _quadratic_form((observed - expected)[usable], covariance[np.ix_(usable, usable)])
    p_value = chi_square_tail(statistic, freedom) if freedom else math.nan
    notes = []
    total = row_sums(chance, bounds)
    unnormalised = int(np.count_nonzero(np.abs(total - 1) > SUM_TOLERANCE))
    if unnormalised:
        notes.append(f"probabilities do not sum to 1 in {unnormalised:,} of {rows:,} rows")
    impossible = int(np.count_nonzero(chance[chosen] == 0))
    if impossible:
        notes.append(f"{impossible:,} choices had a logged probability of 0")
    checks = tuple(
        GroupCheck((names or {}).get(int(label), str(label)), float(e), float(o), float(s))
        for label, e, o, s in zip(labels, expected, observed, z, strict=True)
    )
    if p_value < alpha:
        notes.append(_worst_group(checks))
    return PropensityCheck(rows, checks, p_value, not notes, tuple(notes))


def probability_bins(probability: ArrayLike, bins: int = 10) -> NDArray[np.int64]:
    """Return the bin of each probability, each with about the same sum: int64 [m], for `check_distribution`.

    Equal sums mean that choices are spread evenly over the bins.

    Raises:
        InputError: `bins` under 2, or values that are not probabilities.
    """
    if bins < 2:
        raise InputError(f"bins == {bins}, must be >= 2")
    chance = shares("probability", probability)
    order = np.argsort(chance, kind="stable")
    ordered = chance[order]
    edges = np.searchsorted(np.cumsum(ordered), ordered.sum() * np.arange(1, bins) / bins)
    return np.searchsorted(ordered[np.minimum(edges, len(ordered) - 1)], chance, side="left").astype(np.int64)


def check_chosen(
    propensity: ArrayLike,
    candidates: ArrayLike,
    user: ArrayLike | Clusters | None = None,
    groups: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
    *,
    alpha: float = _ALPHA,
) -> PropensityCheck:
    """Check propensities when only the chosen candidate's was logged.

    `E[1{chosen in g} / p] = K_g`, the number of candidates in g, whatever the logging policy is, as long as
    it could choose each of them. Over all candidates that is `E[1 / p] = K`; for hold, of which every row
    has one, `E[1{held} / p] = 1`. Errors are cluster-robust by user; a skewness correction (Johnson 1978,
    equation 2.4) keeps false alarms near `alpha`, since 1 / p has a long upper tail. Alarms are counted over
    all groups (Bonferroni).

    Args:
        propensity: float [n] in (0, 1] of the logged choice.
        candidates: integer [n], how many there were, >= 1.
        user: [n] cluster ids, or None.
        groups: name -> (chosen: bool [n], whether the choice was in the group; count: integer [n], how many
            candidates of the row were).
        alpha: share of correct logs that fail.

    Raises:
        InputError: lengths differ, or values are out of range.
    """
    chance = shares("propensity", propensity, above_zero=True)
    rows = len(chance)
    clustered = cluster(user, rows)
    inverse = 1 / chance
    counts = weights("candidates", candidates, rows)
    if counts.min() < 1:
        raise InputError(f"candidates has a minimum of {counts.min():g}, must be >= 1: hold is a candidate")
    found = [_identity("all candidates", inverse, counts, clustered)]
    for name, (chosen, count) in (groups or {}).items():
        found.append(
            _identity(
                name,
                inverse * finite(f"groups[{name!r}]", chosen, rows),
                weights(f"groups[{name!r}]", count, rows),
                clustered,
            )
        )
    tested = [abs(check.z) for check in found if not math.isnan(check.z)]
    p_value = min(1.0, 2 * NormalDist().cdf(-max(tested)) * len(tested)) if tested else math.nan
    notes = (_worst_group(tuple(found)),) if p_value < alpha else ()
    return PropensityCheck(rows, tuple(found), p_value, not notes, notes)


def chi_square_tail(statistic: float, freedom: int) -> float:
    """Return P(X > statistic) for a chi-square X with `freedom` degrees of freedom.

    Raises:
        InputError: `freedom` under 1 or a negative statistic.
    """
    if freedom < 1 or not statistic >= 0:
        raise InputError(f"chi-square of {statistic} with {freedom} degrees of freedom: needs >= 0 and >= 1")
    half = statistic / 2
    # Abramowitz & Stegun 26.4.4 and 26.4.5: from 1 or 2 degrees upwards in steps of two
    tail = math.exp(-half) if freedom % 2 == 0 else math.erfc(math.sqrt(half))
    if half == 0:
        return 1.0
    for degrees in range(2 - freedom % 2, freedom, 2):
        tail += math.exp(degrees / 2 * math.log(half) - half - math.lgamma(degrees / 2 + 1))
    return min(tail, 1.0)


def _null_covariance(
    chance: Floats, bounds: NDArray[np.int64], code: NDArray[np.intp], groups: int
) -> Floats:
    covariance: Floats = np.diag(sums_by(code, chance, groups))
    rows = len(bounds) - 1
    step = max(_BLOCK // groups, 1)
    for start in range(0, rows, step):
        cut = bounds[start : start + step + 1]
        size = len(cut) - 1
        row = np.repeat(np.arange(size), np.diff(cut))
        inside = slice(cut[0], cut[-1])
        by_group = sums_by(row * groups + code[inside], chance[inside], size * groups).reshape(size, groups)
        covariance -= by_group.T @ by_group
    return covariance


def _quadratic_form(gap: Floats, covariance: Floats) -> tuple[float, int]:
    """Return gap' C^+ gap and the rank of C; counts of groups that cover all candidates sum to zero."""
    if not len(gap):
        return 0.0, 0
    scale = 1 / np.sqrt(np.diag(covariance))
    values, vectors = np.linalg.eigh(covariance * np.outer(scale, scale))
    kept = values > 1e-8 * values[-1]
    score = vectors[:, kept].T @ (gap * scale)
    return float((score**2 / values[kept]).sum()), int(np.count_nonzero(kept))


def _identity(name: str, observed: Floats, expected: Floats, clustered: Clusters) -> GroupCheck:
    users = len(clustered)
    gap = clustered.sums(observed - expected)
    z = math.nan
    mean, spread = float(gap.mean()), float(gap.std(ddof=1)) if users > 1 else 0.0
    if abs(float(gap.sum())) <= SUM_TOLERANCE * float(expected.sum()):
        z = 0.0  # logged probabilities are rounded, and rounding has hardly any spread to be measured by
    elif spread > SUM_TOLERANCE * abs(mean):
        skew = float(((gap - mean) ** 3).mean()) / spread**3
        plain = math.sqrt(users) * mean / spread
        z = plain + skew / (6 * math.sqrt(users)) * (1 + 2 * plain**2)
    else:
        z = math.copysign(math.inf, mean)  # the same wrong sum for every user
    return GroupCheck(name, float(expected.sum()), float(observed.sum()), z)


def _worst_group(checks: tuple[GroupCheck, ...]) -> str:
    worst = max(checks, key=lambda check: 0 if math.isnan(check.z) else abs(check.z))
    return (
        f"logged propensities do not match what was drawn: {worst.name} came up {worst.off_by:+.1%} against "
        f"what they promise (z = {worst.z:.1f})"
    )
