from zoneinfo import available_timezones

import numpy as np
import pytest

from homing.decision.slots import build_slots, clock_time, is_quiet, local_starts
from homing.schema import parse_config
from homing.schema.times import DAY, HOUR, MINUTE, parse_time
from homing.state import ZoneTable

from .reference import quiet, slot_starts
from .worlds import CONFIG, ODD_ZONES, clock_changes, everyone, world

ZONES = tuple(sorted(available_timezones()))


def starts_in(zone: str, epoch: int, *clocks: str, horizon: int = DAY) -> list[int]:
    zones = ZoneTable.build((zone,), epoch - 3 * DAY, epoch + horizon + 3 * DAY)
    times = np.array([clock_time(clock) for clock in clocks], np.int64)
    return local_starts(np.zeros(1, np.int32), np.array([epoch]), times, horizon, zones)[1].tolist()


def is_quiet_in(zone: str, start: int, length: int, since: str, until: str) -> bool:
    zones = ZoneTable.build((zone,), start - 3 * DAY, start + 3 * DAY)
    at = np.array([start])
    return bool(is_quiet(np.zeros(1, np.int32), at, length, clock_time(since), clock_time(until), zones)[0])


def test_a_start_that_the_clock_skips_has_no_slot_that_day():
    epoch = parse_time("2026-03-28T12:00Z")  # Stockholm skips 02:00 to 03:00 on the 29th
    found = starts_in("Europe/Stockholm", epoch, "02:30", "03:00", horizon=2 * DAY)
    assert found == [parse_time(t) for t in ("2026-03-29T01:00Z", "2026-03-30T00:30Z", "2026-03-30T01:00Z")]


def test_a_start_that_the_clock_shows_twice_counts_once_the_first_time():
    epoch = parse_time("2026-10-24T12:00Z")  # Stockholm repeats 02:00 to 03:00 on the 25th
    assert starts_in("Europe/Stockholm", epoch, "02:30") == [parse_time("2026-10-25T00:30Z")]
    between = parse_time("2026-10-25T00:45Z")  # after the first 02:30, before the second
    assert starts_in("Europe/Stockholm", between, "02:30") == []


def test_the_horizon_includes_the_epoch_and_excludes_its_own_end():
    epoch = parse_time("2026-06-01T09:00Z")
    assert starts_in("UTC", epoch, "09:00") == [epoch]


def test_a_day_that_a_zone_skipped_has_no_slots():
    epoch = parse_time("2011-12-29T12:00Z")  # Samoa went from the 29th to the 31st
    assert starts_in("Pacific/Apia", epoch, "12:00", horizon=2 * DAY) == [
        parse_time("2011-12-29T22:00Z"),
        parse_time("2011-12-30T22:00Z"),
    ]


@pytest.mark.parametrize("year", [2024, 2027])
def test_every_zone_agrees_with_zoneinfo_around_its_clock_changes(year):
    clocks, horizon = ("00:00", "01:30", "02:00", "02:45", "23:30"), 30 * HOUR
    sample = [
        (zone, change - shift)
        for place, zone in enumerate(ZONES)
        if place % 6 == year % 6 or zone in ODD_ZONES
        for change in clock_changes(zone, year) or (parse_time(f"{year}-07-01"),)
        for shift in (DAY, 45 * MINUTE, -15 * MINUTE)
    ]
    zones = ZoneTable.build(ZONES, parse_time(f"{year}-01-01"), parse_time(f"{year}-12-31"))
    zone = np.array([ZONES.index(name) for name, _ in sample], np.int32)
    epoch = np.array([at for _, at in sample])
    times = np.array([clock_time(clock) for clock in clocks])
    pair, start = local_starts(zone, epoch, times, horizon, zones)
    for place, (name, at) in enumerate(sample):
        assert start[pair == place].tolist() == slot_starts(name, at, clocks, horizon), (name, at)


@pytest.mark.parametrize(
    "hours", [("22:00", "08:00"), ("02:00", "03:00"), ("01:15", "01:20"), ("03:00", "04:00")]
)
def test_quiet_hours_agree_with_a_walk_through_the_minutes(hours):
    rng = np.random.default_rng(5)
    for name in ODD_ZONES:
        for change in clock_changes(name, 2025)[:2]:
            for _ in range(6):
                start = change + int(rng.integers(-200, 200)) * MINUTE
                length = int(rng.integers(1, 180)) * MINUTE
                assert is_quiet_in(name, start, length, *hours) == quiet(name, start, length, hours)


def test_a_slot_that_ends_where_quiet_hours_begin_is_not_quiet():
    assert not is_quiet_in("UTC", 21 * HOUR, HOUR, "22:00", "08:00")
    assert is_quiet_in("UTC", 21 * HOUR, HOUR + MINUTE, "22:00", "08:00")
    assert is_quiet_in("UTC", 8 * HOUR - MINUTE, HOUR, "22:00", "08:00")
    assert not is_quiet_in("UTC", 8 * HOUR, HOUR, "22:00", "08:00")


def test_a_day_long_slot_meets_the_quiet_hours_whenever_they_are():
    assert is_quiet_in("UTC", 5 * HOUR, DAY, "04:00", "04:01")
    assert not is_quiet_in("UTC", 5 * HOUR, 23 * HOUR, "04:00", "04:01")


def test_quiet_hours_that_end_where_they_begin_are_none():
    assert not is_quiet_in("UTC", 0, DAY, "22:00", "22:00")


def test_the_clock_change_inside_a_slot_counts():
    start = parse_time("2026-03-29T00:30Z")  # Stockholm: 01:30 to 01:59, then 03:00 to 03:30
    assert not is_quiet_in("Europe/Stockholm", start, HOUR, "02:00", "03:00")
    assert is_quiet_in("Europe/Stockholm", start, HOUR, "03:29", "03:40")


def test_cells_are_by_pair_and_channel():
    shard, at = world(3, users=20)
    slots = build_slots(shard, everyone(shard, at), CONFIG)
    for user in range(20):
        zone = ODD_ZONES[shard.users.zone[user]]
        for code, name in enumerate(shard.vocabularies.channels.names):
            cell = slots.pair[user] * slots.channels + code
            found = slots.start[slots.offsets[cell] : slots.offsets[cell + 1]].tolist()
            clocks = CONFIG.channels[name].slots or CONFIG.slots.starts
            assert found == slot_starts(zone, at, clocks, 36 * HOUR)


def test_a_channel_that_the_configuration_dropped_has_no_slots():
    shard, at = world(3)
    slots = build_slots(shard, everyone(shard, at), parse_config({"channels": {"email": {}}}))
    counts = np.diff(slots.offsets).reshape(-1, 3)
    assert (counts[:, [0, 2]] == 0).all()
    assert (counts[:, 1] > 0).all()
