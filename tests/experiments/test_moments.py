import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.experiments import Axis, Moments, from_arrays, from_sums
from homing.schema import InputError

ARM = np.array(["a", "b", "a", "b", "b"])
X = np.array([1.0, 2.0, 3.0, 4.0, 9.0])
Y = np.array([0.0, 1.0, 2.0, 1.0, 1.0])


def close(a: Moments, b: Moments) -> bool:
    return (
        a.arms == b.arms
        and np.array_equal(a.count, b.count)
        and np.allclose(a.mean, b.mean, rtol=1e-12)
        and np.allclose(a.scatter, b.scatter, rtol=1e-9, atol=1e-9, equal_nan=True)
    )


def test_by_hand():
    # arm a: x 1, 3, y 0, 2: means 2 and 1; every product of deviations is 1 + 1 = 2
    # arm b: x 2, 4, 9, y 1, 1, 1: mean 5, deviations -3, -1, 4: 9 + 1 + 16 = 26
    found = from_arrays(ARM, {"x": X, "y": Y})
    assert found.arms == ("a", "b")
    assert found.count.tolist() == [2, 3]
    assert found.mean.tolist() == [[2, 1], [5, 1]]
    assert found.scatter.tolist() == [[[2, 2], [2, 2]], [[26, 0], [0, 0]]]
    assert found.covariance[1, 0, 0] == 13
    assert found.covariance_of_means[1, 0, 0] == pytest.approx(13 / 3)


def test_one_unit_has_no_covariance():
    found = from_arrays(["a", "b", "b"], {"x": [1.0, 2.0, 3.0]})
    assert np.isnan(found.covariance[0]).all()
    assert found.covariance[1].item() == 0.5


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), min_size=2, max_size=30
    ),
    st.data(),
)
def test_parts_add_to_the_whole(rows, data):
    cut = data.draw(st.integers(1, len(rows) - 1))

    def of(part):
        arm, x, y = zip(*part, strict=True)
        return from_arrays(arm, {"x": x, "y": y})

    whole, parts = of(rows), of(rows[:cut]) + of(rows[cut:])
    order = [parts.arms.index(arm) for arm in whole.arms]
    assert np.array_equal(parts.count[order], whole.count)
    assert np.allclose(parts.mean[order], whole.mean, atol=1e-9)
    assert np.allclose(parts.scatter[order], whole.scatter, atol=1e-5)


def test_far_from_zero_digits_stay():
    rng = np.random.default_rng(0)
    x = rng.normal(size=1000)
    arm = np.repeat(["a", "b"], 500)
    near, far = from_arrays(arm, {"x": x}), from_arrays(arm, {"x": x + 1e9})
    assert far.scatter == pytest.approx(near.scatter, rel=1e-6)
    halves = from_arrays(arm[::2], {"x": x[::2] + 1e9}) + from_arrays(arm[1::2], {"x": x[1::2] + 1e9})
    assert halves.scatter == pytest.approx(near.scatter, rel=1e-6)


def test_sums_of_a_warehouse():
    want = from_arrays(ARM, {"x": X, "y": Y})
    table = np.column_stack([X, Y])
    parts = [table[arm == ARM] for arm in "ab"]
    sums, products = [p.sum(axis=0) for p in parts], [p.T @ p for p in parts]
    assert close(from_sums("ab", "xy", [2, 3], sums, products), want)
    with pytest.raises(InputError, match="less than the square"):
        from_sums("a", "x", [2], [[4.0]], [[[7.0]]])
    with pytest.raises(InputError, match="must be >= 0"):
        from_sums("a", "x", [-1], [[4.0]], [[[7.0]]])
    with pytest.raises(InputError, match="count has shape"):
        from_sums("ab", "x", [1], [[4.0]], [[[17.0]]])


def by_day() -> Moments:
    days = [from_arrays(ARM, {"x": X + day}) for day in range(3)]
    return Moments(
        ("a", "b"),
        ("x",),
        np.stack([m.count for m in days]),
        np.stack([m.mean for m in days]),
        np.stack([m.scatter for m in days]),
        (Axis("day", (0, 1, 2)),),
    )


def test_axes():
    days = by_day()
    everything = from_arrays(np.tile(ARM, 3), {"x": np.concatenate([X, X + 1, X + 2])})
    assert close(days.total("day"), everything)
    assert close(days.at("day", 2), from_arrays(ARM, {"x": X + 2}))
    running = days.accumulate("day")
    assert running.axes == days.axes
    assert close(running.at("day", 0), days.at("day", 0))
    assert close(running.at("day", 2), everything)
    with pytest.raises(InputError, match="day has no 3"):
        days.at("day", 3)


def test_names():
    found = from_arrays(ARM, {"x": X, "y": Y})
    assert close(found.select(["y"]), from_arrays(ARM, {"y": Y}))
    with pytest.raises(InputError, match="did you mean 'clicks'"):
        from_arrays(ARM, {"clicks": X}).column("click")
    with pytest.raises(InputError, match="columns and axes must be the same"):
        found + from_arrays(ARM, {"x": X})


@pytest.mark.parametrize(
    ("arm", "x", "rule"),
    [
        (ARM, [1.0, np.nan, 3.0, np.inf, 5.0], "x has 2 missing or infinite values of 5"),
        (ARM, [1.0], "must have"),
        ([], [], "must be text or integers"),
        ([0.5, 0.6], [1.0, 2.0], "must be text or integers"),
    ],
)
def test_bad_input(arm, x, rule):
    with pytest.raises(InputError, match=rule):
        from_arrays(arm, {"x": x})
