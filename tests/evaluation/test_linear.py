import numpy as np
import pytest

from homing.evaluation import linear_gain
from homing.schema import InputError


def test_by_hand() -> None:
    # slope: (1 x 1 x 3 + 2 x -1 x 1 + 1 x 1 x 1) / (1 + 2 + 1) = 2 / 4; promised 0.3 in the mean
    found = linear_gain([3.0, 1.0, 1.0], [1.0, -1.0, 1.0], [0.1, 0.8, 0.0], [1.0, 2.0, 1.0])
    assert found.value == pytest.approx(0.15)
    # influence: 0.3 w s (r - 0.5 s) / 4, each row a user
    psi = 0.3 * np.array([2.5, 2 * -1 * 1.5, 0.5]) / 4
    assert found.std_error == pytest.approx(np.sqrt(3 / 2 * psi @ psi))


def test_a_promise_that_half_comes_true() -> None:
    """Two choices alike; a score says +1 or -1 of the second, where truth is half of that."""
    draw = np.random.default_rng(0)
    inside, rows = 0, 1_000
    for _ in range(200):
        says, choice = draw.choice([-1.0, 1.0], rows), draw.integers(0, 2, rows)
        residual = 0.5 * says * (choice - 0.5) + draw.normal(size=rows)
        promised = np.maximum(says, 0) - says * choice
        # always taking the better one gains a half of the mean of 0.5 over choosing alike
        found = linear_gain(residual, says * (choice - 0.5), promised, np.ones(rows), confidence=0.9)
        inside += found.low < 0.25 < found.high
    assert 0.84 <= inside / 200 <= 0.96


def test_scores_that_never_vary_tell_nothing() -> None:
    found = linear_gain([1.0, 2.0], [0.0, 0.0], [0.0, 0.0], [1.0, 1.0])
    assert np.isnan(found.value)
    assert "a denominator is zero" in found.warnings[0]


def test_columns_must_be_alike() -> None:
    with pytest.raises(InputError, match="promised has 1 rows"):
        linear_gain([1.0, 2.0], [0.0, 1.0], [0.0], [1.0, 1.0])
