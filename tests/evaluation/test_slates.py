import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.evaluation import cascade_dr, importance_weights, ips, slate_ips
from homing.evaluation.estimators.slates import slate_weights
from homing.schema import InputError

# Two slates, of two positions and of one.
OFFSETS = np.array([0, 2, 3])
RATIO = np.array([0.5, 3.0, 2.0])
REWARD = np.array([1.0, 2.0, 4.0])


def test_weights_by_hand():
    assert slate_weights(RATIO, OFFSETS, "standard").tolist() == [1.5, 1.5, 2.0]
    assert slate_weights(RATIO, OFFSETS, "independent").tolist() == [0.5, 3.0, 2.0]
    assert slate_weights(RATIO, OFFSETS, "cascade").tolist() == [0.5, 1.5, 2.0]


def test_slate_estimates_by_hand():
    # 1.5 * 3 and 8; .5 + 6 and 8; .5 + 3 and 8: mean of two slates
    for behaviour, first in (("standard", 4.5), ("independent", 6.5), ("cascade", 3.5)):
        found = slate_ips(REWARD, RATIO, OFFSETS, behaviour)
        assert found.value == pytest.approx((first + 8) / 2)
        assert found.std_error == pytest.approx((8 - first) / 2)
        assert found.decisions == 2
    # mean weights 1 and 2 of the cascade: 9 / 5
    assert found.effective_size == pytest.approx(9 / 5)
    assert found.estimator == "cascade slate ips"


def test_cascade_dr_by_hand():
    # slate 0: .5 (1 - 2) + 1 * 3 + 1.5 (2 - 1) + .5 * 2 = 5; slate 1: 2 (4 - 3) + 1 * 5 = 7
    found = cascade_dr(REWARD, RATIO, [2.0, 1.0, 3.0], [3.0, 2.0, 5.0], OFFSETS)
    assert found.value == pytest.approx(6.0)
    assert found.estimator == "cascade dr"


# A world that can be solved: in state 0 slates have two positions, in state 1 one; two messages to choose
# from at each, the second with chances that depend on the first.
STATE = (0.4, 0.6)
LOGGING = {(): (0.3, 0.7), (0,): (0.5, 0.5), (1,): (0.8, 0.2)}
POLICY = {(): (0.6, 0.4), (0,): (0.9, 0.1), (1,): (0.4, 0.6)}
GUESS = {(): (0.3, 1.4), (0,): (0.5, 0.2), (1,): (0.1, 0.9)}  # wrong on purpose


def slates(policy):
    """Every state and slate, and its probability."""
    for state, share in enumerate(STATE):
        for slate in itertools.product((0, 1), repeat=2 - state):
            yield share * math.prod(policy[slate[:at]][a] for at, a in enumerate(slate)), state, slate


def marginal(policy, position, message):
    """The chance of a message at a position of a slate of two, whatever was chosen before."""
    if position == 0:
        return policy[()][message]
    return sum(policy[()][first] * policy[(first,)][message] for first in (0, 1))


OUTCOMES = {  # of a position, by state and slate
    "independent": lambda state, slate, at: 1.0 + slate[at] + 2 * at + 3 * state,
    "cascade": lambda state, slate, at: 1.0 + slate[at] + 4 * (at == 1) * slate[0] + 3 * state,
    "anything": lambda state, slate, at: 1.0 + slate[at] * slate[-1] + 5 * (at == 0) * slate[-1] + 3 * state,
}


def expected(outcome, estimate):
    """The mean over all logs of one slate."""
    total = 0.0
    for probability, state, slate in slates(LOGGING):
        reward = [outcome(state, slate, at) for at in range(len(slate))]
        total += probability * estimate(slate, np.array(reward))
    return total


def ratios(slate, behaviour):
    if behaviour == "independent" and len(slate) == 2:
        pairs = [(marginal(POLICY, at, a), marginal(LOGGING, at, a)) for at, a in enumerate(slate)]
    else:
        pairs = [(POLICY[slate[:at]][a], LOGGING[slate[:at]][a]) for at, a in enumerate(slate)]
    return importance_weights(*zip(*pairs, strict=True))


@pytest.mark.parametrize("world", sorted(OUTCOMES))
def test_each_is_unbiased_over_all_logs_under_its_behaviour_and_biased_beyond(world):
    outcome = OUTCOMES[world]
    truth = sum(
        probability * sum(outcome(state, slate, at) for at in range(len(slate)))
        for probability, state, slate in slates(POLICY)
    )
    right = {
        "independent": ("standard", "cascade", "independent"),
        "cascade": ("standard", "cascade"),
        "anything": ("standard",),
    }[world]
    for behaviour in ("standard", "cascade", "independent"):

        def estimate(slate, reward, behaviour=behaviour):
            return slate_ips(reward, ratios(slate, behaviour), [0, len(slate)], behaviour).value

        gap = abs(expected(outcome, estimate) - truth)
        assert gap < 1e-12 if behaviour in right else gap > 0.01

    def robust(slate, reward):
        of_choice = [GUESS[slate[:at]][a] for at, a in enumerate(slate)]
        mean = [float(np.dot(POLICY[slate[:at]], GUESS[slate[:at]])) for at in range(len(slate))]
        return cascade_dr(reward, ratios(slate, "cascade"), of_choice, mean, [0, len(slate)]).value

    gap = abs(expected(outcome, robust) - truth)
    assert gap < 1e-12 if "cascade" in right else gap > 0.01


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_slates_of_one_are_decisions_and_the_order_of_slates_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 5, 12)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    reward, ratio = rng.normal(size=offsets[-1]), rng.exponential(size=offsets[-1])
    user = rng.integers(0, 5, 12)
    alone = np.arange(offsets[-1] + 1)
    for behaviour in ("standard", "independent", "cascade"):
        single, plain = slate_ips(reward, ratio, alone, behaviour), ips(reward, ratio)
        assert (single.value, single.std_error) == pytest.approx((plain.value, plain.std_error))
        found = slate_ips(reward, ratio, offsets, behaviour, user)
        order = rng.permutation(12)
        places = np.concatenate([np.arange(offsets[i], offsets[i + 1]) for i in order])
        bounds = np.concatenate([[0], np.cumsum(lengths[order])])
        again = slate_ips(reward[places], ratio[places], bounds, behaviour, user[order])
        assert (again.value, again.std_error) == pytest.approx((found.value, found.std_error))


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_perfect_predictions_of_the_rest_leave_the_first_expectation(seed):
    # a world without chance: q_l = r_l + v_{l + 1}
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 5, 10)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    reward, ratio, expected_prediction = (rng.exponential(size=offsets[-1]) for _ in range(3))
    following = np.append(expected_prediction[1:], 0.0)
    following[offsets[1:] - 1] = 0.0
    found = cascade_dr(reward, ratio, reward + following, expected_prediction, offsets)
    assert found.value == pytest.approx(expected_prediction[offsets[:-1]].mean())


def test_no_overlap_is_loud():
    assert math.isnan(slate_ips(REWARD, np.zeros(3), OFFSETS, "cascade").value)
    found = cascade_dr(REWARD, np.zeros(3), [2.0, 1.0, 3.0], [3.0, 2.0, 5.0], OFFSETS)
    assert found.value == 4.0
    assert "predictions' alone" in found.warnings[1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: slate_ips(REWARD, RATIO, OFFSETS, "lottery"), "behaviour == 'lottery', must be one of"),
        (lambda: slate_ips(REWARD, RATIO[:2], OFFSETS, "cascade"), "must run from 0 to the 2"),
        (lambda: slate_ips(REWARD, -RATIO, OFFSETS, "cascade"), "ratio has a minimum of -3"),
        (lambda: slate_ips(REWARD, RATIO, OFFSETS, "cascade", [1, 2, 3]), "user has 3 rows, must have 2"),
        (lambda: cascade_dr(REWARD, RATIO, [1.0], REWARD, OFFSETS), "prediction_of_choice has 1 rows"),
    ],
)
def test_bad_input_names_the_rule(call, message):
    with pytest.raises(InputError, match=message):
        call()
