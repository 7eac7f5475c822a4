from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.allocation import Bounds, Demand, Uses, softmaxes, solve
from homing.allocation.sides import Sides
from homing.allocation.sweep import ByLimit

from .instances import dense_costs, make_demand

LIMITS = 5


def sides_of(demand: Demand, bounds: Bounds, cap: float = 100.0) -> Sides:
    return Sides.of(bounds, np.full(len(bounds), cap), dense_costs(demand, len(bounds)).max(0))


def swept(demand: Demand, sides: Sides, x: np.ndarray, temperature: float, chosen: np.ndarray) -> np.ndarray:
    box, enough = (np.zeros(len(x)), sides.cap), np.full(len(x), 1e-10)
    return ByLimit.of(demand, np.ones(sides.limits, np.bool_)).swept(
        sides, x, temperature, chosen, box, enough
    )


def test_one_unit_and_two_users_far_apart_by_hand() -> None:
    """Their odds are exp(1000 - p) and exp(900 - p), so chances sum to 1 where p is in the middle."""
    demand = Demand(
        np.array([0, 2, 4]),
        np.array([0, 1000, 0, 900], np.float32),
        np.array([0, 1, 0, 1], np.int32),
        Uses.from_dense(np.array([[0.0], [1.0]])),
    )
    bounds = Bounds(np.full(1, -np.inf), np.ones(1))
    sides = sides_of(demand, bounds, 1e6)
    ahead = swept(demand, sides, np.zeros(1), 1.0, np.array([0]))
    assert 900 < ahead[0] < 1000  # where chances are 1 and 0 to less than rounding
    # one unit and the chance of one in a thousand besides: exp(900 - p) is 0.001 / 0.999
    more = sides.scaled(1.001)
    assert swept(demand, more, ahead, 1.0, np.array([0])) == pytest.approx([900 + np.log(999)])
    assert swept(demand, sides.scaled(0.25), ahead, 1.0, np.array([0])) == pytest.approx([1000 + np.log(3)])
    found = solve(demand, bounds, 1.0, tolerance=1e-6, units=0)
    assert found.met
    assert found.certificate.value == pytest.approx(1000)


def test_a_message_twice_in_one_user_and_a_limit_twice_in_a_row() -> None:
    """Odds of both together are 2 exp(3 - 2 p), and a half is wanted of 100 users: p = (3 + ln 2) / 2."""
    uses = Uses(np.array([0, 0, 2]), np.zeros(2, np.int32), np.ones(2, np.float32))
    demand = Demand(
        np.arange(101) * 3, np.tile(np.float32([0, 3, 3]), 100), np.tile(np.int32([0, 1, 1]), 100), uses
    )
    sides = sides_of(demand, Bounds(np.full(1, -np.inf), np.full(1, 100.0)))
    assert swept(demand, sides, np.zeros(1), 1.0, np.array([0])) == pytest.approx([(3 + np.log(2)) / 2])


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.booleans(), st.sampled_from([0.01, 0.3, 3.0]))
def test_each_ends_where_the_dual_is_least_along_it(seed: int, own: bool, temperature: float) -> None:
    """Slack is 0 inside the box, and has the sign that presses at its edges; the others stay."""
    demand, rng = make_demand(seed, own=own), np.random.default_rng(seed)
    demand = replace(
        demand, values=demand.values * np.exp(2 * rng.normal(size=len(demand.values))).astype("f4")
    )
    most = rng.uniform(0.1, 8, LIMITS)
    sides = sides_of(demand, Bounds(most / 2, most), cap=20.0)
    x = np.where(rng.random(len(sides)) < 0.5, 0.0, rng.random(len(sides)))
    dual = sides.dual(x, softmaxes(demand, sides.prices(x), temperature))
    for side in rng.permutation(len(sides))[:4]:
        ahead = swept(demand, sides, x, temperature, np.array([side]))
        point = softmaxes(demand, sides.prices(ahead), temperature)
        slack = sides.slack(point)[side]
        assert abs(slack) < 1e-4 or (ahead[side] == 0 and slack > 0) or (ahead[side] == 20 and slack < 0)
        assert np.delete(ahead, side).tolist() == np.delete(x, side).tolist()
        assert sides.dual(ahead, point) <= dual + 1e-9 * abs(dual)
        x, dual = ahead, sides.dual(ahead, point)
    chosen = rng.permutation(len(sides))
    one_by_one = x
    for side in chosen:
        one_by_one = swept(demand, sides, one_by_one, temperature, np.array([side]))
    np.testing.assert_allclose(swept(demand, sides, x, temperature, chosen), one_by_one, rtol=1e-4, atol=1e-5)


def test_few_units_of_many_users_take_few_passes() -> None:
    """A sample of a third has hardly a user who is among the two that a limit is for."""
    demand, rng = make_demand(5, users=60_000), np.random.default_rng(5)
    size = np.exp(2.5 * rng.normal(size=len(demand)))
    demand = replace(demand, values=demand.values * np.repeat(size, demand.counts).astype(np.float32))
    found = solve(demand, Bounds(np.full(LIMITS, -np.inf), np.array([3000, 2.0, 4000, 1.0, 0.1])))
    assert found.met
    assert found.certificate.passes <= 5
    assert (found.certificate.over <= np.array([3.0, 0, 4.0, 0, 0]) + 1.0).all()
