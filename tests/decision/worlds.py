"""Small random shards with everything that rules ask about, dense enough that each rule is broken often."""

from __future__ import annotations

from functools import cache
from zoneinfo import ZoneInfo

import numpy as np

from homing.schema import (
    EVENT_TYPES,
    Config,
    Consents,
    Decisions,
    Events,
    Instants,
    Messages,
    Opportunities,
    Shard,
    Users,
    Vocabularies,
    Vocabulary,
    parse_config,
)
from homing.schema.times import DAY, HOUR, MINUTE, MISSING, to_datetime

CHANNELS = ("push", "email", "in_app")

#: Times fall on half hours, as slots do, so that every "before" and "at" is told apart.
GRID = 30 * MINUTE

#: Zones whose clocks are odd: changes of 30 minutes, 2 hours and at midnight, offsets of 30 and 45 minutes.
ODD_ZONES = (
    "Australia/Lord_Howe",
    "Antarctica/Troll",
    "America/Santiago",
    "Africa/Cairo",
    "Asia/Kathmandu",
    "Pacific/Chatham",
    "America/St_Johns",
    "Asia/Kolkata",
    "Africa/Casablanca",
    "Europe/Dublin",
    "America/New_York",
    "Asia/Beirut",
    "America/Havana",
    "Pacific/Kiritimati",
    "UTC",
)

CONFIG = parse_config(
    {
        "channels": {
            "push": {
                "quiet_hours": ("22:00", "08:00"),
                "caps": [{"max": 1, "per": "1d"}, {"max": 3, "per": "7d"}],
                "slots": ("01:30", "02:30", "07:15", "12:00", "21:30"),
            },
            "email": {"quiet_hours": ("01:00", "02:15"), "spacing": "30h"},
            "in_app": {"caps": [{"max": 2, "per": "3d"}]},
        },
        "limits": {"caps": [{"max": 4, "per": "7d"}], "spacing": "2h"},
        "slots": {"starts": ("00:00", "02:00", "09:00", "23:30"), "length": "90m", "horizon": "36h"},
        "exclusions": {"share": 1.0},
    }
)


def offsets_of(counts: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])


@cache
def clock_changes(zone: str, year: int) -> tuple[int, ...]:
    """Return the hours (us) in which the zone's offset changes within the year."""
    start = int((np.datetime64(f"{year}-01-01") - np.datetime64("1970-01-01")) / np.timedelta64(1, "us"))

    def offset(at: int) -> object:
        return to_datetime(at).astimezone(ZoneInfo(zone)).utcoffset()

    days = range(start, start + 366 * DAY, DAY)
    return tuple(
        hour
        for day in days
        if offset(day) != offset(day + DAY)
        for hour in range(day + HOUR, day + DAY + HOUR, HOUR)
        if offset(hour) != offset(hour - HOUR)
    )


def messages(rng: np.random.Generator, around: int, count: int = 6, transactional: float = 0.2) -> Messages:
    limited = rng.random(count) < 0.4
    return Messages(
        domain=np.zeros(count, np.int32),
        category=np.arange(count, dtype=np.int32),
        channels=rng.random((count, len(CHANNELS))) < 0.7,
        valid_from=np.where(limited, around + rng.integers(-144, 24, count) * GRID, MISSING),
        valid_until=np.where(rng.random(count) < 0.4, around + rng.integers(-48, 144, count) * GRID, MISSING),
        transactional=rng.random(count) < transactional,
        numeric=np.zeros((count, 0), np.float32),
        categorical=np.zeros((count, 0), np.int32),
    )


def decisions(
    users: int, at: np.ndarray, user: np.ndarray, channel: np.ndarray, start: np.ndarray
) -> Decisions:
    """Return sends as logged decisions, sorted by (user, epoch)."""
    order = np.lexsort((at, user))
    n = len(at)
    return Decisions(
        offsets=offsets_of(np.bincount(user, minlength=users)),
        id=np.zeros((n, 2), np.uint64),
        epoch_at=at[order],
        opportunity=np.full(n, -1, np.int32),
        message=np.zeros(n, np.int32),
        channel=channel[order].astype(np.int16),
        slot_start=start[order],
        slot_end=start[order] + HOUR,
        propensity=np.full(n, 0.5),
        candidates=np.full(n, 2, np.int32),
        candidate_set=np.zeros((n, 2), np.uint64),
        values=np.zeros((n, 4), np.float32),
        release=np.zeros(n, np.int32),
        reason=np.zeros(n, np.int8),
    )


def world(
    seed: int,
    users: int = 8,
    around: int | None = None,
    zones: tuple[str, ...] = ODD_ZONES,
    **catalogue: float,
) -> tuple[Shard, int]:
    """Return a random shard whose events lie around an instant, by default near a clock change of a zone."""
    rng = np.random.default_rng(seed)
    if around is None:
        changes = clock_changes(zones[seed % len(zones)], 2019 + seed % 8)
        near = changes[seed % len(changes)] if changes else 20_500 * DAY
        around = near + int(rng.integers(-48, 48)) * GRID
    channels = len(CHANNELS)

    counts = rng.integers(0, 6, users)
    total = int(counts.sum())
    owner = np.repeat(np.arange(users), counts)
    hashes = rng.integers(0, 2**64, total, dtype=np.uint64)
    created = around - rng.integers(-24, 144, total) * GRID
    earliest = created + rng.integers(0, 48, total) * rng.integers(0, 2, total) * GRID
    catalogue_of = messages(rng, around, **catalogue)

    per_user = rng.integers(0, 12, users)
    consents = int(per_user.sum())
    consent_at = around - rng.integers(-3, 30, consents) * 4 * HOUR  # a coarse grid, so that times tie
    consent_user = np.repeat(np.arange(users), per_user)
    by_time = np.lexsort((consent_at, consent_user))

    happened = rng.integers(0, 4, users)
    events = int(happened.sum())
    event_user = np.repeat(np.arange(users), happened)
    event_at = around - rng.integers(-3, 30, events) * 4 * HOUR
    order = np.lexsort((event_at, event_user))
    kinds = np.array(
        [EVENT_TYPES.index(name) for name in ("opted_in", "opted_out", "session", "delivered", "opted_in")]
    )

    sent = rng.integers(0, 5, users)
    sends = int(sent.sum())
    sent_at = around - rng.integers(-4, 30, sends) * 4 * HOUR
    shard = Shard(
        vocabularies=Vocabularies(channels=Vocabulary(CHANNELS), zones=Vocabulary(zones)),
        messages=catalogue_of,
        users=Users(
            hash=rng.integers(0, 2**64, (users, 2), dtype=np.uint64),
            zone=rng.integers(0, len(zones), users).astype(np.int32),
            signed_up_at=np.zeros(users, np.int64),
            numeric=np.zeros((users, 0), np.float32),
            categorical=np.zeros((users, 0), np.int32),
        ),
        consents=Consents(
            offsets=offsets_of(per_user),
            at=consent_at[by_time],
            channel=rng.integers(0, channels, consents).astype(np.int16),
            reachable=rng.random(consents) < 0.85,
        ),
        opportunities=Opportunities(
            offsets=offsets_of(counts),
            hash=hashes[np.lexsort((hashes, owner))],
            message=rng.integers(0, len(catalogue_of), total).astype(np.int32),
            generator=np.zeros(total, np.int32),
            domain_value=np.zeros(total, np.float32),
            created_at=created,
            earliest_at=earliest,
            expires_at=created + rng.integers(2, 288, total) * GRID,
            numeric=np.zeros((total, 0), np.float32),
            categorical=np.zeros((total, 0), np.int32),
        ),
        events=Events(
            offsets=offsets_of(happened),
            at=event_at[order],
            type=kinds[rng.integers(0, len(kinds), events)].astype(np.int16),
            channel=rng.integers(-1, channels, events).astype(np.int16),
            message=np.full(events, -1, np.int32),
            decision=np.full(events, -1, np.int32),
            value=np.ones(events, np.float32),
        ),
        decisions=decisions(
            users,
            sent_at,
            np.repeat(np.arange(users), sent),
            rng.integers(0, channels, sends),
            sent_at + rng.integers(0, 36, sends) * HOUR,
        ),
    )
    return shard, around


def everyone(shard: Shard, at: int) -> Instants:
    users = len(shard.users)
    return Instants(np.arange(users, dtype=np.int32), np.full(users, at))


def with_config(**sections: object) -> Config:
    return parse_config(CONFIG.model_dump(exclude_unset=True) | sections)


def random_config(seed: int) -> Config:
    """Return rules at random: quiet hours that wrap or not, caps, spacings, slots of any length."""
    rng = np.random.default_rng(seed)

    def clock() -> str:
        return f"{rng.integers(24):02}:{5 * rng.integers(12):02}"

    def clocks() -> list[str]:
        return sorted({clock() for _ in range(rng.integers(1, 6))})

    def limits() -> dict[str, object]:
        caps = [
            {"max": int(rng.integers(0, 4)), "per": f"{rng.integers(1, 150)}h"}
            for _ in range(rng.integers(0, 3))
        ]
        return {"caps": caps, "spacing": f"{rng.choice([0, 1, 5, 40])}h"}

    def channel() -> dict[str, object]:
        own = {"slots": clocks()} if rng.random() < 0.5 else {}
        ends = (clock(), clock())
        quiet = {"quiet_hours": ends} if rng.random() < 0.7 and ends[0] != ends[1] else {}
        return {**limits(), **own, **quiet}

    declared = [name for name in CHANNELS if rng.random() < 0.9] or ["push"]
    return parse_config(
        {
            "channels": {name: channel() for name in declared},
            "limits": limits(),
            "slots": {
                "starts": clocks(),
                "length": f"{rng.integers(1, 25 * 12) * 5 % 1440 + 5}m",
                "horizon": f"{rng.integers(1, 100)}h",
            },
            "exclusions": {"share": 1.0},
        }
    )
