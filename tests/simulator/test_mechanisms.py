import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.schema.times import HOUR
from homing.simulator.channels import ByChannel
from homing.simulator.mechanisms.conversion import Conversion, conversion_delay, conversion_probability
from homing.simulator.mechanisms.fatigue import (
    Annoyance,
    Fatigue,
    OptOut,
    Repetition,
    annoyance,
    fatigue_logit,
    opt_out_hazard,
    recover,
    repetition_factor,
)
from homing.simulator.mechanisms.habit import Churn, Habit, next_dormant, next_habit
from homing.simulator.mechanisms.response import (
    Clicking,
    Opening,
    Worth,
    click_probability,
    open_logit,
    sigmoid,
    worth_probability,
)
from homing.simulator.mechanisms.visits import (
    Displacement,
    Length,
    Week,
    displaced,
    hour_of_day,
    visit_counts,
    visit_minutes,
    weekday_factor,
)
from homing.simulator.population import ZONES, rhythm_table, zone_offsets

NO = np.array([False])


def one(value: float) -> np.ndarray:
    return np.array([value])


def test_by_channel_follows_the_order_of_the_names() -> None:
    assert ByChannel(push=1, email=2, in_app=3).of(("in_app", "push")).tolist() == [3, 1]


def test_open_logit_by_hand_and_without_each_mechanism() -> None:
    arguments = {
        "base": one(-4.0),
        "moment_weight": one(0.5),
        "relevance": one(0.9),
        "appeal": one(0.75),
        "affinity": one(0.3),
        "receptivity": one(math.e),
        "habit": one(0.25),
        "dormant": np.array([True]),
        "staleness": one(2.0),
    }
    p = Opening(relevance=2.0, appeal=1.0, habit=0.8, dormant=-1.0, staleness=0.25)
    # -4 + 1 (0.75 - 0.5) + 0.8 (0.25 - 0.5) - 1, then 2 (0.9 - 0.4), 0.3 and 0.5 ln(e)
    rest = -4 + 0.25 - 0.2 - 1
    assert open_logit(p, **arguments)[0] == pytest.approx(rest + 1.0 + 0.3 + 0.5 - 0.5)
    for switch, effect in (
        ("relevance_on", 1.0),
        ("affinity_on", 0.3),
        ("moment_on", 0.5),
        ("staleness_on", -0.5),
    ):
        off = replace(p, **{switch: False})
        assert open_logit(off, **arguments)[0] == pytest.approx(rest + 1.3 - effect)


def test_loud_messages_are_opened_more_and_worth_less() -> None:
    loud, calm = (worth_probability(Worth(), one(0.5), one(0.5), one(appeal))[0] for appeal in (0.9, 0.1))
    assert loud < calm
    assert Opening().appeal > 0


def test_click_probability_of_an_average_message_is_the_base() -> None:
    assert click_probability(Clicking(), one(0.0), one(0.4), one(0.5))[0] == pytest.approx(0.5)


@given(st.floats(-1000, 1000))
@settings(max_examples=50, deadline=None)
def test_sigmoid_is_a_probability(x: float) -> None:
    assert 0 <= sigmoid(one(x))[0] <= 1
    assert sigmoid(one(x))[0] + sigmoid(one(-x))[0] == pytest.approx(1)


@pytest.mark.parametrize(("days", "published"), [(1, 0.016), (7, 0.012), (15, 0.0085), (30, 0.0042)])
def test_repetition_is_the_published_penalty(days: int, published: float) -> None:
    p = Repetition()
    memory = one(1.0)
    for _ in range(days):
        memory = recover(memory, p.half_life)
    assert 1 - repetition_factor(p, memory)[0] == pytest.approx(published, abs=0.0006)
    assert repetition_factor(replace(p, on=False), memory)[0] == 1


def test_fatigue_halves_in_its_half_life() -> None:
    level = one(2.0)
    for _ in range(4):
        level = recover(level, 4.0)
    assert level[0] == pytest.approx(1.0)
    assert fatigue_logit(Fatigue(), one(0.2), level)[0] == pytest.approx(-0.2)
    assert fatigue_logit(replace(Fatigue(), on=False), one(0.2), level)[0] == 0


def test_annoyance_by_hand_and_none_where_welcome() -> None:
    p = Annoyance(by_fatigue=0.5, by_relevance=0.8, by_appeal=1.0)
    arguments = (one(0.01), one(2.0), one(0.5), one(0.7))
    # 0.01 (1 + 0.5 * 2) (1 - 0.8 * 0.5) (1 + 0.2)
    assert annoyance(p, *arguments, NO)[0] == pytest.approx(0.01 * 2 * 0.6 * 1.2)
    assert annoyance(p, *arguments, ~NO)[0] == 0
    assert annoyance(replace(p, on=False), *arguments, NO)[0] == 0


def test_opt_out_hazard_by_hand() -> None:
    p = OptOut(by_fatigue=0.5, by_relevance=-1.0, by_appeal=2.0, welcome=0.25)
    arguments = (one(0.001), one(2.0), one(0.9), one(0.75))
    # 0.001 exp(0.5 * 2 - 0.5 + 0.5)
    assert opt_out_hazard(p, *arguments, NO)[0] == pytest.approx(0.001 * math.e)
    assert opt_out_hazard(p, *arguments, ~NO)[0] == pytest.approx(0.00025 * math.e)
    assert opt_out_hazard(p, one(0.001), one(100.0), one(0.4), one(0.5), NO)[0] == 0.2
    assert opt_out_hazard(replace(p, on=False), *arguments, NO)[0] == 0


def test_habit_by_hand() -> None:
    p = Habit(growth=0.1, decay=0.05)
    # (0.5 * 0.95 + 0.5 (1 - 0.9^2)) (1 - 0.1)
    assert next_habit(p, one(0.5), one(2.0), one(0.1))[0] == pytest.approx((0.475 + 0.095) * 0.9)
    assert next_habit(replace(p, on=False), one(0.5), one(2.0), one(0.1))[0] == 0.5


@given(st.floats(0, 1), st.floats(0, 30), st.floats(0, 5))
@settings(max_examples=100, deadline=None)
def test_habit_stays_within_its_bounds(habit: float, worthwhile: float, cost: float) -> None:
    after = next_habit(Habit(), one(habit), one(worthwhile), one(cost))[0]
    assert Habit().floor <= after <= 1
    assert after <= next_habit(Habit(), one(habit), one(worthwhile + 1), one(cost))[0]


def test_people_leave_by_low_habit_and_come_back_by_a_visit() -> None:
    p = Churn(leave=0.5, scale=0.1, come_back=0.01)
    dormant = np.array([False, False, False, True, True, True])
    habit = np.array([0.0, 1.0, 0.0, 0.0, 0.0, 0.0])
    visited = np.array([False, False, True, False, True, False])
    luck = np.array([0.4, 0.4, 0.4, 0.4, 0.4, 0.005])
    assert next_dormant(p, dormant, habit, visited, luck).tolist() == [True, False, False, True, False, False]
    assert next_dormant(replace(p, on=False), dormant, habit, visited, luck).tolist() == dormant.tolist()


def test_visit_counts_are_poisson_and_rise_with_the_mean_at_equal_luck() -> None:
    luck = np.random.default_rng(0).random(200_000)
    few, many = visit_counts(np.full(len(luck), 0.7), luck), visit_counts(np.full(len(luck), 2.5), luck)
    for counts, mean in ((few, 0.7), (many, 2.5)):
        assert counts.mean() == pytest.approx(mean, rel=0.02)
        assert counts.var() == pytest.approx(mean, rel=0.02)
        assert (counts == 0).mean() == pytest.approx(math.exp(-mean), rel=0.03)
    assert (few <= many).all()
    assert visit_counts(np.zeros(3), np.array([0, 0.5, 0.999])).tolist() == [0, 0, 0]


def test_hours_follow_the_rhythm() -> None:
    rhythm = rhythm_table()
    np.testing.assert_allclose(rhythm.sum(axis=1), 1)
    cumulative = np.concatenate([np.zeros((len(rhythm), 1)), np.cumsum(rhythm, axis=1)], axis=1)
    luck = np.random.default_rng(1).random(100_000)
    hours = hour_of_day(cumulative, np.full(len(luck), 2, np.int16), luck)
    seen = np.bincount(hours.astype(int), minlength=24) / len(hours)
    np.testing.assert_allclose(seen, rhythm[2], atol=0.005)


def test_the_first_later_visit_of_the_same_user_is_displaced() -> None:
    user, at = np.array([0, 0, 0, 1, 2]), np.array([10, 20, 30, 5, 40])
    arguments = {
        "user": user,
        "at": at,
        "caused_user": np.array([0, 1, 2]),
        "caused_at": np.array([15, 6, 7]),
    }
    p = Displacement(probability=0.5)
    gone, still = displaced(p, **arguments, uniform=np.array([0.4, 0.4, 0.4]))
    assert gone.tolist() == [False, True, False, False, True]
    assert still.tolist() == [False, True, False]  # user 1 has no visit after the caused one
    gone, still = displaced(p, **arguments, uniform=np.array([0.6, 0.4, 0.4]))
    assert gone.tolist() == [False, False, False, False, True]
    assert still.tolist() == [False, True, False]
    near = replace(p, hours=20 / HOUR)  # user 2's visit is 33 us later: too late to be moved
    assert displaced(near, **arguments, uniform=np.zeros(3))[0].tolist() == [False, True, False, False, False]
    for result in displaced(replace(p, on=False), **arguments, uniform=np.zeros(3)):
        assert not result.any()


def test_minutes_by_hand() -> None:
    p = Length(median=20, spread=1.0, disappointing=0.5, longest=100)
    yes = np.array([True, False, True])
    minutes = visit_minutes(p, np.array([1.0, 1.0, 2.0]), np.array([0.0, 0.0, 9.0]), yes)
    assert minutes.tolist() == [20, 10, 100]


def test_the_week_can_be_switched_off() -> None:
    assert weekday_factor(Week(), np.array([4]))[0] == 1.1
    assert weekday_factor(Week(on=False), np.array([4]))[0] == 1


def test_conversion_by_hand() -> None:
    p = Conversion(relevance=2.0, price=1.0)
    rate = np.array([0.1, 0.1])
    chance = conversion_probability(p, rate, np.array([True, False]), np.full(2, 0.9), np.full(2, 1.0))
    np.testing.assert_allclose(chance, [0.1, 0.1 * math.e])
    assert conversion_delay(p, one(30.0), one(0.0))[0] == 30
    assert conversion_delay(replace(p, delayed_on=False), one(30.0), one(5.0))[0] == 1


def test_offsets_know_odd_zones_and_clock_changes() -> None:
    noon_before, noon_after = 1_774_656_000_000_000, 1  # 2026-03-28T00:00Z and the day after: Europe changes
    offsets = zone_offsets(noon_before, 1 + noon_after) / 3_600_000_000
    names = [name for name, _, _ in ZONES]
    assert offsets[:, names.index("Europe/Berlin")].tolist() == [1, 2]
    assert offsets[0, names.index("Asia/Kathmandu")] == 5.75
    assert offsets[0, names.index("Asia/Kolkata")] == 5.5
