import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.allocation import Bounds, Demand, Uses, solve
from homing.allocation.on_device import OnDevice
from homing.allocation.passes import Compiled, Passes
from homing.allocation.rows import Ragged, as_rows
from homing.schema import InputError

from .instances import make_demand

LIMITS = 5
CPU = torch.device("cpu")


def alike(one: Passes, other: Passes, prices: np.ndarray, temperature: float) -> None:
    assert len(one) == len(other)
    assert one.size() == pytest.approx(other.size(), rel=1e-9)
    a, b = one.softmaxes(prices, temperature), other.softmaxes(prices, temperature)
    for sums in ((a.smooth, b.smooth), (a.value, b.value), (a.best, b.best), (a.totals, b.totals)):
        np.testing.assert_allclose(*sums, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(a.mass, b.mass, rtol=1e-6, atol=1e-9)
    mine, its = one.covariance(prices, temperature), other.covariance(prices, temperature)
    np.testing.assert_allclose(mine.diagonal, its.diagonal, rtol=1e-6, atol=1e-9)
    step = np.cos(np.arange(LIMITS))
    np.testing.assert_allclose(mine.product(step), its.product(step), rtol=1e-6, atol=1e-9)
    some = np.arange(LIMITS) % 2 == 0
    here, there = one.by_limit(some), other.by_limit(some)
    for array in ("start", "ends", "place", "amount", "owner"):
        np.testing.assert_array_equal(getattr(here, array), getattr(there, array))
    np.testing.assert_array_equal(here.demand.values, there.demand.values)


@settings(deadline=None, max_examples=12)
@given(st.integers(0, 10**6), st.booleans(), st.sampled_from([0.01, 0.3, 5.0]), st.sampled_from([None, 0]))
def test_the_same_as_compiled_code(seed: int, own: bool, temperature: float, memory: int | None) -> None:
    """All users, some of them, those that matter near some prices, and some of those."""
    demand, rng = make_demand(seed, own=own), np.random.default_rng(seed)
    prices, reach = rng.normal(size=LIMITS), 0.2 * rng.random(LIMITS)
    one, other = Compiled(demand, LIMITS, 1), OnDevice.put(demand, LIMITS, "cpu", memory)
    alike(one, other, prices, temperature)
    some = np.sort(rng.choice(len(demand), 20, replace=False))
    alike(one.take(some), other.take(some), prices, temperature)
    (near, elsewhere), (its, rest) = (both.screened(prices, 0.1, reach, reach) for both in (one, other))
    np.testing.assert_allclose(elsewhere, rest, rtol=1e-6)
    alike(near, its, prices + reach, temperature)
    odd = np.arange(1, len(near), 2)
    alike(near.take(odd), its.take(odd), prices, temperature)


@pytest.mark.parametrize("own", [False, True])
def test_a_solution_is_the_same(own: bool) -> None:
    demand = make_demand(3, users=2000, own=own)
    bounds = Bounds(
        np.array([-np.inf, 50, -np.inf, -np.inf, -np.inf]), np.array([100, 90, 150, 80.0, np.inf])
    )
    one, other = (solve(demand, bounds, 0.05, 0.1, tolerance=1e-6, device=where) for where in (None, "cpu"))
    assert one.met
    assert other.met
    np.testing.assert_allclose(one.prices, other.prices, rtol=1e-6, atol=1e-9)
    a, b = one.certificate, other.certificate
    np.testing.assert_allclose((a.value, a.bound, a.entropy), (b.value, b.bound, b.entropy), rtol=1e-6)
    np.testing.assert_allclose(a.totals, b.totals, rtol=1e-6)
    assert a.passes == b.passes


def test_nobody_and_nobody_with_a_choice() -> None:
    nobody = Demand(np.zeros(1, np.int64), np.zeros(0, np.float32), np.zeros(0, np.int32), Uses.none(1))
    alone = Demand(np.arange(6), np.ones(5, np.float32), np.zeros(5, np.int32), Uses.none(1))
    for demand in (nobody, alone):
        there = OnDevice.put(demand, LIMITS, "cpu")
        alike(Compiled(demand, LIMITS, 1), there, np.ones(LIMITS), 0.1)
        near, elsewhere = there.screened(np.ones(LIMITS), 0.1, np.zeros(LIMITS), np.zeros(LIMITS))
        assert len(near) == 0
        assert elsewhere.tolist() == [0.0] * LIMITS
        assert solve(demand, Bounds(np.full(1, -np.inf), np.ones(1)), device="cpu").met


@settings(deadline=None, max_examples=15)
@given(st.lists(st.integers(1, 300), min_size=1, max_size=40))
def test_rows_hold_every_candidate_once(counts: list[int]) -> None:
    offsets = np.concatenate([[0], np.cumsum(counts)])
    n = int(offsets[-1])
    demand = Demand(offsets, np.arange(n, dtype=np.float32), np.arange(n, dtype=np.int32), Uses.none(n))
    blocks = as_rows(Ragged.of(demand, CPU))
    assert sorted(torch.cat([rows.user for rows in blocks]).tolist()) == list(range(len(counts)))
    for rows in blocks:
        width = rows.values.shape[1]
        for row, user in enumerate(rows.user.tolist()):
            count = counts[user]
            assert count <= width <= count + max((count - 1) // 4, 0)
            assert rows.arm[row, :count].tolist() == list(range(offsets[user], offsets[user + 1]))
            assert rows.there[row].tolist() == [True] * count + [False] * (width - count)


@pytest.mark.parametrize("name", ["abacus", "cpu:x", "meta"])
def test_a_device_that_is_not_there(name: str) -> None:
    with pytest.raises(InputError, match=f"device == '{name}', must be one"):
        solve(make_demand(0), Bounds(np.full(5, -np.inf), np.ones(5)), device=name)
