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
from homing.simulator.identifiers import id_bytes, md5_words
from homing.simulator.latents import NEVER, Mood, Reach, Traits
from homing.simulator.randomness import Purpose, stream
from homing.simulator.setup import Setup
from homing.simulator.spec import People, Spec

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
_REGIONS: Final = {name: {"Europe": 0, "America": 1}.get(name.split("/")[0], 2) for name, _, _ in ZONES}
COUNTRIES: Final = tuple(dict.fromkeys(country for _, country, _ in ZONES))
DEVICES: Final = ("ios", "android", "web")
AGE_BANDS: Final = ("under_25", "25_to_34", "35_to_49", "50_and_over")
PLANS: Final = ("free", "premium")
CATEGORICAL: Final = ("x_plan", "x_country", "x_device", "x_age_band", "x_favourite_topic")

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

_OPT_IN_BY_DEVICE: Final = {"push": (-0.35, 0.5, -0.6)}  # logit by DEVICES; assumed
#: logit offset of opens by AGE_BANDS; assumed
_AFFINITY_BY_AGE: Final = {
    "push": (0.3, 0.1, -0.1, -0.4),
    "email": (-0.4, -0.1, 0.2, 0.4),
    "in_app": (0.2, 0.1, 0.0, -0.2),
}


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


def _shares(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weights [..., places] scaled to sum to one."""
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def _pick(shares: NDArray[np.float64], uniform: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return a place for each uniform [n] from shares [places] or [n, places]."""
    cumulative = np.cumsum(shares, axis=-1)
    return np.asarray((uniform[:, None] >= cumulative[..., :-1]).sum(axis=1), np.int64)


def build_population(spec: Spec, setup: Setup) -> Population:
    """Draw the users. Habit starts near the level at which visits and decay balance."""
    p, users, channels, start = spec.people, setup.users, setup.channels, setup.start
    rng = stream((setup.seed, setup.first), -1, Purpose.population)
    uniform = rng.random((10, users))
    normal = rng.standard_normal((8, users))
    rest = np.sqrt(1.0 - p.correlation**2)

    zone = _pick(
        _shares(np.array([p.regions[_REGIONS[name]] * share for name, _, share in ZONES])), uniform[0]
    )
    device = _pick(np.array(p.devices), uniform[1])
    age = _pick(np.array([0.28, 0.32, 0.25, 0.15]), uniform[2])
    archetype = _pick(_shares(_RHYTHM_BY_AGE * np.array(p.rhythms))[age], uniform[3])

    taste, later_taste = (_tastes(rng, users, len(spec.topics), p.taste_spread) for _ in range(2))
    any_topic = _pick(np.full(len(spec.topics), 1 / len(spec.topics)), uniform[5])
    favourite = np.where(uniform[4] < 0.8, taste.argmax(axis=1), any_topic)

    intensity = p.intensity * np.exp(p.intensity_spread * normal[0])
    content_match = _share(p.match + p.match_spread * (p.correlation * normal[0] + rest * normal[1]))
    habit = spec.mechanisms.habit
    balance = 1.0 - habit.decay / np.maximum(intensity * content_match * habit.growth, 1e-6)
    level = np.clip(np.clip(balance, 0.03, 0.95) * np.exp(0.3 * normal[2]), 0.02, 0.98)
    price = -p.correlation * normal[0] + rest * normal[3]
    free = uniform[6] < _share(p.free + 0.9 * price - 1.2 * (level - 0.45))

    affinity = p.affinity_spread * rng.standard_normal((users, len(channels)))
    affinity += np.array([_AFFINITY_BY_AGE[name] for name in channels]).T[age]

    newcomer = uniform[7] < p.newcomers
    tenure = np.minimum(np.exp(5.3 + 1.2 * normal[4]), 3650.0) * DAY
    signed_up = np.where(newcomer, start + uniform[8] * setup.days * DAY, start - HOUR - tenure)
    signed_up = signed_up.astype(np.int64)
    level = np.where(newcomer, p.newcomer_habit, level)
    dormant = ~newcomer & (uniform[9] < 0.6 * np.exp(-level / 0.08))
    library = np.log1p(np.exp(3.0 + 0.8 * np.log(intensity) + 0.7 * normal[5]))
    family = 1 + np.floor(3 * rng.random(users) ** 2)
    country = np.array([COUNTRIES.index(name) for _, name, _ in ZONES])[zone]
    delay = spec.mechanisms.response.delay
    return Population(
        users=Users(
            hash=md5_words(user_ids(setup.first + np.arange(users))),
            zone=zone.astype(np.int32),
            signed_up_at=signed_up,
            numeric=np.column_stack([library, family]).astype(np.float32),
            categorical=np.column_stack([~free, country, device, age, favourite]).astype(np.int32),
        ),
        traits=Traits(
            taste=taste,
            later_taste=later_taste,
            intensity=intensity,
            content_match=content_match,
            minutes=np.exp(0.3 * normal[6]),
            archetype=archetype.astype(np.int16),
            shift=0.8 * normal[7],
            affinity=affinity,
            price_sensitivity=price,
            push_delay=np.array([delay.ios_push, delay.android_push, delay.median.push])[device],
            signed_up_at=signed_up,
        ),
        mood=Mood(
            habit=level,
            average=level,
            dormant=dormant,
            fatigue=np.zeros((users, len(channels))),
            memory=np.zeros((users, len(spec.categories))),
            free_plan=free,
            moved=np.full(users, NEVER),
            reach=_reach(rng, spec, setup, level, device, signed_up, newcomer),
        ),
    )


def _tastes(rng: np.random.Generator, users: int, topics: int, spread: float) -> NDArray[np.float64]:
    weights = np.exp(spread * rng.standard_normal((users, topics)))
    return np.asarray(weights / np.linalg.norm(weights, axis=1, keepdims=True))


def _reach(
    rng: np.random.Generator,
    spec: Spec,
    setup: Setup,
    level: NDArray[np.float64],
    device: NDArray[np.int64],
    signed_up: NDArray[np.int64],
    newcomer: NDArray[np.bool_],
) -> Reach:
    """Return opt-ins at sign-up, more where habit is higher; some of them ended before the period."""
    p, channels, start = spec.people, setup.channels, setup.start
    shape = (setup.users, len(channels))
    offset = np.stack(
        [np.array(_OPT_IN_BY_DEVICE.get(name, (0.0, 0.0, 0.0)))[device] for name in channels], 1
    )
    logit = p.opt_in.of(channels) + p.opt_in_by_habit.of(channels) * (level[:, None] - 0.45) + offset
    joined = rng.random(shape) < _share(logit)
    left = (rng.random(shape) < p.opted_out_before) & ~newcomer[:, None]
    span = (start - signed_up)[:, None] * rng.uniform(0.1, 0.99, shape)
    ended = signed_up[:, None] + span.astype(np.int64)
    return Reach(
        since=np.where(joined, signed_up[:, None], NEVER),
        until=np.where(joined & left, ended, NEVER),
        lost=np.zeros(shape, np.bool_),
    )


def _share(logit: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1.0 / (1.0 + np.exp(-logit)))


def user_ids(number: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return the ids of users by their numbers [n], all of one part, as ASCII bytes [n, length]."""
    return id_bytes("user-", number, max(6, len(str(int(number.max(initial=0))))))


def numeric_names(people: People) -> tuple[str, str]:
    """Return the names of the users' numeric features: the first is informative, the second is noise."""
    return (f"x_{people.activity}", "x_family_size")


def vocabularies(topics: tuple[str, ...]) -> dict[str, Vocabulary]:
    """Return the values of the users' categorical features."""
    values = (PLANS, COUNTRIES, DEVICES, AGE_BANDS, topics)
    return {name: Vocabulary(names) for name, names in zip(CATEGORICAL, values, strict=True)}
