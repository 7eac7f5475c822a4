"""What is left of budgets, and what they cost, by hand and by solving again."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from homing.allocation import Bounds, Demand, Uses, solve
from homing.lifecycle.budgets.pricing import find_prices, lost_values, value_of, what_is_left
from homing.schema import InputError
from homing.schema.budgets import Budget
from homing.schema.times import DAY, HOUR, parse_time


def limits(least: list[float], most: list[float], start: list[int], end: list[int]) -> Any:
    """Return what pricing looks at of shared limits."""
    bounds = Bounds(np.array(least), np.array(most))
    count = len(least)
    return SimpleNamespace(
        bounds=bounds,
        start=np.array(start),
        end=np.array(end),
        counted=np.ones(count, np.bool_),
        budgets=tuple(Budget(name=f"b{j}", max=1) for j in range(count)),
        budget=np.arange(count),
        __len__=lambda: count,
    )


class Limits(SimpleNamespace):
    def __len__(self) -> int:
        return len(self.budget)


def sized(least: list[float], most: list[float]) -> Any:
    return Limits(**vars(limits(least, most, [0] * len(most), [DAY] * len(most))))


def test_an_epoch_gets_its_part_of_what_its_period_has_left() -> None:
    monday = parse_time("2026-03-02")
    at = monday + 2 * DAY  # Wednesday: five of the week's seven days are left
    given = limits(
        [-np.inf, 20.0, -np.inf, -np.inf],
        [70.0, np.inf, 10.0, 30.0],
        [monday, monday, at, at + DAY // 2],
        [monday + 7 * DAY, monday + 7 * DAY, at + DAY, at + 3 * DAY // 2],
    )
    left = what_is_left(given, given.bounds, np.array([20.0, 5.0, 12.0, 0.0]), at, DAY)
    # a fifth of 50; a fifth of 15; nothing, for 12 of 10 are used; half of a day that begins at noon
    assert left.most.tolist() == [pytest.approx(10.0), np.inf, 0.0, pytest.approx(15.0)]
    assert left.least.tolist() == [-np.inf, pytest.approx(3.0), -np.inf, -np.inf]
    hourly = what_is_left(given, given.bounds, np.zeros(4), at, HOUR)
    assert hourly.most[2] == pytest.approx(10 / 24)


def demand(users: int = 3000) -> Demand:
    """Users with hold and two offers: of arm 1, which uses limit 0, and of arm 2, which uses both."""
    rng = np.random.default_rng(2)
    values = np.zeros((users, 3), np.float32)
    values[:, 1:] = rng.normal(0.2, 1, (users, 2))
    arm = np.tile(np.arange(3, dtype=np.int32), users)
    uses = Uses.from_dense(np.array([[0, 0], [1, 0], [1, 1]]))
    return Demand(3 * np.arange(users + 1), values.ravel(), arm, uses)


def test_drawn_totals_have_room_below_a_maximum_and_above_a_minimum() -> None:
    given = sized([-np.inf, 800.0], [1200.0, np.inf])
    found = find_prices(demand(), given, given.bounds, np.zeros(2), 0.3, 0.05, None, relax=False)
    totals = found.solution.certificate.totals
    assert 1200 - 10 < totals[0] < 1200 - 2
    assert 800.5 < totals[1] < 803  # one arm, rounded up or down
    assert found.solution.prices[0] > 0 > found.solution.prices[1]


def test_what_cannot_be_kept_is_named_with_what_would_do() -> None:
    given = sized([-np.inf, 1500.0], [1000.0, np.inf])
    nothing = np.zeros(2)
    with pytest.raises(InputError, match=r"b1 .*min leaves 1500 .*--relax|b0 .*max leaves 1000 .*--relax"):
        find_prices(demand(), given, given.bounds, nothing, 0.3, 0.05, None, relax=False)
    found = find_prices(demand(), given, given.bounds, nothing, 0.3, 0.05, None, relax=True)
    # to 1000, less the 50 that the floor gives to the offer that does not count
    assert found.relaxed_by == pytest.approx([0, 550], rel=0.001)
    totals, wider = found.solution.certificate.totals, found.bounds
    assert (totals <= wider.most * 1.002 + 1).all()
    assert (totals >= wider.least * 0.998 - 1).all()


def test_the_floor_uses_budgets_too() -> None:
    """A tenth of 3000 decisions is uniform over three candidates: 200 sends that no price removes."""
    given = sized([-np.inf, -np.inf], [150.0, np.inf])
    with pytest.raises(InputError, match=r"max leaves 150 .* nearest that can be is 200"):
        find_prices(demand(), given, given.bounds, np.zeros(2), 0.3, 0.1, None, relax=False)


def test_what_a_budget_costs_is_bounded_by_solving_without_it() -> None:
    given = sized([-np.inf, -np.inf], [900.0, 300.0])
    people = demand()
    found = find_prices(people, given, given.bounds, np.zeros(2), 0.3, 0.05, None, relax=False)
    wanted, lost = lost_values(people, found)
    here = value_of(people, found.solution)
    for limit in range(2):
        most = given.bounds.most.copy()
        most[limit] = np.inf
        freed = solve(people, Bounds(given.bounds.least, most), 0.3, 0.05)
        gained = value_of(people, freed).objective - here.objective
        assert 0 < gained <= lost[limit] * 1.001
        assert lost[limit] < 3 * gained
    free = solve(people, Bounds(np.full(2, -np.inf), np.full(2, np.inf)), 0.3, 0.05)
    assert wanted == pytest.approx(free.certificate.totals, rel=1e-6)
    assert here.expected < here.bound
