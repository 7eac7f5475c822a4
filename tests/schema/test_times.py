from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.schema.errors import InputError
from homing.schema.times import (
    DAY,
    HOUR,
    MINUTE,
    MISSING,
    SECOND,
    WEEK,
    check_epoch,
    format_duration,
    format_time,
    parse_duration,
    parse_time,
    to_datetime,
)


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("90s", 90 * SECOND),
        ("15m", 15 * MINUTE),
        ("15min", 15 * MINUTE),
        ("4h", 4 * HOUR),
        ("7d", 7 * DAY),
        ("2w", 2 * WEEK),
        ("1.5h", 90 * MINUTE),
        (" 1 d ", DAY),
        ("0s", 0),
    ],
)
def test_durations(text: str, microseconds: int) -> None:
    assert parse_duration(text) == microseconds


@pytest.mark.parametrize("text", ["", "7", "d", "-1d", "1d2h", "1 month", "1e3s", "seven days"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration; write a number and s, m, h, d or w"):
        parse_duration(text)


@given(st.integers(0, 10**16))
def test_durations_are_read_back(microseconds: int) -> None:
    assert parse_duration(format_duration(microseconds)) == microseconds


def test_durations_take_the_largest_unit() -> None:
    assert [format_duration(x) for x in (WEEK, 8 * DAY, 36 * HOUR, 90 * MINUTE, 61 * SECOND, 0)] == [
        "1w",
        "8d",
        "36h",
        "90m",
        "61s",
        "0s",
    ]


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2026-03-01", "2026-03-01T00:00:00Z"),
        ("2026-03-01T06:00Z", "2026-03-01T06:00:00Z"),
        ("2026-03-01T06:00", "2026-03-01T06:00:00Z"),
        ("2026-03-01T06:00+05:45", "2026-03-01T00:15:00Z"),
        ("1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"),
    ],
)
def test_times(text: str, iso: str) -> None:
    assert format_time(parse_time(text)) == iso


def test_times_count_microseconds_from_1970() -> None:
    assert parse_time("1970-01-02T00:00:00.000001Z") == DAY + 1
    assert parse_time("1969-12-31T23:59:59.999999Z") == -1
    assert to_datetime(DAY) == datetime(1970, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "2026-02-30", "06:00"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time; write ISO 8601"):
        parse_time(text)


@given(st.datetimes(timezones=st.just(UTC)))
def test_times_are_read_back(moment: datetime) -> None:
    microseconds = parse_time(moment.isoformat())
    assert to_datetime(microseconds) == moment
    assert parse_time(format_time(microseconds)) == microseconds


def test_epochs_lie_between_1990_and_2100() -> None:
    for text in ("1990-01-01", "2099-12-31T23:59:59.999999Z"):
        assert format_time(check_epoch(parse_time(text))).startswith(text[:10])
    for text in ("1989-12-31T23:59:59.999999Z", "2100-01-01", "0001-01-01", "9999-12-31"):
        with pytest.raises(InputError, match="must be from 1990 on and before 2100"):
            check_epoch(parse_time(text))


def test_no_time_is_before_what_is_missing() -> None:
    assert parse_time("0001-01-01") > MISSING
