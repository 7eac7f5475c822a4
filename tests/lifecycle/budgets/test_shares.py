"""Parts of budgets by hand, and what holds of any of them."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.allocation import Bounds
from homing.lifecycle.budgets.shares import shares_of, whole_parts
from homing.schema.budgets import Budget
from homing.schema.times import DAY


def limits(*budgets: Budget, days: int = 1) -> Any:
    """Return what sharing looks at of shared limits, all of one period from 0 on."""
    count = len(budgets)
    return SimpleNamespace(
        budgets=budgets,
        budget=np.arange(count),
        start=np.zeros(count, np.int64),
        end=np.full(count, days * DAY),
        counted=np.array([one.objective is None for one in budgets]),
        bounds=Bounds(
            np.array([-np.inf if one.min is None else one.min for one in budgets]),
            np.array([np.inf if one.max is None else one.max for one in budgets]),
        ),
    )


def shares(given: Any, users: list[int], before: Any = None, held: Any = None, at: int = 0) -> list[Bounds]:
    count = len(given.budgets)
    return shares_of(
        given,
        [f"x:{number}" for number in range(len(users))],
        np.array(users),
        np.zeros((len(users), count)) if before is None else np.array(before, float),
        np.zeros(count) if held is None else np.array(held, float),
        at,
        DAY,
        "salt",
    )


def test_parts_are_in_proportion_to_users_after_what_the_holdout_took() -> None:
    two = limits(Budget(name="a", max=14, min=8), Budget(name="b", counts="cost", max=2.5))
    small, large = shares(two, [100, 300], held=[2, 0.5])
    assert (small.most[0], large.most[0]) == (3, 9)  # of 12
    assert small.least[0] + large.least[0] == 6
    assert small.least[0] in (1, 2)  # a quarter of 6, in whole sends
    assert (small.most[1], large.most[1]) == (0.5, 1.5)  # money need not be whole
    assert (small.least[1], large.least[1]) == (-np.inf, -np.inf)


def test_what_an_arm_used_is_taken_off_its_own_part() -> None:
    week = limits(Budget(name="a", max=40), days=7)
    one, other = shares(week, [10, 10], before=[[6], [17]], at=3 * DAY)
    # 14 and 3 of 20 are left for four days
    assert one.most[0] in (3, 4)
    assert other.most[0] in (0, 1)
    alone, _ = shares(week, [10, 10], before=[[6], [0]], at=3 * DAY)
    assert alone.most[0] == one.most[0]


def test_where_one_had_more_than_its_part_the_total_is_kept() -> None:
    """20 each; one used 30 before it was an arm, so that the other 10 are all that is left."""
    expected = Budget(name="c", counts="objective:x", max=40)
    day = limits(Budget(name="a", max=40), Budget(name="b", counts="cost", max=40), expected)
    one, other = shares(day, [10, 10], before=[[30, 30, 30], [0, 0, 0]])
    assert (one.most == 0).all()
    assert other.most.tolist() == [10, 10, 20]  # of an expectation each keeps to its own part


def test_without_arms_nothing_is_rounded() -> None:
    (alone,) = shares(limits(Budget(name="a", max=7.5), days=2), [10])
    assert alone.most[0] == 3.75


parts = st.lists(st.integers(1, 1000), min_size=2, max_size=6)


@settings(max_examples=50)
@given(total=st.integers(0, 50), users=parts, chance=st.floats(0, 1, exclude_max=True))
def test_whole_parts_sum_and_are_next_to_the_exact_ones(total: int, users: list[int], chance: float) -> None:
    part = np.array(users) / sum(users)
    found = whole_parts(total, part, chance)
    assert found.sum() == total
    assert (found == np.round(found)).all()
    assert (np.abs(found - total * part) < 1 + 1e-9).all()


def test_whole_parts_are_right_on_average() -> None:
    """Three of four arms get one of three sends, and over chances each of them three quarters of the time."""
    found = [whole_parts(3, np.full(4, 0.25), chance) for chance in (np.arange(400) + 0.5) / 400]
    assert {tuple(sorted(row)) for row in found} == {(0, 1, 1, 1)}
    assert np.mean(found, axis=0) == pytest.approx(np.full(4, 0.75))


@settings(max_examples=50)
@given(
    users=parts,
    most=st.integers(0, 40),
    share=st.floats(0, 1),
    used=st.lists(st.integers(0, 9), min_size=6, max_size=6),
    held=st.integers(0, 9),
    at=st.integers(0, 6),
)
def test_all_parts_together_keep_the_budget(
    users: list[int], most: int, share: float, used: list[int], held: int, at: int
) -> None:
    week = limits(Budget(name="a", max=most, min=share * most), days=7)
    before = [[one] for one in used[: len(users)]]
    found = shares(week, users, before, [held], at * DAY)
    left = max(most - held - sum(used[: len(users)]), 0)
    drawn = sum(each.most[0] for each in found)
    assert drawn <= (left if at == 6 else left + len(users))
    for each in found:
        assert each.least[0] <= each.most[0] == round(each.most[0])
