import numpy as np
import pytest

from homing.allocation import Bounds, Demand, Uses
from homing.schema import InputError

from .instances import dense_costs, make_demand


def test_uses_by_hand() -> None:
    uses = Uses.from_dense(np.array([[0.0, 0.0], [2.0, 0.5], [0.0, 3.0]]))
    np.testing.assert_array_equal(uses.offsets, [0, 0, 2, 3])
    np.testing.assert_array_equal(uses.prices(np.array([10.0, 100.0])), [0, 70, 300])
    np.testing.assert_array_equal(uses.totals(np.array([5.0, 1.0, 2.0]), 2), [2, 6.5])
    again = uses.take(np.array([2, 0, 1]))
    np.testing.assert_array_equal(again.prices(np.array([10.0, 100.0])), [300, 0, 70])


def test_take_keeps_users_whole() -> None:
    demand = make_demand(3, own=True)
    users = np.array([7, 2, 59])
    part, costs = demand.take(users), dense_costs(demand, 5)
    place = np.concatenate([np.arange(*demand.offsets[u : u + 2]) for u in users])
    np.testing.assert_array_equal(part.values, demand.values[place])
    np.testing.assert_allclose(dense_costs(part, 5), costs[place])


def test_compact_keeps_what_is_used() -> None:
    demand = make_demand(3, users=3, arms=30)
    small = demand.compact()
    assert len(small.uses) == len(np.unique(demand.arm))
    np.testing.assert_array_equal(dense_costs(small, 5), dense_costs(demand, 5))


OFFSETS, VALUES, ARM = np.array([0, 2]), np.zeros(2, np.float32), np.zeros(2, np.int32)


@pytest.mark.parametrize(
    ("offsets", "values", "arm", "own", "says"),
    [
        (OFFSETS, VALUES.astype(np.float64), ARM, None, "values has dtype float64"),
        (np.array([0, 3]), VALUES, ARM, None, "offsets end at"),
        (np.array([0, 0, 2]), VALUES, ARM, None, "user 0 has no candidates"),
        (OFFSETS, VALUES, ARM + np.int32(1), None, "must be rows of the 1 uses"),
        (OFFSETS, np.array([0, np.nan], np.float32), ARM, None, "NaN or infinity"),
        (OFFSETS, VALUES, ARM, Uses.none(3), "own has 3 rows"),
    ],
)
def test_bad_demand(
    offsets: np.ndarray, values: np.ndarray, arm: np.ndarray, own: Uses | None, says: str
) -> None:
    with pytest.raises(InputError, match=says):
        Demand(offsets, values, arm, Uses.none(1), own)


def test_bad_bounds() -> None:
    with pytest.raises(InputError, match="limit 1 has least == 3"):
        Bounds(np.array([0.0, 3.0]), np.array([1.0, 2.0]))
    with pytest.raises(InputError, match="limit 0"):
        Bounds(np.array([np.nan]), np.array([1.0]))
