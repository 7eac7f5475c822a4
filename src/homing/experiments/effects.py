"""Effects that differ by user: a causal forest, and whether what it predicts is what happened.

The forest is honest: the rows that choose a split are not those whose outcomes are averaged in it (Athey,
Tibshirani & Wager 2019, Generalized random forests). Each row is predicted by a forest that saw nothing of
its unit, so predictions can be held against outcomes. That is done by scores: one number a row, whose mean
over any rows chosen without their outcomes is the effect on them, without bias, whatever the forest is worth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from homing.experiments.inputs import codes, numbers
from homing.experiments.moments import Floats
from homing.schema.errors import InputError

#: More labels of a column of text are not segments but ids.
_MOST_LABELS: Final = 50
#: Trees come in groups of this many, between which the noise of a prediction is measured.
_TREES_IN_GROUP: Final = 4


@dataclass(frozen=True)
class ForestSettings:
    """Of the causal forest and of the forest of outcomes before it."""

    trees: int = 400  # in each fold; more make intervals steadier
    min_leaf: int = 20  # rows; large leaves for rare outcomes
    share: float = 0.45  # of the rows that each group of trees is grown on, at most 0.5
    workers: int = 1  # threads; the result does not depend on them

    def __post_init__(self) -> None:
        if self.trees < 2 * _TREES_IN_GROUP or self.min_leaf < 1 or not 0 < self.share <= 0.5:
            raise InputError(
                f"trees == {self.trees}, min_leaf == {self.min_leaf} and share == {self.share}, must be "
                f">= {2 * _TREES_IN_GROUP}, >= 1 and in (0, 0.5]"
            )


@dataclass(frozen=True)
class UnitEffects:
    """The effect on each row, by a forest that did not see its unit; arrays are [rows]."""

    value: Floats  # predicted effect, in units of the outcome
    std_error: Floats
    low: Floats
    high: Floats
    score: Floats  # doubly robust: its mean over rows is the effect on them
    fold: NDArray[np.intp]
    unit: NDArray[np.intp]  # code of each row's unit
    confidence: float

    @property
    def rank(self) -> Floats:
        """Share of the rows of its fold that are predicted below each row, it and its equals by half: (0, 1).

        Forests of different folds differ in level, and the level of each goes against the outcomes of its own
        fold; so order is compared within folds only.
        """
        rank = np.empty(len(self.value))
        for fold in np.unique(self.fold):
            rows = np.flatnonzero(self.fold == fold)
            value, ordered = self.value[rows], np.sort(self.value[rows])
            below, up_to = (np.searchsorted(ordered, value, side) for side in ("left", "right"))
            rank[rows] = (below + up_to) / (2 * len(rows))
        return rank


def unit_effects(
    covariates: Mapping[str, ArrayLike],
    treated: ArrayLike,
    outcome: ArrayLike,
    propensity: ArrayLike,
    unit: ArrayLike | None = None,
    *,
    folds: int = 5,
    settings: ForestSettings = ForestSettings(),
    confidence: float = 0.95,
    seed: int = 0,
) -> UnitEffects:
    """Return the effect of an arm on each row, as its covariates predict it.

    The forest is that of econml (extra `effects`): outcomes less their mean given covariates, on assignment
    less its propensity, which is known by design. Scores are those of augmented inverse propensities with
    the forest's own predictions (Robins, Rotnitzky & Zhao 1994).

    Args:
        covariates: numbers, booleans or text [rows] each, from before the assignment and without missing
            values. Text becomes a column of zeros and ones a label.
        treated: bool [rows], in the arm or in the control; rows of other arms are left out beforehand.
        outcome: float [rows].
        propensity: float [rows] or one number in (0, 1): the chance of `treated` for a row of these two arms.
        unit: ids [rows] of units of assignment with several rows; None: each row is one. Units stay in one
            fold.
        folds: forests, each of which predicts what the others were grown on.
        settings: of the forests.
        confidence: of the intervals, which are of normal form and for one row each; where effects change
            faster than leaves can follow, they are too short. Test what they say by `effect_calibration`.
        seed: of folds and forests.

    Raises:
        InputError: lengths differ, values are missing or out of range, an arm without rows, or fewer units
            than folds.
        ImportError: econml is not installed.
    """
    y = numbers("outcome", outcome)
    table = _table(covariates, len(y))
    arm = np.asarray(treated)
    if arm.shape != y.shape or arm.dtype != np.bool_:
        raise InputError(f"treated is {arm.dtype} {arm.shape}, must be bool {y.shape} like outcome")
    if arm.all() or not arm.any():
        raise InputError(f"treated is {bool(arm[0])} in every row; an effect needs rows of both arms")
    chance = np.broadcast_to(np.asarray(propensity, np.float64), y.shape)
    if not ((chance > 0) & (chance < 1)).all():
        raise InputError("propensity must be in (0, 1), of being treated; leave out rows that had no choice")
    if not 0 < confidence < 1:
        raise InputError(f"confidence == {confidence}, must be in (0, 1)")
    unit_code = np.arange(len(y)) if unit is None else codes("unit", unit, len(y))[1]
    fold = _folds(unit_code, folds, seed)
    value, error, mean = np.empty(len(y)), np.empty(len(y)), np.empty(len(y))
    for place in range(folds):
        held, rest = fold == place, fold != place
        forests = _grow(table[rest], arm[rest] - chance[rest], y[rest], settings, seed + place)
        value[held], error[held], mean[held] = _predict(forests, table[held])
    moved = arm - chance
    score = value + moved / (chance * (1 - chance)) * (y - mean - moved * value)
    reach = ndtri(0.5 + confidence / 2) * error
    return UnitEffects(value, error, value - reach, value + reach, score, fold, unit_code, confidence)


def _grow(table: Floats, moved: Floats, y: Floats, settings: ForestSettings, seed: int) -> tuple[Any, Any]:
    """Return a forest of outcomes, and one of effects on what the first leaves of them."""
    try:
        from econml.grf import CausalForest, RegressionForest
    except ImportError as error:
        raise ImportError("effects by unit need econml: pip install 'homing[effects]'") from error
    options: dict[str, Any] = {
        "n_estimators": -(-settings.trees // _TREES_IN_GROUP) * _TREES_IN_GROUP,
        "min_samples_leaf": settings.min_leaf,
        "max_samples": settings.share,
        "subforest_size": _TREES_IN_GROUP,
        "n_jobs": settings.workers,
        "random_state": seed,
    }
    outcomes = RegressionForest(**options).fit(table, y)
    others = outcomes.oob_predict(table)[:, 0]  # NaN for a row that every tree saw
    left = y - np.where(np.isnan(others), y.mean(), others)
    return outcomes, CausalForest(**options).fit(table, moved, left)


def _predict(forests: tuple[Any, Any], table: Floats) -> tuple[Floats, Floats, Floats]:
    """Return effects, their standard errors, and the mean outcome of both arms in their shares."""
    value, variance = forests[1].predict_and_var(table)
    return value[:, 0], np.sqrt(variance[:, 0, 0]), forests[0].predict(table)[:, 0]


def _folds(unit: NDArray[np.intp], folds: int, seed: int) -> NDArray[np.intp]:
    units = int(unit.max()) + 1
    if not 2 <= folds <= units:
        raise InputError(f"folds == {folds}, must be from 2 to the number of units, {units:,}")
    return (np.random.default_rng(seed).permutation(units) % folds)[unit]


def _table(covariates: Mapping[str, ArrayLike], rows: int) -> Floats:
    columns: list[NDArray[Any]] = []
    for name, values in covariates.items():
        array = np.asarray(values)
        if array.dtype.kind in "OUST":
            found, code = codes(name, array.astype(str), rows)
            if len(found) > _MOST_LABELS:
                raise InputError(
                    f"{name} has {len(found):,} labels, must have at most {_MOST_LABELS}; ids say nothing "
                    "about other users, so merge labels or leave the column out"
                )
            columns += [code == place for place in range(len(found))]
        else:
            columns.append(numbers(name, array, rows))
    if not columns:
        raise InputError("covariates is empty; an effect without covariates is that of `difference`")
    return np.column_stack(columns).astype(np.float64)
