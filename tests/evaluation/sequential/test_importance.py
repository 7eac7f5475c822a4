"""Importance sampling over trajectories: by hand, over every trajectory, by simulation and by properties."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.evaluation import bootstrap, difference
from homing.evaluation.sequential import (
    first_steps,
    overlap_by_step,
    per_decision_is,
    trajectories,
    trajectory_is,
    weighted_per_decision_is,
    weighted_trajectory_is,
)
from homing.evaluation.sequential.importance import weights_by_step
from homing.schema import InputError

from .worlds import every_trajectory, simulate, values

ALL = [trajectory_is, per_decision_is, weighted_trajectory_is, weighted_per_decision_is]
# Two trajectories: ratios (2, 1/2) with rewards (1, 3); and ratio 1/2 with reward 4, then absorbed.
REWARD = [1.0, 3.0, 4.0]
CHANCE = [1.0, 0.25, 0.25]
LOGGED = [0.5, 0.5, 0.5]


def by_hand(discount=0.5, user=None):
    return trajectories(
        REWARD, CHANCE, LOGGED, [0, 2, 3], user, absorbed=[False, True], discount=discount, horizon=2
    )


def test_weights_by_hand():
    log = by_hand()
    assert log.weight.tolist() == [2.0, 1.0, 0.5]
    assert log.discounts.tolist() == [1.0, 0.5, 1.0]
    assert log.step.tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("estimator", "value"),
    [
        # returns 1 + 1.5 = 2.5 with weight 1, and 4 with weight 1/2
        (trajectory_is, (2.5 + 2.0) / 2),
        (weighted_trajectory_is, (2.5 + 2.0) / 1.5),
        # 2 * 1 + 0.5 * 1 * 3 = 3.5, and 0.5 * 4 = 2
        (per_decision_is, (3.5 + 2.0) / 2),
        # step 0: (2 + 2) / 2.5; step 1: 0.5 * 3 / (1 + 0.5), as the absorbed one keeps its weight 0.5
        (weighted_per_decision_is, 4 / 2.5 + 1.5 / 1.5),
    ],
)
def test_values_by_hand(estimator, value):
    found = estimator(by_hand())
    assert found.value == pytest.approx(value)
    assert (found.decisions, found.users) == (2, 2)


def test_error_by_hand():
    # numerators 3.5 and 2, mean 2.75; psi = +-0.375; se = sqrt(2 * 2 * 0.375^2)
    assert per_decision_is(by_hand()).std_error == pytest.approx(0.75)
    # step 0: (2 - 1.6 * 2) / 2.5, (2 - 1.6 * 0.5) / 2.5; step 1: (1.5 - 1) / 1.5, (0 - 0.5) / 1.5
    found = weighted_per_decision_is(by_hand())
    assert found.influence == pytest.approx([-0.48 + 1 / 3, 0.48 - 1 / 3])


def test_a_user_with_two_trajectories_is_one_cluster():
    reward = [1.0, 3.0, 4.0, 1.0, 3.0, 4.0]
    twice = trajectories(
        reward, CHANCE * 2, LOGGED * 2, [0, 2, 3, 5, 6], [5, 2, 5, 2], absorbed=[False, True] * 2,
        discount=0.5, horizon=2,
    )  # fmt: skip
    for estimator in ALL:
        one, two = estimator(by_hand()), estimator(twice)
        assert two.value == pytest.approx(one.value)
        assert two.users == 2
        assert two.std_error == pytest.approx(one.std_error)


def test_overlap_by_step_by_hand():
    found = overlap_by_step(by_hand())
    assert found.going.tolist() == [2, 1]
    assert found.effective_size == pytest.approx([2.5**2 / 4.25, 1.5**2 / 1.25])
    assert found.max_weight.tolist() == [2.0, 1.0]
    assert found.mean_weight == pytest.approx([1.25, 0.75])


def test_overlap_remembers_a_large_weight_that_has_ended():
    log = trajectories(
        [0, 0, 0], [1, 0.5, 0.5], [0.1, 0.5, 0.5], [0, 1, 3], absorbed=[True, False], horizon=2
    )
    assert overlap_by_step(log).max_weight.tolist() == [10.0, 10.0]


@pytest.mark.parametrize("discount", [1.0, 0.8])
@pytest.mark.parametrize("estimator", [trajectory_is, per_decision_is])
def test_unbiased_over_every_trajectory(estimator, discount):
    horizon = 4
    every = every_trajectory(horizon)
    assert every.chance.sum() == pytest.approx(1)
    ratio = estimator(every.build(discount, horizon)).ratios[0]
    truth = values(horizon, discount)[1]
    assert float(every.chance @ ratio.numerator) == pytest.approx(truth, abs=1e-12)
    assert not math.isclose(float(every.chance @ np.add.reduceat(every.reward, every.offsets[:-1])), truth)


def test_weights_average_one_at_every_step_over_every_trajectory():
    every = every_trajectory(4)
    log = every.build(horizon=4)
    # chances as user totals: one user a trajectory, so columns are trajectories
    assert weights_by_step(log) @ every.chance == pytest.approx(np.ones(4))


@pytest.mark.parametrize("estimator", ALL)
def test_simulated_log_agrees_with_the_solution(estimator):
    log = simulate(np.random.default_rng(3), 20_000, 4).build(0.9, 4)
    found = estimator(log)
    assert abs(found.value - values(4, 0.9)[1]) < 3.5 * found.std_error
    assert found.std_error < 0.1


@pytest.mark.parametrize("estimator", [weighted_trajectory_is, weighted_per_decision_is])
def test_error_of_ratios_agrees_with_the_bootstrap(estimator):
    log = simulate(np.random.default_rng(4), 3000, 3).build(1.0, 3, user=np.arange(3000) // 2)
    found = estimator(log)
    assert bootstrap(found, 400).std_error == pytest.approx(found.std_error, rel=0.12)


def test_difference_of_two_policies_is_paired():
    world = simulate(np.random.default_rng(5), 2000, 3)
    near = np.array([[0.25, 0.75], [0.6, 0.4]])
    a, b = per_decision_is(world.build(1.0, 3)), per_decision_is(world.build(1.0, 3, policy=near))
    gap = difference(a, b)
    assert gap.value == pytest.approx(a.value - b.value)
    assert gap.std_error < 0.3 * min(a.std_error, b.std_error)


def test_cut_trajectories_are_refused():
    log = trajectories([1.0, 1.0, 1.0], [1, 1, 1], [1, 1, 1], [0, 2, 3], horizon=2)
    assert log.cut.tolist() == [False, True]
    for estimator in ALL:
        with pytest.raises(InputError, match=r"1 of 2 trajectories are cut"):
            estimator(log)
    rows, offsets = first_steps([0, 2, 3], 1)
    assert rows.tolist() == [0, 2]
    assert offsets.tolist() == [0, 1, 2]
    assert per_decision_is(trajectories([1.0, 1.0], [1, 1], [1, 1], offsets, horizon=1)).value == 1


def test_no_overlap_is_not_zero():
    log = trajectories([1.0, 1.0], [0.0, 0.0], [0.5, 0.5], [0, 1, 2], horizon=1)
    for estimator in ALL:
        found = estimator(log)
        assert math.isnan(found.value)
        assert "no overlap" in found.warnings[0] or "no overlap" in found.warnings[1]


def test_thin_overlap_and_wrong_propensities_are_said():
    world = simulate(np.random.default_rng(6), 300, 6)
    assert any("thin overlap" in note for note in per_decision_is(world.build(1.0, 6)).warnings)
    world = simulate(np.random.default_rng(6), 5000, 1)
    wrong = trajectories(world.reward, np.full(5000, 0.5), np.full(5000, 0.6), world.offsets, horizon=1)
    assert any("average 0.8333 ± 0.0000 and not 1" in note for note in per_decision_is(wrong).warnings)
    # half of the target's probability is on what the log never did
    world = simulate(np.random.default_rng(6), 5000, 3)
    right = world.build(1.0, 3)
    assert per_decision_is(right).warnings == ()
    half = trajectories(
        world.reward,
        right.ratio / 4,
        np.full(len(right.ratio), 0.5),
        world.offsets,
        absorbed=world.absorbed,
        horizon=3,
    )
    assert "average 0.5" in per_decision_is(half).warnings[-1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"offsets": [0, 2, 2, 3]}, "at least one transition"),
        ({"offsets": [0, 2]}, "must end at the 3 transitions"),
        ({"offsets": [0.0, 3.0]}, "must be integers"),
        ({"discount": 0.0}, r"discount == 0.0, must be in \(0, 1\]"),
        ({"horizon": 1}, "the longest trajectory"),
        ({"absorbed": [1, 0]}, "must be bool"),
        ({"propensity": [0.5, 0.5]}, "rows"),
        ({"reward": [1.0, math.nan, 2.0]}, "finite"),
        ({"user": [1, 2, 3]}, "rows"),
    ],
)
def test_bad_input_is_refused(change, message):
    given_ = {
        "reward": REWARD,
        "target_probability_of_choice": CHANCE,
        "propensity": LOGGED,
        "offsets": [0, 2, 3],
        "horizon": 2,
    }
    with pytest.raises(InputError, match=message):
        trajectories(**(given_ | change))


def test_overflow_is_refused():
    log = trajectories(np.ones(2000), np.ones(2000), np.full(2000, 0.5), [0, 2000], horizon=2000)
    with pytest.raises(InputError, match="overflows"):
        per_decision_is(log)


def test_first_steps_needs_a_step():
    with pytest.raises(InputError, match="horizon == 0"):
        first_steps([0, 1], 0)


@settings(max_examples=60, deadline=None)
@given(lengths=st.lists(st.integers(1, 9), min_size=2, max_size=8), seed=st.integers(0, 10_000))
def test_agrees_with_loops(lengths, seed):
    """Any ragged log: every estimator equals its formula, written as loops over padded trajectories."""
    rng = np.random.default_rng(seed)
    offsets = np.cumsum([0, *lengths])
    reward, target, logged = (
        rng.normal(size=offsets[-1]),
        rng.random(offsets[-1]),
        0.1 + 0.9 * rng.random(offsets[-1]),
    )
    horizon, discount = max(lengths), 0.9
    log = trajectories(
        reward, target, logged, offsets, absorbed=[n < horizon for n in lengths],
        discount=discount, horizon=horizon,
    )  # fmt: skip
    weight, gains = np.ones((len(lengths), horizon)), np.zeros((len(lengths), horizon))
    for i, length in enumerate(lengths):
        product = 1.0
        for t in range(horizon):
            if t < length:
                product *= target[offsets[i] + t] / logged[offsets[i] + t]
                gains[i, t] = discount**t * reward[offsets[i] + t]
            weight[i, t] = product
    final, returns = weight[:, -1], gains.sum(axis=1)
    assert trajectory_is(log).value == pytest.approx((final * returns).mean())
    assert weighted_trajectory_is(log).value == pytest.approx((final * returns).sum() / final.sum())
    assert per_decision_is(log).value == pytest.approx((weight * gains).sum(axis=1).mean())
    stepwise = ((weight * gains).sum(axis=0) / weight.sum(axis=0)).sum()
    assert weighted_per_decision_is(log).value == pytest.approx(stepwise)
    overlap = overlap_by_step(log)
    assert overlap.mean_weight == pytest.approx(weight.mean(axis=0))
    assert overlap.max_weight == pytest.approx(weight.max(axis=0))
    assert overlap.effective_size == pytest.approx(weight.sum(axis=0) ** 2 / (weight**2).sum(axis=0))
