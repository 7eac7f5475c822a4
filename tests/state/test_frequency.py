"""Caps and spacing by hand, and against a reference that tries every window."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.schema import Instants, Sends
from homing.schema.times import DAY, HOUR
from homing.state import FrequencyLimits, frequency_rule
from state.state_world import START

PUSH, EMAIL = 0, 1


def limits(*rows: tuple[int, int, int]) -> FrequencyLimits:
    return FrequencyLimits(
        np.array([row[0] for row in rows], np.int16),
        np.array([row[1] for row in rows], np.int32),
        np.array([row[2] for row in rows], np.int64),
    )


def sends(*rows: tuple[int, int, int]) -> Sends:
    """Sends of one user as (at, channel, known_at), in hours after START."""
    rows = tuple(sorted(rows))
    return Sends(
        np.array([0, len(rows)]),
        START + HOUR * np.array([row[0] for row in rows], np.int64),
        np.array([row[1] for row in rows], np.int16),
        START + HOUR * np.array([row[2] for row in rows], np.int64),
    )


def ask(history: Sends, slot_hour: int, channel: int, rules: FrequencyLimits, now_hour: int = 0) -> int:
    rows = Instants(np.zeros(1, np.int32), np.array([START + now_hour * HOUR]))
    slot = np.array([START + slot_hour * HOUR])
    return int(
        frequency_rule(history, rows, np.zeros(1, np.int64), np.array([channel], np.int16), slot, rules)[0]
    )


@pytest.mark.parametrize(
    ("history", "slot_hour", "channel", "expected"),
    [
        (sends((-24, PUSH, -30)), 0, PUSH, -1),  # exactly a window apart is allowed
        (sends((-23, PUSH, -30)), 0, PUSH, 0),
        (sends((23, PUSH, -30)), 0, PUSH, 0),  # already planned for later
        (sends((24, PUSH, -30)), 0, PUSH, -1),
        (sends((-23, EMAIL, -30)), 0, PUSH, -1),  # another channel
        (sends((-1, PUSH, 0)), 0, PUSH, -1),  # not known before the instant
        (sends((0, PUSH, -1)), 0, PUSH, 0),  # at the same time
        (sends((-100, EMAIL, -100), (-50, EMAIL, -50)), 0, EMAIL, 1),
        (sends((-100, EMAIL, -100), (100, EMAIL, -50)), 0, EMAIL, -1),  # no week holds all three
        (sends((-100, EMAIL, -100), (60, EMAIL, -50)), 0, EMAIL, 1),
        (sends(), 0, PUSH, -1),
    ],
)
def test_by_hand(history: Sends, slot_hour: int, channel: int, expected: int) -> None:
    rules = limits((PUSH, 1, DAY), (EMAIL, 2, 7 * DAY))
    assert ask(history, slot_hour, channel, rules) == expected


def test_a_maximum_of_zero_forbids_and_an_empty_window_limits_nothing() -> None:
    assert ask(sends(), 0, PUSH, limits((-1, 5, DAY), (PUSH, 0, DAY))) == 1
    assert ask(sends((0, PUSH, -1)), 0, PUSH, limits((PUSH, 1, 0))) == -1
    assert ask(sends((0, PUSH, -1)), 0, PUSH, limits()) == -1


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-60, 60), st.integers(0, 1), st.integers(-70, 5)), max_size=12),
    st.integers(-10, 30),
    st.integers(0, 1),
    st.integers(0, 4),
    st.sampled_from([1, 5, 24, 48]),
    st.integers(-1, 1),
)
def test_equals_every_window_tried(history, slot, channel, maximum, window, only) -> None:
    broken = False
    if only in (-1, channel):
        counted = [at for at, by, known in history if known < 0 and only in (-1, by)]
        # Times are whole hours, so windows that start at whole hours are all there are.
        for start in range(slot - window + 1, slot + 1):
            broken |= sum(start <= at < start + window for at in counted) + 1 > maximum
    ours = ask(sends(*history), slot, channel, limits((only, maximum, window * HOUR)))
    assert ours == (0 if broken else -1)


def test_rows_of_several_users() -> None:
    history = Sends(
        np.array([0, 1, 1, 2]),
        np.array([START, START]),
        np.array([PUSH, EMAIL], np.int16),
        np.array([START - 1, START - 1]),
    )
    rows = Instants(np.array([0, 1, 2], np.int32), np.full(3, START))
    row = np.array([0, 0, 1, 2, 2])
    channel = np.array([PUSH, EMAIL, PUSH, PUSH, EMAIL], np.int16)
    result = frequency_rule(
        history, rows, row, channel, np.full(5, START + HOUR), limits((PUSH, 1, DAY), (EMAIL, 1, DAY))
    )
    assert result.tolist() == [0, -1, -1, -1, 1]
    assert result.dtype == np.int16
