import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.experiments import difference, from_arrays, from_sums, funnel, mean
from homing.schema import InputError

COLUMNS = ["sends", "opens", "buys"]


def exact(control, new):
    means = np.array([control, new], np.float64)
    squares = 100 * means[:, :, None] * means[:, None, :] + 99 * np.eye(3) * 0.1
    return from_sums(["control", "new"], COLUMNS, [100, 100], 100 * means, squares)


def test_by_hand():
    # 4 sends, 1/2 opened, 1/4 bought: 1/2; 8 sends, 1/2, 1/4: 1. All of the difference is of sends
    found = funnel(exact([4, 2, 0.5], [8, 4, 1.0]), COLUMNS, "new")
    assert found.steps == ("sends", "opens / sends", "buys / opens")
    assert found.control_rates == pytest.approx([4, 0.5, 0.25])
    assert found.contribution == pytest.approx([0.5, 0, 0], abs=1e-12)
    # twice the sends, half of the opens: they cancel, each being log 2 times the level
    found = funnel(exact([4, 2, 0.5], [8, 2, 0.5]), COLUMNS, "new")
    assert found.contribution == pytest.approx(np.log([2, 0.5, 1]) * 0.5)


RATE = st.floats(0.01, 1)


@settings(deadline=None, max_examples=50)
@given(st.tuples(RATE, RATE, RATE), st.tuples(RATE, RATE, RATE))
def test_contributions_sum_to_the_difference(a, b):
    found = funnel(exact(np.cumprod(a), np.cumprod(b)), COLUMNS, "new")
    assert found.contribution.sum() == pytest.approx(found.total, abs=1e-12)
    back = funnel(exact(np.cumprod(b), np.cumprod(a)), COLUMNS, "new")
    assert back.contribution == pytest.approx(-found.contribution, abs=1e-12)
    assert back.std_error == pytest.approx(found.std_error, rel=1e-5)


def users(rng, n, rates):
    sends = rng.poisson(rates[0], n)
    opens = rng.binomial(sends, rates[1])
    return np.column_stack([sends, opens, rng.binomial(opens, rates[2])])


def test_errors():
    """Of the sum of contributions as of the difference, and coverage of each."""
    rng = np.random.default_rng(0)
    control, new = (5, 0.3, 0.2), (6, 0.25, 0.24)
    m1, m0 = np.prod(new), np.prod(control)
    truth = (m1 - m0) / np.log(m1 / m0) * np.log(np.divide(new, control))
    arm = np.repeat(["control", "new"], 1500)
    covered = np.zeros(3)
    for _ in range(300):
        table = np.vstack([users(rng, 1500, control), users(rng, 1500, new)])
        found = funnel(from_arrays(arm, dict(zip(COLUMNS, table.T, strict=True))), COLUMNS, "new")
        covered += (found.low < truth) & (truth < found.high)
    assert covered / 300 == pytest.approx([0.95] * 3, abs=0.045)


def test_two_steps_of_which_one_is_all():
    """Where every send is opened, the first step has the error of the whole difference."""
    rng = np.random.default_rng(1)
    sends = rng.poisson(5, 400).astype(float)
    arm = rng.choice(["control", "new"], 400)
    moments = from_arrays(arm, {"sends": sends, "opens": sends})
    found = funnel(moments, ["sends", "opens"], "new")
    whole = difference(moments, mean("opens"), "new")
    assert found.contribution == pytest.approx([float(whole.value), 0])
    assert found.std_error == pytest.approx([float(whole.std_error), 0], rel=1e-6, abs=1e-9)


def test_bad_input():
    with pytest.raises(InputError, match="must be > 0 in both arms"):
        funnel(exact([4, 2, 0], [8, 4, 1]), COLUMNS, "new")
    with pytest.raises(InputError, match="two columns or more"):
        funnel(exact([4, 2, 1], [8, 4, 1]), ["sends"], "new")
