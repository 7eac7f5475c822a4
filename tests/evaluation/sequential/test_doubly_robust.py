"""Doubly robust estimates over trajectories: by hand, over every trajectory, by simulation."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.evaluation import bootstrap
from homing.evaluation.sequential import (
    direct,
    doubly_robust,
    per_decision_is,
    predictions,
    trajectories,
    weighted_doubly_robust,
    weighted_per_decision_is,
)
from homing.schema import InputError

from .worlds import GUESS, TARGET, endless, every_trajectory, simulate, values


def told(log, world, q):
    """Predictions from q [state, action] or [step, state, action]; the end's is that of q's."""
    of_step = q if q.ndim == 3 else np.broadcast_to(q, (log.steps + 1, 2, 2))
    v = (TARGET * of_step).sum(axis=2)
    end = None
    if log.cut.any():
        end = np.where(world.end >= 0, v[0, np.maximum(world.end, 0)], math.nan)
    return predictions(log, of_step[log.step, world.state, world.action], v[log.step, world.state], end)


# Two trajectories: weights (2, 1) with rewards (1, 3); weight 1/2 with reward 4, then absorbed. discount 1/2.
def by_hand():
    return trajectories(
        [1.0, 3.0, 4.0], [1.0, 0.25, 0.25], [0.5, 0.5, 0.5], [0, 2, 3],
        absorbed=[False, True], discount=0.5, horizon=2,
    )  # fmt: skip


def test_doubly_robust_by_hand():
    log = by_hand()
    told_ = predictions(log, [2.0, 1.0, 3.0], [1.0, 2.0, 2.0])
    # deltas 1 + 0.5 * 2 - 2 = 0; 3 - 1 = 2; 4 - 3 = 1
    # 1 + 2 * 0 + 0.5 * 1 * 2 = 2, and 2 + 0.5 * 1 = 2.5
    assert doubly_robust(log, told_).value == pytest.approx(2.25)
    assert direct(log, told_).value == pytest.approx(1.5)
    # step 0: (2 * 0 + 0.5 * 1) / 2.5; step 1: 0.5 * 2 / 1.5, the absorbed one's weight kept
    assert weighted_doubly_robust(log, told_).value == pytest.approx(1.5 + 0.5 / 2.5 + 1 / 1.5)


def test_predictions_of_zero_leave_importance_sampling():
    world = simulate(np.random.default_rng(1), 500, 3)
    log = world.build(0.9, 3)
    nothing = told(log, world, np.zeros((2, 2)))
    assert doubly_robust(log, nothing).value == pytest.approx(per_decision_is(log).value)
    pair = weighted_doubly_robust(log, nothing), weighted_per_decision_is(log)
    assert pair[0].value == pytest.approx(pair[1].value)
    assert pair[0].std_error == pytest.approx(pair[1].std_error)


@pytest.mark.parametrize("discount", [1.0, 0.8])
def test_unbiased_over_every_trajectory_with_wrong_predictions(discount):
    every = every_trajectory(4)
    log = every.build(discount, 4)
    numerator = doubly_robust(log, told(log, every, GUESS)).ratios[0].numerator
    assert float(every.chance @ numerator) == pytest.approx(values(4, discount)[1], abs=1e-12)


def test_right_predictions_remove_most_of_the_noise():
    every = every_trajectory(4)
    log = every.build(1.0, 4)
    q, truth = values(4)

    def variance(estimate):
        return float(every.chance @ (estimate.ratios[0].numerator - truth) ** 2)

    right, wrong = doubly_robust(log, told(log, every, q)), doubly_robust(log, told(log, every, GUESS))
    assert variance(right) < 0.4 * variance(wrong) < variance(per_decision_is(log))


def test_a_cut_trajectory_goes_on_by_its_prediction():
    """Two steps are seen of an endless process: with v of the ends the expectation is the endless value."""
    every = every_trajectory(2)
    log = every.build(0.9, None)
    assert log.cut.any()
    q, truth = endless(0.9)
    found = doubly_robust(log, told(log, every, q))
    assert float(every.chance @ found.ratios[0].numerator) == pytest.approx(truth, abs=1e-12)
    assert any("cut by the end of the log" in note for note in found.warnings)
    # what a wrong end costs is known: discount^2 E[w 1{cut} error]
    off = predictions(log, *_parts(told(log, every, q)), end=told(log, every, q).end + 1.0)
    bias = float(every.chance @ (doubly_robust(log, off).ratios[0].numerator)) - truth
    assert bias == pytest.approx(0.81 * float(every.chance @ (log.weight[log.last] * log.cut)), abs=1e-12)


def _parts(told_):
    return told_.of_choice, told_.state


@pytest.mark.parametrize("estimator", [doubly_robust, weighted_doubly_robust])
@pytest.mark.parametrize("horizon", [4, None])
def test_simulated_log_agrees_with_the_solution(estimator, horizon):
    world = simulate(np.random.default_rng(2), 20_000, 4)
    log = world.build(0.9, horizon)
    q, truth = values(4, 0.9) if horizon else endless(0.9)
    guess = q if horizon is None else np.broadcast_to(GUESS, (5, 2, 2))  # cut ends rest on q
    found = estimator(log, told(log, world, guess))
    assert abs(found.value - truth) < 3.5 * found.std_error
    assert found.std_error < 0.1


def test_error_of_ratios_agrees_with_the_bootstrap():
    world = simulate(np.random.default_rng(7), 3000, 3)
    log = world.build(1.0, 3, user=np.arange(3000) // 3)
    found = weighted_doubly_robust(log, told(log, world, GUESS))
    assert bootstrap(found, 400).std_error == pytest.approx(found.std_error, rel=0.12)


def test_no_overlap():
    log = trajectories([1.0, 1.0], [0.0, 0.0], [0.5, 0.5], [0, 1, 2], horizon=1)
    told_ = predictions(log, [5.0, 5.0], [2.0, 4.0])
    found = doubly_robust(log, told_)
    assert found.value == 3.0
    assert any("predictions' alone" in note for note in found.warnings)
    assert math.isnan(weighted_doubly_robust(log, told_).value)


def test_cut_trajectories_need_their_ends():
    log = trajectories([1.0, 1.0], [1, 1], [1, 1], [0, 1, 2], absorbed=[True, False])
    with pytest.raises(InputError, match=r"end is missing: 1 of 2"):
        predictions(log, [0.0, 0.0], [0.0, 0.0])
    assert predictions(log, [0.0, 0.0], [0.0, 0.0], [math.nan, 7.0]).end.tolist() == [0.0, 7.0]
    with pytest.raises(InputError, match="end has 1 NaN"):
        predictions(log, [0.0, 0.0], [0.0, 0.0], [7.0, math.nan])
    with pytest.raises(InputError, match="of_choice has 1 rows"):
        predictions(log, [0.0], [0.0, 0.0], [0.0, 0.0])


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 7), min_size=2, max_size=7),
    seed=st.integers(0, 10_000),
    endless=st.booleans(),
)
def test_agrees_with_loops(lengths, seed, endless):
    """Any ragged log, some trajectories cut: both equal the papers' form, as loops with v at every step."""
    rng = np.random.default_rng(seed)
    offsets = np.cumsum([0, *lengths])
    m, n, steps, discount = offsets[-1], len(lengths), max(lengths), 0.9
    reward, q, v, end = rng.normal(size=m), rng.normal(size=m), rng.normal(size=m), rng.normal(size=n)
    target, logged = rng.uniform(0.1, 1, m), rng.uniform(0.1, 1, m)
    absorbed = rng.random(n) < 0.5
    log = trajectories(
        reward, target, logged, offsets, absorbed=absorbed, discount=discount,
        horizon=None if endless else steps,
    )  # fmt: skip
    weight = np.ones((n, steps + 2))  # [:, t] is w_{0:t-1}
    error, ahead = np.zeros((n, steps + 1)), np.zeros((n, steps + 1))
    for i, length in enumerate(lengths):
        for t in range(steps + 1):
            row = offsets[i] + t
            weight[i, t + 1] = weight[i, t] * (target[row] / logged[row] if t < length else 1.0)
            if t < length:
                error[i, t], ahead[i, t] = reward[row] - q[row], v[row]
        if not absorbed[i] and (endless or length < steps):
            ahead[i, length] = end[i]
    power = discount ** np.arange(steps + 1)
    told_ = predictions(log, q, v, end)
    plain = (power * (weight[:, 1:] * error + weight[:, :-1] * ahead)).sum(axis=1).mean()
    assert doubly_robust(log, told_).value == pytest.approx(plain)
    share = weight / weight.sum(axis=0)
    own = (power * (share[:, 1:] * error + share[:, :-1] * ahead)).sum()
    assert weighted_doubly_robust(log, told_).value == pytest.approx(own)
