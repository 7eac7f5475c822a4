from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.models.calibration import Scaling, fit_scaling, raw_loss, to_mean


def draw(n: int, link: str, seed: int) -> tuple[np.ndarray, np.ndarray, np.random.Generator]:
    random = np.random.default_rng(seed)
    return random.normal(size=n), random.normal(size=n) * 0.5, random


def test_losses_by_hand() -> None:
    zero, one = np.zeros(1), np.ones(1)
    assert raw_loss(zero, one, "logit") == pytest.approx(np.log(2))
    # half of the Poisson deviance of y = 2 at mean 1: 2 ln 2 - 2 + 1
    assert raw_loss(zero, 2 * one, "log") == pytest.approx(2 * np.log(2) - 1)
    assert raw_loss(np.log(2 * one), 2 * one, "log") == pytest.approx(0)
    assert raw_loss(3 * one, one, "identity") == 2


@pytest.mark.parametrize("link", ["logit", "log", "identity"])
def test_recovers_both_slopes_and_the_shift(link: str) -> None:
    base, delta, random = draw(60_000, link, 0)
    mean = to_mean(-0.5 + 0.3 + 0.6 * base + 1.5 * delta, link)  # type: ignore[arg-type]
    outcome = {
        "logit": lambda: (random.random(len(mean)) < mean).astype(float),
        "log": lambda: random.poisson(mean).astype(float),
        "identity": lambda: mean + random.normal(size=len(mean)),
    }[link]()
    found = fit_scaling(base, delta, outcome, -0.5, link)  # type: ignore[arg-type]
    assert found.base_slope == pytest.approx(0.6, abs=0.05)
    assert found.delta_slope == pytest.approx(1.5, abs=0.08)
    assert found.shift == pytest.approx(0.3, abs=0.05)


def test_few_positives_change_little_and_many_change_much() -> None:
    base, delta, _ = draw(100_000, "logit", 1)
    outcome = (np.random.default_rng(2).random(100_000) < to_mean(-3 + 0.2 * base, "logit")).astype(float)
    few = fit_scaling(base[:60], delta[:60], outcome[:60], -3.0, "logit")
    many = fit_scaling(base, delta, outcome, -3.0, "logit")
    assert abs(few.delta_slope - 1) < 0.5
    assert many.delta_slope == pytest.approx(0.05, abs=0.06)  # the delta is noise here
    assert many.base_slope == pytest.approx(0.2, abs=0.05)


def test_no_positives_and_no_rows() -> None:
    base, delta, _ = draw(50, "logit", 3)
    found = fit_scaling(base, delta, np.zeros(50), 0.0, "logit")
    raw = found.shift + found.base_slope * base + found.delta_slope * delta
    assert to_mean(raw, "logit").min() > 0
    assert fit_scaling(base[:0], delta[:0], base[:0], 0.0, "logit") == Scaling()


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    rows=st.integers(1, 300),
    link=st.sampled_from(["logit", "log", "identity"]),
    scale=st.floats(0.01, 20),
)
def test_never_hurts_keeps_order_and_stays_inside(seed: int, rows: int, link: str, scale: float) -> None:
    base, delta, random = draw(rows, link, seed)
    base, delta = base * scale, delta * scale
    outcome = {
        "logit": lambda: random.integers(0, 2, rows).astype(float),
        "log": lambda: random.lognormal(0, 2, rows) * random.integers(0, 2, rows),
        "identity": lambda: random.normal(size=rows) * 5,
    }[link]()
    found = fit_scaling(base, delta, outcome, 0.0, link)  # type: ignore[arg-type]
    after = found.shift + found.base_slope * base + found.delta_slope * delta
    assert raw_loss(after, outcome, link) <= raw_loss(base + delta, outcome, link)  # type: ignore[arg-type]
    assert min(found.base_slope, found.delta_slope) > 0
    if link == "logit":
        probability = to_mean(after, "logit").astype(np.float32)
        assert 0 < probability.min() <= probability.max() < 1
