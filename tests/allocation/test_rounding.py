from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.allocation import Bounds, Uses, dependent_draw, probabilities, solve, total_deviations
from homing.decision import draw
from homing.schema import InputError

from .instances import dense_costs, make_demand


def test_deviations_against_every_user_alone() -> None:
    demand = make_demand(8, own=True)
    chance = probabilities(demand, np.zeros(5), 0.7)
    costs = dense_costs(demand, 5)
    variance = np.zeros(5)
    for first, last in zip(demand.offsets[:-1], demand.offsets[1:], strict=True):
        p, c = chance[first:last], costs[first:last]
        variance += p @ c**2 - (p @ c) ** 2
    np.testing.assert_allclose(total_deviations(demand, chance, 5) ** 2, variance, rtol=1e-9)


def test_each_user_keeps_its_distribution() -> None:
    demand = make_demand(4, users=40)
    chance = probabilities(demand, np.zeros(5), 0.7)
    totals = chance @ dense_costs(demand, 5)
    times, rng = 2000, np.random.default_rng(0)
    counts = np.zeros(len(chance))
    for _ in range(times):
        chosen = dependent_draw(demand, chance, totals, rng)
        np.testing.assert_array_equal(np.searchsorted(demand.offsets, chosen, "right") - 1, np.arange(40))
        counts[chosen] += 1
    deviation = np.sqrt(chance * (1 - chance) / times)
    assert (np.abs(counts / times - chance) < 4.5 * deviation + 1e-12).all()


@settings(deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.1, 1.0, 100.0]))
def test_each_kind_is_rounded_up_or_down(seed: int, temperature: float) -> None:
    """Every arm but hold uses one limit, by 1."""
    demand = make_demand(seed, users=50, arms=7)
    demand = replace(demand, uses=Uses.from_dense(np.eye(7)[:, 1:]))
    chance = probabilities(demand, np.zeros(6), temperature)
    costs = dense_costs(demand, 6)
    totals = chance @ costs
    drawn = costs[dependent_draw(demand, chance, totals, np.random.default_rng(seed))].sum(axis=0)
    assert (np.abs(drawn - totals) < 1 + 1e-9).all()


def test_scarce_limits_stay_nearer_than_under_independent_draws() -> None:
    demand = make_demand(9, users=20_000, arms=40)
    # every arm uses a limit of its own, and one of two that all share
    uses = np.concatenate([np.eye(40)[:, 1:], np.eye(2)[np.arange(40) % 2]], axis=1)
    uses[0] = 0
    demand = replace(demand, uses=Uses.from_dense(uses))
    bounds = Bounds(np.full(41, -np.inf), np.r_[np.linspace(20, 600, 39), 5000, 6000])
    found = solve(demand, bounds, 0.2)
    chance = probabilities(demand, found.prices, 0.2)
    totals, alone = found.certificate.totals, total_deviations(demand, chance, 41)
    costs = dense_costs(demand, 41)
    rng = np.random.default_rng(0)
    strays = np.array(
        [costs[dependent_draw(demand, chance, totals, rng)].sum(axis=0) - totals for _ in range(20)]
    )
    independent = np.array(
        [costs[draw(chance, demand.offsets, rng.random(len(demand)))].sum(axis=0) - totals for _ in range(60)]
    )
    np.testing.assert_allclose(independent.std(axis=0), alone, rtol=0.5)
    assert (np.abs(strays[:, :39]) < 1 + 1e-6).all()
    assert (alone[:39] > 2).all()
    assert (np.sqrt((strays[:, 39:] ** 2).mean(axis=0)) < 1.5 * alone[39:]).all()


def test_bad_probabilities() -> None:
    demand = make_demand(4)
    with pytest.raises(InputError, match="must sum to 1"):
        dependent_draw(demand, np.full(len(demand.values), 0.9), np.ones(5), np.random.default_rng(0))
