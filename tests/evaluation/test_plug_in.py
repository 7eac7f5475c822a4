import numpy as np
import pytest

from homing.evaluation import importance_weights, ips, on_policy, plug_in, snips
from homing.schema import InputError

from .solvable import CHANCE, LOGGING, POLICY, STATE, TRUTH


def test_by_hand():
    # each fold is predicted by the shares of the other one
    choice, fold = np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1])

    def fit_predict(train, test):
        share = np.bincount(choice[train], minlength=2) / len(train)
        return share[choice[test]]

    found = plug_in(
        lambda weight: ips([1.0, 2.0, 3.0, 4.0], weight), [0.25, 0.5, 0.25, 0.0], fold, fit_predict
    )
    # every propensity is 1/2: weights .5, 1, .5, 0
    assert found.value == pytest.approx((0.5 + 2.0 + 1.5) / 4)
    assert found.estimator == "ips, propensities estimated"
    assert found.warnings[0].startswith("propensities are estimated and were not logged")


def solvable_log(rows, seed):
    rng = np.random.default_rng(seed)
    state = (rng.random(rows) < STATE[1]).astype(int)
    tables = [np.array([*table[0], *table[1]]) for table in (LOGGING, POLICY, CHANCE)]
    draw = rng.random(rows)
    action = np.where(state, draw > LOGGING[1][0], (draw > LOGGING[0][0]).astype(int) + (draw > 0.8))
    logged, target, chance = (table[3 * state + action] for table in tables)
    return state, action, logged, target, (rng.random(rows) < chance).astype(float)


def test_shares_by_state_recover_the_truth_and_shares_overall_do_not():
    state, action, logged, target, reward = solvable_log(40_000, 3)
    fold = np.arange(len(state)) % 2

    def by(key):
        def fit_predict(train, test):
            cell = key * 3 + action
            count = np.bincount(cell[train], minlength=6)
            size = np.bincount(key[train], minlength=2)
            return count[cell[test]] / size[key[test]]

        return plug_in(lambda weight: snips(reward, weight), target, fold, fit_predict)

    right, wrong = by(state), by(np.zeros_like(state))
    known = snips(reward, importance_weights(target, logged))
    assert right.value == pytest.approx(TRUTH, abs=4 * right.std_error)
    assert right.value == pytest.approx(known.value, abs=known.std_error)
    assert abs(wrong.value - TRUTH) > 6 * wrong.std_error


def test_a_probability_of_zero_is_refused():
    with pytest.raises(InputError, match=r"propensity ranges from 0 to 0, must be in \(0, 1\]"):
        plug_in(on_policy, [0.5, 0.5], [0, 1], lambda train, test: np.zeros(1))
