"""Are predicted effects the effects there were? Predictions saw nothing of a row; scores saw its outcome."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from homing.experiments.effects import UnitEffects
from homing.experiments.inputs import codes
from homing.experiments.moments import Floats
from homing.schema.errors import InputError

#: Folds learn from each other: what rows i and j say of each other counts twice, once each way. Where nothing
#: differs that is all there is, and doubles the variance; where much does, it hardly matters.
_BOTH_WAYS: Final = 2**0.5


@dataclass(frozen=True)
class EffectCalibration:
    """Whether predicted effects are the effects there were."""

    effect: float  # mean over all rows
    effect_low: float
    effect_high: float
    slope: float  # of the effect on its prediction: 1 as predicted, 0 nothing of it
    slope_low: float
    slope_high: float
    p_value: float  # of a slope of 0 or less: one-sided, for effects that can be predicted
    autoc: float  # what choosing by the prediction adds to the effect, over the best 1 % to 100 %
    autoc_low: float
    autoc_high: float


def effect_calibration(effects: UnitEffects) -> EffectCalibration:
    """Return the best linear predictor of the effect by its prediction, and what the order is worth.

    The slope is that of scores on predictions less their mean in the fold (Chernozhukov, Demirer, Duflo &
    Fernandez-Val 2018, Generic machine learning inference, section 3). The area under the targeting operator
    characteristic is the mean over shares q of the effect on the best-predicted share q, less that on all
    (Yadlowsky, Fleming, Shah, Brunskill & Wager 2025, Evaluating treatment prioritization rules via
    rank-weighted average treatment effects): scores by weights -log(1 - rank) - 1. Intervals are normal, by
    unit, and of the confidence of `effects`.

    Errors that take predictions as given are too small where effects do not differ (Wager 2024, Sequential
    validation of treatment heterogeneity). For predictions linear in the scores of other folds, with weights
    K, the sum of K_ij s_i s_j has at most twice the variance that they state, as (K_ij + K_ji)^2 is at most
    2 (K_ij^2 + K_ji^2). So slope and area have errors of sqrt 2 times theirs: right where nothing differs,
    wider than need be where much does.

    Raises:
        InputError: all rows of a fold are predicted alike, so that there is nothing to judge.
    """
    fold, unit = effects.fold, effects.unit
    away = effects.value - _fold_means(effects.value, fold)
    spread = float(away @ away)
    if not spread > 0:
        raise InputError("all effects are predicted to be equal, so there is no order and no slope to judge")
    centred = effects.score - _fold_means(effects.score, fold)
    slope = float(away @ centred) / spread
    slope_error = _BOTH_WAYS * _error(away * (centred - slope * away) / spread, unit)
    weight = -np.log(1 - effects.rank)
    weight -= _fold_means(weight, fold)
    autoc = float(weight @ centred) / len(fold)
    mean = float(effects.score.mean())
    reach = float(ndtri(0.5 + effects.confidence / 2))
    mean_reach = reach * _error((effects.score - mean) / len(fold), unit)
    autoc_reach = reach * _BOTH_WAYS * _error((weight * centred - autoc) / len(fold), unit)
    return EffectCalibration(
        effect=mean,
        effect_low=mean - mean_reach,
        effect_high=mean + mean_reach,
        slope=slope,
        slope_low=slope - reach * slope_error,
        slope_high=slope + reach * slope_error,
        p_value=float(ndtr(-slope / slope_error)),
        autoc=autoc,
        autoc_low=autoc - autoc_reach,
        autoc_high=autoc + autoc_reach,
    )


@dataclass(frozen=True)
class GroupEffects:
    """The effect in groups of rows; arrays are [groups], least predicted or first label first."""

    labels: tuple[Any, ...]
    count: NDArray[np.intp]  # rows
    predicted: Floats  # mean of the predictions
    value: Floats  # mean of the scores
    low: Floats
    high: Floats
    spread: float  # of the last group over the first
    spread_low: float
    spread_high: float


def group_effects(effects: UnitEffects, groups: int = 5, *, by: ArrayLike | None = None) -> GroupEffects:
    """Return sorted group average effects, or those of segments, beside what was predicted for them.

    Chernozhukov et al. (2018), section 3, with groups cut by predictions within each fold. Intervals are
    normal, by unit, for one group each; that of the spread of predicted groups is wider, as the slope's.

    Args:
        effects: from `unit_effects`.
        groups: of about equal size, by predicted effect.
        by: labels [rows] from before the assignment, in place of groups of predictions.

    Raises:
        InputError: fewer than two groups, or a group with one row.
    """
    if by is None:
        if groups < 2:
            raise InputError(f"groups == {groups}, must be >= 2")
        labels, code = np.unique((effects.rank * groups).astype(int), return_inverse=True)
    else:
        labels, code = codes("by", by, len(effects.value))
    count = np.bincount(code)
    if len(count) < 2 or count.min() < 2:
        raise InputError(f"groups have {count.tolist()} rows, must be two groups or more of two rows or more")
    value = np.bincount(code, effects.score) / count
    part = (effects.score - value[code]) / count[code]
    reach = float(ndtri(0.5 + effects.confidence / 2))
    width = reach * np.array([_error(part * (code == place), effects.unit) for place in range(len(count))])
    spread = float(value[-1] - value[0])
    last = (code == len(count) - 1).astype(float) - (code == 0)
    spread_width = reach * (_BOTH_WAYS if by is None else 1.0) * _error(part * last, effects.unit)
    return GroupEffects(
        labels=tuple(labels.tolist()),
        count=count,
        predicted=np.bincount(code, effects.value) / count,
        value=value,
        low=value - width,
        high=value + width,
        spread=spread,
        spread_low=spread - spread_width,
        spread_high=spread + spread_width,
    )


def _error(part: Floats, unit: NDArray[np.intp]) -> float:
    """Return the standard error of a sum of parts [rows] with mean 0 that go together within units."""
    return float(np.sqrt((np.bincount(unit, part) ** 2).sum()))


def _fold_means(values: Floats, fold: NDArray[np.intp]) -> Floats:
    return np.asarray((np.bincount(fold, values) / np.bincount(fold))[fold])
