"""The users: where they live, what they like, when they listen, and what of it shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from homing.schema import Users, Vocabulary
from homing.schema.times import DAY, HOUR, to_datetime
from homing.simulator.catalogue import CATEGORIES, TOPICS
from homing.simulator.channels import ByChannel
from homing.simulator.habit import Habit
from homing.simulator.identifiers import id_bytes, md5_words
from homing.simulator.latents import NEVER, Mood, Traits
from homing.simulator.randomness import Purpose, stream
from homing.simulator.response import Delay

#: zone, country, share of the users; with offsets of 30 and 45 minutes
ZONES: Final = (
    ("Europe/London", "GB", 0.11),
    ("Europe/Berlin", "DE", 0.10),
    ("Europe/Stockholm", "SE", 0.05),
    ("Europe/Madrid", "ES", 0.06),
    ("Europe/Warsaw", "PL", 0.04),
    ("America/New_York", "US", 0.15),
    ("America/Chicago", "US", 0.09),
    ("America/Denver", "US", 0.03),
    ("America/Los_Angeles", "US", 0.09),
    ("America/Sao_Paulo", "BR", 0.08),
    ("America/St_Johns", "CA", 0.01),
    ("Africa/Lagos", "NG", 0.02),
    ("Asia/Kolkata", "IN", 0.06),
    ("Asia/Kathmandu", "NP", 0.01),
    ("Asia/Jakarta", "ID", 0.04),
    ("Asia/Tokyo", "JP", 0.03),
    ("Australia/Adelaide", "AU", 0.01),
    ("Australia/Sydney", "AU", 0.02),
)
COUNTRIES: Final = tuple(dict.fromkeys(country for _, country, _ in ZONES))
DEVICES: Final = ("ios", "android", "web")
AGE_BANDS: Final = ("under_25", "25_to_34", "35_to_49", "50_and_over")
PLANS: Final = ("free", "premium")
NUMERIC: Final = ("x_library_size", "x_family_size")  # the first is informative, the second is noise
CATEGORICAL: Final = ("x_plan", "x_country", "x_device", "x_age_band", "x_favourite_topic")
VALUES: Final = (PLANS, COUNTRIES, DEVICES, AGE_BANDS, TOPICS)

#: daily rhythms as (hour, width in hours, weight) of bumps: commuter, worker, evening, night, daytime
_RHYTHMS: Final = (
    ((8.0, 1.2, 1.0), (17.5, 1.5, 0.8)),
    ((10.0, 2.0, 0.8), (14.0, 2.5, 1.0)),
    ((19.5, 2.0, 1.0), (12.5, 1.0, 0.25)),
    ((23.0, 2.0, 1.0), (18.0, 2.0, 0.3)),
    ((12.0, 4.0, 1.0), (20.0, 3.0, 0.6)),
)
_RHYTHM_FLOOR: Final = 0.006  # share of the activity of every hour that follows no bump

#: how likely each age band is to live by each rhythm
_RHYTHM_BY_AGE: Final = np.array(
    [
        [0.15, 0.10, 0.25, 0.35, 0.15],
        [0.30, 0.25, 0.25, 0.10, 0.10],
        [0.35, 0.25, 0.25, 0.05, 0.10],
        [0.15, 0.25, 0.25, 0.02, 0.33],
    ]
)

_OPT_IN: Final = ByChannel(push=0.05, email=1.3, in_app=3.5)  # logit; push: published, about half of users
_OPT_IN_BY_HABIT: Final = ByChannel(push=1.6, email=0.8, in_app=0.5)  # by habit, centred at 0.45; assumed
_OPT_IN_BY_DEVICE: Final = {"push": (-0.35, 0.5, -0.6)}  # logit by DEVICES; assumed
_OPTED_OUT_BEFORE: Final = 0.04  # share of opt-ins that ended before the period; assumed
_NEWCOMERS: Final = 0.05  # share of the users who sign up during the period; assumed


@dataclass(frozen=True)
class Population:
    """Users as the platform sees them, what the world knows of them, and how they stand at the start."""

    users: Users
    traits: Traits
    mood: Mood


def rhythm_table() -> NDArray[np.float64]:
    """Return the share of a day's activity in each local hour, [archetypes, 24], rows summing to one."""
    hours = np.arange(24) + 0.5
    table = np.full((len(_RHYTHMS), 24), _RHYTHM_FLOOR)
    for row, bumps in enumerate(_RHYTHMS):
        for centre, width, weight in bumps:
            distance = np.abs((hours - centre + 12) % 24 - 12)
            table[row] += weight * np.exp(-0.5 * (distance / width) ** 2) / width
    return np.asarray(table / table.sum(axis=1, keepdims=True))


def zone_offsets(start: int, days: int) -> NDArray[np.int64]:
    """Return the offset from UTC in us of every zone at noon UTC of every day, [days, zones].

    A rhythm is a habit, so the hours around a clock change may be off by the change.
    """
    noons = [to_datetime(start + day * DAY + DAY // 2) for day in range(days)]
    return np.array([[_offset(name, noon) for name, _, _ in ZONES] for noon in noons], np.int64)


def _offset(name: str, instant: datetime) -> int:
    offset = instant.astimezone(UTC).astimezone(ZoneInfo(name)).utcoffset()
    if offset is None:
        raise ValueError(f"time zone {name} has no offset at {instant}")
    return round(offset.total_seconds() * 1_000_000)


def _pick(shares: NDArray[np.float64], uniform: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return a place for each uniform [n] from shares [places] or [n, places]."""
    cumulative = np.cumsum(shares, axis=-1)
    return np.asarray((uniform[:, None] >= cumulative[..., :-1]).sum(axis=1), np.int64)


def build_population(
    users: int, days: int, seed: int, start: int, channels: tuple[str, ...], habit: Habit, delay: Delay
) -> Population:
    """Draw the users. Habit starts near the level at which visits and decay balance."""
    rng = stream(seed, -1, Purpose.population)
    uniform = rng.random((10, users))
    normal = rng.standard_normal((8, users))

    zone = _pick(np.array([share for _, _, share in ZONES]), uniform[0])
    device = _pick(np.array([0.38, 0.47, 0.15]), uniform[1])
    age = _pick(np.array([0.28, 0.32, 0.25, 0.15]), uniform[2])
    archetype = _pick(_RHYTHM_BY_AGE[age], uniform[3])

    taste = np.exp(1.3 * rng.standard_normal((users, len(TOPICS))))
    taste /= np.linalg.norm(taste, axis=1, keepdims=True)
    favourite = np.where(
        uniform[4] < 0.8, taste.argmax(axis=1), _pick(np.full(len(TOPICS), 1 / 8), uniform[5])
    )

    intensity = 1.5 * np.exp(0.7 * normal[0])
    content_match = 1.0 / (1.0 + np.exp(-(0.7 + 0.6 * normal[1])))
    balance = 1.0 - habit.decay / np.maximum(intensity * content_match * habit.growth, 1e-6)
    level = np.clip(np.clip(balance, 0.03, 0.95) * np.exp(0.3 * normal[2]), 0.02, 0.98)
    price = normal[3]
    free = uniform[6] < 1.0 / (1.0 + np.exp(-(0.5 + 0.9 * price - 1.2 * (level - 0.45))))

    by_age = {
        "push": (0.3, 0.1, -0.1, -0.4),
        "email": (-0.4, -0.1, 0.2, 0.4),
        "in_app": (0.2, 0.1, 0.0, -0.2),
    }
    affinity = np.empty((users, len(channels)))
    own = rng.standard_normal((users, len(channels)))
    for column, name in enumerate(channels):
        affinity[:, column] = 0.7 * own[:, column] + np.array(by_age[name])[age]

    newcomer = uniform[7] < _NEWCOMERS
    tenure = np.minimum(np.exp(5.3 + 1.2 * normal[4]), 3650.0) * DAY
    signed_up = np.where(newcomer, start + uniform[8] * days * DAY, start - HOUR - tenure).astype(np.int64)
    level = np.where(newcomer, 0.35, level)
    dormant = ~newcomer & (uniform[9] < 0.6 * np.exp(-level / 0.08))

    base, slope = _OPT_IN.of(channels), _OPT_IN_BY_HABIT.of(channels)
    offset = np.stack(
        [np.array(_OPT_IN_BY_DEVICE.get(name, (0.0, 0.0, 0.0)))[device] for name in channels], 1
    )
    logit = base + slope * (level[:, None] - 0.45) + offset
    joined = rng.random((users, len(channels))) < 1.0 / (1.0 + np.exp(-logit))
    left = (rng.random((users, len(channels))) < _OPTED_OUT_BEFORE) & ~newcomer[:, None]
    ended = signed_up[:, None] + ((start - signed_up)[:, None] * rng.uniform(0.1, 0.99, left.shape)).astype(
        np.int64
    )

    family = 1 + np.floor(3 * rng.random(users) ** 2)
    library = np.log1p(np.exp(3.0 + 0.8 * np.log(intensity) + 0.7 * normal[5]))
    country = np.array([COUNTRIES.index(name) for _, name, _ in ZONES])[zone]
    digits = id_digits(users)
    push_delay = np.array([delay.ios_push, delay.android_push, delay.median.push])[device]
    return Population(
        users=Users(
            hash=md5_words(id_bytes("user-", np.arange(users), digits)),
            zone=zone.astype(np.int32),
            signed_up_at=signed_up,
            numeric=np.column_stack([library, family]).astype(np.float32),
            categorical=np.column_stack([~free, country, device, age, favourite]).astype(np.int32),
        ),
        traits=Traits(
            taste=taste,
            intensity=intensity,
            content_match=content_match,
            minutes=np.exp(0.3 * normal[6]),
            archetype=archetype.astype(np.int16),
            shift=0.8 * normal[7],
            affinity=affinity,
            price_sensitivity=price,
            push_delay=push_delay,
            free_plan=free,
            signed_up_at=signed_up,
        ),
        mood=Mood(
            habit=level,
            dormant=dormant,
            fatigue=np.zeros((users, len(channels))),
            memory=np.zeros((users, len(CATEGORIES))),
            free_plan=free,
            reachable_from=np.where(joined, signed_up[:, None], NEVER),
            unreachable_from=np.where(joined & left, ended, NEVER),
        ),
    )


def id_digits(users: int) -> int:
    """Return how many digits a user id has: six, or more where there are more users."""
    return max(6, len(str(users - 1)))


def vocabularies() -> dict[str, Vocabulary]:
    """Return the values of the users' categorical features."""
    return {name: Vocabulary(values) for name, values in zip(CATEGORICAL, VALUES, strict=True)}
