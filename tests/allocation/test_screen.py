import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.allocation import Demand, Uses, softmaxes
from homing.allocation.screen import screened

from .instances import make_demand


def test_by_hand() -> None:
    demand = Demand(
        np.array([0, 3, 5]),
        np.array([0, 1.0, 3.2, 0, 0.5], np.float32),
        np.array([0, 1, 2, 0, 1], np.int32),
        Uses.from_dense(np.array([[0.0], [1], [2]])),
    )
    # at price 1 worth 0, 0 and 1.2; then 0 and -0.5
    near, elsewhere = screened(demand, np.ones(1), 0.2, np.zeros(1), np.zeros(1))
    assert len(near) == 0
    np.testing.assert_array_equal(elsewhere, [2.0])  # the first takes its last candidate, the second holds
    # when the price may move by 0.3, the last is sure of 1.2 - 0.2 - 0.6 only, and the second may reach 0.5;
    # the second user's offer may reach 0, and its hold is sure of -0.2
    near, elsewhere = screened(demand, np.ones(1), 0.2, np.full(1, 0.3), np.full(1, 0.3))
    np.testing.assert_array_equal(near.values, np.array([1, 3.2, 0, 0.5], np.float32))
    np.testing.assert_array_equal(elsewhere, [0.0])


@settings(deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_totals_stay_wherever_prices_may_go(seed: int, own: bool) -> None:
    demand, rng = make_demand(seed, own=own), np.random.default_rng(seed)
    prices, reach, temperature = rng.random(5), 0.2 * rng.random(5), 0.01
    near, elsewhere = screened(demand, prices, 18 * temperature, reach, 2 * reach)
    assert len(near.values) < len(demand.values)
    for _ in range(3):
        moved = prices + reach * rng.uniform(-2, 1, 5)
        whole, part = softmaxes(demand, moved, temperature), softmaxes(near, moved, temperature)
        np.testing.assert_allclose(part.totals + elsewhere, whole.totals, rtol=1e-9, atol=1e-9)
