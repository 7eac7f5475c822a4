from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.models.value import Given, Logged, Sampled, Softmax
from homing.models.value.batches import Rows, Sets
from homing.schema import InputError

# two rows of three places, the last of the second is padded
SETS = Sets(
    blocks=torch.zeros(3, 1),
    hold=torch.tensor([True, False, False]),
    shared=True,
    complete=False,
    index=torch.tensor([[0, 1, 2], [0, 1, 0]]),
    present=torch.tensor([[True, True, True], [True, True, False]]),
    propensity=torch.tensor([[0.5, 0.3, 0.2], [0.9, 0.1, 0.0]]),
    charge=torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]),
    probability=torch.tensor([[0.0, 0.4, 0.6], [1.0, 0.0, 0.0]]),
)
ROWS = Rows(torch.zeros(2, 1), SETS, torch.tensor([[2], [0]]))
# [1 member, 2 rows, 3 places, 2 objectives]
VALUES = torch.tensor([[[[0.0, 0.0], [1.0, 0.5], [0.0, 0.5]], [[0.0, 0.0], [0.0, 1.0], [9.0, 9.0]]]])
WEIGHTS = (1.0, 2.0)  # utilities less charges: 0, 1, 1 and 0, 2


def test_policies_that_the_log_carries() -> None:
    assert (Logged().distribution(VALUES, ROWS)[0] == SETS.propensity).all()
    assert (Given().distribution(VALUES, ROWS)[0] == SETS.probability).all()
    assert Sampled().distribution(VALUES, ROWS)[0].tolist() == [[0, 0, 1], [1, 0, 0]]


def test_softmax_by_hand() -> None:
    e = np.e
    plain = Softmax(WEIGHTS, 1.0).distribution(VALUES, ROWS)[0]
    assert plain[0].tolist() == pytest.approx([1 / (1 + 2 * e), e / (1 + 2 * e), e / (1 + 2 * e)])
    assert plain[1].tolist() == pytest.approx([1 / (1 + e**2), e**2 / (1 + e**2), 0])
    floored = Softmax(WEIGHTS, 1.0, floor=0.3).distribution(VALUES, ROWS)[0]
    assert floored[0].tolist() == pytest.approx((0.7 * plain[0] + 0.1).tolist())
    assert floored[1].tolist() == pytest.approx([*(0.7 * plain[1, :2] + 0.15).tolist(), 0])


def test_held_near_the_logging_policy_by_hand() -> None:
    held = Softmax(WEIGHTS, 2.0, held=True).distribution(VALUES, ROWS)[0]
    root = np.exp(0.5)
    whole = 0.5 + 0.5 * root
    assert held[0].tolist() == pytest.approx([0.5 / whole, 0.3 * root / whole, 0.2 * root / whole])
    assert held[1].tolist() == pytest.approx([0.9 / (0.9 + 0.1 * np.e), 0.1 * np.e / (0.9 + 0.1 * np.e), 0])


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.floats(-50, 50), min_size=12, max_size=12),
    st.floats(0.01, 100),
    st.floats(0, 1),
    st.booleans(),
)
def test_softmax_is_a_distribution(
    numbers: list[float], temperature: float, floor: float, held: bool
) -> None:
    values = torch.tensor(numbers).view(1, 2, 3, 2)
    found = Softmax(WEIGHTS, temperature, floor, held).distribution(values, ROWS)[0]
    assert found.sum(1).tolist() == pytest.approx([1, 1], abs=1e-5)
    assert (found >= 0).all()
    assert found[1, 2] == 0


def test_what_is_missing_or_out_of_range_is_said() -> None:
    bare = dataclasses.replace(ROWS, sets=dataclasses.replace(SETS, propensity=None, probability=None))
    for policy, name in (
        (Logged(), "propensity"),
        (Given(), "probability"),
        (Softmax(WEIGHTS, 1.0, held=True), "propensity"),
    ):
        with pytest.raises(InputError, match=f"{name} is None"):
            policy.distribution(VALUES, bare)
    with pytest.raises(InputError, match="3 weights meet 2 objectives"):
        Softmax((1.0, 1.0, 1.0), 1.0).distribution(VALUES, ROWS)
    with pytest.raises(InputError, match="temperature == 0"):
        Softmax(WEIGHTS, 0)
    with pytest.raises(InputError, match="floor == 2"):
        Softmax(WEIGHTS, 1, floor=2)
