import numpy as np
import pytest

from homing.allocation import Bounds, Demand, Pace, Uses, decide_in_order, solve
from homing.decision import softmax
from homing.schema import InputError

from .instances import dense_costs, make_demand

MOST = np.array([400.0, 300.0, 250.0, 1e9, np.inf])


def test_prices_by_hand() -> None:
    pace = Pace(
        prices=np.array([1.0, 0.0, -0.5]),
        totals=np.array([100.0, 50.0, 10.0]),
        most=np.array([100.0, 80.0, np.inf]),
        response=np.array([0.2, 0.3, 0.1]),
        arrivals=1000,
    )
    np.testing.assert_allclose(pace.at(np.zeros(3), 0, 0), [1, 0, -0.5])
    np.testing.assert_allclose(pace.at(np.array([50.0, 25, 5]), 500, 0.5), [1, 0, -0.5])
    # used twice as fast by as many users: 50 expected, none left but 1
    np.testing.assert_allclose(pace.at(np.array([99.0, 25, 5]), 500, 0.5)[0], 1 + 0.2 * np.log(50))
    # 225 users of 500: a quarter goes on coming, and half of the missing 0.525 may; 75 left for 51.25
    half = pace.at(np.array([25.0, 12, 2]), 250 - 25, 0.5)
    np.testing.assert_allclose(half[0], 1 - 0.2 * np.log(75 / 51.25))
    assert pace.at(np.array([100.0, 0, 0]), 500, 0.5)[0] == pytest.approx(1 + 0.2 * 20)
    with pytest.raises(InputError, match=r"passed == 1\.1"):
        pace.at(np.zeros(3), 0, 1.1)


def test_alone_it_is_the_softmax() -> None:
    demand = make_demand(2, own=True)
    prices = np.array([0.3, 0.0, 0.2, 0.1, 0.4])
    uniform = np.random.default_rng(0).random(len(demand))
    used = np.zeros(5)
    chosen, propensity = decide_in_order(demand, prices, 0.5, uniform, used, np.full(5, np.inf))
    costs = dense_costs(demand, 5)
    drawn = softmax(demand.values - costs @ prices, demand.offsets, 0.5, 0.0)
    np.testing.assert_allclose(propensity, drawn[chosen], rtol=1e-9)
    np.testing.assert_allclose(used, costs[chosen].sum(axis=0))


def test_a_full_limit_is_not_drawn_from() -> None:
    demand = Demand(
        np.array([0, 3, 6]),
        np.array([0, 5, 5, 0, 5, 5], np.float32),
        np.array([0, 1, 2, 0, 1, 2], np.int32),
        Uses.from_dense(np.array([[0.0, 0], [1, 0], [0, 1]])),
    )
    used = np.zeros(2)
    chosen, propensity = decide_in_order(
        demand, np.zeros(2), 0.01, np.array([0.3, 0.3]), used, np.array([1.0, 1.0])
    )
    assert chosen.tolist() == [1, 5]
    np.testing.assert_allclose(propensity, [0.5, 1.0])
    np.testing.assert_array_equal(used, [1, 1])
    with pytest.raises(InputError, match="no candidate of user 0 fits"):
        needy = Demand(np.array([0, 1]), np.ones(1, np.float32), np.ones(1, np.int32), demand.uses)
        decide_in_order(needy, np.zeros(2), 0.01, np.zeros(1), used, np.ones(2))


@pytest.mark.parametrize(
    ("arrivals", "lateness", "share"), [(0.5, 1, 0.94), (1, 1, 0.98), (2, 1, 0.97), (1, 2, 0.95)]
)
def test_a_day_unlike_the_forecast(arrivals: float, lateness: float, share: float) -> None:
    everyone = make_demand(1, users=18_000)
    forecast = everyone.take(np.arange(6000))
    bounds = Bounds(np.full(5, -np.inf), MOST)
    planned = solve(forecast, bounds, 0.05)
    pace = Pace.of(forecast, planned, MOST)
    came = everyone.take(6000 + np.arange(int(6000 * arrivals)))
    rng = np.random.default_rng(0)

    def run(paced: bool) -> tuple[float, np.ndarray]:
        used, value, steps = np.zeros(5), 0.0, 50
        edges = (np.linspace(0, 1, steps + 1) ** lateness * len(came)).astype(np.int64)
        for step in range(steps):
            part = came.take(np.arange(edges[step], edges[step + 1]))
            prices = pace.at(used, edges[step], step / steps) if paced else planned.prices
            chosen, _ = decide_in_order(part, prices, 0.05, rng.random(len(part)), used, MOST)
            value += float(part.values[chosen].sum())
        return value, used

    value, used = run(True)
    assert (used <= MOST).all()
    best = solve(came, bounds).certificate.bound
    assert value > share * best
    if arrivals != 1:
        assert value > run(False)[0]
