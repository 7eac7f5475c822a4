import numpy as np
import pytest
from scipy import stats

from homing.experiments import (
    from_arrays,
    long_term_effect,
    surrogacy,
    surrogacy_error,
    surrogate_index,
)
from homing.schema import InputError


def drawn(rng, users, effect=0.5, direct=0.0):
    """The outcome is 2 s + noise, an arm adds `effect` to s and `direct` to the outcome itself."""
    arm = rng.random(users) < 0.5
    s = rng.normal(1 + effect * arm)
    y = 2 * s + direct * arm + rng.normal(0, 2, users)
    return from_arrays(np.where(arm, "new", "control"), {"s": s, "y": y})


def test_by_hand():
    """Slope 3 / 2 of (0, 1), (1, 1), (2, 4); residual mean square 1.5; scatter 2."""
    past = from_arrays(np.array(["old"] * 3), {"s": [0.0, 1, 2], "y": [1.0, 1, 4]})
    index = surrogate_index(past, "y", ["s"])
    assert index.slopes == pytest.approx([1.5])
    assert index.covariance == pytest.approx(np.array([[1.5 / 2]]))
    assert index.explained == pytest.approx(1 - 1.5 / 6)
    now = from_arrays(np.array(["control"] * 2 + ["new"] * 2), {"s": [0.0, 2, 2, 6]})
    found = long_term_effect(index, now, "new", surrogacy_error=2.0)
    assert found.value == pytest.approx(1.5 * 3)
    assert found.from_experiment**2 == pytest.approx(1.5**2 * (1 + 4))
    assert found.from_index**2 == pytest.approx(3**2 * 0.75)
    assert found.std_error**2 == pytest.approx(11.25 + 6.75 + 4)
    assert found.degrees == np.inf
    measured = surrogacy_error([2.0, -2.0, 2.0], [1e-9] * 3)
    from_past = long_term_effect(index, now, "new", surrogacy_error=measured)
    assert from_past.std_error == pytest.approx(found.std_error)
    assert from_past.degrees == pytest.approx(2 * 22**2 / (2 * 4**2 / 3))  # 3 where nothing else is uncertain
    assert from_past.high == pytest.approx(4.5 + stats.t.ppf(0.975, from_past.degrees) * np.sqrt(22))


def test_direct_effect_is_a_coefficient_of_regression():
    rng = np.random.default_rng(0)
    arm, a, b = rng.random(500) < 0.4, rng.normal(size=500), rng.normal(size=500)
    a, y = a + arm, a + 2 * b + 0.3 * arm + rng.normal(size=500)
    moments = from_arrays(np.where(arm, "new", "control"), {"a": a, "b": b, "y": y})
    found = surrogacy(surrogate_index(moments, "y", ["a", "b"]), moments, "new")
    design = np.column_stack([np.ones(500), arm, a, b])
    fitted, squares, *_ = np.linalg.lstsq(design, y, rcond=None)
    assert found.direct == pytest.approx(fitted[1])
    pooled = squares[0] / 496 * np.linalg.inv(design.T @ design)[1, 1]
    assert found.std_error**2 == pytest.approx(pooled, rel=0.03)  # variances differ by arm here
    assert found.total == pytest.approx(y[arm].mean() - y[~arm].mean())
    assert found.total == pytest.approx(found.through + found.direct)


def test_coverage_with_an_index_that_is_estimated():
    rng, held, runs = np.random.default_rng(1), 0, 300
    for _ in range(runs):
        index = surrogate_index(drawn(rng, 60), "y", ["s"])
        found = long_term_effect(index, drawn(rng, 200), "new", surrogacy_error=0.0)
        held += found.low < 1 < found.high
    assert held / runs == pytest.approx(0.95, abs=0.035)


def test_error_of_surrogacy_is_found_and_covered():
    rng = np.random.default_rng(2)
    index = surrogate_index(drawn(rng, 100_000), "y", ["s"])
    truth, runs, held, bare, values = 0.5, 100, 0, 0, []
    for _ in range(runs):
        past = [surrogacy(index, drawn(rng, 400, direct=rng.normal(0, truth)), "new") for _ in range(8)]
        error = surrogacy_error([p.direct for p in past], [p.std_error for p in past])
        direct = rng.normal(0, truth)
        now = drawn(rng, 400, direct=direct)
        values.append(error.value)
        found = long_term_effect(index, now, "new", surrogacy_error=error)
        held += found.low < 1 + direct < found.high
        without = long_term_effect(index, now, "new", surrogacy_error=0.0)
        bare += without.low < 1 + direct < without.high
    assert np.sqrt(np.mean(np.square(values))) == pytest.approx(truth, rel=0.12)
    assert held / runs == pytest.approx(0.95, abs=0.05)
    assert bare / runs < 0.8


def test_error_by_hand():
    """Without noise, the root of the mean square; with much, nothing."""
    found = surrogacy_error([3.0, -4.0], [1e-9, 1e-9])
    assert found.value == pytest.approx(np.sqrt(12.5))
    assert found.low < found.value < found.high
    assert surrogacy_error([0.1, -0.1], [1.0, 1.0]).value == 0


@pytest.mark.parametrize(
    ("call", "rule"),
    [
        (lambda m, i: surrogate_index(m, "y", ["s", "z"]), "column 'z'"),
        (lambda m, i: surrogate_index(m, "y", []), "at least one column"),
        (lambda m, i: long_term_effect(i, m, "new", surrogacy_error=-1.0), "surrogacy_error == -1"),
        (lambda m, i: long_term_effect(i, m, "x", surrogacy_error=0.0), "arm 'x'"),
        (lambda m, i: surrogacy(i, m, "new", confidence=95), "confidence == 95"),
        (lambda m, i: surrogacy_error([1.0], [0.0]), "std_error > 0"),
        (lambda m, i: surrogacy_error([1.0], [1.0, 2.0]), "must be \\[experiments\\]"),
        (lambda m, i: surrogate_index(few(), "y", ["s"]), "too few for 1"),
        (lambda m, i: surrogate_index(twice(), "y", ["s", "t"]), "repeat each other"),
    ],
)
def test_bad_input(call, rule):
    moments = drawn(np.random.default_rng(3), 50)
    with pytest.raises(InputError, match=rule):
        call(moments, surrogate_index(moments, "y", ["s"]))


def few():
    return from_arrays(np.array(["a", "a"]), {"s": [1.0, 2], "y": [1.0, 2]})


def twice():
    x = np.arange(9.0)
    return from_arrays(np.array(["a"] * 9), {"s": x, "t": x, "y": x**2})
