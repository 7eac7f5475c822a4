import sys

import numpy as np
import pytest

from homing.experiments import (
    ForestSettings,
    UnitEffects,
    effect_calibration,
    group_effects,
    unit_effects,
)
from homing.schema import InputError

SMALL = ForestSettings(trees=60, min_leaf=10)


def told(value, score, fold=None, unit=None):
    """Effects of which predictions and scores are known."""
    value, score = np.asarray(value, float), np.asarray(score, float)
    rows = np.arange(len(value))
    zero = np.zeros(len(value), int)
    return UnitEffects(
        value,
        np.ones(len(value)),
        value - 2,
        value + 2,
        score,
        zero if fold is None else np.asarray(fold),
        rows if unit is None else np.asarray(unit),
        0.95,
    )


def trial(rows, change, seed=0):
    """Covariates, arms at 0.3, and an outcome whose effect is 0.2 + change times the first covariate."""
    rng = np.random.default_rng(seed)
    x = {"eager": rng.normal(size=rows), "old": rng.normal(size=rows)}
    treated = rng.random(rows) < 0.3
    effect = 0.2 + change * x["eager"]
    return x, treated, x["old"] + effect * treated + rng.normal(size=rows), effect


@pytest.fixture(scope="module")
def grown():
    x, treated, outcome, effect = trial(2000, 0.6)
    return unit_effects(x, treated, outcome, 0.3, folds=2, settings=SMALL), effect


def test_known_effects_are_found(grown):
    found, effect = grown
    assert np.corrcoef(found.value, effect)[0, 1] > 0.8
    assert ((found.low < effect) & (effect < found.high)).mean() > 0.8
    checked = effect_calibration(found)
    away = found.value - np.array([found.value[found.fold == k].mean() for k in (0, 1)])[found.fold]
    assert checked.slope_low < away @ effect / (away @ away) < checked.slope_high
    assert checked.effect_low < effect.mean() < checked.effect_high
    assert checked.p_value < 1e-6
    assert checked.autoc_low > 0
    groups = group_effects(found, 4)
    quarter = (found.rank * 4).astype(int)
    true = np.array([effect[quarter == k].mean() for k in range(4)])
    assert groups.count.sum() == 2000
    assert ((groups.low < true) & (true < groups.high)).all()
    assert groups.spread_low < true[-1] - true[0] < groups.spread_high


def test_no_difference_in_effects_is_not_found():
    x, treated, outcome, _ = trial(1500, 0.0, seed=1)
    found = unit_effects(x, treated, outcome, 0.3, folds=2, settings=SMALL)
    checked = effect_calibration(found)
    assert checked.slope_low < 0 < checked.slope_high
    assert checked.autoc_low < 0 < checked.autoc_high
    assert checked.effect_low < 0.2 < checked.effect_high


def test_scores_are_the_effect_whatever_is_predicted(grown):
    """Horvitz-Thompson plus what a prediction adds, of mean 0: equal to augmented inverse propensities."""
    x, treated, outcome, _ = trial(2000, 0.6)
    found, _ = grown
    moved = treated - 0.3
    # score = value + moved / (e (1 - e)) (y - mean - moved value); solve for the mean that was predicted
    mean = outcome - moved * found.value - (found.score - found.value) * 0.21 / moved
    of_arm, of_control = mean + 0.7 * found.value, mean - 0.3 * found.value
    by_arm = np.where(treated, (outcome - of_arm) / 0.3, -(outcome - of_control) / 0.7)
    assert found.score == pytest.approx(of_arm - of_control + by_arm)
    assert np.corrcoef(mean, x["old"])[0, 1] > 0.8  # and that is a mean of outcomes given covariates


def test_calibration_by_hand():
    found = effect_calibration(told([0, 1, 2, 3], [1, 1, 3, 3]))
    # away -1.5 -0.5 0.5 1.5; scores less 2: -1 -1 1 1; slope 4 / 5; residuals 0.2 -0.6 0.6 -0.2
    assert found.slope == pytest.approx(0.8)
    error = np.sqrt(2 * (1.5 * 0.2) ** 2 + 2 * (0.5 * 0.6) ** 2) / 5
    assert found.slope_high - found.slope == pytest.approx(2**0.5 * 1.959964 * error)
    assert found.effect == pytest.approx(2.0)
    assert found.effect_high - 2 == pytest.approx(1.959964 * np.sqrt(4) / 4)
    # ranks 1/8 3/8 5/8 7/8
    weight = -np.log([7 / 8, 5 / 8, 3 / 8, 1 / 8])
    assert found.autoc == pytest.approx((weight[2] + weight[3] - weight[0] - weight[1]) / 4)


def test_groups_by_hand():
    found = group_effects(told([5, 1, 2, 8], [4, 0, 2, 10]), 2)
    assert found.labels == (0, 1)
    assert found.count.tolist() == [2, 2]
    assert found.predicted.tolist() == [1.5, 6.5]
    assert found.value.tolist() == [1.0, 7.0]
    assert found.high - found.value == pytest.approx(1.959964 * np.sqrt([2, 18]) / 2)
    assert found.spread == 6
    assert found.spread_high - 6 == pytest.approx(2**0.5 * 1.959964 * np.sqrt(20) / 2)
    named = group_effects(told([5, 1, 2, 8], [4, 0, 2, 10]), by=["b", "a", "b", "a"])
    assert named.labels == ("a", "b")
    assert named.value.tolist() == [5.0, 3.0]


def test_levels_of_folds_do_not_count():
    rng = np.random.default_rng(0)
    value, score, fold = rng.normal(size=200), rng.normal(size=200), rng.integers(0, 2, 200)
    one, other = (
        effect_calibration(told(value, score, fold)),
        effect_calibration(told(value + 9 * fold, score, fold)),
    )
    assert one.slope == pytest.approx(other.slope)
    assert one.autoc == pytest.approx(other.autoc)
    assert group_effects(told(value, score, fold)).value == pytest.approx(
        group_effects(told(value + 9 * fold, score, fold)).value
    )


def test_equal_predictions_have_equal_ranks():
    assert told([1, 1, 2, 1], [0, 0, 0, 0]).rank.tolist() == [0.375, 0.375, 0.875, 0.375]


def test_groups_hold():
    """300 trials of 400 rows whose noise grows with the prediction; shares within 3 standard errors."""
    rng, held = np.random.default_rng(3), []
    for _ in range(300):
        value, fold = rng.gamma(2, 1, 400), rng.integers(0, 5, 400)
        effect = 1 + value
        found = told(value, effect + rng.normal(size=400) * (1 + value), fold)
        groups, third = group_effects(found, 3), (found.rank * 3).astype(int)
        true = np.array([effect[third == k].mean() for k in range(3)])
        held.append((groups.low < true) & (true < groups.high))
    assert np.mean(held, axis=0) == pytest.approx(np.full(3, 0.95), abs=0.04)


def test_folds_that_learn_from_each_other():
    """1,000 trials without any difference, each half predicted by least squares on the other half."""
    rng, held = np.random.default_rng(4), []
    for _ in range(1000):
        x, score, fold = rng.normal(size=(200, 3)), rng.normal(size=200), np.arange(200) % 2
        value = np.empty(200)
        for here in (0, 1):
            learned = np.linalg.lstsq(x[fold != here], score[fold != here], rcond=None)[0]
            value[fold == here] = x[fold == here] @ learned
        found = effect_calibration(told(value, score, fold))
        given = (found.slope_high - found.slope) / 2**0.5  # with predictions taken as given
        held.append(
            (
                found.slope_low < 0 < found.slope_high,
                found.autoc_low < 0 < found.autoc_high,
                abs(found.slope) < given,
            )
        )
    slope, autoc, too_short = np.mean(held, axis=0)
    assert 0.93 < slope < 0.99
    assert 0.93 < autoc < 0.99
    assert too_short < 0.92


def test_rows_of_one_unit_count_once():
    rng = np.random.default_rng(0)
    value, score = rng.normal(size=100), rng.normal(size=100)
    once = told(value, score)
    twice = told(np.repeat(value, 2), np.repeat(score, 2), unit=np.repeat(np.arange(100), 2))
    assert effect_calibration(twice).slope_high == pytest.approx(effect_calibration(once).slope_high)
    assert group_effects(twice).high == pytest.approx(group_effects(once).high)
    assert group_effects(twice).spread_high == pytest.approx(group_effects(once).spread_high)


def test_text_is_a_column_a_label_and_units_stay_together():
    x, treated, outcome, _ = trial(300, 0.5)
    land = np.where(x["eager"] > 0.5, "se", np.where(x["eager"] > -0.5, "no", "fi"))
    unit = np.arange(300) // 3
    settings = ForestSettings(trees=8)
    text = unit_effects({"land": land}, treated, outcome, 0.3, unit, settings=settings)
    marks = {label: land == label for label in ("fi", "no", "se")}
    numbers = unit_effects(marks, treated, outcome, np.full(300, 0.3), unit, settings=settings)
    assert np.array_equal(text.value, numbers.value)
    assert all(len(set(text.fold[unit == each])) == 1 for each in range(100))
    assert np.bincount(text.fold).tolist() == [60] * 5


def test_without_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "econml.grf", None)
    x, treated, outcome, _ = trial(100, 0.0)
    with pytest.raises(ImportError, match=r"homing\[effects\]"):
        unit_effects(x, treated, outcome, 0.3)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"covariates": {}}, "covariates is empty"),
        ({"covariates": {"x": [1.0]}}, "x has shape"),
        ({"covariates": {"x": [np.nan] * 60}}, "x has missing"),
        ({"covariates": {"id": [f"user-{n}" for n in range(60)]}}, "60 labels, must have at most 50"),
        ({"treated": np.ones(60, bool)}, "treated is True in every row"),
        ({"treated": np.ones(60)}, "must be bool"),
        ({"propensity": 1.0}, "propensity must be in"),
        ({"folds": 1}, "folds == 1"),
        ({"unit": np.zeros(60)}, "number of units, 1"),
        ({"confidence": 1.0}, "confidence == 1.0"),
    ],
)
def test_bad_input(change, rule):
    good = {
        "covariates": {"x": np.arange(60)},
        "treated": np.arange(60) % 2 == 0,
        "outcome": np.zeros(60),
        "propensity": 0.5,
    }
    with pytest.raises(InputError, match=rule):
        unit_effects(**(good | change))


def test_nothing_to_judge():
    with pytest.raises(InputError, match="predicted to be equal"):
        effect_calibration(told([1, 1, 1], [0, 1, 2]))
    with pytest.raises(InputError, match="groups == 1"):
        group_effects(told([1, 2, 3], [0, 1, 2]), 1)
    with pytest.raises(InputError, match="two rows or more"):
        group_effects(told([1, 2, 3], [0, 1, 2]), 2)
    with pytest.raises(InputError, match="share == "):
        ForestSettings(share=0.6)
