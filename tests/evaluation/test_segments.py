import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.evaluation import by_segment, on_policy
from homing.schema import InputError


def test_means_and_shares_by_hand():
    gain = np.concatenate([np.tile([1.0, 3.0], 30), np.tile([-1.0, 0.0], 20)])
    segment = np.array(["a"] * 60 + ["b"] * 40)
    first, second = by_segment(gain, {"x": segment})
    assert (first.name, first.estimate.value, first.share, first.judgement) == ("a", 2.0, 0.6, "better")
    assert (second.name, second.estimate.value, second.share, second.judgement) == ("b", -0.5, 0.4, "worse")
    assert first.estimate.interval == "simultaneous"
    # alone, each mean has the usual error
    assert first.estimate.std_error == pytest.approx(on_policy(gain[:60]).std_error, rel=0.02)
    assert by_segment(gain, {"x": segment}, direction="down")[0].judgement == "worse"


def test_a_segment_of_few_users_is_not_judged():
    gain, segment = np.ones(200) + np.tile([0.1, -0.1], 100), np.repeat([0, 1], [190, 10])
    _, few = by_segment(gain, {"x": segment})
    assert few.judgement == "do_not_trust"
    assert few.estimate.warnings == ("only 10 users (at least 30 are needed)",)
    assert math.isnan(few.estimate.low)
    assert math.isnan(few.p_value)


def test_intervals_hold_together_and_a_list_without_effects_is_rarely_wrong():
    missed, listed, alone = 0, 0, 0
    for seed in range(120):
        rng = np.random.default_rng(seed)
        user = rng.integers(0, 400, 2000)
        segment = (user + (rng.random(2000) < 0.2)) % 10  # decisions of a user fall into two segments
        gain = rng.normal(size=2000) + rng.normal(size=400)[user]
        found = by_segment(gain, {"x": segment}, user, replications=200)
        missed += any(not s.estimate.low <= 0 <= s.estimate.high for s in found)
        listed += any(s.judgement != "cannot_tell" for s in found)
        alone += any(abs(s.estimate.value) > 1.96 * s.estimate.std_error for s in found)
    assert missed <= 12  # 6 in the long run
    assert listed <= 12
    assert alone >= 36


def test_simultaneous_intervals_are_between_single_ones_and_bonferroni():
    rng = np.random.default_rng(1)
    gain, segment = rng.normal(size=3000), rng.integers(0, 8, 3000)
    reach = {
        (s.estimate.high - s.estimate.value) / s.estimate.std_error for s in by_segment(gain, {"x": segment})
    }
    assert max(reach) == pytest.approx(min(reach))
    assert 1.96 < min(reach) <= 2.7344  # z of 1 - 0.025 / 8
    (one,) = by_segment(gain, {"x": np.zeros(3000, int)})
    assert (one.estimate.high - one.estimate.value) / one.estimate.std_error == pytest.approx(1.96, abs=0.001)


def test_segments_that_move_together_need_shorter_intervals():
    rng = np.random.default_rng(2)
    user = np.tile(np.arange(500), 6)
    segment = np.repeat(np.arange(6), 500)
    same = np.tile(rng.normal(size=500), 6) + 0.05 * rng.normal(size=3000)
    apart = rng.normal(size=3000)
    reach = [
        (s.estimate.high - s.estimate.value) / s.estimate.std_error
        for gain in (same, apart)
        for s in by_segment(gain, {"x": segment}, user)[:1]
    ]
    assert reach[0] < reach[1] - 0.3


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(-5, 5)), min_size=1, max_size=60))
@settings(max_examples=40, deadline=None)
def test_segments_add_up_to_the_whole(rows):
    segment, gain = np.array([s for s, _ in rows]), np.array([g for _, g in rows])
    found = by_segment(gain, {"x": segment}, replications=2)
    assert sum(s.share * s.estimate.value for s in found) == pytest.approx(gain.mean(), abs=1e-9)
    assert sum(s.share for s in found) == pytest.approx(1)


def test_a_gain_that_never_varies_has_no_z():
    (found,) = by_segment(np.ones(50), {"x": np.zeros(50, int)})
    assert found.estimate.value == 1
    assert math.isnan(found.p_value)
    assert found.judgement == "cannot_tell"


def test_a_segment_of_thin_overlap_is_not_judged():
    rng = np.random.default_rng(4)
    segment = np.repeat(["wide", "thin"], 2000)
    weight = np.ones(4000)
    weight[2000:] = 0.0
    weight[2000:2020] = 100.0
    wide, thin = sorted(
        by_segment(rng.normal(size=4000) + 1, {"x": segment}, weight=weight), key=lambda s: s.judgement
    )
    assert (wide.name, wide.judgement) == ("wide", "better")
    assert (thin.name, thin.judgement) == ("thin", "do_not_trust")
    assert thin.estimate.warnings[0].startswith("thin overlap: 2,000 decisions count for 20.0")
    assert math.isnan(thin.estimate.low)


def test_several_columns_are_adjusted_together():
    rng = np.random.default_rng(3)
    gain, a = rng.normal(size=1000) + 0.1, rng.integers(0, 2, 1000)
    columns = {f"c{k}": rng.integers(0, 2, 1000) for k in range(10)}
    alone, together = by_segment(gain, {"a": a}), by_segment(gain, {"a": a, **columns})
    assert [(s.column, s.name) for s in together[:2]] == [("a", s.name) for s in alone]
    assert together[0].estimate.value == alone[0].estimate.value
    assert together[0].estimate.high > alone[0].estimate.high


def test_bad_input():
    with pytest.raises(InputError, match="segments has 201 segments, must have at most 200"):
        by_segment(np.zeros(201), {"x": np.arange(201)})
    with pytest.raises(InputError, match="gain has 1 NaN"):
        by_segment([math.nan], {"x": [1]})
