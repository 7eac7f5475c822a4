"""Local time against zoneinfo: every zone, clock changes to the second."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.schema import InputError
from homing.schema.times import DAY, HOUR, MINUTE, SECOND, parse_time
from homing.state import ZoneTable, local_hour_of_week

NAMES = sorted(available_timezones())
YEAR = parse_time("2025-01-01"), parse_time("2027-01-01")


def zoneinfo_offset(name: str, at: int) -> int:
    local = datetime.fromtimestamp(at // SECOND, UTC).astimezone(ZoneInfo(name))
    return (
        int((local.replace(tzinfo=UTC) - datetime.fromtimestamp(at // SECOND, UTC)).total_seconds()) * SECOND
    )


def test_every_zone_agrees_through_two_years() -> None:
    table = ZoneTable.build(NAMES, *YEAR)
    at = np.arange(YEAR[0], YEAR[1], 13 * DAY + 7 * HOUR)
    for code, name in enumerate(NAMES):
        ours = table.offsets_at(np.full(len(at), code, np.int32), at)
        assert ours.tolist() == [zoneinfo_offset(name, int(one)) for one in at], name


@pytest.mark.parametrize(
    "name",
    ["Europe/Stockholm", "America/New_York", "Australia/Lord_Howe", "Pacific/Chatham", "Africa/Casablanca"],
)
def test_changes_are_right_to_the_second(name: str) -> None:
    table = ZoneTable.build([name], *YEAR)
    assert len(table.start) >= 4
    for start in table.start[1:]:
        at = np.array([start - SECOND, start - 1, start, start + SECOND])
        ours = table.offsets_at(np.zeros(4, np.int32), at)
        assert ours.tolist() == [zoneinfo_offset(name, int(one)) for one in at]
        assert ours[1] != ours[2]


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(NAMES), st.integers(parse_time("1975-01-01"), parse_time("2037-12-31")))
def test_any_zone_at_any_time(name: str, at: int) -> None:
    table = ZoneTable.build([name], at - DAY, at + DAY)
    local = datetime.fromtimestamp(at // SECOND, UTC).astimezone(ZoneInfo(name))
    ours = local_hour_of_week(np.zeros(1, np.int32), np.array([at]), table)
    assert ours[0] == local.weekday() * 24 + local.hour


def test_by_hand() -> None:
    names = ["UTC", "Asia/Kathmandu", "Australia/Eucla", "Europe/Stockholm"]
    table = ZoneTable.build(names, *YEAR)
    sunday = parse_time("2026-03-29T00:30Z")  # Stockholm skips 02h at 01:00Z
    at = np.array([sunday, sunday, sunday, sunday, sunday + HOUR])
    hours = local_hour_of_week(np.array([0, 1, 2, 3, 3], np.int32), at, table)
    assert hours.tolist() == [144, 144 + 6, 144 + 9, 144 + 1, 144 + 3]
    assert hours.dtype == np.int16
    quarter = table.offsets_at(np.array([1, 2], np.int32), at[:2])
    assert quarter.tolist() == [5 * HOUR + 45 * MINUTE, 8 * HOUR + 45 * MINUTE]


def test_an_unknown_zone_is_named() -> None:
    with pytest.raises(InputError, match="Mars/Olympus"):
        ZoneTable.build(["UTC", "Mars/Olympus"], *YEAR)
    with pytest.raises(InputError, match="IANA"):
        ZoneTable.build([""], *YEAR)
