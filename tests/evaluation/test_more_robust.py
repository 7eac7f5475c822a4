import numpy as np
import pytest

from homing.evaluation import Shrinkage, cross_fit, dr, mrdr, mrdr_weights
from homing.schema import InputError

from .solvable import CHANCE, LOGGING, STATE, logs

#: A target that always takes one candidate: the second in either state.
POLICY = (np.array([0.0, 1.0, 0.0]), np.array([0.0, 1.0]))


def test_sample_weights_by_hand():
    # w = 2, 0, 0.5: 4 * .5, 0, .25 * .2
    assert mrdr_weights([1.0, 0.0, 0.4], [0.5, 0.1, 0.8]) == pytest.approx([2.0, 0.0, 0.05])


def variance(constant):
    """Of the estimate from one decision, over all logs, with `constant` for every prediction."""
    values = []
    for probability, log in logs(1):
        weight = log.of_choice(POLICY) / log.of_choice(LOGGING)
        target, every = log.of_all(POLICY), np.full(log.offsets[-1], constant)
        found = dr(log.reward, weight, target, every, every[:1], log.offsets)
        values.append((probability, found.value))
    mean = sum(p * v for p, v in values)
    assert mean == pytest.approx(sum(s * c[1] for s, c in zip(STATE, CHANCE, strict=True)), abs=1e-12)
    return sum(p * v**2 for p, v in values) - mean**2


def test_the_weighted_fit_has_the_least_variance_over_all_logs():
    # the best constant of each weighting, over all logs of one decision
    totals = {"mrdr": np.zeros(2), "plain": np.zeros(2)}
    for probability, log in logs(1):
        of_choice = log.of_choice(POLICY)
        if of_choice[0]:
            weight = mrdr_weights(of_choice, log.of_choice(LOGGING))[0]
            totals["mrdr"] += probability * weight * np.array([log.reward[0], 1])
            totals["plain"] += probability * np.array([log.reward[0], 1])
    best, plain = (float(total[0] / total[1]) for total in totals.values())
    assert abs(best - plain) > 0.01
    assert variance(best) < variance(plain)
    assert variance(best) < min(variance(best - 0.01), variance(best + 0.01))


def log_of(rows, seed=0):
    rng = np.random.default_rng(seed)
    counts = rng.integers(2, 4, rows)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    choice = offsets[:-1] + rng.integers(counts)
    return rng.random(rows), 1 / counts, np.repeat(1 / counts, counts), choice, offsets, np.arange(rows) % 3


def test_it_is_dr_on_predictions_of_models_that_saw_other_folds_and_their_weights():
    reward, propensity, target, choice, offsets, fold = log_of(30)
    target = np.zeros(len(target))
    target[offsets[:-1]] = 1.0  # always the first
    sample_weight = mrdr_weights(target[choice], propensity)

    def fit_predict(train, test, weight):
        assert (weight == sample_weight[train]).all()
        return np.full(int(np.diff(offsets)[test].sum()), np.average(reward[train], weights=weight))

    found = mrdr(reward, propensity, target, choice, offsets, fold, fit_predict)
    prediction = cross_fit(fold, lambda train, test: fit_predict(train, test, sample_weight[train]), offsets)
    plain = dr(reward, target[choice] / propensity, target, prediction, prediction[choice], offsets)
    assert (found.value, found.std_error) == (plain.value, plain.std_error)
    assert found.estimator == "mrdr"
    clipped = mrdr(
        reward, propensity, target, choice, offsets, fold, fit_predict, shrinkage=Shrinkage("clip", 1.0)
    )
    assert clipped.estimator == "mrdr (clip 1)"
    assert clipped.value != found.value


def test_bad_input_names_the_rule():
    with pytest.raises(InputError, match="no variance for a model to reduce"):
        mrdr_weights([1.0, 0.0], [1.0, 0.5])
    reward, propensity, target, choice, offsets, fold = log_of(6)
    with pytest.raises(InputError, match="choice must be the place"):
        mrdr(reward, propensity, target, choice[::-1], offsets, fold, lambda train, test, weight: test)
