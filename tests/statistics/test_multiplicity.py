import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.experiments.multiple import adjusted_p_values
from homing.schema import InputError
from homing.statistics import benjamini_hochberg, two_sided


def test_adjusted_by_hand():
    # sorted: .01 .02 .03 .5 times 4/1 4/2 4/3 4/4 = .04 .04 .04 .5, least from the right: .04 .04 .04 .5
    np.testing.assert_allclose(benjamini_hochberg([0.5, 0.01, 0.03, 0.02]), [0.5, 0.04, 0.04, 0.04])
    # .01 * 3, .04 * 3/2, .05 * 3/3: .03, .06 cut to .05, .05
    np.testing.assert_allclose(benjamini_hochberg([0.04, 0.01, 0.05]), [0.05, 0.03, 0.05])


def test_tests_that_could_not_be_made_do_not_count():
    np.testing.assert_allclose(benjamini_hochberg([math.nan, 0.01, 0.2]), [math.nan, 0.02, 0.2])
    assert len(benjamini_hochberg([])) == 0


def test_each_family_on_the_last_axis_is_adjusted_by_itself():
    families = np.array([[0.5, 0.01, 0.03, 0.02], [math.nan, 0.01, math.nan, 0.2], [math.nan] * 4])
    together = benjamini_hochberg(families)
    for row, family in zip(together, families, strict=True):
        np.testing.assert_allclose(row, benjamini_hochberg(family))
    # of a plan with four tests, one that could not be made still counts
    planned = adjusted_p_values(families[1], "benjamini_hochberg")
    np.testing.assert_allclose(planned, [math.nan, 0.04, math.nan, 0.4])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.floats(0.01, 0.5))
@settings(max_examples=60, deadline=None)
def test_it_rejects_what_the_step_up_rule_rejects(p_value, q):
    ordered = sorted(p_value)
    passing = [rank for rank, p in enumerate(ordered, 1) if p * len(ordered) / rank <= q]
    rejected = set(ordered[: max(passing, default=0)])
    adjusted = benjamini_hochberg(p_value)
    assert {p for p, a in zip(p_value, adjusted, strict=True) if a <= q} == rejected


def test_two_sided_by_hand():
    np.testing.assert_allclose(two_sided([1.959964, -1.959964, 0.0]), [0.05, 0.05, 1.0], atol=1e-6)
    assert math.isnan(two_sided(math.nan)[0])


def test_bad_input():
    with pytest.raises(InputError, match="p_value ranges from -1"):
        benjamini_hochberg([-1.0, 0.5])
