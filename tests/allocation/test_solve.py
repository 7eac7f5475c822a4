import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.allocation import Bounds, Demand, Uses, least_relaxation, probabilities, solve
from homing.decision import softmax
from homing.schema import InputError

from .instances import dense_costs, make_demand

NONE = -np.inf


def most(*values: float) -> Bounds:
    return Bounds(np.full(len(values), NONE), np.array(values, np.float64))


def offers(values: list[float], uses: list[list[float]] | None = None) -> Demand:
    """Users with hold and one offer each, of one arm."""
    n = len(values)
    both = np.stack([np.zeros(n), values], axis=1).ravel().astype(np.float32)
    arm = np.tile(np.array([0, 1], np.int32), n)
    return Demand(np.arange(n + 1) * 2, both, arm, Uses.from_dense(np.array(uses or [[0.0], [1.0]])))


def test_a_price_by_hand() -> None:
    # a quarter may be sent to: odds 1 to 3, so worth is t ln(1/3) = 1 - p
    found = solve(offers([1.0] * 100), most(25), temperature=0.2, tolerance=1e-6, units=0)
    assert found.met
    assert found.prices == pytest.approx([1 + 0.2 * np.log(3)], rel=1e-5)
    assert found.certificate.totals == pytest.approx([25], rel=1e-5)
    assert found.certificate.value == pytest.approx(25, rel=1e-5)


def test_a_minimum_by_hand() -> None:
    demand = offers([-1.0] * 100)
    found = solve(demand, Bounds(np.array([25.0]), np.array([np.inf])), 0.2, tolerance=1e-6, units=0)
    assert found.prices == pytest.approx([-1 + 0.2 * np.log(3)], rel=1e-5)
    assert found.certificate.value == pytest.approx(-25, rel=1e-5)


def test_the_linear_program_takes_the_best() -> None:
    values = np.linspace(-0.5, 2, 501)
    found = solve(offers(list(values)), most(100), tolerance=1e-4)
    best = np.sort(values)[-100:].sum()
    assert found.met
    assert found.certificate.gap < 1e-3
    assert found.certificate.bound >= best - 1e-9
    assert found.certificate.bound == pytest.approx(best, rel=2e-3)
    assert values[-101] - 0.01 < found.prices[0] < values[-100] + 0.01


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.booleans(), st.sampled_from([0.05, 0.5]), st.sampled_from([0.0, 0.1]))
def test_optimal_by_its_conditions(seed: int, own: bool, temperature: float, floor: float) -> None:
    """Within bounds, and a price only where the bound is met: sufficient for a concave objective."""
    demand = make_demand(seed, own=own)
    rng = np.random.default_rng(seed)
    costs = dense_costs(demand, 5)
    hardly = softmax(np.zeros(len(costs)), demand.offsets, 1.0, 1.0) @ costs
    bounds = most(*hardly * rng.uniform(0.3, 1.5, 5))
    found = solve(demand, bounds, temperature, floor, tolerance=1e-5, units=0)
    drawn = softmax(demand.values - costs @ found.prices, demand.offsets, temperature, floor)
    totals = drawn @ costs
    assert found.met
    np.testing.assert_allclose(totals, found.certificate.totals, rtol=1e-7)
    assert (totals <= bounds.most * (1 + 1e-4)).all()
    assert (found.prices >= 0).all()
    paid = found.prices > 1e-3
    np.testing.assert_allclose(totals[paid], bounds.most[paid], rtol=1e-2)


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10**6))
def test_no_allocation_beats_the_bound(seed: int) -> None:
    demand = make_demand(seed, users=40)
    rng = np.random.default_rng(seed)
    costs = dense_costs(demand, 5)
    bounds = most(*rng.uniform(2, 10, 5))
    found = solve(demand, bounds)
    order = rng.permutation(len(demand))
    left, value = bounds.most.copy(), 0.0
    for user in order:  # greedy, feasible
        span = np.arange(demand.offsets[user], demand.offsets[user + 1])
        fits = span[(costs[span] <= left).all(axis=1)]
        best = fits[np.argmax(demand.values[fits])]
        left, value = left - costs[best], value + float(demand.values[best])
    assert value <= found.certificate.bound + 1e-6


def test_an_arm_that_nobody_has_loosens_no_limit() -> None:
    # a bound may be broken by the largest single use, here 1; nobody can use the 90 of the third arm
    used = solve(offers([1.0] * 100, [[0.0], [1.0], [90.0]]), most(25), 0.2)
    assert used.met
    assert used.certificate.totals[0] <= 26 * (1 + 1e-3)


def test_many_users_from_samples() -> None:
    demand = make_demand(5, users=60_000)
    bounds = most(3000, 2000, 4000, 100, 1e9)
    found = solve(demand, bounds)
    assert found.met
    assert found.certificate.gap < 1e-3
    assert found.prices[4] == 0
    assert (found.certificate.totals <= bounds.most * 1.001 + 1).all()
    assert found.certificate.passes <= 7
    again = solve(demand, bounds, found.temperature, start=found.prices)
    assert again.certificate.passes <= found.certificate.passes
    assert again.certificate.value == pytest.approx(found.certificate.value, rel=1e-3)
    for threads in (1, 3):
        np.testing.assert_array_equal(solve(demand, bounds, threads=threads).prices, found.prices)


def test_prices_that_are_far_too_high_come_down() -> None:
    found = solve(offers([1.0] * 100), most(1000), 0.001, start=np.array([5.0]))
    assert found.met
    assert found.prices == pytest.approx([0])
    assert found.certificate.value == pytest.approx(100)


def test_ties_and_values_in_proportion_to_use() -> None:
    demand = offers([1.0] * 1000)
    found = solve(demand, most(300))
    assert found.met
    assert found.certificate.totals == pytest.approx([300], abs=1.4)
    chance = probabilities(demand, found.prices, found.temperature)
    assert chance[1::2] == pytest.approx(0.3, abs=0.01)


def test_a_limit_twice_shares_one_price() -> None:
    twice = offers([1.0] * 100, [[0, 0], [1, 1]])
    found = solve(twice, most(25, 25), 0.2, tolerance=1e-6, units=0)
    assert found.prices.sum() == pytest.approx(1 + 0.2 * np.log(3), rel=1e-4)


def test_nothing_to_decide() -> None:
    alone = Demand(np.arange(6), np.zeros(5, np.float32), np.zeros(5, np.int32), Uses.none(1))
    for demand in (alone, alone.take(np.zeros(0, np.int64))):
        found = solve(demand, most(1))
        assert found.met
        assert found.prices.tolist() == [0.0]
        assert found.certificate.gap == 0


def test_what_cannot_be_met_is_named() -> None:
    demand = offers([0.5] * 50, [[0, 0, 0], [1, 1, 0]])
    # the second limit's minimum passes the first's maximum; nothing uses the third, whose scope is empty
    bounds = Bounds(np.array([NONE, 30.0, 5.0]), np.array([20.0, np.inf, np.inf]))
    found = solve(demand, bounds, 0.05)
    assert not found.met
    assert found.certificate.over[2] == 5
    relaxed = least_relaxation(demand, bounds)
    assert relaxed.by[2] == 5
    # widening 30 by one part costs less than widening 20 by one
    assert relaxed.by == pytest.approx([0, 10, 5], abs=0.1)
    assert set(relaxed.broken) == {1, 2}
    assert solve(demand, relaxed.bounds, 0.05).met
    assert len(least_relaxation(demand, most(20, 30, 5)).broken) == 0


def test_a_soft_limit_gives_way_at_its_price() -> None:
    values = list(np.linspace(0, 2, 201))
    found = solve(offers(values), most(10), 0.001, cap=1.5)
    assert found.prices == pytest.approx([1.5])
    assert found.certificate.totals == pytest.approx([50.5], abs=0.6)  # all that are worth more than 1.5


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"temperature": 0.0}, "temperature == 0.0"),
        ({"temperature": np.nan}, "temperature == nan"),
        ({"floor": 1.0}, "floor == 1.0"),
    ],
)
def test_bad_arguments(arguments: dict[str, float], says: str) -> None:
    with pytest.raises(InputError, match=says):
        solve(offers([1.0]), most(1), **arguments)
    with pytest.raises(InputError, match="start has shape"):
        solve(offers([1.0]), most(1), start=np.zeros(2))
    with pytest.raises(InputError, match="cap == 0"):
        solve(offers([1.0]), most(1), cap=0.0)
    with pytest.raises(InputError, match="among the 0 bounds"):
        solve(offers([1.0]), most())
    with pytest.raises(InputError, match="finite and >= 0"):
        solve(offers([1.0], [[0.0], [-1.0]]), most(1))
