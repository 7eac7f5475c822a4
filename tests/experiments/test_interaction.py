import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from homing.experiments import Axis, Moments, adjust, from_table, interaction, interactions, mean
from homing.schema import InputError

LABELS = ("control", "b")


def cross(means, variances=(1.0, 1.0, 1.0, 1.0), count=101.0):
    """Moments of cells (other control: control, a), (other b: control, a)."""
    shape = (2, 2)
    return Moments(
        ("control", "a"),
        ("y",),
        np.full(shape, count),
        np.reshape(means, (*shape, 1)),
        np.reshape(np.asarray(variances) * (count - 1), (*shape, 1, 1)),
        (Axis("second", LABELS),),
    )


def test_by_hand():
    """Differences 2 and 5; variance (1 + 2 + 3 + 4) / 101."""
    found = interaction(cross([1, 3, 2, 7], (1, 2, 3, 4)), mean("y"), "a", "second", "b")
    assert [found.alone, found.together, found.value] == pytest.approx([2, 5, 3])
    assert found.std_error**2 == pytest.approx(10 / 101)
    assert found.degrees == pytest.approx(100 * 10**2 / (1 + 4 + 9 + 16))
    reach = stats.t.ppf(0.975, found.degrees) * found.std_error
    assert [found.low, found.high] == pytest.approx([3 - reach, 3 + reach])
    assert found.p_value == pytest.approx(2 * stats.t.sf(3 / found.std_error, found.degrees))


def test_ratio_of_ratios():
    """Effects that multiply, 2 x and 3 x, have none on the log scale and one on the absolute scale."""
    moments = cross([1, 2, 3, 6])
    found = interaction(moments, mean("y"), "a", "second", "b", scale="log")
    assert found.value == pytest.approx(0, abs=1e-12)
    assert found.p_value == pytest.approx(1)
    assert found.std_error**2 == pytest.approx((1 + 1 / 4 + 1 / 9 + 1 / 36) / 101)
    assert interaction(moments, mean("y"), "a", "second", "b").value == pytest.approx(2)


def test_equals_the_coefficient_of_a_saturated_model():
    rng = np.random.default_rng(0)
    a, b = rng.random(4000) < 0.5, rng.random(4000) < 0.3
    y = rng.normal(1 + a + 2 * b + 0.5 * a * b)
    names = {"arm": np.where(a, "a", "control"), "second": np.where(b, "b", "control")}
    moments = from_table(pl.DataFrame({"y": y, **names}), ["y"], by=["second"])
    found = interaction(moments, mean("y"), "a", "second", "b")
    design = np.column_stack([np.ones(4000), a, b, a & b])
    assert found.value == pytest.approx(np.linalg.lstsq(design, y, rcond=None)[0][3])


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(0.1, 100), min_size=4, max_size=4),
    st.lists(st.floats(0.1, 100), min_size=4, max_size=4),
    st.sampled_from(["absolute", "log"]),
)
def test_either_experiment_may_come_first(means, variances, scale):
    turned = [0, 2, 1, 3]
    one = interaction(cross(means, variances), mean("y"), "a", "second", "b", scale=scale)
    swapped = cross(np.array(means)[turned], np.array(variances)[turned])
    other = interaction(swapped, mean("y"), "a", "second", "b", scale=scale)
    assert float(one.value) == pytest.approx(float(other.value), rel=1e-6, abs=1e-9)
    assert float(one.std_error) == pytest.approx(float(other.std_error))
    assert float(one.degrees) == pytest.approx(float(other.degrees))


def test_adjusted_moments_have_less_noise():
    rng = np.random.default_rng(2)
    arm, other = rng.integers(0, 2, (2, 4000))
    before = rng.normal(size=4000)
    names = {"arm": np.where(arm, "a", "control"), "second": np.where(other, "b", "control")}
    table = pl.DataFrame({"y": before + arm * other + rng.normal(0, 0.5, 4000), "x": before, **names})
    moments = from_table(table, ["y", "x"], by=["second"])
    plain = interaction(moments, mean("y"), "a", "second", "b")
    found = interaction(adjust(moments, {"y": ["x"]}), mean("y"), "a", "second", "b")
    assert found.std_error == pytest.approx(plain.std_error / np.sqrt(5), rel=0.05)
    assert found.low < 1 < found.high


def test_many_pairs_are_corrected():
    none, some = cross([1, 1, 1, 1.1]), cross([1, 1, 1, 2])
    third = Moments(none.arms, none.columns, none.count, none.mean, none.scatter, (Axis("third", LABELS),))
    found = interactions({"third": third, "second": some}, mean("y"))
    assert [each.other for each in found] == ["second: b", "third: b"]
    assert found[0].adjusted_p_value == pytest.approx(2 * found[0].p_value)
    assert found[1].adjusted_p_value == pytest.approx(found[1].p_value)
    wide = interactions({"third": third, "second": some}, mean("y"), correction="bonferroni")
    one = interaction(some, mean("y"), "a", "second", "b", confidence=0.975)
    assert [float(wide[0].low), float(wide[0].high)] == pytest.approx([float(one.low), float(one.high)])


def test_false_alarms_and_coverage():
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(400):
        y = rng.exponential(np.array([1.0, 1.5, 2.0, 3.0])[:, None], (4, 60))
        found = interaction(cross(y.mean(axis=1), y.var(axis=1, ddof=1), 60.0), mean("y"), "a", "second", "b")
        held += found.low < 0.5 < found.high
    assert held / 400 == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"axis": "first"}, "must be \\['first'\\]"),
        ({"other_arm": "control"}, "must be two labels"),
        ({"other_arm": "c"}, "must be one of"),
        ({"scale": "delta"}, "scale == 'delta'"),
        ({"arm": "x"}, "arm 'x'"),
        ({"confidence": 2.0}, "confidence == 2"),
    ],
)
def test_bad_input(options, rule):
    given = {"arm": "a", "axis": "second", "other_arm": "b"} | options
    with pytest.raises(InputError, match=rule):
        interaction(cross([1, 1, 1, 1]), mean("y"), **given)


def test_no_pairs():
    with pytest.raises(InputError, match="none has arms besides"):
        interactions({}, mean("y"))
