"""Long-term outcomes, exact on whole populations: where assumptions hold, and how far off where they fail."""

import itertools
import math

import numpy as np
import pytest

from homing.evaluation import effective_sample_size, ips, snips
from homing.evaluation.sequential import lope, surrogate_index, surrogate_weights, tabular
from homing.schema import InputError

# x, a and s are 0 or 1; all chances are tenths, so 1,000 rows are the population
USERS = np.array([4, 6])
LOGGED = np.array([[5, 5], [7, 3]])  # [x, a]
SHORT = np.array([[[7, 3], [4, 6]], [[8, 2], [3, 7]]])  # [x, a, s]
TARGET = np.array([[0.2, 0.8], [0.9, 0.1]])
THROUGH = np.array([[1.0, 3.0], [0.0, 5.0]])  # g(x, s)
BESIDE = np.array([[0.0, 2.0], [1.0, -1.0]])  # h(x, a)


def population(beside):
    """Columns x, a, s and y of all 1,000 rows, and the target's value."""
    rows, truth = [], 0.0
    for x, a, s in itertools.product((0, 1), repeat=3):
        y = THROUGH[x, s] + beside[x, a]
        rows += [(x, a, s, y)] * (USERS[x] * LOGGED[x, a] * SHORT[x, a, s])
        truth += USERS[x] / 10 * TARGET[x, a] * SHORT[x, a, s] / 10 * y
    x, a, s, y = (np.array(column) for column in zip(*rows, strict=True))
    assert len(x) == 1000
    return x, a, s, y.astype(float), truth


def weights_of(x, a):
    return TARGET[x, a] / (LOGGED[x, a] / 10)


def one_hot(x, s):
    return np.eye(4)[2 * x + s]


def test_surrogate_index_by_hand():
    # long log: mean of y is 2 where s = 0 (1, 3) and 5 where s = 1; short log: weights 1 and 3
    long = [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]
    found = surrogate_index(long, [1.0, 3.0, 5.0], np.eye(2), [1.0, 3.0])
    assert found.value == pytest.approx((2 + 3 * 5) / 4)
    # short rows: w (h - 4.25) / 4 = -2.25 / 4, 2.25 / 4; long rows: share of s (1/4) x residual / rows (2)
    assert found.influence == pytest.approx([-1 / 8, 1 / 8, 0.0, -2.25 / 4, 2.25 / 4])
    assert found.std_error == pytest.approx(math.sqrt(5 / 4 * (2 / 64 + 2 * (2.25 / 4) ** 2)))


def test_surrogate_index_is_exact_under_surrogacy():
    x, a, s, y, truth = population(np.zeros((2, 2)))
    found = surrogate_index(one_hot(x, s), y, one_hot(x, s), weights_of(x, a))
    assert found.value == pytest.approx(truth, abs=1e-12)


def test_surrogate_index_fails_by_a_known_amount_without_surrogacy():
    x, a, s, y, truth = population(BESIDE)
    found = surrogate_index(one_hot(x, s), y, one_hot(x, s), weights_of(x, a))
    # a direct effect is replaced by its mean under the log's choices, given x and s
    bias = 0.0
    for i, j, k in itertools.product((0, 1), repeat=3):
        chance = USERS[i] / 10 * TARGET[i, j] * SHORT[i, j, k] / 10
        share = LOGGED[i] * SHORT[i, :, k] / (LOGGED[i] * SHORT[i, :, k]).sum()
        bias += chance * (share @ BESIDE[i] - BESIDE[i, j])
    assert abs(bias) > 0.1
    assert found.value - truth == pytest.approx(bias, abs=1e-12)


def test_error_of_the_index_counts_both_logs():
    rng = np.random.default_rng(21)
    x, a, s, y, _ = population(np.zeros((2, 2)))
    noisy = y + rng.normal(size=len(y)) * 3

    def once(long, short):
        return surrogate_index(
            one_hot(x, s)[long], noisy[long], one_hot(x, s)[short], weights_of(x, a)[short]
        )

    long, short = np.arange(0, 1000, 5), np.arange(1000)
    again = [once(rng.choice(long, len(long)), rng.choice(short, 1000)).value for _ in range(300)]
    assert once(long, short).std_error == pytest.approx(np.std(again), rel=0.15)


def test_a_user_in_both_logs_is_one_cluster():
    long = [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]
    found = surrogate_index(long, [1.0, 3.0, 5.0], np.eye(2), [1.0, 3.0], ["a", "b", "c"], ["a", "d"])
    assert found.users == 4
    assert found.influence == pytest.approx([-1 / 8 - 2.25 / 4, 1 / 8, 0.0, 2.25 / 4])


def test_surrogate_weights_are_ratios_of_chances():
    x, a, s, _, _ = population(BESIDE)
    found = surrogate_weights(weights_of(x, a), 2 * x + s, tabular(4))
    target = np.einsum("xa,xas->xs", TARGET, SHORT / 10)
    logged = np.einsum("xa,xas->xs", LOGGED / 10, SHORT / 10)
    assert found == pytest.approx((target / logged)[x, s])
    assert effective_sample_size(found) > effective_sample_size(weights_of(x, a))


def test_lope_by_hand():
    # 1 + 2 (3 - 1) = 5; 0 + 0.5 (4 - 2) = 1
    found = lope([3.0, 4.0], [2.0, 0.5], [1.0, 2.0], [1.0, 0.0])
    assert found.value == pytest.approx(3.0)
    assert found.std_error == pytest.approx(2.0)
    # and 1 (1 - 2) = -1; 2 (1 - 0.5) = 1
    found = lope([3.0, 4.0], [2.0, 0.5], [1.0, 2.0], [1.0, 0.0], weight=[1.0, 1.0], residual=[1.0, 2.0])
    assert found.value == pytest.approx(3.0)
    assert found.std_error == pytest.approx(1.0)


def lope_of(x, a, s, y, f):
    mean = (TARGET * f).sum(axis=1)[x]
    return lope(y, surrogate_weights(weights_of(x, a), 2 * x + s, tabular(4)), f[x, a], mean)


def test_lope_is_exact_without_surrogacy_when_f_is_right_up_to_the_user():
    x, a, s, y, truth = population(BESIDE)
    f = BESIDE + np.array([[10.0], [-3.0]])
    assert lope_of(x, a, s, y, f).value == pytest.approx(truth, abs=1e-12)
    x, a, s, y, truth = population(np.zeros((2, 2)))
    assert lope_of(x, a, s, y, np.zeros((2, 2))).value == pytest.approx(truth, abs=1e-12)


def test_lope_fails_by_a_known_amount_when_f_is_wrong():
    x, a, s, y, truth = population(BESIDE)
    w = surrogate_weights(weights_of(x, a), 2 * x + s, tabular(4))
    bias = (w * BESIDE[x, a]).mean() - (TARGET * BESIDE).sum(axis=1)[x].mean()
    assert abs(bias) > 0.1
    found = lope_of(x, a, s, y, np.zeros((2, 2)))
    assert found.value - truth == pytest.approx(bias, abs=1e-12)
    # without surrogacy and with f = 0 it shares the index' bias
    index = surrogate_index(one_hot(x, s), y, one_hot(x, s), weights_of(x, a))
    assert found.value == pytest.approx(index.value)


def test_lope_is_less_noisy_than_weighting_by_choices():
    x, a, s, y, _ = population(BESIDE)
    noisy = y + np.random.default_rng(22).normal(size=1000) * 10
    assert lope_of(x, a, s, noisy, BESIDE).std_error < 0.9 * snips(noisy, weights_of(x, a)).std_error
    assert lope_of(x, a, s, noisy, BESIDE).std_error < 0.9 * ips(noisy, weights_of(x, a)).std_error


def test_residual_lets_the_error_count_estimated_weights():
    """Against all of it done anew on resampled rows; the value of a tabular fit does not change."""
    rng = np.random.default_rng(23)
    x, a, s, y, _ = population(BESIDE)
    y = y + rng.normal(size=1000)

    def once(rows, told):
        cell, w = 2 * x[rows] + s[rows], weights_of(x[rows], a[rows])
        off = y[rows] - BESIDE[x[rows], a[rows]]
        mean = (TARGET * BESIDE).sum(axis=1)[x[rows]]
        extra = {}
        if told:
            extra = {"weight": w, "residual": tabular(4)(cell, off, np.ones(len(rows)))(cell)}
        by_cell = surrogate_weights(w, cell, tabular(4))
        return lope(y[rows], by_cell, BESIDE[x[rows], a[rows]], mean, **extra)

    whole = np.arange(1000)
    again = [once(rng.integers(1000, size=1000), False).value for _ in range(300)]
    assert once(whole, True).value == pytest.approx(once(whole, False).value)
    assert once(whole, True).std_error == pytest.approx(np.std(again), rel=0.15)
    assert abs(once(whole, False).std_error / np.std(again) - 1) > 0.15


def test_folds_are_fitted_on_others():
    found = surrogate_weights([1.0, 3.0, 5.0, 7.0], np.zeros(4, int), tabular(1), fold=[0, 0, 1, 1])
    assert found.tolist() == [6.0, 6.0, 2.0, 2.0]
    with pytest.raises(InputError, match="weights of surrogates has 1 NaN"):
        surrogate_weights([1.0, 3.0, 5.0], np.array([0, 0, 1]), tabular(2), fold=[0, 1, 1])


def test_no_overlap_is_not_zero():
    assert math.isnan(surrogate_index([[1.0]] * 2, [1.0, 2.0], [[1.0]], [0.0]).value)
    assert math.isnan(lope([1.0, 2.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]).value)


def test_bad_input_is_refused():
    with pytest.raises(InputError, match="short_features has what long_features lacks"):
        surrogate_index([[1.0, 0.0]] * 2, [1.0, 2.0], np.eye(2), [1.0, 1.0])
    with pytest.raises(InputError, match=r"must be \[2, d\] and \[n, d\]"):
        surrogate_index([[1.0, 0.0]] * 3, [1.0, 2.0], np.eye(2), [1.0, 1.0])
    with pytest.raises(InputError, match=r"must be \[rows, columns\]"):
        surrogate_index([1.0, 2.0], [1.0, 2.0], np.eye(2), [1.0, 1.0])
    with pytest.raises(InputError, match="long_user and short_user go together"):
        surrogate_index([[1.0]], [1.0], [[1.0]], [1.0], ["a"])
    with pytest.raises(InputError, match="must be of one type"):
        surrogate_index([[1.0]], [1.0], [[1.0]], [1.0], ["1"], [1])
    with pytest.raises(InputError, match="weight and residual go together"):
        lope([1.0], [1.0], [1.0], [1.0], weight=[1.0])
