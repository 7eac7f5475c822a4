import math

import numpy as np
import polars as pl
import pytest

from homing.experiments import (
    Axis,
    Moments,
    adjust,
    difference,
    from_arrays,
    from_table,
    mean,
    post_stratify,
    products_for,
    ratio,
    variance_reduction,
)
from homing.schema import InputError


def test_cuped_by_hand():
    # control x 0, 2, 1, 1, y 0, 4, 3, 1: Sxx 2, Sxy 4, Syy 10; new x 1, 3, y 5, 9: Sxx 2, Sxy 4, Syy 8
    # theta 2; means of x 1 and 2, over all 4/3; adjusted 2 - 2 (1 - 4/3) = 8/3 and 7 - 2 (2 - 4/3) = 17/3
    # residual scatter 10 - 2 * 8 + 8 = 2 and 0; six units, two arms, one slope: times 4/3
    moments = from_arrays(list("ccccnn"), {"y": [0, 4, 3, 1, 5, 9], "x": [0, 2, 1, 1, 1, 3]})
    found = adjust(moments, {"y": ["x"]}, slopes="within")
    assert found.mean[:, 0] == pytest.approx([8 / 3, 17 / 3])
    assert found.scatter[:, 0, 0] == pytest.approx([8 / 3, 0], abs=1e-12)
    # residuals have nothing to do with x in either arm, so arms share theta^2 V / 6,
    # with variances of x 2/3 and 2: V = (4 * 2/3 + 2 * 2) / 6 = 10/9
    assert found.shared[..., 0, 0] == pytest.approx(np.full((2, 2), 4 * 10 / 9 / 6))
    assert difference(found, mean("y"), "n", "c").value == pytest.approx(3)
    assert variance_reduction(moments, found, "y") == pytest.approx(1 - (8 / 3) / 18)


def data(rng, units=400, share=0.3):
    x = rng.normal(size=(units, 2)) @ [[1, 0.5], [0, 1]]
    arm = np.where(rng.random(units) < share, "x", "control")
    y = 3 + x @ [1, -2] + (arm == "x") * 0.5 + rng.normal(size=units)
    return arm, x, y


def test_within_is_the_analysis_of_covariance():
    arm, x, y = data(np.random.default_rng(0))
    moments = from_arrays(arm, {"y": y, "a": x[:, 0], "b": x[:, 1]})
    found = adjust(moments, {"y": ["a", "b"]}, slopes="within")
    design = np.column_stack([np.ones(len(y)), arm == "x", x])
    beta, rss, *_ = np.linalg.lstsq(design, y)
    assert difference(found, mean("y"), "x").value == pytest.approx(beta[1])
    assert found.scatter[:, 0, 0].sum() / (len(y) - 2) == pytest.approx(rss[0] / (len(y) - 4))


def test_collinear_and_constant_covariates_change_nothing():
    arm, x, y = data(np.random.default_rng(1))
    columns = {"y": y, "a": x[:, 0], "twice": 2 * x[:, 0], "constant": np.ones(len(y))}
    moments = from_arrays(arm, columns)
    one = adjust(moments, {"y": ["a"]}, slopes="total")
    many = adjust(moments, {"y": ["a", "twice", "constant"]}, slopes="total")
    assert many.select(["y"]).mean == pytest.approx(one.select(["y"]).mean)
    assert many.select(["y"]).scatter == pytest.approx(one.select(["y"]).scatter)
    assert many.select(["a", "twice"]).scatter == pytest.approx(moments.select(["a", "twice"]).scatter)


def test_optimal_is_never_wider():
    """A small arm whose slope differs: slopes within arms follow the large one, and lose."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=4000)
    arm = np.where(np.arange(4000) < 400, "x", "control")
    y = np.where(arm == "x", 3 * x, -x) + rng.normal(size=4000)
    moments = from_arrays(arm, {"y": y, "x": x})
    error = {
        slopes: float(difference(adjust(moments, {"y": ["x"]}, slopes=slopes), mean("y"), "x").std_error)
        for slopes in ("optimal", "within", "total")
    }
    plain = float(difference(moments, mean("y"), "x").std_error)
    assert error["optimal"] < plain < error["within"]
    assert error["optimal"] < error["total"]


def test_ratio_is_adjusted_by_both():
    """The adjusted ratio has the variance of its influence values' residuals."""
    rng = np.random.default_rng(3)
    sends = rng.poisson(5, 5000) + 1.0
    rate = rng.beta(2, 5, 5000)
    before, clicks = rng.binomial(8, rate), rng.binomial(sends.astype(int), rate)
    moments = from_arrays(
        rng.choice(["control", "x"], 5000), {"clicks": clicks, "sends": sends, "before": before}
    )
    metric = ratio("clicks", "sends")
    found = adjust(moments, {"clicks": ["before"], "sends": ["before"]})
    plain, less = (float(difference(m, metric, "x").std_error) for m in (moments, found))
    influence = (clicks - clicks.sum() / sends.sum() * sends) / sends.mean()
    correlation = np.corrcoef(influence, before)[0, 1]
    assert less / plain == pytest.approx(math.sqrt(1 - correlation**2), rel=0.01)


def test_missing_before():
    """A missing value is marked and adjusted for; in each group it is as good as its own information."""
    rng = np.random.default_rng(4)
    arm, new = rng.choice(["control", "x"], 6000), rng.random(6000) < 0.4
    x = rng.normal(10, 1, 6000)
    y = np.where(new, 1.0, x) + rng.normal(size=6000)
    table = pl.DataFrame({"arm": arm, "y": y, "x": pl.Series(x).set(pl.Series(new), None)})
    moments = from_table(table, ["y"], missing=["x"])
    found = adjust(moments, {"y": ["x"]})
    # what is left is the noise of 1; without a mark the gap of 9 between groups would be left, too
    assert found.covariance[:, 0, 0] == pytest.approx(np.ones(2), rel=0.06)
    assert variance_reduction(moments, found, "y") > 0.9


def test_lazy_products_suffice():
    arm, x, y = data(np.random.default_rng(5))
    table = pl.DataFrame({"arm": arm, "y": y, "a": x[:, 0], "b": x[:, 1], "other": y})
    covariates = {"y": ["a", "b"], "other": ["a"]}
    few = from_table(table.lazy(), ["y", "a", "b", "other"], products=products_for(covariates))
    some, every = adjust(few, covariates), adjust(from_table(table, ["y", "a", "b", "other"]), covariates)
    assert some.mean == pytest.approx(every.mean)
    assert np.diagonal(some.scatter, 0, 1, 2) == pytest.approx(np.diagonal(every.scatter, 0, 1, 2))
    assert np.isnan(some.scatter[:, 0, 3]).all()
    metric = ratio("y", "other")
    more = products_for(covariates, [metric])
    full = adjust(from_table(table.lazy(), ["y", "a", "b", "other"], products=more), covariates)
    for each in (full, every):
        assert difference(each, metric, "x").std_error > 0
    assert full.scatter == pytest.approx(every.scatter)
    with pytest.raises(InputError, match="were not scanned"):
        adjust(few, {"y": ["other"]})


def test_post_stratification_by_hand():
    # stratum s: 4 units, stratum t: 4 units, so weights 1/2; control means 1 and 5, new means 2 and 8
    arm = list("ccccnnnn")
    strata = list("sttt") + list("ssst")
    y = [1.0, 4, 5, 6, 1, 2, 3, 8]
    table = pl.DataFrame({"arm": [*arm, "c", "n"], "stratum": [*strata, "s", "t"], "y": [*y, 1.0, 8.0]})
    moments = from_table(table, ["y"], by=["stratum"])
    found = post_stratify(moments, "stratum")
    assert found.mean[:, 0] == pytest.approx([0.5 * 1 + 0.5 * 5, 0.5 * 2 + 0.5 * 8])
    # variances: control s 0 of 2, t 1 of 3: 1/4 * 1/3; new s 1 of 3, t 0 of 2: the same
    assert found.covariance_of_means[:, 0, 0] == pytest.approx([1 / 12, 1 / 12])
    # what is shared: control -2, 2 and new -3, 3 about their means: 1/2 (6 + 6) / 10
    assert found.shared[0, 1, 0, 0] == pytest.approx(0.6)
    absolute = difference(found, mean("y"), "n", "c")
    # 1/12 + 1/12 + (4 + 9 - 2 * 6) / 10, the last being the variance of the effects 1 and 3 over 10 units
    assert absolute.std_error == pytest.approx(math.sqrt(1 / 6 + 1 / 10))
    fixed = post_stratify(moments, "stratum", [0.5, 0.5])
    assert difference(fixed, mean("y"), "n", "c").std_error == pytest.approx(math.sqrt(1 / 6))
    with pytest.raises(InputError, match="merge strata"):
        post_stratify(from_table(table[:8], ["y"], by=["stratum"]), "stratum")
    with pytest.raises(InputError, match="shares that sum to 1"):
        post_stratify(moments, "stratum", [0.5, 0.6])


def experiments(rng, runs, units, effect, noise):
    """Moments of y and x with an axis of runs: y is multiplied by 1 + effect in the treated half."""
    x = rng.gamma(2, 1, (runs, 2, units))
    y = (x + noise * rng.normal(size=x.shape)) * np.array([1, 1 + effect])[:, None]
    both = np.stack([y, x], -1)
    mean_of = both.mean(axis=2)
    centred = both - mean_of[:, :, None]
    scatter = np.einsum("rani,ranj->raij", centred, centred)
    count = np.full((runs, 2), float(units))
    return Moments(("control", "x"), ("y", "x"), count, mean_of, scatter, (Axis("run", tuple(range(runs))),))


@pytest.mark.parametrize(("units", "tolerance"), [(20, 0.025), (500, 0.014)])
@pytest.mark.parametrize("effect", [0.0, 1.0])
@pytest.mark.parametrize("scale", ["absolute", "delta", "fieller"])
def test_adjusted_intervals_cover(scale, effect, units, tolerance):
    moments = experiments(np.random.default_rng(6), 3000, units, effect, 0.5)
    found = difference(adjust(moments, {"y": ["x"]}), mean("y"), "x", scale=scale)
    truth = 2 * effect if scale == "absolute" else effect
    covered = ((found.low < truth) & (truth < found.high)).mean()
    assert covered == pytest.approx(0.95, abs=tolerance)


def test_bad_input():
    arm, x, y = data(np.random.default_rng(7))
    moments = from_arrays(arm, {"y": y, "a": x[:, 0]})
    with pytest.raises(InputError, match="must have some, and not itself"):
        adjust(moments, {"y": []})
    with pytest.raises(InputError, match="must be one of"):
        adjust(moments, {"y": ["a"]}, slopes="ols")
    with pytest.raises(InputError, match="adjusted before"):
        adjust(adjust(moments, {"y": ["a"]}), {"y": ["a"]})
    with pytest.raises(InputError, match="cannot be added"):
        adjust(moments, {"y": ["a"]}) + moments.select(["y"])
    with pytest.raises(InputError, match="too small for 1 covariates"):
        adjust(from_arrays(list("ccx"), {"y": [1, 2, 3], "a": [1, 2, 3]}), {"y": ["a"]})


@pytest.mark.parametrize("slopes", ["optimal", "within"])
def test_error_with_a_small_arm(slopes):
    """12 units against 200, two covariates: the stated variance is that of the differences, within 4 %."""
    rng, runs, columns = np.random.default_rng(3), 4000, ("y", "a", "b")
    parts = []
    for size in (12, 200):
        x = rng.normal(size=(runs, size, 2))
        y = x.sum(axis=2) + rng.normal(size=(runs, size))
        table = np.concatenate([y[..., None], x], axis=2)
        off = table - table.mean(axis=1, keepdims=True)
        parts.append((table.mean(axis=1), np.einsum("rni,rnj->rij", off, off)))
    mean_of, scatter = (np.stack([part[place] for part in parts], axis=1) for place in (0, 1))
    count = np.broadcast_to([12.0, 200.0], (runs, 2))
    axes = (Axis("run", tuple(range(runs))),)
    moments = Moments(("control", "new"), columns, count, mean_of, scatter, axes)
    found = difference(adjust(moments, {"y": ["a", "b"]}, slopes=slopes), mean("y"), "new")
    seen, stated = found.value.var(), (found.std_error**2).mean()
    assert stated == pytest.approx(seen, rel=0.07)
    assert ((found.low < 0) & (found.high > 0)).mean() == pytest.approx(0.95, abs=0.015)
