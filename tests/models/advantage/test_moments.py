import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.models.advantage import effect_moments, noise_levels, noise_scale, reference_weights
from homing.models.advantage.moments import NOISE_LEVELS
from homing.schema import InputError


def test_weights_by_hand() -> None:
    # two sends beside hold; the reference holds with 0.5, so each send has 0.25
    weights = reference_weights(
        np.array([0.5, 0.25, 0.125]), np.array([True, False, False]), np.array([3, 3, 3]), 0.5
    )
    np.testing.assert_allclose(weights, [1.0, 1.0, 2.0])


def test_weights_make_the_mean_of_the_choice_known() -> None:
    draw = np.random.default_rng(0)
    rows, share = 200_000, 0.3
    spread = np.array([0.6, 0.3, 0.1])  # of the log, over hold and two sends
    choice = draw.choice(3, rows, p=spread)
    weights = reference_weights(spread[choice], choice == 0, np.full(rows, 3), share)
    found = [float(np.mean(weights * (choice == k))) for k in range(3)]
    np.testing.assert_allclose(found, [0.3, 0.35, 0.35], atol=0.01)


def test_weights_are_cut() -> None:
    propensity = np.full(1_000, 0.5)
    propensity[0] = 1e-9
    weights = reference_weights(propensity, np.ones(1_000, np.bool_), np.full(1_000, 2), 0.5)
    assert weights.max() <= 20 * 1e9 / 1_000 * 1.01


@pytest.mark.parametrize(
    ("propensity", "candidates", "word"), [(0.0, 2, "propensity == 0"), (0.5, 1, "candidates == 1")]
)
def test_bad_rows(propensity: float, candidates: int, word: str) -> None:
    with pytest.raises(InputError, match=word):
        reference_weights(np.array([propensity]), np.array([True]), np.array([candidates]), 0.5)


def test_moments_by_hand() -> None:
    centred = np.array([[1.0], [-1.0], [2.0]], np.float32)
    residuals = np.array([[3.0, 2.0], [1.0, np.nan], [np.nan, np.nan]])
    found = effect_moments(centred, residuals, np.array([1.0, 2.0, 1.0]))
    assert found.decisions == 3
    np.testing.assert_allclose(found.gram.ravel(), [3.0, 1.0])  # 1 x 1 + 2 x 1; the third is not known
    np.testing.assert_allclose(found.score.ravel(), [1.0, 2.0])  # 3 - 2
    np.testing.assert_allclose(found.square.ravel(), [5.0, 1.0])  # 1 x 1 + 4 x 1
    np.testing.assert_allclose(found.weight, [[5.0, 1.0]])
    np.testing.assert_allclose(found.noise, [[[13.0, 6.0], [6.0, 4.0]]])  # 9 + 4 x 1
    np.testing.assert_allclose(found.covariance(), [[13.0, 6.0], [6.0, 4.0]])


def test_noise_by_hand() -> None:
    # twenty levels of two decisions each; from the eleventh on residuals are three times as large
    predicted = np.arange(40.0)
    residuals = np.where(predicted < 20, 1.0, -3.0)[:, None] * [1.0, 10.0]
    residuals[5, 1] = np.nan  # not known yet
    found = noise_scale(predicted, residuals)
    np.testing.assert_allclose(found[[0, 39]], [np.sqrt(0.2), np.sqrt(1.8)], rtol=0.05)
    assert np.mean(found**2) == pytest.approx(1.0)
    assert found[0] == found[19] < found[20] == found[39]
    np.testing.assert_allclose(noise_scale(predicted, np.zeros((40, 2))), 1.0)
    one_is_loud = noise_scale(predicted, np.where(predicted < 38, 1e-6, 1.0)[:, None])
    # a twentieth of the mean at least: 1 / 400 of the loud level's variance, over (1 + 19 / 400) / 20 of it
    assert one_is_loud.min() ** 2 == pytest.approx((1 / 400) / ((1 + 19 / 400) / 20))


def test_loud_users_say_less() -> None:
    draw, rows, errors = np.random.default_rng(5), 2_000, []
    for _ in range(200):
        level = np.exp(draw.normal(size=rows))  # of minutes, with noise alike
        choice = draw.choice([-1.0, 1.0], rows)[:, None]
        residual = 0.1 * choice + level[:, None] * draw.normal(size=(rows, 1))
        scale = noise_scale(level, residual)[:, None]
        plain, scaled = (
            effect_moments((choice / by).astype(np.float32), residual / by, np.ones(rows))
            for by in (np.ones((rows, 1)), scale)
        )
        errors.append([float(m.score[0, 0] / m.gram[0, 0, 0]) - 0.1 for m in (plain, scaled)])
    plain, scaled = np.sqrt(np.mean(np.square(errors), axis=0))
    assert scaled < 0.5 * plain
    assert abs(np.mean(errors, axis=0)[1]) < 4 * scaled / np.sqrt(200)


def test_levels_by_hand() -> None:
    predicted = np.arange(40.0)
    found = noise_levels(predicted, predicted % 2 == 0)
    np.testing.assert_array_equal(found[[0, 1, 4, 5, 39]], [1, 0, 3, 2, 18])  # four decisions a level
    assert found.max() == NOISE_LEVELS - 1


def test_covariance_knows_where_the_noise_is() -> None:
    """An outcome that hardly comes but after a send: one covariance for all says too little of sends."""
    draw, rows = np.random.default_rng(6), 100_000
    sent = draw.random(rows) < 0.1
    centred = (sent - 0.1).astype(np.float32)[:, None]
    residual = np.where(sent, 3.0, 0.1)[:, None] * draw.normal(size=(rows, 1))
    level = noise_levels(np.zeros(rows), ~sent)
    plain, by_level = (
        float(effect_moments(centred, residual, np.ones(rows), by).covariance()[0, 0]) for by in (None, level)
    )
    # a tenth of the decisions has 0.9^2 x 3^2, the others 0.1^2 x 0.1^2; beside both means, 0.09 x 0.909
    assert by_level == pytest.approx(rows * (0.1 * 0.81 * 9 + 0.9 * 0.01 * 0.01), rel=0.05)
    assert plain == pytest.approx(rows * 0.09 * (0.1 * 9 + 0.9 * 0.01), rel=0.05)


@given(st.integers(2, 40), st.integers(1, 3), st.integers(0, 1_000))
def test_moments_add_up(rows: int, windows: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    centred = draw.normal(size=(rows, 2)).astype(np.float32)
    residuals = draw.normal(size=(rows, windows))
    residuals[np.arange(windows) >= draw.integers(0, windows + 1, rows)[:, None]] = np.nan
    weight, part = draw.random(rows), draw.random(rows) < 0.5
    level = draw.integers(0, NOISE_LEVELS, rows)
    whole = effect_moments(centred, residuals, weight, level)
    first, second = (
        effect_moments(centred[of], residuals[of], weight[of], level[of]) for of in (part, ~part)
    )
    both = first + second
    assert both.decisions == whole.decisions
    for name in ("gram", "score", "square", "weight", "noise"):
        np.testing.assert_allclose(getattr(both, name), getattr(whole, name), atol=1e-9)
    np.testing.assert_allclose(both.covariance(), whole.covariance(), atol=1e-9)


def test_covariance_is_that_of_scores() -> None:
    draw = np.random.default_rng(3)
    scores = []
    for _ in range(2_000):
        x = draw.normal(size=(50, 2)).astype(np.float32)
        common = draw.normal(size=(50, 1))
        scores.append(effect_moments(x, common + draw.normal(size=(50, 2)), np.ones(50)))
    found = np.mean([one.covariance() for one in scores], axis=0)
    seen = np.cov(np.array([one.score.ravel() for one in scores]).T)
    np.testing.assert_allclose(found, seen, atol=8.0)  # of 100 and 50
