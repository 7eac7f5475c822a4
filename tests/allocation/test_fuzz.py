"""Random instances with minima, maxima, duplicated limits and contradictions, beside the linear program."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from homing.allocation import Bounds, Demand, Uses, solve

from .instances import dense_costs, make_demand


def make_instance(seed: int) -> tuple[Demand, np.ndarray, Bounds]:
    """Bounds around the use of random choices; limits 3 and 4 are about the same one."""
    rng = np.random.default_rng(seed)
    demand = make_demand(seed, users=int(rng.integers(1, 80)), own=bool(rng.integers(2)))
    costs = dense_costs(demand, 5)
    starts, counts = demand.offsets[:-1], demand.counts
    chosen = costs[starts + rng.integers(0, counts)].sum(0)
    most = np.where(rng.random(5) < 0.6, chosen * rng.uniform(0.2, 2, 5), np.inf)
    least = np.where(rng.random(5) < 0.4, chosen * rng.uniform(0, 1.5, 5), -np.inf)
    most = np.maximum(most, least + rng.choice([0.0, 1.0]))
    if rng.random() < 0.5:
        most[4], least[4] = most[3], least[3]
    return demand, costs, Bounds(least, most)


def optimum(demand: Demand, costs: np.ndarray, bounds: Bounds) -> float | None:
    """Return the linear program's value, None where it is infeasible."""
    users = np.repeat(np.arange(len(demand)), demand.counts)
    above, below = bounds.most < np.inf, bounds.least > -np.inf
    rows = np.concatenate([costs.T[above], -costs.T[below]])
    right = np.concatenate([bounds.most[above], -bounds.least[below]])
    found = linprog(
        -demand.values.astype(float),
        A_ub=rows if len(rows) else None,
        b_ub=right if len(rows) else None,
        A_eq=(users == np.arange(len(demand))[:, None]).astype(float),
        b_eq=np.ones(len(demand)),
    )
    assert found.status in {0, 2}
    return None if found.status == 2 else -found.fun


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10**9))
def test_what_is_said_of_a_solution_is_true(seed: int) -> None:
    demand, costs, bounds = make_instance(seed)
    found = solve(demand, bounds)
    proof = found.certificate
    assert np.isfinite([*found.prices, proof.value, proof.bound, proof.gap]).all()
    largest = costs.max(0, initial=0.0)
    room = 1e-3 * np.where(proof.totals > bounds.most, np.abs(bounds.most), np.abs(bounds.least)) + largest
    best = optimum(demand, costs, bounds)
    if best is not None:
        assert proof.bound >= best - 1e-6 * max(abs(best), 1)
    if found.met:
        assert proof.gap <= 1e-3
        assert (proof.over <= np.where(proof.over > 0, room, 0) + 1e-9).all()
        wider = optimum(demand, costs, Bounds(bounds.least - proof.over, bounds.most + proof.over + 1e-9))
        assert wider is not None
        assert proof.value <= wider + 1e-6 * max(abs(wider), 1)


@settings(deadline=None, max_examples=12)
@given(st.integers(0, 10**9))
def test_limits_of_few_units_and_values_far_apart(seed: int) -> None:
    """Uses are 0 or 1 and bounds 0.2 to 3 units, of users whose values differ by orders of magnitude."""
    rng = np.random.default_rng(seed)
    demand = make_demand(seed)
    demand = replace(
        demand,
        values=(demand.values * np.exp(rng.normal(0, 3, len(demand.values)))).astype(np.float32),
        uses=Uses.from_dense((rng.random((12, 5)) < 0.5) * (np.arange(12) > 0)[:, None].astype(np.float64)),
    )
    costs = dense_costs(demand, 5)
    bounds = Bounds(np.full(5, -np.inf), rng.uniform(0.2, 3, 5))
    found = solve(demand, bounds)
    best = optimum(demand, costs, bounds)
    assert best is not None
    assert found.met
    proof = found.certificate
    assert proof.bound >= best - 1e-6 * best
    wider = optimum(demand, costs, Bounds(bounds.least, bounds.most + proof.over + 1e-9))
    assert wider is not None
    assert best - 1e-3 * proof.bound <= proof.value <= wider + 1e-6 * wider


@settings(deadline=None, max_examples=8)
@given(st.integers(0, 10**9))
def test_contradictions_are_never_met(seed: int) -> None:
    """A minimum of more than all users could use, by more than a unit and a tenth of a percent."""
    demand, costs, bounds = make_instance(seed)
    most = np.maximum.reduceat(costs[:, 0], demand.offsets[:-1]).sum()
    least = bounds.least.copy()
    least[0] = 1.01 * most + 2 * costs[:, 0].max() + 1
    found = solve(demand, Bounds(least, np.maximum(bounds.most, least)))
    assert not found.met
    assert found.certificate.over[0] == pytest.approx(least[0] - found.certificate.totals[0])
