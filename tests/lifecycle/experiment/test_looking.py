"""Looks that are planned, and many tests at one look."""

from math import nan

import pytest

from homing.experiments import adjusted_p_values
from homing.lifecycle.experiment.looking import Look, holm, planned_looks
from homing.schema.experiment import Design, parse_design
from homing.schema.times import parse_time

START = parse_time("2026-03-02T00:00Z")
TOML = """\
days = 28
looks = "{}"
[arms.control]
share = 0.5
[arms.new]
share = 0.5
[metrics.m]
role = "success"
event = "session"
effect = 0.1
"""


def design(looks: str) -> Design:
    return parse_design(TOML.format(looks), "x")


def test_without_early_looks_holm_is_that_of_the_library() -> None:
    p = [0.04, 0.001, nan, 0.012, 0.02]
    look = Look(design("none"), (1.0,))
    want = adjusted_p_values(p, "holm") <= 0.05
    assert holm(look, p, 0.05) == tuple(want.tolist()) == (False, True, False, True, False)
    assert holm(look, [], 0.05) == ()


def test_an_early_look_asks_for_more() -> None:
    """At a quarter of the days the bound of O'Brien and Fleming is 4.33: p = 1.5e-5, two-sided."""
    early = Look(design("group_sequential"), (0.25,))
    assert holm(early, [1.6e-5], 0.05) == (False,)
    assert holm(early, [1.4e-5], 0.05) == (True,)
    assert holm(early, [1.4e-5, 0.5], 0.05) == (False, False)


def test_group_sequential_looks_cost_little_and_end_sooner() -> None:
    """Four equal looks of O'Brien and Fleming: R = 1.024 for alpha 0.05 and power 0.8 (Jennison & Turnbull,
    table 2.4); spending by Lan and DeMets asks for a little less."""
    found = planned_looks(design("group_sequential"), START, 0.025, 0.8)
    assert [look.at for look in found.looks] == [f"2026-03-{day:02d}T00:00:00Z" for day in (9, 16, 23, 30)]
    assert [look.share for look in found.looks] == [0.25, 0.5, 0.75, 1]
    assert found.inflation == pytest.approx(1.02, abs=0.006)
    assert sum(look.stops for look in found.looks) == pytest.approx(0.8)
    days = [7, 14, 21, 28]
    left = 1 - sum(look.stops for look in found.looks)
    want = sum(day * look.stops for day, look in zip(days, found.looks, strict=True)) + 28 * left
    assert found.expected_days == pytest.approx(want)
    assert 18 < found.expected_days < found.expected_days_without_effect < 28


def test_always_valid_looks_cost_more_and_one_look_nothing() -> None:
    always = planned_looks(design("always_valid"), START, 0.025, 0.8)
    assert always.inflation > 1.2
    one = planned_looks(design("none"), START, 0.025, 0.8)
    assert one.inflation == pytest.approx(1)
    assert [(look.share, look.alpha) for look in one.looks] == [(1.0, 0.025)]
    assert one.expected_days == 28
