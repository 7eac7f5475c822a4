"""Estimators against arithmetic by hand, against enumeration of all logs, and by their properties."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from homing.evaluation import difference, dm, dr, importance_weights, ips, on_policy, policy_mean, sndr, snips
from homing.schema import InputError

from .solvable import CHANCE, GUESS, LOGGING, POLICY, STATE, TRUTH, expectation, logs

# Three decisions of two users. Weights: target / propensity of the choice.
REWARD = np.array([1.0, 0.0, 2.0])
WEIGHT = np.array([2.0, 0.5, 1.0])
USER = np.array([7, 7, 3])
# Two candidates each; row by row (probability of the target, prediction).
OFFSETS = np.array([0, 2, 4, 6])
TARGET = np.array([0.5, 0.5, 0.75, 0.25, 0.5, 0.5])
PREDICTION = np.array([1.0, 0.0, 0.0, 1.0, 2.0, 1.0])
OF_CHOICE = np.array([0.0, 0.0, 1.0])
Z95 = 1.959963984540054


def test_importance_weights_divide_target_by_logged():
    assert importance_weights([0.5, 0.0, 1.0], [0.25, 0.5, 1.0]).tolist() == [2.0, 0.0, 1.0]


def test_ips_by_hand():
    # w r = 2, 0, 2; mean 4/3. User 7: 2 - 2 * 4/3 = -2/3; user 3: 2 - 4/3 = 2/3; psi = -+2/9
    # se = sqrt(2 / 1 * 2 * (2/9)^2) = 4/9
    found = ips(REWARD, WEIGHT, USER)
    assert found.value == pytest.approx(4 / 3)
    assert found.std_error == pytest.approx(4 / 9)
    assert found.influence == pytest.approx([2 / 9, -2 / 9])  # users in rising order: 3, 7
    assert (found.low, found.high) == pytest.approx((4 / 3 - Z95 * 4 / 9, 4 / 3 + Z95 * 4 / 9))
    # (2 + .5 + 1)^2 / (4 + .25 + 1) = 12.25 / 5.25
    assert found.effective_size == pytest.approx(12.25 / 5.25)
    assert (found.max_weight, found.decisions, found.users) == (2.0, 3, 2)


def test_snips_by_hand():
    # 4 / 3.5 = 8/7. w (r - 8/7) = -2/7, -4/7, 6/7; user 7: -6/7, user 3: 6/7; psi = -+(6/7) / 3.5 = -+12/49
    # se = sqrt(2 * 2) * 12/49. The frozen denominator of others would give sd(w r) / 3.5 instead
    found = snips(REWARD, WEIGHT, USER)
    assert found.value == pytest.approx(8 / 7)
    assert found.std_error == pytest.approx(24 / 49)


def test_expected_prediction_by_hand():
    # .5 * 1 + .5 * 0; .75 * 0 + .25 * 1; .5 * 2 + .5 * 1
    assert policy_mean(TARGET, PREDICTION, OFFSETS).tolist() == [0.5, 0.25, 1.5]
    # written as float32, by which sums are 1 only nearly
    third = np.full(3, 1 / 3, np.float32)
    assert policy_mean(third, [3.0, 6.0, 9.0], [0, 3])[0] == pytest.approx(6.0)


def test_dm_by_hand():
    # 0.5, 0.25, 1.5; mean 0.75. User 7: 0.75 - 1.5 = -0.75; psi = -+0.25; se = 2 * 0.25
    found = dm(TARGET, OFFSETS, PREDICTION, USER)
    assert found.value == pytest.approx(0.75)
    assert found.std_error == pytest.approx(0.5)
    assert math.isnan(found.effective_size)


def test_dr_by_hand():
    # corrections w (r - q): 2 * 1, 0.5 * 0, 1 * 1; terms 2.5, 0.25, 2.5; mean 1.75
    # user 7: 2.75 - 3.5 = -0.75; psi = -+0.25
    found = dr(REWARD, WEIGHT, TARGET, PREDICTION, OF_CHOICE, OFFSETS, USER)
    assert found.value == pytest.approx(1.75)
    assert found.std_error == pytest.approx(0.5)


def test_sndr_by_hand():
    # 0.75 + 3 / 3.5 = 0.75 + 6/7
    # psi of user 3: (1.5 - 0.75) / 3 + (1 - 6/7) / 3.5 = 0.25 + 2/49
    found = sndr(REWARD, WEIGHT, TARGET, PREDICTION, OF_CHOICE, OFFSETS, USER)
    assert found.value == pytest.approx(0.75 + 6 / 7)
    assert found.influence == pytest.approx([0.25 + 2 / 49, -0.25 - 2 / 49])


def test_on_policy_of_independent_rows_is_the_textbook_mean():
    found = on_policy(REWARD)
    assert found.value == 1.0
    assert found.std_error == pytest.approx(np.std(REWARD, ddof=1) / math.sqrt(3))


def test_clusters_widen_the_interval_of_repeated_decisions():
    # every user's decisions are copies: 4 rows carry the information of 2
    reward = np.array([0.0, 0.0, 1.0, 1.0])
    clustered = on_policy(reward, np.array([0, 0, 1, 1])).std_error
    assert clustered == pytest.approx(on_policy(np.array([0.0, 1.0])).std_error)
    assert clustered > on_policy(reward).std_error


def estimate(name, log):
    if name in ("ips", "snips"):
        return {"ips": ips, "snips": snips}[name](log.reward, log.weight).value
    if name == "dm":
        return dm(log.of_all(POLICY), log.offsets, log.of_all(GUESS)).value
    return {"dr": dr, "sndr": sndr}[name](*log.doubly_robust).value


def mean_estimate(name, rows):
    return expectation(lambda log: estimate(name, log), rows)


@pytest.mark.parametrize("name", ["ips", "dr"])
def test_unbiased_over_all_logs(name):
    assert sum(probability for probability, _ in logs(2)) == pytest.approx(1)
    assert mean_estimate(name, 2) == pytest.approx(TRUTH, abs=1e-12)


def test_self_normalised_bias_shrinks_with_the_log():
    biases = [abs(mean_estimate("snips", rows) - TRUTH) for rows in (1, 2, 3)]
    assert biases[0] > biases[1] > biases[2] > 0


def test_self_normalised_of_one_decision_forgets_its_weight():
    # with one row sum(w (r - q)) / sum(w) is r - q, whose mean is the logging policy's
    logged = sum(
        share * float(policy @ (chance - guess))
        for share, policy, chance, guess in zip(STATE, LOGGING, CHANCE, GUESS, strict=True)
    )
    assert mean_estimate("sndr", 1) == pytest.approx(mean_estimate("dm", 1) + logged, abs=1e-12)


def test_direct_estimate_keeps_the_bias_of_its_predictions():
    wrong = sum(share * float(pi @ guess) for share, pi, guess in zip(STATE, POLICY, GUESS, strict=True))
    assert mean_estimate("dm", 2) == pytest.approx(wrong, abs=1e-12)
    assert abs(wrong - TRUTH) > 0.01


@pytest.mark.parametrize("name", ["ips", "snips", "dr", "sndr"])
def test_errors_match_the_spread_over_simulated_logs(name):
    rng = np.random.default_rng(11)
    flat = [(s, a) for s in (0, 1) for a in range(len(LOGGING[s]))]
    chance = np.array([STATE[s] * LOGGING[s][a] for s, a in flat])
    values, errors = [], []
    for _ in range(400):
        drawn = rng.choice(len(flat), p=chance, size=300)
        state = np.array(flat)[drawn, 0]
        reward = (rng.random(300) < np.array([CHANCE[s][a] for s, a in flat])[drawn]).astype(float)
        weight = np.array([POLICY[s][a] / LOGGING[s][a] for s, a in flat])[drawn]
        if name in ("ips", "snips"):
            found = {"ips": ips, "snips": snips}[name](reward, weight)
        else:
            found = {"dr": dr, "sndr": sndr}[name](
                reward,
                weight,
                np.concatenate([POLICY[s] for s in state]),
                np.concatenate([GUESS[s] for s in state]),
                np.array([GUESS[s][a] for s, a in flat])[drawn],
                np.cumsum([0, *(len(POLICY[s]) for s in state)]),
            )
        values.append(found.value)
        errors.append(found.std_error)
    # the spread of 400 values is known to 1 / sqrt(800) = 3.5 %; four of these
    assert np.mean(errors) == pytest.approx(np.std(values, ddof=1), rel=0.15)


rewards = arrays(np.float64, st.integers(2, 30), elements=st.floats(-100, 100))
seeds = st.integers(0, 2**32 - 1)


@given(rewards)
@settings(max_examples=50, deadline=None)
def test_the_logging_policy_is_worth_the_mean_of_its_log(reward):
    for estimator in (ips, snips):
        found = estimator(reward, np.ones(len(reward)))
        plain = on_policy(reward)
        assert found.value == pytest.approx(plain.value, abs=1e-9)
        assert found.std_error == pytest.approx(plain.std_error, abs=1e-9)


@given(rewards, seeds, st.floats(-1000, 1000))
@settings(max_examples=50, deadline=None)
def test_self_normalised_moves_with_a_constant(reward, seed, constant):
    weight = np.random.default_rng(seed).exponential(size=len(reward)) + 1e-3
    before, after = snips(reward, weight), snips(reward + constant, weight)
    assert after.value == pytest.approx(before.value + constant, rel=1e-9, abs=1e-6)
    assert after.std_error == pytest.approx(before.std_error, rel=1e-6, abs=1e-6)


@given(rewards, seeds, st.floats(0.01, 100))
@settings(max_examples=50, deadline=None)
def test_scaling_weights_scales_ips_and_leaves_snips(reward, seed, scale):
    weight = np.random.default_rng(seed).exponential(size=len(reward)) + 1e-3
    assert ips(reward, weight * scale).value == pytest.approx(ips(reward, weight).value * scale, abs=1e-7)
    assert snips(reward, weight * scale).value == pytest.approx(snips(reward, weight).value, abs=1e-7)
    assert ips(reward, weight * scale).effective_size == pytest.approx(ips(reward, weight).effective_size)


@given(seeds, st.integers(2, 20))
@settings(max_examples=50, deadline=None)
def test_perfect_predictions_need_no_correction(seed, rows):
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 5, rows)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    target = rng.random(offsets[-1])
    target /= np.repeat(np.add.reduceat(target, offsets[:-1]), counts)
    truth = rng.normal(size=offsets[-1])
    choice = offsets[:-1] + rng.integers(counts)
    weight = rng.exponential(size=rows) + 1e-3
    user = rng.integers(0, 5, rows)
    direct = dm(target, offsets, truth, user)
    for estimator in (dr, sndr):
        found = estimator(truth[choice], weight, target, truth, truth[choice], offsets, user)
        assert found.value == pytest.approx(direct.value, abs=1e-12)
        assert found.influence == pytest.approx(direct.influence, abs=1e-12)


@given(rewards, seeds)
@settings(max_examples=50, deadline=None)
def test_order_of_rows_and_names_of_users_do_not_matter(reward, seed):
    rng = np.random.default_rng(seed)
    weight = rng.exponential(size=len(reward)) + 1e-3
    user = rng.integers(0, 6, len(reward))
    shuffled = rng.permutation(len(reward))
    found = snips(reward, weight, user)
    named = np.array([f"user-{code}" for code in user])
    far = (user.astype(np.int64) - 3) * 10**15
    for ids in (named, far, user.astype(np.uint64)):
        again = snips(reward[shuffled], weight[shuffled], ids[shuffled])
        assert again.value == pytest.approx(found.value, abs=1e-9)
        if found.users > 1:
            assert again.std_error == pytest.approx(found.std_error, abs=1e-9)
        assert again.users == found.users


def test_rows_without_overlap_are_loud():
    nothing = np.zeros(3)
    for found in (ips(REWARD, nothing), snips(REWARD, nothing)):
        assert math.isnan(found.value)
        assert found.warnings[0].startswith("no overlap: the target never takes any of the 3 logged choices")
    corrected = dr(REWARD, nothing, TARGET, PREDICTION, OF_CHOICE, OFFSETS)
    assert corrected.value == pytest.approx(0.75)
    assert corrected.warnings[0].startswith("no overlap")
    assert "predictions' alone" in corrected.warnings[1]
    assert math.isnan(sndr(REWARD, nothing, TARGET, PREDICTION, OF_CHOICE, OFFSETS).value)
    assert math.isnan(difference(ips(REWARD, nothing), on_policy(REWARD)).value)


def test_a_weight_of_twenty_thousand_is_refused_in_words():
    # the largest weight is 20,000 and counts for two: 20,000 + 20,000 over many small ones
    weight = np.concatenate([np.full(2, 20_000.0), np.full(100_000, 0.01)])
    found = ips(np.ones(len(weight)), weight)
    assert found.effective_size == pytest.approx(2.1, abs=0.01)
    assert "100,002 decisions count for 2.1" in found.warnings[0]
    assert "do not trust it" in found.warnings[0]


def test_censored_outcomes_are_named_and_counted():
    with pytest.raises(InputError, match=r"reward has 2 NaN or infinite values of 3 \(the first at row 1\)"):
        ips([1.0, np.nan, np.inf], WEIGHT)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ips([], []), "reward has no rows"),
        (lambda: ips(REWARD, WEIGHT[:2]), "weight has 2 rows, must have 3"),
        (lambda: ips(REWARD, -WEIGHT), "weight has a minimum of -2"),
        (lambda: ips(REWARD, WEIGHT, USER[:2]), "user has 2 rows"),
        (lambda: ips(REWARD, WEIGHT, USER + 0.5), "user has dtype float64"),
        (lambda: ips(REWARD, WEIGHT, confidence=95), "confidence == 95, must be in"),
        (lambda: ips(np.ones((3, 1)), WEIGHT), "must be one-dimensional"),
        (lambda: ips(["a", "b", "c"], WEIGHT), "must be numbers"),
        (lambda: dm(TARGET * 0.9, OFFSETS, PREDICTION), "sums to 0.9 over the candidates of row 0"),
        (lambda: dm(TARGET, [0, 2, 2, 6], PREDICTION), "a row without candidates"),
        (lambda: dm(TARGET, [0, 2, 4], PREDICTION), "must run from 0 to the 6"),
        (lambda: dm(TARGET, OFFSETS + 0.0, PREDICTION), "must be integers"),
        (lambda: importance_weights([0.5], [0.0]), r"propensity ranges from 0 to 0, must be in \(0, 1\]"),
        (lambda: importance_weights([1.5], [0.5]), "must be in"),
        (lambda: dr(REWARD, WEIGHT, TARGET[:4], PREDICTION[:4], OF_CHOICE, OFFSETS[:3]), "must have 3"),
    ],
)
def test_bad_input_names_the_rule(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_long_logs_are_read_in_blocks_with_the_same_result():
    rng = np.random.default_rng(9)
    counts = rng.integers(1, 3, 2**18 + 7)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    target = np.repeat(1 / counts, counts)
    values = rng.random(offsets[-1])
    assert policy_mean(target, values, offsets) == pytest.approx(
        np.add.reduceat(values, offsets[:-1]) / counts
    )
    target[-1] = 0.3
    with pytest.raises(InputError, match="of row 262,150, must be 1"):
        policy_mean(target, values, offsets)
