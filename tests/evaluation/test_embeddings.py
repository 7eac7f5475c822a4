import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.evaluation import (
    importance_weights,
    ips,
    learned_likelihood,
    marginal_weights,
    posterior_weights,
    same_embedding,
    select_embedding,
)
from homing.schema import InputError

from .solvable import CHANCE, LOGGING, POLICY, STATE, TRUTH, expectation

# Two rows of three and two candidates; the choices are the second of each.
OFFSETS = np.array([0, 3, 5])
TARGET = np.array([0.5, 0.3, 0.2, 0.9, 0.1])
LOGGED = np.array([0.2, 0.2, 0.6, 0.5, 0.5])
CODES = np.array([[1, 4], [1, 4], [1, 5], [0, 0], [1, 0]])
CHOICE = np.array([1, 4])


def test_weights_over_an_embedding_by_hand():
    likelihood = same_embedding(CODES, CHOICE, OFFSETS)
    assert likelihood.tolist() == [1, 1, 0, 0, 1]
    # (.5 + .3) / (.2 + .2); .1 / .5
    assert marginal_weights(TARGET, LOGGED, likelihood, OFFSETS) == pytest.approx([2.0, 0.2])
    one_column = same_embedding(CODES[:, 0], CHOICE, OFFSETS)
    assert marginal_weights(TARGET, LOGGED, one_column, OFFSETS) == pytest.approx([1.0, 0.2])


def test_weights_over_a_drawn_embedding_by_hand():
    # (.5 * .1 + .3 * .5) / (.2 * .1 + .2 * .5); (.9 * .2 + .1 * 1) / (.5 * .2 + .5 * 1)
    likelihood = np.array([0.1, 0.5, 0.0, 0.2, 1.0])
    assert marginal_weights(TARGET, LOGGED, likelihood, OFFSETS) == pytest.approx([0.2 / 0.12, 0.28 / 0.6])


def test_weights_by_posterior_by_hand():
    # .5 * .5 / .2 + .5 * .3 / .2; a candidate that the log never takes adds nothing
    logged = np.array([0.2, 0.2, 0.6, 0.0, 1.0])
    posterior = np.array([0.5, 0.5, 0.0, 0.5, 0.5])
    assert posterior_weights(TARGET, logged, posterior, OFFSETS) == pytest.approx([2.0, 0.05])


#: In the solvable world, actions 0 and 1 of state 0 share an embedding.
SHARED = (np.array([0, 0, 1]), np.array([0, 1]))


def embedded(log, table=SHARED):
    likelihood = same_embedding(log.of_all(table), log.choice, log.offsets)
    weight = marginal_weights(log.of_all(POLICY), log.of_all(LOGGING), likelihood, log.offsets)
    return ips(log.reward, weight).value


def test_bias_over_all_logs_is_what_candidates_do_beyond_their_embedding():
    # within the shared embedding outcomes come in the log's proportions
    inside = float(LOGGING[0][:2] @ CHANCE[0][:2]) / float(LOGGING[0][:2].sum())
    first = float(POLICY[0][:2].sum()) * inside + POLICY[0][2] * CHANCE[0][2]
    value = STATE[0] * first + STATE[1] * float(POLICY[1] @ CHANCE[1])
    assert expectation(embedded, 2) == pytest.approx(value, abs=1e-12)
    assert abs(value - TRUTH) > 0.01


def test_unbiased_over_all_logs_when_outcomes_go_by_the_embedding():
    # state 0 has one embedding for all: right for outcomes that go by the state alone
    def state_is_the_outcome(log):
        log.reward = log.state.astype(float)
        return embedded(log, (np.zeros(3, int), np.zeros(2, int)))

    assert expectation(state_is_the_outcome, 2) == pytest.approx(STATE[1], abs=1e-12)
    own = (np.arange(3), np.arange(2))
    assert expectation(lambda log: embedded(log, own), 2) == pytest.approx(TRUTH, abs=1e-12)


def random_rows(seed, rows=40):
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 6, rows)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    policies = []
    for _ in range(2):
        chance = rng.random(offsets[-1]) + 1e-3
        policies.append(chance / np.repeat(np.add.reduceat(chance, offsets[:-1]), counts))
    return rng, offsets, *policies, offsets[:-1] + rng.integers(counts)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_both_forms_agree_by_bayes_rule(seed):
    rng, offsets, target, logged, choice = random_rows(seed)
    likelihood = rng.random(offsets[-1])
    joint = logged * likelihood
    posterior = joint / np.repeat(np.add.reduceat(joint, offsets[:-1]), np.diff(offsets))
    exact = marginal_weights(target, logged, likelihood, offsets)
    assert posterior_weights(target, logged, posterior, offsets) == pytest.approx(exact, rel=1e-9)
    own = same_embedding(np.arange(offsets[-1]), choice, offsets)
    plain = importance_weights(target[choice], logged[choice])
    assert marginal_weights(target, logged, own, offsets) == pytest.approx(plain, rel=1e-12)
    nothing = same_embedding(np.zeros(offsets[-1], int), choice, offsets)
    assert marginal_weights(target, logged, nothing, offsets) == pytest.approx(np.ones(40), rel=1e-9)


def test_learned_likelihood_by_hand():
    # candidates are messages 7 and 8 in every row; messages chosen: 7, 8, 7, 7; hours seen: 0, 1, 0, 1
    action, choice = np.tile([7, 8], 4), np.array([0, 3, 4, 6])
    found = learned_likelihood(action, choice, np.arange(0, 9, 2), [0, 1, 0, 1], [0, 0, 0, 1])
    # row 3 by rows 0 to 2, hour 1: g = (1 + 1) / (3 + 2) = .4; 7: (0 + .4) / (2 + 1); 8: (1 + .4) / (1 + 1)
    assert found[6:] == pytest.approx([0.4 / 3, 0.7])
    # row 0 by row 3 (7 at hour 1), hour 0: g = 1 / 3; 7: (1 / 3) / 2; 8: 1 / 3
    assert found[:2] == pytest.approx([1 / 6, 1 / 3])


def test_learned_likelihood_approaches_the_true_one():
    rng = np.random.default_rng(4)
    rows = 20_000
    hour_given = np.array([[0.7, 0.2, 0.1], [0.1, 0.2, 0.7]])
    sent = rng.integers(2, size=rows)
    hour = (rng.random((rows, 1)) > hour_given[sent].cumsum(axis=1)).sum(axis=1)
    action, offsets = np.tile([0, 1], rows), np.arange(0, 2 * rows + 1, 2)
    found = learned_likelihood(action, offsets[:-1] + sent, offsets, hour, np.arange(rows) % 2)
    # the standard error of a share over 5,000 rows is at most 0.0065; six of them
    assert found.reshape(rows, 2) == pytest.approx(hour_given[:, hour].T, abs=0.04)


@pytest.mark.parametrize("greedy", [False, True])
def test_selection_drops_dimensions_that_do_nothing_and_keeps_those_that_do(greedy):
    rng = np.random.default_rng(8)
    rows, candidates = 3000, 64
    codes = np.column_stack([np.arange(64) // 16, np.arange(64) // 4 % 4, np.arange(64) % 4])
    logged = np.tile(rng.dirichlet(np.ones(candidates)), (rows, 1))
    target = np.tile(rng.dirichlet(np.ones(candidates)), (rows, 1))
    choice = (rng.random((rows, 1)) > logged.cumsum(axis=1)).sum(axis=1) + np.arange(rows) * candidates
    worth = np.array([0.0, 4.0, 8.0, 12.0])[codes[:, 0]]  # only the first dimension matters
    reward = worth[choice % candidates] + rng.normal(size=rows)
    offsets, everywhere = np.arange(rows + 1) * candidates, np.tile(codes, (rows, 1))

    def estimate_with(part):
        likelihood = same_embedding(everywhere[:, part], choice, offsets)
        return ips(reward, marginal_weights(target.ravel(), logged.ravel(), likelihood, offsets))

    kept, selection = select_embedding(estimate_with, 3, greedy=greedy)
    assert 0 in kept
    assert len(kept) < 3
    assert selection.estimate.std_error < estimate_with((0, 1, 2)).std_error
    assert selection.estimate.value == pytest.approx(float(target[0] @ worth), abs=0.5)
    all_of_them, _ = select_embedding(estimate_with, 3, fewest=3)
    assert all_of_them == (0, 1, 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: same_embedding(CODES, [0, 0], OFFSETS), "choice must be the place"),
        (lambda: same_embedding(CODES + 0.5, CHOICE, OFFSETS), "embedding has shape"),
        (lambda: marginal_weights(TARGET, LOGGED, [0, 0, 0, 1, 1], OFFSETS), "embedding of row 0"),
        (
            lambda: marginal_weights(TARGET, LOGGED / 2, np.ones(5), OFFSETS),
            "logging_probability sums to 0.5",
        ),
        (lambda: posterior_weights(TARGET, LOGGED, np.ones(5), OFFSETS), "posterior sums to 3"),
        (
            lambda: learned_likelihood([0, 0], [0, 1], [0, 1, 2], [0, 0], [0, 1], smoothing=0),
            "smoothing == 0",
        ),
        (lambda: learned_likelihood([0, 0], [0, 1], [0, 1, 2], [0], [0, 1]), "embedding has 1 rows"),
        (lambda: select_embedding(lambda part: ips([1.0], [1.0]), 2, fewest=3), "fewest == 3"),
    ],
)
def test_bad_input_names_the_rule(call, message):
    with pytest.raises(InputError, match=message):
        call()
