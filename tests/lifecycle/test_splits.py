import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.lifecycle.splits import CALIBRATION, LEFT_OUT, TEST, TRAIN, Split, plan_split
from homing.schema import InputError, Users
from homing.schema.config import Training
from homing.schema.times import DAY

TWENTY_DAYS = np.arange(20, dtype=np.int64) * DAY
TENS = np.full(20, 10, np.int64)


def users(count: int, seed: int = 0) -> Users:
    random = np.random.default_rng(seed)
    none = np.zeros((count, 0), np.float32)
    words = random.integers(0, 2**64, (count, 2), dtype=np.uint64)
    return Users(words, np.zeros(count, np.int32), np.zeros(count, np.int64), none, none.astype(np.int32))


def test_a_split_by_time_by_hand() -> None:
    """A test share of 0.25 of 20 equal days starts at day 15; 2 days before it are a gap: 0 .. 13 remain.

    Of these 14 the share 0.6 / 0.75 = 0.8 trains: 11.2 days, so calibration starts at day 12.
    """
    split = plan_split(TWENTY_DAYS, TENS, 2 * DAY, Training(calibration_share=0.15, test_share=0.25))
    assert split == Split("time", 12 * DAY, 15 * DAY, 1.0)
    people = users(20)
    part = split.assign(people, np.arange(20, dtype=np.int32), TWENTY_DAYS)
    assert part.tolist() == [TRAIN] * 12 + [CALIBRATION] * 3 + [TEST] * 5


def test_outcomes_of_training_end_where_the_test_begins() -> None:
    split = plan_split(TWENTY_DAYS, TENS, 2 * DAY, Training())
    assert split.outcomes_until(40 * DAY) == 15 * DAY
    assert split.outcomes_until(3 * DAY) == 3 * DAY
    assert Split("user", 0.6, 0.75, 1.0).outcomes_until(40 * DAY) == 40 * DAY


def test_busy_days_move_the_boundary() -> None:
    """The first day holds 90 of 109 decisions: the share 0.75 lies in it, so the second day tests."""
    counts = np.array([90] + [1] * 19, np.int64)
    split = plan_split(TWENTY_DAYS, counts, 0, Training(split="time"))
    assert split.test_from == DAY


@pytest.mark.parametrize(("days", "kind"), [(7, "user"), (8, "time"), (1, "user")])
def test_few_epochs_are_split_by_user(days: int, kind: str) -> None:
    assert plan_split(TWENTY_DAYS[:days], TENS[:days], DAY, Training()).kind == kind


def test_a_split_by_user_by_hand() -> None:
    split = plan_split(TWENTY_DAYS[:1], TENS[:1], DAY, Training(calibration_share=0.15, test_share=0.25))
    assert (split.calibration_from, split.test_from) == (pytest.approx(0.6), 0.75)
    places = np.array([0.0, 0.59, 0.61, 0.74, 0.75, 0.999])
    people = users(6)
    people.hash[:, 0] = (places * 2.0**64).astype(np.uint64)
    part = split.assign(people, np.arange(6, dtype=np.int32), np.zeros(6, np.int64))
    assert part.tolist() == [TRAIN, TRAIN, CALIBRATION, CALIBRATION, TEST, TEST]


def test_a_log_that_is_too_long_is_sampled_by_user() -> None:
    split = plan_split(TWENTY_DAYS, np.full(20, 1000, np.int64), DAY, Training(max_rows=5_000))
    assert split.keep == 0.25
    people = users(4_000)
    user = np.repeat(np.arange(4_000, dtype=np.int32), 2)
    part = split.assign(people, user, np.tile([0, 19 * DAY], 4_000)).reshape(-1, 2)
    kept = part != LEFT_OUT
    assert (kept[:, 0] == kept[:, 1]).all()
    assert abs(kept[:, 0].mean() - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 4_000)


@settings(deadline=None, max_examples=100)
@given(
    days=st.integers(1, 40),
    seed=st.integers(0, 99),
    window=st.integers(0, 5),
    kind=st.sampled_from(["time", "user"]),
    shares=st.tuples(st.floats(0.05, 0.45), st.floats(0.05, 0.45)),
)
def test_parts_do_not_mix(days: int, seed: int, window: int, kind: str, shares: tuple[float, float]) -> None:
    random = np.random.default_rng(seed)
    epochs, counts = np.arange(days, dtype=np.int64) * DAY, random.integers(1, 50, days)
    training = Training(split=kind, calibration_share=shares[0], test_share=shares[1])  # type: ignore[arg-type]
    try:
        split = plan_split(epochs, counts, window * DAY, training)
    except InputError:  # too short for the window
        assert kind == "time"
        assert days <= 45
        return
    people, n = users(30, seed), 200
    user, at = random.integers(0, 30, n).astype(np.int32), random.integers(0, days, n) * DAY
    part = split.assign(people, user, at)
    if kind == "user":
        for one in range(30):
            assert len(set(part[user == one].tolist())) <= 1
        return
    for earlier, later in ((TRAIN, CALIBRATION), (TRAIN, TEST), (CALIBRATION, TEST)):
        assert at[part == earlier].max(initial=-1) < at[part == later].min(initial=days * DAY)
    # some decision before the calibration period's end has its whole window before the test
    assert split.calibration_from <= split.test_from - window * DAY


def test_a_log_without_complete_outcomes_is_an_error() -> None:
    none = np.zeros(0, np.int64)
    with pytest.raises(InputError, match="no logged decision has a complete outcome yet"):
        plan_split(none, none, DAY, Training())


def test_a_log_that_is_shorter_than_the_window_is_an_error() -> None:
    with pytest.raises(InputError, match=r"no decision is 16d .* older than the test period"):
        plan_split(TWENTY_DAYS, TENS, 16 * DAY, Training(split="time"))
