"""Ways to make values of what a log says: the same effects, trusted more or less far ahead.

Each is a set of coefficients on the same basis, so any of them is a release's `Advantage` as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from homing.models.advantage.curve import EffectCurve
from homing.models.advantage.model import Advantage

Learner = Callable[[Advantage], Advantage]


def look_ahead(share: float) -> Learner:
    """Return the learner that counts effects until a share of the horizon only, by how they fade."""

    def learner(advantage: Advantage) -> Advantage:
        curves = (
            replace(curve, later=curve.later * _until(curve.half_life, round(share * horizon), horizon))
            for curve, horizon in zip(advantage.curves, advantage.horizons, strict=True)
        )
        return replace(advantage, curves=tuple(curves))

    return learner


def short_term(advantage: Advantage) -> Advantage:
    """Return what the response model says of its windows, and nothing of the days after them."""
    return replace(advantage, curves=tuple(_short(advantage, name) for name in advantage.objectives))


def blend(advantage: Advantage) -> Advantage:
    """Return the mean of long-term effects and what the response model says."""
    short = short_term(advantage)
    curves = (
        replace(far, first=(far.first + near.first) / 2, later=far.later / 2, covariance=far.covariance / 4)
        for far, near in zip(advantage.curves, short.curves, strict=True)
    )
    return replace(advantage, curves=tuple(curves))


def _short(advantage: Advantage, objective: str) -> EffectCurve:
    first = advantage.basis.own_response(objective)
    none = np.zeros_like(first)
    return EffectCurve(np.nan, first, none, np.zeros((len(none), len(none))), 0.0)


def _until(half_life: float, days: int, horizon: int) -> float:
    """Return the share of the later effects, from the second day to the horizon, that comes until `days`."""
    if np.isnan(half_life):  # nothing was learned, so there is nothing to fade
        return 1.0
    fading = np.exp2(-np.arange(1, horizon) / half_life)
    return float(fading[: max(days, 1) - 1].sum() / fading.sum())


#: By name, the preferred one first.
LEARNERS: Final[Mapping[str, Learner]] = {
    "long-term": lambda advantage: advantage,
    "half horizon": look_ahead(1 / 2),
    "quarter horizon": look_ahead(1 / 4),
    "blend": blend,
    "short-term": short_term,
}
