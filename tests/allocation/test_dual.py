import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.allocation import Demand, Uses, curvature, probabilities, softmaxes
from homing.allocation.kernel import softmax_pass
from homing.decision import softmax
from homing.schema.read_only import read_only

from .instances import dense_costs, make_demand

PRICES = np.array([0.3, -0.2, 0.0, 1.1, 0.4])


def test_one_user_by_hand() -> None:
    demand = Demand(
        np.array([0, 2]),
        np.array([0, 1], np.float32),
        np.array([0, 1], np.int32),
        Uses.from_dense(np.array([[0.0], [2.0]])),
    )
    found = softmaxes(demand, np.array([0.25]), 0.5)  # worth 0 and 1/2, so odds of 1 to e
    share = np.e / (1 + np.e)
    assert found.smooth == pytest.approx(0.5 * np.log(1 + np.e))
    assert found.value == pytest.approx(share)
    assert found.best == 0.5
    assert found.totals == pytest.approx([2 * share])
    # variance of the use: 4 share (1 - share)
    chance = probabilities(demand, np.array([0.25]), 0.5)
    assert curvature(demand, chance, np.array([3.0])) == pytest.approx([12 * share * (1 - share)])


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("temperature", [0.01, 0.3, 5.0])
def test_what_decisions_are_drawn_from(own: bool, temperature: float) -> None:
    demand = make_demand(1, own=own)
    costs = dense_costs(demand, 5)
    worth = demand.values.astype(np.float64) - costs @ PRICES
    drawn = softmax(worth, demand.offsets, temperature, 0.0)
    np.testing.assert_allclose(probabilities(demand, PRICES, temperature), drawn, rtol=1e-9, atol=1e-15)
    found = softmaxes(demand, PRICES, temperature)
    np.testing.assert_allclose(found.totals, drawn @ costs, rtol=1e-9)
    assert found.value == pytest.approx(drawn @ demand.values, rel=1e-9)
    entropy = -(drawn[drawn > 0] * np.log(drawn[drawn > 0])).sum()
    assert found.smooth == pytest.approx(drawn @ worth + temperature * entropy, rel=1e-9)
    assert found.best == pytest.approx(np.maximum.reduceat(worth, demand.offsets[:-1]).sum(), rel=1e-9)


def test_arrays_that_cannot_be_written_to_are_compiled_for_once() -> None:
    demand = make_demand(2)
    found = softmaxes(demand, PRICES, 0.3)
    compiled = len(softmax_pass.signatures)
    uses = Uses(*demand.uses.arrays)
    kept = Demand(read_only(demand.offsets), read_only(demand.values), read_only(demand.arm), uses)
    assert softmaxes(kept, PRICES, 0.3).smooth == found.smooth
    assert len(softmax_pass.signatures) == compiled


@settings(deadline=None)  # the first example compiles
@given(st.integers(0, 10**6), st.booleans(), st.sampled_from([0.1, 1.0, 4.0]))
def test_totals_are_the_gradient_and_curvature_the_hessian(seed: int, own: bool, temperature: float) -> None:
    demand = make_demand(seed, users=8, own=own)
    rng = np.random.default_rng(seed)
    prices, step = rng.normal(size=5), rng.normal(size=5)
    small = 1e-5

    def at(distance: float) -> tuple[float, np.ndarray]:
        found = softmaxes(demand, prices + distance * step, temperature)
        return found.smooth, found.totals

    (above, more), (below, less) = at(small), at(-small)
    totals = softmaxes(demand, prices, temperature).totals
    assert (above - below) / (2 * small) == pytest.approx(-totals @ step, rel=1e-5, abs=1e-6)
    bent = curvature(demand, probabilities(demand, prices, temperature), step)
    np.testing.assert_allclose((less - more) / (2 * small), bent / temperature, rtol=1e-4, atol=1e-5)


def test_the_same_bits_on_any_number_of_threads() -> None:
    demand = make_demand(2, users=5000, own=True)
    chance = probabilities(demand, PRICES, 0.1, threads=1)
    one = softmaxes(demand, PRICES, 0.1, threads=1)
    for threads in (2, 3, 8):
        other = softmaxes(demand, PRICES, 0.1, threads=threads)
        assert (one.smooth, one.value, one.best) == (other.smooth, other.value, other.best)
        np.testing.assert_array_equal(one.totals, other.totals)
        np.testing.assert_array_equal(
            curvature(demand, chance, PRICES, threads=1), curvature(demand, chance, PRICES, threads=threads)
        )


def test_nobody() -> None:
    nobody = Demand(np.zeros(1, np.int64), np.zeros(0, np.float32), np.zeros(0, np.int32), Uses.none(1))
    found = softmaxes(nobody, PRICES, 1.0)
    assert (found.smooth, found.value, found.totals.tolist()) == (0.0, 0.0, [0.0] * 5)
    assert curvature(nobody, np.zeros(0), PRICES).tolist() == [0.0] * 5
