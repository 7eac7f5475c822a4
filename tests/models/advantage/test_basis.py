import dataclasses

import numpy as np
import pytest

from homing.models.advantage import Basis, fit_baselines, measure_basis
from homing.schema import Features, FeatureSpec, InputError

SPEC = FeatureSpec(
    user=("session.push.7d", "session.organic.7d", "session.organic.28d"),
    candidate=("channel.delivered.1d", "channel.delivered.28d", "domain_value"),
    message=(),
    user_codes=(("plan", 2),),
    candidate_codes=(("channel", 2),),
    message_codes=(("message", 3), ("domain", 2)),
)
HEADS = ("visit", "message.opened", "message.clicked")


def features() -> Features:
    """Two rows: hold and two sends; hold and one."""
    return Features(
        spec=SPEC,
        offsets=np.array([0, 3, 5]),
        user=np.array([[9.0, 9.0, 1.0], [9.0, 9.0, 3.0]], np.float32),
        user_codes=np.array([[0], [1]], np.int32),
        candidate=np.array(
            [[np.nan] * 3, [1.0, 1.0, 5.0], [0.0, 0.0, 7.0], [np.nan] * 3, [2.0, 2.0, np.nan]], np.float32
        ),
        candidate_codes=np.array([[-1], [0], [1], [-1], [0]], np.int32),
        message=np.array([-1, 0, 1, -1, 2], np.int32),
        messages=np.zeros((3, 0), np.float32),
        messages_codes=np.array([[0, 0], [1, 1], [2, -1]], np.int32),
    )


RESPONSES = np.array(
    [[0.2, 0.0, 0.0], [0.3, 0.04, 0.01], [0.2, 0.16, 0.01], [0.5, 0.0, 0.0], [0.4, 0.36, 0.01]], np.float32
)


def basis() -> Basis:
    return measure_basis(SPEC, HEADS, "session", features(), RESPONSES)


def test_columns_by_hand() -> None:
    plain = dataclasses.replace(basis(), centre=np.zeros(5), scale=np.ones(5), response_scale=np.ones(3))
    found = plain(features(), RESPONSES)
    assert found.shape == (5, len(plain)) == (5, 5 + 5 * 2 + 1 + 2 + 3)
    np.testing.assert_array_equal(found[[0, 3]], 0.0)  # hold
    # 1, roots of opened and clicked, deliveries of the channel, the longest memory of organic sessions
    np.testing.assert_allclose(found[1, :5], [1.0, 0.2, 0.1, 2.0, 1.0], rtol=1e-6)
    np.testing.assert_allclose(found[4, :5], [1.0, 0.6, 0.1, 4.0, 3.0], rtol=1e-6)
    # the same again by channel, a factor's channels side by side
    np.testing.assert_allclose(found[1, 5:15], [1, 0, 0.2, 0, 0.1, 0, 2, 0, 1, 0], rtol=1e-6)
    np.testing.assert_allclose(found[2, 5:15], [0, 1, 0, 0.4, 0, 0.1, 0, 0, 0, 1], rtol=1e-6)
    np.testing.assert_allclose(found[:, 15], [0, 0.1, 0, 0, -0.1], atol=1e-6)  # visit against hold
    np.testing.assert_array_equal(found[:, 16:18], [[0, 0], [1, 0], [0, 1], [0, 0], [0, 0]])  # domains
    # context: deliveries have mean 1 and variance 2/3; domain values mean 6, deviation 1, and one is missing
    root = 1.5**0.5
    np.testing.assert_allclose(
        found[[1, 2, 4], 18:], [[0, 0, -1], [-root, -root, 1], [root, root, 0]], rtol=1e-6
    )


def test_a_context_that_never_differs_tells_nothing() -> None:
    alike = dataclasses.replace(features(), candidate=np.full((5, 3), 4.0, np.float32))
    one = measure_basis(SPEC, HEADS, "session", alike, RESPONSES)
    np.testing.assert_array_equal(one(alike, RESPONSES)[:, 18:], 0.0)


def test_groups_are_what_is_common_what_is_particular_responses_and_context() -> None:
    np.testing.assert_array_equal(basis().groups, [0] * 5 + [1] * 10 + [2] + [1] * 2 + [3] * 3)


def test_needs_a_send() -> None:
    held = features().take_rows(np.array([0]))
    held = dataclasses.replace(held, message=np.full(3, -1, np.int32))
    with pytest.raises(InputError, match="no candidate of the sample is a send"):
        measure_basis(SPEC, HEADS, "session", held, RESPONSES[:3])


def test_baselines_do_not_see_their_own_users() -> None:
    draw = np.random.default_rng(0)
    rows = 4_000
    user = draw.normal(size=(rows, 3)).astype(np.float32)
    codes = draw.integers(-1, 2, (rows, 1)).astype(np.int32)
    outcome = (1 + user[:, 1] - 2.0 * (codes[:, 0] == 1)).astype(np.float32)[:, None]
    outcome = np.hstack([outcome, outcome * 2, np.full_like(outcome, np.nan)])
    outcome[::3, 1] = np.nan
    fold = (np.arange(rows) // 2 % 2).astype(np.int64)
    predicted, whole = fit_baselines(SPEC, user, codes, outcome, fold, 2)
    known = np.isfinite(outcome[:, 1])
    assert np.abs(predicted[:, 0] - outcome[:, 0]).mean() < 0.1
    assert np.abs(predicted[known, 1] - outcome[known, 1]).mean() < 0.2
    np.testing.assert_array_equal(predicted[:, 2], 0.0)
    # another outcome of one fold changes the other fold's predictions, and not its own
    other = outcome.copy()
    other[fold == 0] += 1
    again, _ = fit_baselines(SPEC, user, codes, other, fold, 2)
    np.testing.assert_allclose(again[fold == 0], predicted[fold == 0])
    assert np.abs(again[fold == 1, 0] - predicted[fold == 1, 0]).min() > 0.5
    assert whole.coefficients.shape[1] == 3
