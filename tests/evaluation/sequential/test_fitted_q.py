"""Fitted Q evaluation against dynamic programming, and what it refuses."""

import numpy as np
import pytest

from homing.evaluation.sequential import (
    choices,
    direct,
    doubly_robust,
    fitted_q,
    ridge,
    tabular,
    trajectories,
)
from homing.schema import InputError

from .worlds import TARGET, cut_half, endless, every_trajectory, options_of, simulate, values

ONE_HOT = np.eye(4)


def test_ridge_by_hand():
    # (1 * 2 + 2 * 2) / (1 + 4 + 1)
    fit = ridge(1.0)(np.array([[1.0], [2.0]]), np.array([2.0, 2.0]), np.ones(2))
    assert fit(np.array([[1.0], [3.0]])) == pytest.approx([1.0, 3.0])
    # weights 1 and 3: (2 + 12) / (1 + 12)
    fit = ridge()(np.array([[1.0], [2.0]]), np.array([2.0, 2.0]), np.array([1.0, 3.0]))
    assert fit(np.array([[1.0]])) == pytest.approx([14 / 13])
    # collinear columns are no obstacle
    assert ridge()(np.ones((2, 2)), np.array([1.0, 3.0]), np.ones(2))(np.ones((1, 2))) == pytest.approx([2.0])


def test_tabular_by_hand():
    predict = tabular(3)(np.array([0, 0, 2]), np.array([1.0, 4.0, 5.0]), np.array([1.0, 2.0, 1.0]))
    assert predict(np.array([0, 2])).tolist() == [3.0, 5.0]
    assert np.isnan(predict(np.array([1]))[0])


def test_two_steps_by_hand():
    # one trajectory: reward 1 in cell 0, then reward 3 in cell 1; the target takes the logged actions
    log = trajectories([1.0, 3.0], [1, 1], [1, 1], [0, 2], discount=0.5, horizon=2)
    found = fitted_q(log, choices(log, np.array([0, 1]), [1.0, 1.0], [0, 1, 2], [0, 0]), tabular(2))
    assert found.of_choice.tolist() == [2.5, 3.0]
    assert found.state.tolist() == [2.5, 3.0]
    assert found.end.tolist() == [0.0]


@pytest.mark.parametrize(("fit", "features"), [(tabular(4), None), (ridge(), ONE_HOT)])
def test_backward_equals_dynamic_programming(fit, features):
    """Weighted by their chances, all trajectories are the population, so regressions are exact."""
    every = every_trajectory(4)
    log = every.build(0.9, 4)
    found = fitted_q(log, options_of(log, every, features), fit, weight=every.chance[log.trajectory])
    q, _ = values(4, 0.9)
    assert found.of_choice == pytest.approx(q[log.step, every.state, every.action])
    assert found.state == pytest.approx((TARGET * q).sum(axis=2)[log.step, every.state])


@pytest.mark.parametrize(("fit", "features"), [(tabular(4), None), (ridge(), ONE_HOT)])
@pytest.mark.parametrize("discount", [0.9, 1.0])
def test_iteration_equals_linear_equations(fit, features, discount):
    every = every_trajectory(3)
    log = every.build(discount, None)
    found = fitted_q(log, options_of(log, every, features), fit, weight=every.chance[log.trajectory])
    q, _ = endless(discount)
    v = (TARGET * q).sum(axis=1)
    assert found.of_choice == pytest.approx(q[every.state, every.action], abs=1e-6)
    assert found.state == pytest.approx(v[every.state], abs=1e-6)
    assert found.end == pytest.approx(np.where(log.cut, v[every.end], 0.0), abs=1e-6)


def test_cut_trajectories_within_a_horizon_go_on_by_their_end():
    every = every_trajectory(3)
    # of every trajectory there is one as it is, and one that is cut after two steps
    both = cut_half(every.take(np.repeat(np.arange(len(every.end)), 2)), 2)
    log = both.build(1.0, 3)
    assert log.cut.any()
    found = fitted_q(log, options_of(log, both), tabular(4), weight=both.chance[log.trajectory])
    q, truth = values(3)
    assert found.end[log.cut] == pytest.approx((TARGET * q).sum(axis=2)[2, both.end[log.cut]])
    numerator = doubly_robust(log, found).ratios[0].numerator
    assert float(both.chance @ numerator) / 2 == pytest.approx(truth, abs=1e-12)


@pytest.mark.parametrize("horizon", [4, None])
def test_cross_fitted_by_user(horizon):
    users = np.arange(8000) // 2
    world = simulate(np.random.default_rng(8), 8000, 4)
    log = world.build(0.9, horizon, user=users)
    truth = values(4, 0.9)[1] if horizon else endless(0.9)[1]
    found = fitted_q(log, options_of(log, world), tabular(4), fold=users % 2)
    estimate = doubly_robust(log, found)
    assert abs(estimate.value - truth) < 3.5 * estimate.std_error
    assert abs(direct(log, found).value - truth) < 4 * estimate.std_error
    # a fold's predictions come from the other fold alone
    other = world.build(0.9, horizon, user=users)
    louder = np.where(users[log.trajectory] % 2 == 0, 10.0, 0.0)
    object.__setattr__(other, "reward", log.reward + louder)
    again = fitted_q(other, options_of(other, world), tabular(4), fold=users % 2)
    even = users[log.trajectory] % 2 == 0
    assert again.of_choice[even] == pytest.approx(found.of_choice[even])
    assert (again.of_choice[~even] > found.of_choice[~even] + 9).all()


def test_folds_keep_a_user_together():
    log = trajectories([1.0, 1.0], [1, 1], [1, 1], [0, 1, 2], ["a", "a"], horizon=1)
    with pytest.raises(InputError, match="fold parts a user"):
        fitted_q(log, choices(log, np.zeros(2, int), [1, 1], [0, 1, 2], [0, 0]), tabular(1), fold=[0, 1])


def test_divergence_is_an_error():
    """Two states of features 1 and 2 (Tsitsiklis & Van Roy 1996): theta' = 1.2 discount theta + ..."""
    log = trajectories([1.0, 1.0], [1, 1], [1, 1], [0, 2], absorbed=[False], discount=0.95)
    options = choices(log, np.array([[1.0], [2.0], [2.0]]), [1, 1, 1], [0, 1, 2, 3], [0, 0])
    with pytest.raises(InputError, match="diverges"):
        fitted_q(log, options, ridge())
    options_of_cells = choices(log, np.array([0, 1, 1]), [1, 1, 1], [0, 1, 2, 3], [0, 0])
    with pytest.raises(InputError, match="has not converged"):
        fitted_q(log, options_of_cells, tabular(2), iterations=9)


def test_what_the_log_never_did_is_not_guessed():
    log = trajectories([1.0, 2.0], [0.5, 0.5], [1, 1], [0, 1, 2], horizon=1)
    options = choices(log, np.array([0, 1, 0, 1]), [0.5] * 4, [0, 2, 4], [0, 0])
    with pytest.raises(InputError, match="not known for 2 candidates"):
        fitted_q(log, options, tabular(2))
    never = choices(log, np.array([0, 1, 0, 1]), [1, 0, 1, 0], [0, 2, 4], [0, 0])
    assert fitted_q(log, never, tabular(2)).state.tolist() == [1.5, 1.5]


def test_a_step_without_decisions_is_refused():
    log = trajectories([1.0, 2.0], [1, 1], [1, 1], [0, 1, 2], horizon=2)
    options = choices(log, np.zeros(4, int), [1] * 4, [0, 1, 2, 3, 4], [0, 0])
    with pytest.raises(InputError, match="no decision at step 1"):
        fitted_q(log, options, tabular(1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"probability": [0.5, 0.4, 1.0]}, "sums to 0.9 over the candidates of state 0"),
        ({"offsets": [0, 3]}, "offsets has 2 values, must have 3"),
        ({"chosen": [2, 0]}, "chosen must be integers"),
        ({"chosen": [0.0, 0.0]}, "chosen must be integers"),
        ({"features": np.zeros(2, int)}, "features has 2 rows"),
    ],
)
def test_bad_choices_are_refused(change, message):
    log = trajectories([1.0, 2.0], [1, 1], [1, 1], [0, 2], horizon=2)
    given = {
        "features": np.zeros(3, int),
        "probability": [0.5, 0.5, 1.0],
        "offsets": [0, 2, 3],
        "chosen": [0, 0],
    }
    with pytest.raises(InputError, match=message):
        choices(log, **(given | change))


def test_bad_regressors_are_refused():
    with pytest.raises(InputError, match="penalty == -1"):
        ridge(-1)
    with pytest.raises(InputError, match="cells == 0"):
        tabular(0)
    with pytest.raises(InputError, match="from 0 to 1"):
        tabular(2)(np.array([2]), np.ones(1), np.ones(1))
