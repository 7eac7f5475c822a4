"""Are today's users those of the log? An estimate is about the people and the days that it comes from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from homing.evaluation.clusters import Clusters, cluster
from homing.evaluation.inputs import Floats
from homing.schema.errors import InputError
from homing.statistics import benjamini_hochberg, two_sided

#: Smaller differences, in standard deviations of the log, are held to be negligible (Austin 2009).
_NEGLIGIBLE: Final = 0.1
_SHOWN: Final = 3


@dataclass(frozen=True)
class FeatureShift:
    """One feature in the log and today."""

    name: str
    aspect: str  # mean, spread or missing
    log: float  # mean, standard deviation or share of missing values
    today: float
    difference: float  # of means of the value, its squared deviation or its absence, in standard deviations
    p_value: float  # adjusted over all features and aspects (Benjamini & Hochberg 1995)


@dataclass(frozen=True)
class Shift:
    """What differs between the log and today, the largest difference first."""

    features: tuple[FeatureShift, ...]  # all of them
    moved: tuple[FeatureShift, ...]  # those that moved significantly and by more than is negligible
    warnings: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether the log's users are those of today, as far as means, spreads and gaps show."""
        return not self.warnings


def covariate_shift(
    log: ArrayLike,
    today: ArrayLike,
    names: Sequence[str],
    user: ArrayLike | None = None,
    today_user: ArrayLike | None = None,
    *,
    alpha: float = 0.01,
    negligible: float = _NEGLIGIBLE,
) -> Shift:
    """Compare features one by one: mean, spread and share of missing values.

    Standardised differences rather than a classifier that tells both samples apart (Lopez-Paz & Oquab 2017):
    they say which feature moved and how far, need no training and no threshold on an accuracy. What they
    cannot see is a change of dependence between features that leaves each of them as it was. A difference is
    reported when it is both significant, errors clustered by user, at a false discovery rate of alpha, and
    not negligible: in a large log everything is significant.

    Args:
        log: float [n, features]; NaN: missing.
        today: float [m, features].
        names: of the features.
        user: [n] cluster ids, or None.
        today_user: [m] cluster ids, or None.
        alpha: false discovery rate.
        negligible: differences up to this many standard deviations are not reported.

    Raises:
        InputError: shapes differ, or there are fewer than two rows.
    """
    old, new = np.asarray(log, np.float64), np.asarray(today, np.float64)
    if old.ndim != 2 or new.ndim != 2 or not old.shape[1] == new.shape[1] == len(names):
        raise InputError(
            f"log has shape {old.shape} and today {new.shape}, both must have the {len(names)} features named"
        )
    if min(len(old), len(new)) < 2:
        raise InputError(f"log has {len(old):,} rows and today {len(new):,}, both must have at least 2")
    groups = cluster(user, len(old)), cluster(today_user, len(new))
    found: list[tuple[FeatureShift, float]] = []
    for place, name in enumerate(names):
        found += _aspects(str(name), old[:, place], new[:, place], groups)
    adjusted = benjamini_hochberg(two_sided([z for _, z in found]))
    features = [replace(feature, p_value=float(p)) for (feature, _), p in zip(found, adjusted, strict=True)]
    features.sort(key=lambda feature: -abs(feature.difference))
    moved = tuple(f for f in features if f.p_value < alpha and abs(f.difference) > negligible)
    return Shift(tuple(features), moved, (_sentence(moved, negligible),) if moved else ())


def _aspects(
    name: str, old: Floats, new: Floats, groups: Sequence[Clusters]
) -> list[tuple[FeatureShift, float]]:
    """Return each aspect that there is, with its z; p-values come later."""
    gaps = np.isnan(old), np.isnan(new)
    found = []
    if gaps[0].any() or gaps[1].any():
        absent = [gap.astype(np.float64) for gap in gaps]
        compared = _compare(absent, [np.ones(len(gap)) for gap in gaps], groups)
        found.append(_aspect(name, "missing", [float(a.mean()) for a in absent], compared))
    if gaps[0].all() or gaps[1].all():
        return found
    known = [(~gap).astype(np.float64) for gap in gaps]
    means = [float(np.nanmean(values)) for values in (old, new)]
    centred = [np.where(gap, 0.0, x - m) for gap, x, m in zip(gaps, (old, new), means, strict=True)]
    shifted = [centred[0], centred[1] + known[1] * (means[1] - means[0])]
    found.append(_aspect(name, "mean", means, _compare(shifted, known, groups)))
    spreads = [float(np.nanstd(values)) for values in (old, new)]
    squares = [values**2 for values in centred]
    found.append(_aspect(name, "spread", spreads, _compare(squares, known, groups)))
    return found


def _aspect(
    name: str, aspect: str, values: Sequence[float], compared: tuple[float, float]
) -> tuple[FeatureShift, float]:
    difference, z = compared
    return FeatureShift(name, aspect, values[0], values[1], difference, math.nan), z


def _compare(
    values: Sequence[Floats], known: Sequence[Floats], groups: Sequence[Clusters]
) -> tuple[float, float]:
    """Return the difference of means in standard deviations of both samples, and in standard errors."""
    means, variances, errors = [], [], []
    for value, present, clusters in zip(values, known, groups, strict=True):
        rows, users = float(present.sum()), len(clusters)
        mean = float(value.sum()) / rows
        residual = present * (value - mean)
        psi = clusters.sums(residual) / rows
        means.append(mean)
        variances.append(float(residual @ residual) / rows)
        errors.append(users / max(users - 1, 1) * float(psi @ psi))
    gap = means[1] - means[0]
    if gap == 0:
        return 0.0, 0.0
    spread, error = math.sqrt(sum(variances) / 2), math.sqrt(sum(errors))
    return (gap / spread if spread else math.copysign(math.inf, gap)), (
        gap / error if error else math.copysign(math.inf, gap)
    )


def _sentence(moved: Sequence[FeatureShift], negligible: float) -> str:
    parts = [f"{f.name} ({f.aspect} {f.log:.3g} in the log, {f.today:.3g} today)" for f in moved[:_SHOWN]]
    more = f" and {len(moved) - _SHOWN} more" if len(moved) > _SHOWN else ""
    return (
        f"today's users differ from the log's by more than {negligible:g} standard deviations in "
        f"{', '.join(parts)}{more}; estimates are about the log's"
    )
