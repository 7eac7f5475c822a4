import math

import numpy as np
import pytest

from homing.evaluation import confidence_sequence, on_policy
from homing.experiments.sequential import always_valid
from homing.schema import InputError
from homing.statistics import best_mixing, normal_mixture


def test_by_hand():
    # V = rho = 1, alpha = 1 / e: sqrt(2 (log 2 + 2))
    assert normal_mixture(1.0, 1.0, math.exp(-1)) == pytest.approx(math.sqrt(2 * (math.log(2) + 2)))
    # alpha = 1 / e: 2 + log(1 + 2)
    assert best_mixing(math.exp(-1)) == pytest.approx(2 + math.log(3))


def test_the_best_mixing_is_near_the_best_of_all():
    rho = np.geomspace(1e-3, 1, 2001)
    reach = normal_mixture(1.0, rho, 0.05)
    assert normal_mixture(1.0, 1 / best_mixing(0.05), 0.05) == pytest.approx(reach.min(), rel=1e-3)


def test_walks_hardly_ever_pass_it():
    walks = np.random.default_rng(0).normal(size=(2000, 400)).cumsum(axis=1)
    bound = normal_mixture(np.arange(1, 401), 50.0, 0.05)
    assert (np.abs(walks) > bound).any(axis=1).mean() < 0.05


def test_experiments_and_evaluation_draw_the_same_boundary():
    found = on_policy(np.tile([0.0, 1.0], 500))
    sequence = confidence_sequence(found, tightest_at=500)
    best_at = found.std_error * math.sqrt(1000 / 500)  # with half of the users
    critical = float(always_valid(found.std_error, best_at, 0.05))
    assert sequence.high - sequence.value == pytest.approx(critical * found.std_error)


def test_bad_input():
    with pytest.raises(InputError, match="alpha == 1"):
        normal_mixture(1.0, 1.0, 1.0)
    with pytest.raises(InputError, match="alpha == 0"):
        best_mixing(0.0)
