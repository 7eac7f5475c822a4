from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.models.delayed import DailyPrior, believe, best_chances, fit_daily_prior
from homing.schema import InputError

PRIOR = DailyPrior(
    coefficients=np.array([[1.0, 0.5]]),
    between=np.array([[1.0, 0.8], [0.8, 1.0]]),
    within=np.array([[2.0, 1.0], [1.0, 4.0]]),
)


def test_one_day_of_two_by_hand() -> None:
    # day 1 of one user is 4: its gain is 1 / (1 + 2), and day 2 moves by 0.8 / (1 + 2) of the surprise
    found = believe(PRIOR, [[4.0, np.nan]], [1], [0], 2)
    assert found.mean == pytest.approx(np.array([[2.0, 1.3], [1.0, 0.5]]))
    assert found.covariance[0] == pytest.approx(np.array([[2 / 3, 0.8 * 2 / 3], [0.8 * 2 / 3, 1 - 0.64 / 3]]))
    assert found.covariance[1] == pytest.approx(PRIOR.between)
    mean, deviation = found.worth([1, 1])
    assert mean == pytest.approx([3.3, 1.5])
    assert deviation**2 == pytest.approx([2 / 3 + 2 * 1.6 / 3 + 1 - 0.64 / 3, 3.6])


def test_all_days_by_hand() -> None:
    # B (B + W)^-1 of the surprise (2, 1.5), with B + W = [[3, 1.8], [1.8, 5]]
    found = believe(PRIOR, [[3.0, 2.0]], [2], [0], 1)
    total = np.array([[3.0, 1.8], [1.8, 5.0]])
    gain = PRIOR.between @ np.linalg.inv(total)
    assert found.mean[0] == pytest.approx([1, 0.5] + gain @ [2, 1.5])
    assert found.covariance[0] == pytest.approx(PRIOR.between - gain @ PRIOR.between)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(0, 8))
def test_it_is_the_conditional_distribution(seed: int, days: int, users: int) -> None:
    draw = np.random.default_rng(seed)
    root, other = draw.normal(size=(2, days, days))
    prior = DailyPrior(draw.normal(size=(1, days)), root @ root.T, other @ other.T + np.eye(days))
    outcomes, seen = draw.normal(size=(users, days)), draw.integers(0, days + 1, users)
    found = believe(prior, outcomes, seen, np.zeros(users, np.int64), 1)
    # all users' days and the means are one Gaussian vector; condition on what was seen
    places = [(user, day) for user in range(users) for day in range(seen[user])]
    joint = np.array(
        [[prior.between[i, j] + (u == v) * prior.within[i, j] for v, j in places] for u, i in places]
    ).reshape(len(places), len(places))
    cross = np.array([[prior.between[i, j] for _, j in places] for i in range(days)]).reshape(
        days, len(places)
    )
    surprise = np.array([outcomes[user, day] - prior.coefficients[0, day] for user, day in places])
    gain = cross @ np.linalg.inv(joint) if places else cross
    assert found.mean[0] == pytest.approx(prior.coefficients[0] + gain @ surprise, abs=1e-6)
    assert found.covariance[0] == pytest.approx(prior.between - gain @ cross.T, abs=1e-6)


def test_days_not_seen_change_nothing() -> None:
    one = believe(PRIOR, [[4.0, np.nan], [1.0, 2.0]], [1, 2], [0, 1], 2)
    other = believe(PRIOR, [[4.0, 99.0], [1.0, 2.0]], [1, 2], [0, 1], 2)
    assert (one.mean == other.mean).all()


def test_the_prior_is_found_again() -> None:
    draw = np.random.default_rng(0)
    messages, users = 800, 12
    x = np.column_stack([np.ones(messages), draw.normal(size=messages)])
    coefficients = np.array([[1.0, 0.5], [0.3, -0.2]])
    theta = x @ coefficients + draw.multivariate_normal([0, 0], PRIOR.between, messages)
    of = np.repeat(np.arange(messages), users)
    outcomes = theta[of] + draw.multivariate_normal([0, 0], PRIOR.within, len(of))
    found = fit_daily_prior(outcomes, of, x)
    assert found.coefficients == pytest.approx(coefficients, abs=0.12)
    assert found.between == pytest.approx(PRIOR.between, abs=0.15)
    assert found.within == pytest.approx(PRIOR.within, abs=0.15)
    # without the features, what they explain is between messages
    plain = fit_daily_prior(outcomes, of)
    assert plain.between[0, 0] > found.between[0, 0] + 0.04
    # intervals of new messages hold
    half = believe(found, outcomes, np.full(len(of), 1), of, x)
    mean, deviation = half.worth([1, 1])
    assert np.mean(np.abs(mean - theta.sum(1)) < 1.645 * deviation) == pytest.approx(0.9, abs=0.04)


def test_the_prior_by_hand() -> None:
    # means 1 and 3; within (1 + 1 + 1 + 1) / 2 = 2; between 2 - 2 / 2 = 1
    found = fit_daily_prior([[0.0], [2.0], [2.0], [4.0]], [0, 0, 1, 1])
    assert found.coefficients == pytest.approx(np.array([[2.0]]))
    assert found.within == pytest.approx(np.array([[2.0]]), rel=1e-5)
    assert found.between == pytest.approx(np.array([[1.0]]))


def test_chances_of_being_best() -> None:
    found = best_chances(np.array([0.0, 1.0]), np.array([1.0, 0.0]), draws=20_000)
    assert found.tolist() == pytest.approx([0.1587, 0.8413], abs=0.01)
    assert found.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("outcomes", "seen", "message", "says"),
    [
        ([[np.nan, 1.0]], [1], [0], "outcomes has NaN"),
        ([[1.0, 1.0]], [3], [0], r"seen must be in 0 \.\. 2"),
        ([[1.0, 1.0]], [1], [2], r"message in 0 \.\. 1"),
        ([[1.0]], [1], [0], r"must be \[n, 2\]"),
        ([[1.0, 1.0]], [1], [-1], "must be integers >= 0"),
    ],
)
def test_what_is_wrong_is_said(outcomes: object, seen: object, message: object, says: str) -> None:
    with pytest.raises(InputError, match=says):
        believe(PRIOR, outcomes, seen, message, 2)  # type: ignore[arg-type]


def test_past_messages_that_say_too_little() -> None:
    with pytest.raises(InputError, match="message 1 has 1 users"):
        fit_daily_prior([[0.0], [1.0], [1.0]], [0, 0, 1])
    with pytest.raises(InputError, match="fewer columns than rows"):
        fit_daily_prior([[0.0], [1.0]], [0, 0])
