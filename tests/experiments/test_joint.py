import numpy as np
import pytest

from homing.experiments import adjust, difference, from_arrays, joint_difference, mean, ratio, utility
from homing.schema import InputError

RNG = np.random.default_rng(0)
N = 2000
ARM = RNG.choice(["control", "x"], N)
SENDS = RNG.poisson(4, N) + 1.0
CLICKS = RNG.binomial(SENDS.astype(int), 0.3)
SPEND = CLICKS * 2.0 + RNG.exponential(1, N)
MOMENTS = from_arrays(ARM, {"clicks": CLICKS, "sends": SENDS, "spend": SPEND})
METRICS = [mean("spend"), ratio("clicks", "sends")]


@pytest.mark.parametrize("scale", ["absolute", "delta"])
def test_diagonal_is_that_of_each_alone(scale):
    found = joint_difference(MOMENTS, METRICS, "x", scale=scale)
    for place, metric in enumerate(METRICS):
        alone = difference(MOMENTS, metric, "x", scale=scale)
        assert found.value[place] == pytest.approx(float(alone.value))
        assert found.covariance[place, place] == pytest.approx(float(alone.std_error) ** 2)


def test_what_is_shared_counts():
    moments = adjust(MOMENTS, {"spend": ["sends"], "clicks": ["sends"]})
    for scale in ("absolute", "delta"):
        found = joint_difference(moments, [mean("spend"), mean("clicks")], "x", scale=scale)
        alone = difference(moments, mean("spend"), "x", scale=scale)
        assert found.covariance[0, 0] == pytest.approx(float(alone.std_error) ** 2)


def test_covariance_of_means_by_influence():
    found = joint_difference(MOMENTS, METRICS, "x", scale="absolute")
    want = 0.0
    for arm in ("control", "x"):
        here = arm == ARM
        rate = CLICKS[here].sum() / SENDS[here].sum()
        influence = (CLICKS[here] - rate * SENDS[here]) / SENDS[here].mean()
        want += np.cov(SPEND[here], influence)[0, 1] / here.sum()
    assert found.covariance[0, 1] == pytest.approx(want)
    assert found.correlation[0, 0] == pytest.approx(1)


def test_utility_by_hand():
    # control 1, 3, new 2, 6 and the same halved: a sum of 2 y and 4 y / 2 is 4 y
    moments = from_arrays(["control", "control", "new", "new"], {"y": [1, 3, 2, 6], "h": [0.5, 1.5, 1, 3]})
    joint = joint_difference(moments, [mean("y"), mean("h")], "new", scale="absolute")
    found = utility(joint, [2, 4])
    assert found.value == pytest.approx(8)
    assert found.std_error == pytest.approx(4 * np.sqrt(1 + 4))
    curve = utility(joint, [[1, 0], [0, 1]])
    assert curve.value == pytest.approx([2, 1])
    assert curve.p_value[0] == pytest.approx(curve.p_value[1])


def test_bad_input():
    joint = joint_difference(MOMENTS, METRICS, "x")
    with pytest.raises(InputError, match="its last axis must be the metrics"):
        utility(joint, [1.0])
    with pytest.raises(InputError, match="weights has missing or infinite"):
        utility(joint, [1.0, float("nan")])
    with pytest.raises(InputError, match="confidence == 95"):
        utility(joint, [1.0, 1.0], 95)
    with pytest.raises(InputError, match="scale == 'log'"):
        joint_difference(MOMENTS, METRICS, "x", scale="log")
