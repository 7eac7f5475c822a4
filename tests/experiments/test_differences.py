import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.experiments import (
    Axis,
    Moments,
    difference,
    from_arrays,
    from_sums,
    levels,
    mean,
    proportion,
    ratio,
)
from homing.schema import InputError

# control 1, 3, 5: mean 3, variance 4, noise 4/3; treatment 4, 8: mean 6, variance 8, noise 4
ARM = ["control", "control", "control", "new", "new"]
Y = [1.0, 3.0, 5.0, 4.0, 8.0]
SMALL = from_arrays(ARM, {"y": Y})


def test_absolute_by_hand():
    # se = sqrt(4 + 4/3); Welch: (16/3)^2 / (16/1 + (16/9)/2) = 28.44.. / 16.88.. = 1.68421
    found = difference(SMALL, mean("y"), "new")
    assert found.value == pytest.approx(3)
    assert found.std_error == pytest.approx(math.sqrt(16 / 3))
    assert found.degrees == pytest.approx(32 / 19)
    wide = difference(SMALL, mean("y"), "new", distribution="normal")
    assert wide.low == pytest.approx(3 - 1.959963984540054 * math.sqrt(16 / 3))
    assert wide.p_value == pytest.approx(math.erfc(3 / math.sqrt(16 / 3) / math.sqrt(2)))


def test_t_of_one_degree_is_the_cauchy_distribution():
    # both arms of two units with equal variances: Welch gives 2 degrees, whose F(t) is
    # 1/2 + t / (2 sqrt(2 + t^2))
    found = difference(from_arrays(["a", "a", "b", "b"], {"y": [0.0, 2.0, 3.0, 5.0]}), mean("y"), "b", "a")
    t = 3 / math.sqrt(2)
    assert found.degrees == pytest.approx(2)
    assert found.p_value == pytest.approx(2 * (0.5 - t / (2 * math.sqrt(2 + t * t))))


def test_relative_by_hand():
    # rho = 2; var(m1 - rho m0) = 4 + 4 * 4/3 = 28/3; delta: / 9; log: / 36
    delta = difference(SMALL, mean("y"), "new", scale="delta", distribution="normal")
    assert delta.value == pytest.approx(1)
    assert delta.std_error == pytest.approx(math.sqrt(28 / 27))
    log = difference(SMALL, mean("y"), "new", scale="log", distribution="normal")
    assert log.value == pytest.approx(1)
    assert log.low == pytest.approx(2 * math.exp(-1.959963984540054 * math.sqrt(28 / 108)) - 1)
    # Fieller with c = 1: (36 - 4) - 2 rho 18 + rho^2 (9 - 4/3) = 0
    fieller = difference(SMALL, mean("y"), "new", scale="fieller", critical=1.0)
    root = math.sqrt(324 - 32 * 23 / 3)
    assert fieller.low == pytest.approx((18 - root) / (23 / 3) - 1)
    assert fieller.high == pytest.approx((18 + root) / (23 / 3) - 1)


def test_ratio_by_hand():
    # control: clicks 1, 3 of sends 2, 2: ratio 1, noise as that of a mean: var 2 / n 2 / 2^2 = 1/4
    # new: clicks 2, 6 of sends 1, 3: clicks are exactly 2 sends, so the ratio is 2 without noise
    moments = from_arrays(["c", "c", "n", "n"], {"clicks": [1.0, 3, 2, 6], "sends": [2.0, 2, 1, 3]})
    found = levels(moments, ratio("clicks", "sends"))
    assert found.value == pytest.approx([1, 2])
    assert found.noise == pytest.approx([0.25, 0], abs=1e-12)
    assert difference(moments, ratio("clicks", "sends"), "n", "c").std_error == pytest.approx(0.5)


def test_proportion_by_hand():
    moments = from_arrays(["c"] * 4 + ["n"] * 5, {"y": [1, 0, 0, 0, 1, 1, 0, 0, 0]})
    found = levels(moments, proportion("y"))
    assert found.noise == pytest.approx([0.25 * 0.75 / 4, 0.4 * 0.6 / 5])
    with pytest.raises(InputError, match="must be 0 or 1"):
        levels(SMALL, proportion("y"))


def test_clusters_are_units():
    """The ratio of sums by unit is the mean over rows with the cluster-robust (CR1) variance."""
    rng = np.random.default_rng(0)
    unit = np.sort(rng.integers(0, 40, 300))
    y = rng.normal(size=300) + rng.normal(size=40)[unit]
    rows, sums = np.bincount(unit, minlength=40), np.bincount(unit, y, minlength=40)
    there = rows > 0
    found = levels(
        from_arrays(["a"] * there.sum(), {"y": sums[there], "rows": rows[there]}), ratio("y", "rows")
    )
    residual = np.bincount(unit, y - y.mean(), minlength=40)[there]
    groups = there.sum()
    assert found.value[0] == pytest.approx(y.mean())
    assert found.noise[0] == pytest.approx(groups / (groups - 1) * (residual @ residual) / 300**2)


BOUNDS = [("two-sided", "low"), ("two-sided", "high"), ("greater", "low"), ("less", "high")]
SCALES = ["absolute", "delta", "log", "fieller"]
LEVEL = st.floats(0.5, 50)


@settings(deadline=None, max_examples=50)
@given(LEVEL, LEVEL, LEVEL, LEVEL, st.floats(0.5, 0.99))
@pytest.mark.parametrize("scale", SCALES)
def test_interval_and_p_value_agree(scale, m1, m0, s1, s0, confidence):
    """The null at a bound has a p-value of 1 - confidence, two-sided and one-sided."""
    moments = from_sums(
        ["control", "x"],
        ["y"],
        [40, 40],
        [[40 * m0], [40 * m1]],
        [[[40 * m0**2 + 39 * s0**2]], [[40 * m1**2 + 39 * s1**2]]],
    )

    def of(**options):
        return difference(moments, mean("y"), "x", scale=scale, confidence=confidence, **options)

    for alternative, side in BOUNDS:
        bound = float(getattr(of(alternative=alternative), side))
        if math.isinf(bound) or (scale != "absolute" and bound <= -1):
            continue
        found = of(alternative=alternative, null=bound)
        assert found.p_value == pytest.approx(1 - confidence, rel=1e-5, abs=1e-9)


def test_fieller_agrees_with_absolute():
    fieller = difference(SMALL, mean("y"), "new", scale="fieller", distribution="normal")
    assert fieller.p_value == pytest.approx(
        difference(SMALL, mean("y"), "new", distribution="normal").p_value
    )


def test_a_control_near_zero_has_no_relative_bounds():
    moments = from_arrays(["c"] * 3 + ["n"] * 3, {"y": [-1.0, 0.0, 1.1, 4.0, 5.0, 6.0]})
    found = difference(moments, mean("y"), "n", "c", scale="fieller")
    assert (found.low, found.high) == (-np.inf, np.inf)
    assert any("cannot be told from 0" in note for note in found.warnings)
    negative = from_arrays(["c"] * 3 + ["n"] * 3, {"y": [-1.0, -2.0, -3.0, 4.0, 5.0, 6.0]})
    for scale in SCALES[1:]:
        assert np.isnan(difference(negative, mean("y"), "n", "c", scale=scale).value)


def test_nothing_varies():
    found = difference(from_arrays(["control", "control", "x", "x"], {"y": [1, 1, 2, 2]}), mean("y"), "x")
    assert found.value == 1
    assert np.isnan([found.std_error, found.low, found.p_value]).all()
    assert any("no variance" in note for note in found.warnings)
    one = difference(from_arrays(["control", "x"], {"y": [1, 2]}), mean("y"), "x")
    assert one.value == 1
    assert np.isnan(one.std_error)


def samples(rng, runs, units, effect):
    """Revenue-like: mostly nothing, else log-normal; moments with an axis of runs."""
    parts = []
    for lift in (1.0, 1.0 + effect):
        bought = rng.random((runs, units)) < 0.2
        parts.append(lift * bought * rng.lognormal(0, 0.8, (runs, units)))
    centred = [p - p.mean(axis=1, keepdims=True) for p in parts]
    return Moments(
        ("control", "x"),
        ("y",),
        np.full((runs, 2), float(units)),
        np.stack([p.mean(axis=1) for p in parts], 1)[..., None],
        np.stack([(c**2).sum(axis=1) for c in centred], 1)[..., None, None],
        (Axis("run", tuple(range(runs))),),
    )


@pytest.mark.parametrize("effect", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("scale", SCALES)
def test_coverage(scale, effect):
    runs = 4000
    moments = samples(np.random.default_rng(1), runs, 1000, effect)
    truth = 0.2 * math.exp(0.32) * effect if scale == "absolute" else effect
    found = difference(moments, mean("y"), "x", scale=scale)
    covered = ((found.low < truth) & (truth < found.high)).mean()
    # standard error 0.34 points; absolute intervals divided by the control's mean cover 87 % at +100 %
    assert covered == pytest.approx(0.95, abs=0.011)


def test_as_rows():
    moments = samples(np.random.default_rng(2), 3, 50, 0.0)
    rows = difference(moments, mean("y"), "x", alternative="greater").to_rows()
    assert len(rows) == 3
    assert rows[0]["metric"] == "y"
    assert rows[0]["high"] == math.inf
    json.dumps(rows)


def test_a_single_cell_is_a_whole_row():
    moments = from_sums(["x", "control"], ["y"], [4, 5], [[8.0], [5.0]], [[[20.0]], [[9.0]]])
    (row,) = difference(moments, mean("y"), "x").to_rows()
    assert row["value"] == pytest.approx(1)
    assert row["std_error"] == pytest.approx(math.sqrt(4 / 3 / 4 + 4 / 4 / 5))
    assert 0 < row["p_value"] < 1
    assert row["degrees"] == pytest.approx((1 / 3 + 1 / 5) ** 2 / (1 / 27 + 1 / 100))


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"arm": "nwe"}, "did you mean 'new'"),
        ({"arm": "control"}, "must be two arms"),
        ({"scale": "relative"}, "scale == 'relative', must be one of"),
        ({"confidence": 95}, "must be in \\(0, 1\\)"),
        ({"scale": "log", "null": -1.0}, "must be > -1"),
        ({"metric": mean("z")}, "column 'z' is not there"),
        ({"critical": -1.0}, "critical == -1.0, must be >= 0"),
    ],
)
def test_bad_input(options, rule):
    with pytest.raises(InputError, match=rule):
        difference(**({"moments": SMALL, "metric": mean("y"), "arm": "new"} | options))


def test_a_product_that_was_not_scanned():
    moments = from_sums("ab", "xy", [2, 2], np.ones((2, 2)), np.full((2, 2, 2), [[1.0, np.nan], [np.nan, 1]]))
    with pytest.raises(InputError, match="was not scanned"):
        levels(moments, ratio("x", "y"))
