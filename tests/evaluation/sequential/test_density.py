"""Marginalised weights: by hand, against dynamic programming, against each other and by simulation."""

import math

import numpy as np
import pytest

from homing.evaluation.sequential import (
    choices,
    direct,
    double_reinforcement,
    fitted_q,
    linear_density,
    marginal_is,
    minimax_is,
    predictions,
    state_density,
    tabular,
    trajectories,
)
from homing.schema import InputError

from .worlds import (
    GUESS,
    LOGGING,
    MOVE,
    START,
    TARGET,
    cut_half,
    endless,
    every_trajectory,
    options_of,
    simulate,
    values,
)

ONE_HOT = np.eye(4)


def states_of(log, world):
    return np.concatenate([world.state, world.end[log.cut]])


def visits(policy, steps):
    """P(s_t = s) [steps, state] under `policy`."""
    found = [START]
    for _ in range(steps - 1):
        found.append(np.einsum("s,sa,sat->t", found[-1], policy, MOVE))
    return np.array(found)


def densities(log, world, discount):
    """The true ones, of steps where there is a horizon, else of all steps together."""
    of_action = (TARGET / LOGGING)[world.state, world.action]
    if log.horizon is not None:
        share = visits(TARGET, log.steps) / visits(LOGGING, log.steps)
        return discount**log.step * share[log.step, world.state] * of_action
    step = np.einsum("sa,sat->st", TARGET, MOVE)
    total = np.linalg.solve(np.eye(2) - discount * step.T, START)
    return (total / visits(LOGGING, log.steps).sum(axis=0))[world.state] * of_action


def test_marginal_by_hand():
    # states 0 and 1; ratios 2 and 1/2 in state 0 at step 0, 1 in state 1 at step 1, 4 in state 1 at step 0
    log = trajectories(
        [1.0, 5.0, 3.0, 2.0], [1.0, 0.5, 0.25, 1.0], [0.5, 0.5, 0.5, 0.25], [0, 2, 3, 4],
        absorbed=[False, True, True], discount=0.5, horizon=2,
    )  # fmt: skip
    # d_0 = (2/3, 1/3); r_0(0) = (2 * 1 + 0.5 * 3) / 2 = 1.75; r_0(1) = 8; P_0(1 | 0) = 2 / 2 = 1
    # d_1(1) = 2/3; r_1(1) = 5: 2/3 * 1.75 + 1/3 * 8 + 0.5 * 2/3 * 5
    found = marginal_is(log, [0, 1, 0, 1])
    assert found.value == pytest.approx(2 / 3 * 1.75 + 8 / 3 + 5 / 3)
    # densities: ratio * d n / N = 2 * 1, 0.5 * 2/3 * 3, 0.5 * 1, 4 * 1
    assert state_density(log, [0, 1, 0, 1]) == pytest.approx([2.0, 1.0, 0.5, 4.0])


def test_minimax_by_hand():
    # one step, one constant feature: beta = n / n = 1, the plain mean
    log = trajectories([1.0, 3.0], [0.5, 0.5], [0.5, 0.25], [0, 1, 2], horizon=1)
    options = choices(log, np.ones((2, 1)), [1.0, 1.0], [0, 1, 2], [0, 0])
    assert minimax_is(log, options).value == pytest.approx(2.0)
    # one endless trajectory 0 -> 1 -> absorbed, features 1 and 2, discount 1/2:
    # M = (1 - 1) * 1 + 2 * 2 = 4; b = 1; omega = 1/4, 1/2; value = 1/4 * 1 + 1/2 * 3
    log = trajectories([1.0, 3.0], [1, 1], [1, 1], [0, 2], absorbed=[True], discount=0.5)
    options = choices(log, np.array([[1.0], [2.0]]), [1.0, 1.0], [0, 1, 2], [0, 0])
    assert linear_density(log, options) == pytest.approx([0.25, 0.5])
    assert minimax_is(log, options).value == pytest.approx(1.75)


@pytest.mark.parametrize("horizon", [4, None])
def test_value_is_the_weighted_sum_of_rewards(horizon):
    """The form by influences has the value of the plain form, exactly."""
    world = simulate(np.random.default_rng(11), 400, 4)
    log = world.build(0.9, horizon, user=np.arange(400) // 2)
    state, options = states_of(log, world), options_of(log, world, ONE_HOT)
    plain = (state_density(log, state) * log.reward).sum() / 400
    assert marginal_is(log, state).value == pytest.approx(plain)
    plain = (linear_density(log, options) * log.reward).sum() / 400
    assert minimax_is(log, options).value == pytest.approx(plain)


def test_own_policy_has_density_one():
    world = simulate(np.random.default_rng(12), 300, 4)
    log = world.build(0.9, 4, policy=LOGGING)
    assert state_density(log, states_of(log, world)) == pytest.approx(log.discounts)
    mean = np.add.reduceat(log.discounts * log.reward, log.offsets[:-1]).mean()
    assert marginal_is(log, states_of(log, world)).value == pytest.approx(mean)


@pytest.mark.parametrize("horizon", [4, None])
def test_linear_in_cells_equals_fitted_q(horizon):
    """With a feature for each cell, weights and least-squares values are the same estimate."""
    world = simulate(np.random.default_rng(13), 500, 4)
    log = world.build(0.9, horizon)
    fitted = direct(log, fitted_q(log, options_of(log, world), tabular(4), tolerance=1e-13))
    assert minimax_is(log, options_of(log, world, ONE_HOT)).value == pytest.approx(fitted.value, rel=1e-9)


@pytest.mark.parametrize("horizon", [4, None])
def test_densities_agree_with_dynamic_programming(horizon):
    world = simulate(np.random.default_rng(14), 60_000, 4)
    log = world.build(0.9, horizon)
    truth = densities(log, world, 0.9)
    assert np.abs(state_density(log, states_of(log, world)) - truth).max() < 0.06
    assert np.abs(linear_density(log, options_of(log, world, ONE_HOT)) - truth).max() < 0.08


@pytest.mark.parametrize("horizon", [5, None])
@pytest.mark.parametrize("name", ["marginal", "minimax", "double"])
def test_simulated_log_agrees_with_the_solution(name, horizon):
    users = np.arange(20_000) // 2
    world = simulate(np.random.default_rng(15), 20_000, 5)
    log = world.build(0.9, horizon, user=users)
    truth = values(5, 0.9)[1] if horizon else endless(0.9)[1]
    state, options = states_of(log, world), options_of(log, world, ONE_HOT)
    if name == "marginal":
        found = marginal_is(log, state)
    elif name == "minimax":
        found = minimax_is(log, options)
    else:
        fold = users % 2
        q = fitted_q(log, options_of(log, world), tabular(4), fold)
        found = double_reinforcement(log, q, state_density(log, state, fold))
    assert abs(found.value - truth) < 3.5 * found.std_error
    assert found.std_error < 0.06
    assert found.effective_size > 2000


def test_cut_trajectories_are_carried_on_by_others():
    """Half are cut after two of five steps; visits, balance and corrections of the rest stand for them."""
    world = cut_half(simulate(np.random.default_rng(20), 20_000, 5), 2)
    log, truth = world.build(0.9, 5), values(5, 0.9)[1]
    assert 0.3 < log.cut.mean() < 0.5
    state, fold = states_of(log, world), np.arange(20_000) // 2 % 2
    wrong = predictions(log, np.zeros(len(log.reward)), np.zeros(len(log.reward)), np.zeros(20_000))
    q = fitted_q(log, options_of(log, world), tabular(4), fold)
    density = state_density(log, state, fold)
    for found in (
        marginal_is(log, state),
        minimax_is(log, options_of(log, world, ONE_HOT)),
        double_reinforcement(log, q, density),
        double_reinforcement(log, wrong, density),
    ):
        assert abs(found.value - truth) < 3.5 * found.std_error
        assert found.std_error < 0.06


@pytest.mark.parametrize("horizon", [4, None])
@pytest.mark.parametrize("name", ["marginal", "minimax"])
def test_error_counts_that_densities_are_estimated(name, horizon):
    """Against estimating anew on resampled users, all of it."""
    rng = np.random.default_rng(16)
    world = simulate(rng, 600, 4)

    def estimate(world):
        log = world.build(0.9, horizon)
        if name == "marginal":
            return marginal_is(log, states_of(log, world))
        return minimax_is(log, options_of(log, world, ONE_HOT))

    again = [estimate(world.take(rng.integers(600, size=600))).value for _ in range(150)]
    assert estimate(world).std_error == pytest.approx(np.std(again), rel=0.2)


def test_double_reinforcement_is_right_when_either_part_is():
    every = every_trajectory(4)
    log = every.build(0.9, 4)
    q, truth = values(4, 0.9)

    def told(q):
        v = (TARGET * q).sum(axis=2)
        return predictions(log, q[log.step, every.state, every.action], v[log.step, every.state])

    def expectation(predicted, density):
        estimate = double_reinforcement(log, predicted, density)
        return float(every.chance @ estimate.ratios[0].numerator)

    right, wrong = densities(log, every, 0.9), 0.3 + log.step + 2.0 * every.state - 0.5 * every.action
    guess = np.broadcast_to(GUESS, (4, 2, 2))
    assert expectation(told(guess), right) == pytest.approx(truth, abs=1e-12)
    assert expectation(told(q), wrong) == pytest.approx(truth, abs=1e-12)
    assert abs(expectation(told(guess), wrong) - truth) > 0.01


def test_double_reinforcement_without_a_horizon_is_right_when_densities_are():
    every = every_trajectory(3)
    log = every.build(0.9, None)
    truth = endless(0.9)[1]
    v = (TARGET * GUESS).sum(axis=1)
    end = np.where(log.cut, v[every.end], 0.0)
    told = predictions(log, GUESS[every.state, every.action], v[every.state], end)
    numerator = double_reinforcement(log, told, densities(log, every, 0.9)).ratios[0].numerator
    assert float(every.chance @ numerator) == pytest.approx(truth, abs=1e-12)


def test_folds_are_fitted_on_others():
    world = simulate(np.random.default_rng(17), 2000, 4)
    log = world.build(0.9, 4)
    fold = np.arange(2000) % 2
    state, options = states_of(log, world), options_of(log, world, ONE_HOT)
    for crossed, whole in (
        (state_density(log, state, fold), state_density(log, state)),
        (linear_density(log, options, fold), linear_density(log, options)),
    ):
        assert not np.allclose(crossed, whole, rtol=1e-6)
        assert crossed == pytest.approx(whole, abs=0.5)
    # alone, the odd fold's densities are what the even fold's are fitted on: equal states, equal densities
    even = fold[log.trajectory] == 0
    rows = np.flatnonzero(even)
    cell = 100 * log.step + 10 * world.state + world.action
    crossed = state_density(log, state, fold)
    assert all(np.ptp(crossed[rows][cell[rows] == name]) < 1e-12 for name in np.unique(cell[rows]))


def test_bad_input_is_refused():
    log = trajectories([1.0, 1.0], [1, 1], [1, 1], [0, 2], discount=0.9)
    with pytest.raises(InputError, match="state has 2 rows, must have 3"):
        marginal_is(log, [0, 0])
    with pytest.raises(InputError, match="integers from 0"):
        marginal_is(log, [0, 0, -1])
    with pytest.raises(InputError, match="state 1 ends a trajectory that is cut, and no decision"):
        marginal_is(log, [0, 0, 1])
    within = trajectories([1.0, 1.0], [1, 1], [1, 1], [0, 2], horizon=3)
    with pytest.raises(InputError, match="in it at step 2"):
        marginal_is(within, [0, 0, 0])
    with pytest.raises(InputError, match="no decision at step 2"):
        minimax_is(within, choices(within, np.ones((3, 1)), [1, 1, 1], [0, 1, 2, 3], [0, 0]))
    forever = trajectories([1.0, 1.0], [1, 1], [1, 1], [0, 2], discount=1.0)
    with pytest.raises(InputError, match="not finite"):
        marginal_is(forever, [0, 0, 0])
    grows = trajectories([1.0, 1.0], [1, 1], [0.5, 0.5], [0, 2], discount=0.9)
    with pytest.raises(InputError, match="not finite"):
        marginal_is(grows, [0, 0, 0])
    with pytest.raises(InputError, match="balance of densities misses"):
        minimax_is(forever, choices(forever, np.ones((3, 1)), [1, 1, 1], [0, 1, 2, 3], [0, 0]))
    with pytest.raises(InputError, match=r"must be \[candidates, columns\]"):
        minimax_is(log, choices(log, np.ones(3), [1, 1, 1], [0, 1, 2, 3], [0, 0]))
    told = predictions(log, [0.0, 0.0], [0.0, 0.0], [0.0])
    with pytest.raises(InputError, match="density has 1 rows"):
        double_reinforcement(log, told, [1.0])


def test_no_overlap_is_not_zero():
    log = trajectories([1.0, 1.0], [0.0, 0.0], [0.5, 0.5], [0, 1, 2], horizon=1)
    found = marginal_is(log, [0, 0])
    assert math.isnan(found.value)
    assert "no overlap" in found.warnings[0]
    told = predictions(log, [5.0, 5.0], [2.0, 4.0])
    found = double_reinforcement(log, told, state_density(log, [0, 0]))
    assert found.value == 3.0
    assert "predictions' alone" in found.warnings[0]


def test_wrong_propensities_are_said():
    world = simulate(np.random.default_rng(19), 4000, 3)
    assert marginal_is(world.build(1.0, 3), world.state).warnings == ()
    half = trajectories(
        world.reward, world.build(1.0, 3).ratio / 4, np.full(len(world.state), 0.5), world.offsets,
        absorbed=world.absorbed, horizon=3,
    )  # fmt: skip
    assert "and not 1" in marginal_is(half, world.state).warnings[0]


def test_thin_densities_are_said():
    world = simulate(np.random.default_rng(18), 150, 4)
    log = world.build(0.9, 4)
    assert "thin overlap" in marginal_is(log, states_of(log, world)).warnings[0]
