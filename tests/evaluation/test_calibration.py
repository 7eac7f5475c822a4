import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.evaluation import (
    auc,
    brier,
    calibration_curve,
    expected_calibration_error,
    log_loss,
    skill,
)
from homing.schema import InputError

PREDICTION = [0.1, 0.2, 0.7, 0.8]
OUTCOME = [0.0, 1.0, 1.0, 1.0]


def test_scores_by_hand():
    # squares: .01, .64, .09, .04
    assert brier(PREDICTION, OUTCOME) == pytest.approx(0.78 / 4)
    assert log_loss(PREDICTION, OUTCOME) == pytest.approx(-math.log(0.9 * 0.2 * 0.7 * 0.8) / 4)
    # outcomes vary by 3 * 1/16 + 9/16 = 3/4
    assert skill(PREDICTION, OUTCOME) == pytest.approx(1 - 0.78 / 0.75)
    # two bins: means .15 and .75 against .5 and 1: gaps .35 and .25
    assert expected_calibration_error(PREDICTION, OUTCOME, 2) == pytest.approx(0.3)


def test_curve_by_hand():
    found = calibration_curve(PREDICTION, OUTCOME, 2)
    assert found.prediction == pytest.approx([0.15, 0.75])
    assert found.outcome.tolist() == [0.5, 1.0]
    assert found.rows.tolist() == [2, 2]
    # Wilson for 2 of 2: lower end 1 / (1 + z^2 / 2)
    z = 1.959963984540054
    assert found.low[1] == pytest.approx(1 / (1 + z * z / 2))
    assert found.high[1] == 1.0


def test_equal_predictions_share_a_bin():
    assert calibration_curve([0.5] * 6 + [0.9], [0, 1] * 3 + [1], 5).rows.tolist() == [6, 1]


def test_bins_that_never_happen_have_a_real_interval():
    found = calibration_curve(np.full(100, 0.01), np.zeros(100), 1)
    assert found.low[0] == 0
    assert 0.03 < found.high[0] < 0.04


def test_clusters_widen_bins():
    rng = np.random.default_rng(0)
    prediction = np.repeat(rng.random(50), 20)
    outcome = np.repeat((rng.random(50) < prediction[::20]).astype(float), 20)
    plain = calibration_curve(prediction, outcome, 4)
    clustered = calibration_curve(prediction, outcome, 4, np.repeat(np.arange(50), 20))
    assert ((clustered.high - clustered.low) > 2 * (plain.high - plain.low)).all()


def test_outcomes_that_are_amounts_have_normal_intervals():
    outcome = np.array([1.0, 3.0])
    found = calibration_curve([0.0, 0.0], outcome, 1)
    # mean 2, se 1
    assert found.high[0] == pytest.approx(2 + 1.959963984540054)


def test_intervals_cover_calibrated_predictions():
    rng = np.random.default_rng(1)
    inside = []
    for _ in range(200):
        prediction = rng.random(400) * 0.2
        found = calibration_curve(prediction, (rng.random(400) < prediction).astype(float), 5)
        inside.append((found.low <= found.prediction) & (found.prediction <= found.high))
    # 1000 intervals: standard error 0.7 %
    assert np.mean(inside) == pytest.approx(0.95, abs=0.025)


def test_ranking_by_hand():
    # pairs (1, 0): of 3, .2 > .1, .7 > .1, .8 > .1: all three
    assert auc(PREDICTION, OUTCOME) == 1.0
    assert auc([0.3, 0.3], [0, 1]) == 0.5
    # 1s at .2 and .4, 0s at .1 and .3: pairs won 1 + 2 of 4
    assert auc([0.1, 0.2, 0.3, 0.4], [0, 1, 0, 1]) == 0.75
    assert math.isnan(auc([0.1, 0.2], [1, 1]))


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=20))
@settings(max_examples=60, deadline=None)
def test_ranking_equals_counting_pairs(rows):
    score, outcome = np.array([s for s, _ in rows], float), np.array([y for _, y in rows], float)
    good, bad = score[outcome == 1], score[outcome == 0]
    if not len(good) or not len(bad):
        assert math.isnan(auc(score, outcome))
        return
    won = (good[:, None] > bad).sum() + 0.5 * (good[:, None] == bad).sum()
    assert auc(score, outcome) == pytest.approx(won / (len(good) * len(bad)))


def test_what_cannot_be_said():
    assert math.isnan(skill([1.0, 2.0], [3.0, 3.0]))
    assert math.isfinite(log_loss([0.0, 1.0], [1.0, 0.0]))
    with pytest.raises(InputError, match="outcome ranges from 0 to 2"):
        log_loss([0.5, 0.5], [0, 2])
    with pytest.raises(InputError, match="auc is for outcomes"):
        auc([0.5, 0.5], [0, 2])
    with pytest.raises(InputError, match="bins == 0"):
        calibration_curve([0.5], [1.0], 0)
    with pytest.raises(InputError, match="outcome has no rows"):
        brier([], [])
