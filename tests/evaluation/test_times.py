import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.evaluation import bandwidth_grid, ips, kernel_dr, kernel_weights, select_by_slope, snips
from homing.schema import InputError

DAY = 24.0


def test_weights_by_hand():
    # u = 0, 0.5, -1, 1.5; .75 (1 - u^2) = .75, .5625, 0, 0, by h f = 2 * .1
    found = kernel_weights([5.0, 6.0, 3.0, 8.0], np.full(4, 5.0), np.full(4, 0.1), 2.0)
    assert found == pytest.approx([3.75, 2.8125, 0.0, 0.0])
    gauss = kernel_weights([5.0, 7.0], [5.0, 5.0], [0.1, 0.2], 2.0, "gaussian")
    # 0.398942 / .2, 0.398942 exp(-1 / 2) / .4
    assert gauss == pytest.approx([0.3989422804 / 0.2, 0.3989422804 * 0.6065306597 / 0.4])


def test_midnight_is_close_to_the_hour_before():
    across = kernel_weights([23.5, 0.5], [0.5, 23.5], [0.1, 0.1], 2.0, period=DAY)
    assert across == pytest.approx(kernel_weights([1.0, 1.0], [2.0, 0.0], [0.1, 0.1], 2.0))
    assert kernel_weights([23.5], [0.5], [0.1], 2.0).tolist() == [0.0]


#: A log that holds every moment of a day alike, so that means over it are integrals.
MOMENTS = (np.arange(100_000) + 0.5) / 100_000 * DAY
DENSITY = np.full(len(MOMENTS), 1 / DAY)


def curve(time):
    return 3 + 0.5 * time - 0.02 * time**2


@pytest.mark.parametrize(("kernel", "second_moment"), [("epanechnikov", 0.2), ("gaussian", 1.0)])
def test_bias_over_all_moments_is_that_of_smoothing(kernel, second_moment):
    # int K(u) m(t + h u) du of a quadratic m is m(t) + m''/2 h^2 times the kernel's second moment
    target = np.full(len(MOMENTS), 13.0)
    weight = kernel_weights(target, MOMENTS, DENSITY, 1.5, kernel)
    smoothed = curve(13.0) - 0.02 * 1.5**2 * second_moment
    assert ips(curve(MOMENTS), weight).value == pytest.approx(smoothed, abs=1e-6)
    assert snips(curve(MOMENTS), weight).value == pytest.approx(smoothed, abs=1e-6)
    # right predictions take the bias away, and wrong ones leave that of the residuals
    right = kernel_dr(curve(MOMENTS), weight, curve(target), curve(MOMENTS))
    assert right.value == pytest.approx(curve(13.0), abs=1e-12)
    straight = kernel_dr(curve(MOMENTS), weight, 0.5 * target, 0.5 * MOMENTS)
    assert straight.value == pytest.approx(smoothed, abs=1e-6)
    assert straight.estimator == "kernel dr"


@given(st.floats(0, 24), st.floats(0.2, 3.0), st.sampled_from(["epanechnikov", "gaussian"]))
@settings(max_examples=20, deadline=None)
def test_weights_average_one_all_around_the_clock(target, bandwidth, kernel):
    moments = MOMENTS[::40]
    weight = kernel_weights(
        np.full(len(moments), target), moments, DENSITY[::40], bandwidth, kernel, period=DAY
    )
    assert weight.mean() == pytest.approx(1.0, abs=1e-3)  # of a sum over a grid
    later = kernel_weights(
        np.full(len(moments), target + 5), moments + 5, DENSITY[::40], bandwidth, kernel, period=DAY
    )
    assert later == pytest.approx(weight, abs=1e-6)


def test_bandwidths_by_hand():
    assert bandwidth_grid([2.0, 10.0], size=3) == (1.0, 2.0, 4.0)
    assert bandwidth_grid([2.0, 10.0], "gaussian", 2) == (0.5, 1.0)
    assert bandwidth_grid([2.0, 10.0], size=2, period=DAY) == (6.0, 12.0)


def test_a_flat_response_gets_a_wide_bandwidth_and_a_peak_a_narrow_one():
    rng = np.random.default_rng(6)
    time = rng.random(20_000) * DAY
    target, density = np.full(len(time), 12.0), np.full(len(time), 1 / DAY)
    grid = bandwidth_grid(time, period=DAY)
    weights = [kernel_weights(target, time, density, bandwidth, period=DAY) for bandwidth in grid]
    chosen = {}
    for name, mean in (("flat", 1.0), ("peak", np.where(np.abs(time - 12) < 1, 5.0, 0.0))):
        reward = mean + rng.normal(scale=0.5, size=len(time))
        selection = select_by_slope([ips(reward, weight) for weight in weights])
        chosen[name] = grid[selection.place]
        assert selection.estimate.value == pytest.approx(1.0 if name == "flat" else 5.0, abs=0.5)
    assert chosen["flat"] >= 6.0
    assert chosen["peak"] <= 1.5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kernel_weights([1.0], [1.0], [0.0], 1.0), "density has a minimum of 0"),
        (lambda: kernel_weights([1.0], [1.0], [1.0], 0.0), "bandwidth == 0.0"),
        (lambda: kernel_weights([1.0], [1.0], [1.0], math.nan), "bandwidth == nan"),
        (lambda: kernel_weights([1.0], [1.0], [1.0], 13.0, period=DAY), "at most 12"),
        (lambda: kernel_weights([1.0], [1.0], [1.0], 4.0, "gaussian", period=DAY), "at most 3"),
        (lambda: kernel_weights([1.0], [1.0], [1.0], 1.0, period=0.0), "period == 0.0"),
        (lambda: kernel_weights([1.0], [1.0], [1.0], 1.0, "box"), "kernel == 'box', must be one of"),
        (lambda: kernel_weights([1.0], [1.0, 2.0], [1.0, 1.0], 1.0), "target_time has 1 rows, must have 2"),
        (lambda: bandwidth_grid([1.0, 1.0]), "logged_time is 1 in every row"),
        (lambda: bandwidth_grid([1.0, 2.0], size=0), "size == 0"),
        (lambda: kernel_dr([1.0, 1.0], [1.0, 1.0], [1.0], [1.0, 1.0]), "must have 2"),
    ],
)
def test_bad_input_names_the_rule(call, message):
    with pytest.raises(InputError, match=message):
        call()
