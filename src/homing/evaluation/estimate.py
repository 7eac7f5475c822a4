"""An estimate with its interval, and the algebra that all estimators share.

Every estimator here is a sum of ratios of totals, `sum_j s_j * sum_u N_ju / sum_u D_ju`, where N_ju and D_ju
are sums over the decisions of user u. The delta method then gives one influence value a user,
`psi_u = sum_j s_j * (N_ju - rho_j D_ju) / sum_v D_jv` with `rho_j` the ratio itself, and the
cluster-robust variance `G / (G - 1) * sum_u psi_u^2` over G users (Liang & Zeger 1986, with the usual
small-sample factor). Denominators are random, and are treated so in the variance and in the bootstrap.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any, Final, Literal

import numpy as np

from homing.evaluation.clusters import Clusters
from homing.evaluation.inputs import Floats
from homing.schema.errors import InputError

#: A normal interval over fewer clusters than this is too short (Cameron & Miller 2015, section VI).
FEW_USERS: Final = 30

#: What stands behind `low` and `high`; each is clustered by user.
Interval = Literal["normal", "bootstrap", "empirical Bernstein", "confidence sequence", "simultaneous"]


@dataclass(frozen=True)
class Ratio:
    """`sign * sum(numerator) / sum(denominator)`, both float64 [users]."""

    numerator: Floats
    denominator: Floats
    sign: float = 1.0

    @property
    def value(self) -> float:
        """The ratio of the totals; NaN when the denominator is zero."""
        total = float(self.denominator.sum())
        return self.sign * float(self.numerator.sum()) / total if total else math.nan

    @property
    def influence(self) -> Floats:
        """[users] what each user adds to the ratio, to first order; sums to zero."""
        total = float(self.denominator.sum())
        if not total:
            return np.full(len(self.numerator), np.nan)
        scale = self.sign / total
        return scale * self.numerator - scale * (float(self.numerator.sum()) / total) * self.denominator


@dataclass(frozen=True)
class Estimate:
    """One number from a log, with its interval and the reasons to doubt it."""

    estimator: str
    value: float  # in units of the outcome, per decision; NaN: not known, and `warnings` says why
    std_error: float  # cluster-robust by user
    low: float
    high: float
    confidence: float
    interval: Interval
    decisions: int
    users: int
    effective_size: float  # decisions, (sum w)^2 / sum w^2; NaN: the estimator has no weights
    max_weight: float  # NaN: the estimator has no weights
    warnings: tuple[str, ...]
    ratios: tuple[Ratio, ...] = field(repr=False, compare=False)
    clusters: Clusters = field(repr=False, compare=False)

    @property
    def influence(self) -> Floats:
        """[users] influence values: `value - truth` is their sum over the population, to first order."""
        return _influence(self.ratios)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; what is not known is None."""
        fields = {
            name: getattr(self, name)
            for name in self.__dataclass_fields__
            if name not in {"ratios", "clusters"}
        }
        known = {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in fields.items()}
        return known | {"warnings": list(self.warnings)}


def estimate_from(
    estimator: str,
    ratios: Sequence[Ratio],
    clusters: Clusters,
    *,
    confidence: float = 0.95,
    effective_size: float = math.nan,
    max_weight: float = math.nan,
    warnings: Sequence[str] = (),
    known: bool = True,
) -> Estimate:
    """Return value, cluster-robust error and normal interval of a sum of ratios.

    Args:
        estimator: its name.
        ratios: at least one, each float64 [users] by [users].
        clusters: whose users these are.
        confidence: of the interval, in (0, 1).
        effective_size: of the weights, in decisions.
        max_weight: the largest weight.
        warnings: reasons to doubt it, the worst first.
        known: False makes the value NaN; say why in `warnings`.

    Raises:
        InputError: `confidence` is outside (0, 1).
    """
    if not 0 < confidence < 1:
        raise InputError(f"confidence == {confidence}, must be in (0, 1)")
    users = len(clusters)
    notes = list(warnings)
    value = sum(ratio.value for ratio in ratios) if known else math.nan
    error = math.nan
    if math.isnan(value):
        if known:
            notes.insert(0, f"{estimator}: a denominator is zero, so the value is not known")
    elif users < 2:
        notes.append("all decisions are of one user, so there is no interval")
    else:
        psi = _influence(ratios)
        error = math.sqrt(users / (users - 1) * float(psi @ psi))
        if users < FEW_USERS:
            notes.append(f"only {users} users: the interval is too short (at least {FEW_USERS} are needed)")
    reach = NormalDist().inv_cdf(0.5 + confidence / 2) * error
    return Estimate(
        estimator=estimator,
        value=value,
        std_error=error,
        low=value - reach,
        high=value + reach,
        confidence=confidence,
        interval="normal",
        decisions=clusters.rows,
        users=users,
        effective_size=effective_size,
        max_weight=max_weight,
        warnings=tuple(dict.fromkeys(notes)),
        ratios=tuple(ratios),
        clusters=clusters,
    )


def difference(a: Estimate, b: Estimate) -> Estimate:
    """Return `a - b`, paired by user through the influence values of both.

    Two policies valued from one log share most of their noise; the error of the difference is that of
    `psi_a - psi_b`, not the sum of both errors.

    Raises:
        InputError: the estimates are not of the same users.
    """
    if not a.clusters.same_as(b.clusters):
        raise InputError(
            f"difference of {a.estimator} over {a.users:,} users and {b.estimator} over {b.users:,} users: "
            "must be of the same users; estimate both from the same decisions"
        )
    return estimate_from(
        f"{a.estimator} - {b.estimator}",
        (*a.ratios, *(Ratio(r.numerator, r.denominator, -r.sign) for r in b.ratios)),
        a.clusters,
        confidence=a.confidence,
        effective_size=_worst(min, a.effective_size, b.effective_size),
        max_weight=_worst(max, a.max_weight, b.max_weight),
        warnings=(*a.warnings, *b.warnings),
        known=not (math.isnan(a.value) or math.isnan(b.value)),
    )


def _influence(ratios: Sequence[Ratio]) -> Floats:
    total = ratios[0].influence
    for ratio in ratios[1:]:
        total = total + ratio.influence
    return total


def _worst(pick: Any, *values: float) -> float:
    known = [value for value in values if not math.isnan(value)]
    return float(pick(known)) if known else math.nan
