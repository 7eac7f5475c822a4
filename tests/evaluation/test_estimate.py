import json
import math

import numpy as np
import pytest

from homing.evaluation import cluster, difference, ips, on_policy, snips
from homing.schema import InputError

RNG = np.random.default_rng(3)
REWARD = RNG.random(200)
WEIGHT = RNG.exponential(size=200)
USER = RNG.integers(0, 60, 200)


def test_difference_by_hand():
    # r = 1, 3; weights of a: 1, 1; of b: 2, 0. ips: 2 and 1; psi_a = -+1/2, psi_b = (+-1/2)
    # psi_a - psi_b = (-1/2 - 1/2, 1/2 + 1/2); se = sqrt(2 * 2) = 2
    a, b = ips([1.0, 3.0], [1.0, 1.0]), ips([1.0, 3.0], [2.0, 0.0])
    found = difference(a, b)
    assert found.value == pytest.approx(1.0)
    assert found.std_error == pytest.approx(2.0)
    assert (found.effective_size, found.max_weight) == (1.0, 2.0)


def test_difference_with_itself_is_nothing():
    found = difference(snips(REWARD, WEIGHT, USER), snips(REWARD, WEIGHT, USER))
    assert (found.value, found.std_error, found.low, found.high) == (0, 0, 0, 0)


def test_difference_is_antisymmetric_and_paired():
    a, b = snips(REWARD, WEIGHT, USER), on_policy(REWARD, USER)
    there, back = difference(a, b), difference(b, a)
    assert there.value == pytest.approx(-back.value)
    assert there.std_error == pytest.approx(back.std_error)
    covariance = a.influence @ b.influence * a.users / (a.users - 1)
    assert there.std_error**2 == pytest.approx(a.std_error**2 + b.std_error**2 - 2 * covariance)
    assert there.influence.sum() == pytest.approx(0, abs=1e-12)


def test_difference_needs_the_same_users():
    with pytest.raises(InputError, match="must be of the same users"):
        difference(on_policy(REWARD, USER), on_policy(REWARD, USER + 1))
    with pytest.raises(InputError, match="must be of the same users"):
        difference(on_policy(REWARD, USER), on_policy(REWARD))


def test_clusters_can_be_shared():
    groups = cluster(USER, 200)
    assert ips(REWARD, WEIGHT, groups) == ips(REWARD, WEIGHT, USER)
    with pytest.raises(InputError, match="user has 200 rows, must have 100"):
        ips(REWARD[:100], WEIGHT[:100], groups)


@pytest.mark.parametrize("low", [0, -5, 2**62])
def test_clusters_sum_by_user_in_any_order(low):
    user = np.array([2, 0, 2, 1, 0]) + low
    groups = cluster(user, 5)
    assert groups.ids.tolist() == [low, low + 1, low + 2]
    assert groups.sums(np.array([1.0, 2.0, 4.0, 8.0, 16.0])).tolist() == [18.0, 8.0, 5.0]
    assert groups.counts.tolist() == [2, 1, 2]


def test_clusters_of_small_integers_do_not_overflow():
    user = np.array([-128, 127, -128, 5], np.int8)
    assert cluster(user, 4).ids.tolist() == [-128, 5, 127]
    between = np.tile(np.array([-100, 100, 7, 7], np.int8), 100)
    assert cluster(between, 400).ids.tolist() == [-100, 7, 100]
    assert cluster(between, 400).counts.tolist() == [100, 200, 100]
    far = np.tile(np.array([2**64 - 1, 2**64 - 3], np.uint64), 2)
    assert cluster(far, 4).ids.tolist() == [2**64 - 3, 2**64 - 1]
    many = np.tile(user, 100)
    assert cluster(many, 400).counts.tolist() == [200, 100, 100]


def test_one_user_has_no_interval():
    found = on_policy([1.0, 2.0], [5, 5])
    assert found.value == 1.5
    assert math.isnan(found.std_error)
    assert "all decisions are of one user" in found.warnings[0]


def test_few_users_are_mentioned():
    assert any("only 2 users" in note for note in on_policy([1.0, 2.0], [5, 6]).warnings)
    assert not on_policy(REWARD, USER).warnings


def test_higher_confidence_is_wider():
    narrow, wide = on_policy(REWARD, confidence=0.5), on_policy(REWARD, confidence=0.99)
    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high


def test_as_json():
    found = json.loads(json.dumps(ips(REWARD, np.zeros(200)).to_dict(), allow_nan=False))
    assert found["value"] is None
    assert found["estimator"] == "ips"
    assert found["warnings"][0].startswith("no overlap")
    assert "influence" not in found
    assert "clusters" not in found
    assert "array" not in repr(on_policy(REWARD))
