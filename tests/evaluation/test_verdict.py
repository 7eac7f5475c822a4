import dataclasses
import math

import numpy as np
import pytest

from homing.evaluation import decisions_to_tell, diagnose, difference, ips, judge, on_policy
from homing.schema import InputError


def gap(low, high, decisions=1000):
    plain = on_policy(np.array([0.0, 1.0]))
    error = (high - low) / 2 / 1.959964
    return dataclasses.replace(
        plain, value=(low + high) / 2, low=low, high=high, std_error=error, decisions=decisions
    )


@pytest.mark.parametrize(
    ("low", "high", "direction", "expected"),
    [
        (0.1, 0.2, "up", "better"),
        (-0.2, -0.1, "up", "worse"),
        (-0.1, 0.2, "up", "cannot_tell"),
        (0.1, 0.2, "down", "worse"),
        (-0.2, -0.1, "down", "better"),
        (-0.1, 0.2, "down", "cannot_tell"),
        (math.nan, math.nan, "up", "cannot_tell"),
    ],
)
def test_judgements(low, high, direction, expected):
    assert judge(gap(low, high), (), direction).judgement == expected


def test_what_is_told_has_its_interval_as_reason():
    found = judge(gap(0.1, 0.2), (), "up")
    assert found.reason == "the difference is +0.15 [+0.1, +0.2]"
    assert found.more_decisions is None


def test_how_many_more_decisions_by_hand():
    # half an interval of 0.15 is 1.96 errors; telling 0.05 takes (1.96 + 0.84) errors to be 0.05:
    # 1000 ((2.8016 / 1.95996) 0.15 / 0.05)^2 = 18,389 decisions, so 17,389 more
    found = judge(gap(-0.1, 0.2), (), "up")
    assert found.more_decisions == pytest.approx(17_389, abs=2)
    assert found.reason == "about 18,000 more decisions would tell a difference of +0.05"
    larger = judge(gap(-0.1, 0.2), (), "up", effect=0.1)
    assert larger.more_decisions == pytest.approx(18_389 / 4 - 1000, abs=2)
    assert larger.reason.endswith("more decisions would tell a difference of 0.1")


def test_a_log_that_large_tells_in_four_of_five_logs():
    # a difference of 0.1 between two arms, at the size that a first log of 200 asks for
    rng = np.random.default_rng(0)

    def found(rows):
        weight = np.where(rng.random(rows) < 0.5, 1.8, 0.2)
        reward = (rng.random(rows) < np.where(weight > 1, 0.6, 0.475)).astype(float)
        return difference(ips(reward, weight), on_policy(reward))

    truth = 0.5 * (1.8 * 0.6 + 0.2 * 0.475) - 0.5 * (0.6 + 0.475)
    needed = int(np.median([decisions_to_tell(found(2000), truth) for _ in range(20)]))
    told = [judge(found(needed), (), "up").judgement == "better" for _ in range(400)]
    assert np.mean(told) == pytest.approx(0.8, abs=0.06)


def test_what_no_log_can_tell_is_said():
    found = judge(gap(-0.1, 0.1), (), "up")
    assert found.more_decisions is None
    assert found.reason.endswith("too near zero for any log to tell")
    assert judge(gap(math.nan, math.nan), (), "up").reason == "the difference is not known"


def test_an_effect_that_this_log_would_have_told():
    found = judge(gap(-0.1, 0.2), (), "up", effect=10.0)
    assert found.more_decisions == 0
    assert found.reason.endswith("this log would have told a difference of 10")


def test_a_doubt_outweighs_any_interval_and_is_named():
    found = judge(gap(1.0, 2.0), ("thin overlap", "heavy tail"), "up")
    assert (found.judgement, found.reason) == ("do_not_trust", "thin overlap")


def test_a_log_that_two_decisions_speak_for_is_not_trusted():
    weight = np.full(50_000, 0.001)
    weight[[7, 90]] = 20_000.0
    reward = np.tile([0.0, 1.0], 25_000)
    estimate = ips(reward, weight)
    found = judge(difference(estimate, on_policy(reward)), diagnose(weight).warnings, "up")
    assert found.judgement == "do_not_trust"
    assert found.reason.startswith("thin overlap: 50,000 decisions count for 2.0")
    assert "do not trust it" in found.reason


def test_bad_input():
    with pytest.raises(InputError, match="effect == 0"):
        judge(gap(0.1, 0.2), (), "up", effect=0)
