import math

import numpy as np
import pytest

from homing.evaluation import qini_curve, uplift_by_quantile
from homing.schema import InputError

# best score first, two rows of each score, half treated
SCORE = np.array([3.0, 3.0, 2.0, 2.0, 1.0, 1.0, 0.0, 0.0])
TREATED = np.array([True, False] * 4)
OUTCOME = np.array([4.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0, 2.0])
HALF = np.full(8, 0.5)


def test_curve_by_hand():
    # gain at 1/4: 1/4 * (4 - 0) = 1; at 1/2: 1/2 * (6/2 - 0) = 3/2; at 3/4: 3/4 * (6/3) = 3/2;
    # at 1: 6/4 - 2/4 = 1. Area by trapezes: (0 + 1) / 8 + (1 + 1.5) / 8 + 3 / 8 + 2.5 / 8 = 9/8
    found = qini_curve(OUTCOME, TREATED, HALF, SCORE, points=4)
    assert found.share == pytest.approx([0, 0.25, 0.5, 0.75, 1])
    assert found.gain == pytest.approx([0, 1, 1.5, 1.5, 1])
    assert found.area == pytest.approx(9 / 8)
    assert found.coefficient == pytest.approx(9 / 8 - 1 / 2)
    assert any("only 8 users" in note for note in found.warnings)


def test_quantiles_by_hand():
    found = uplift_by_quantile(OUTCOME, TREATED, HALF, SCORE, bins=2)
    assert [e.value for e in found] == pytest.approx([3.0, -1.0])
    assert found[0].estimator == "uplift 1 of 2"


def test_order_of_rows_does_not_matter_and_equal_scores_have_no_order():
    shuffled = np.random.default_rng(0).permutation(8)
    found = qini_curve(OUTCOME, TREATED, HALF, SCORE)
    again = qini_curve(OUTCOME[shuffled], TREATED[shuffled], HALF, SCORE[shuffled])
    assert again.gain == pytest.approx(found.gain)
    flat = qini_curve(OUTCOME, TREATED, HALF, np.zeros(8))
    assert flat.coefficient == pytest.approx(0)
    assert flat.warnings[0].startswith("all scores are equal")


def test_reversing_the_score_reverses_the_coefficient():
    rng = np.random.default_rng(1)
    outcome, treated, score = rng.normal(size=2000), rng.random(2000) < 0.5, rng.random(2000)
    forth = qini_curve(outcome, treated, np.full(2000, 0.5), score, points=2000, replications=2)
    back = qini_curve(outcome, treated, np.full(2000, 0.5), -score, points=2000, replications=2)
    assert forth.gain[-1] == pytest.approx(back.gain[-1])
    assert forth.coefficient == pytest.approx(-back.coefficient, abs=0.03)


def simulate(rng, rows):
    """Users with x in [0, 1], an uplift of x, and propensities that depend on x."""
    x = rng.random(rows)
    chance = 0.2 + 0.6 * x
    treated = rng.random(rows) < chance
    outcome = x + treated * x + rng.normal(size=rows)
    return outcome, treated, np.where(treated, chance, 1 - chance), x


def test_weights_undo_a_log_that_treats_the_promising():
    # gain(t) = integral of x over the best t = t - t^2 / 2; area 1/3; random 1/4; coefficient 1/12
    outcome, treated, propensity, x = simulate(np.random.default_rng(2), 200_000)
    found = qini_curve(outcome, treated, propensity, x, replications=100)
    assert found.gain == pytest.approx(found.share - found.share**2 / 2, abs=0.02)
    assert found.coefficient == pytest.approx(1 / 12, abs=0.01)
    assert found.coefficient_low < 1 / 12 < found.coefficient_high
    values = uplift_by_quantile(outcome, treated, propensity, x, bins=4)
    for estimate, truth in zip(values, [0.875, 0.625, 0.375, 0.125], strict=True):
        assert abs(estimate.value - truth) < 4 * estimate.std_error


def test_intervals_of_the_coefficient_cover():
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(100):
        outcome, treated, propensity, x = simulate(rng, 1000)
        user = np.arange(1000) // 2
        found = qini_curve(outcome, treated, propensity, x, user, points=20, replications=200)
        covered += found.coefficient_low < 1 / 12 < found.coefficient_high
    # 95 of 100 are expected, standard deviation 2.2
    assert covered >= 87


def test_many_users_are_dealt_into_groups():
    rng = np.random.default_rng(4)
    outcome, treated, propensity, x = simulate(rng, 30_000)
    fine = qini_curve(outcome, treated, propensity, x, points=20, replications=200)
    coarse = qini_curve(outcome, treated, propensity, x, points=500, replications=200)
    width = fine.coefficient_high - fine.coefficient_low
    assert coarse.coefficient_high - coarse.coefficient_low == pytest.approx(width, rel=0.3)


def test_a_quantile_without_an_arm_is_not_known():
    treated = np.array([True, True, False, True, False, True, False, False])
    found = uplift_by_quantile(OUTCOME, treated, HALF, SCORE, bins=4)
    assert math.isnan(found[0].value)
    assert "a denominator is zero" in found[0].warnings[0]


def test_bad_input():
    with pytest.raises(InputError, match="treated is True in every row"):
        qini_curve(OUTCOME, np.ones(8, bool), HALF, SCORE)
    with pytest.raises(InputError, match="must be bool"):
        qini_curve(OUTCOME, np.ones(8), HALF, SCORE)
    with pytest.raises(InputError, match="propensity ranges"):
        qini_curve(OUTCOME, TREATED, HALF * 0, SCORE)
    with pytest.raises(InputError, match="points == 0"):
        qini_curve(OUTCOME, TREATED, HALF, SCORE, points=0)
    with pytest.raises(InputError, match="bins == 0"):
        uplift_by_quantile(OUTCOME, TREATED, HALF, SCORE, bins=0)
