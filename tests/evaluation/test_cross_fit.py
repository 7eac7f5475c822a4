import numpy as np
import pytest

from homing.evaluation import cross_fit, folds_by_user
from homing.schema import InputError

HASH = np.random.default_rng(0).integers(0, 2**64, 3000, dtype=np.uint64)


def test_folds_are_even_and_stay_with_the_user():
    fold = folds_by_user(HASH, 3)
    assert fold.dtype == np.int8
    # 1000 expected, standard deviation 26
    assert np.bincount(fold, minlength=3) == pytest.approx(np.full(3, 1000), abs=110)
    assert (folds_by_user(np.concatenate([HASH, HASH]), 3) == np.concatenate([fold, fold])).all()


def test_folds_do_not_follow_the_bits_that_chose_the_partition():
    one_partition = HASH & ~np.uint64(15)
    assert np.bincount(folds_by_user(one_partition, 2), minlength=2).min() > 1300
    counting = np.arange(3000, dtype=np.uint64)
    assert np.bincount(folds_by_user(counting, 2), minlength=2).min() > 1300


def test_every_row_is_predicted_by_a_model_that_did_not_see_it():
    outcome = np.array([1.0, 2.0, 3.0, 5.0])
    fold = np.array([0, 1, 0, 1])

    def fit_predict(train, test):
        assert not set(train) & set(test)
        return np.full(len(test), outcome[train].mean())

    # fold 0 is predicted by the mean of 2 and 5, fold 1 by that of 1 and 3
    assert cross_fit(fold, fit_predict).tolist() == [3.5, 2.0, 3.5, 2.0]


def test_several_outcomes_and_ragged_candidates():
    fold = np.array([0, 1, 0])
    offsets = np.array([0, 1, 3, 6])

    def fit_predict(train, test):
        del train
        candidates = np.concatenate([np.arange(offsets[row], offsets[row + 1]) for row in test])
        return np.column_stack([candidates, candidates * 10])

    found = cross_fit(fold, fit_predict, offsets)
    assert found.tolist() == [[place, place * 10.0] for place in range(6)]


def test_bad_input():
    with pytest.raises(InputError, match="must have at least 2"):
        cross_fit([1, 1], lambda train, test: test)
    with pytest.raises(InputError, match="must have 1 rows"):
        cross_fit([0, 1], lambda train, test: np.zeros(2))
    with pytest.raises(InputError, match="folds == 1"):
        folds_by_user(HASH, 1)
    with pytest.raises(InputError, match="must be uint64"):
        folds_by_user(HASH.astype(np.int64), 2)
