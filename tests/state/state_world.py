"""Small shards, by hand or at random, for the tests of homing.state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from homing.schema import (
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
)
from homing.schema.times import DAY, HOUR, MISSING, parse_time

START = parse_time("2026-03-01T00:00Z")
ZONES = ("UTC", "Europe/Stockholm", "Asia/Kathmandu", "Australia/Lord_Howe", "America/New_York")
CATEGORIES = ("ballad", "jazz", "metal")
VOCABULARIES = Vocabularies(
    channels=Vocabulary(("push", "email")),
    zones=Vocabulary(ZONES),
    messages=Vocabulary(tuple(f"m{i}" for i in range(5))),
    domains=Vocabulary(("music", "talk")),
    categories=Vocabulary(CATEGORIES),
    generators=Vocabulary(("new", "old")),
    numeric={"users": ("x_age",), "messages": ("x_tempo",), "opportunities": ("x_fit",)},
    categorical={
        "users": {"x_plan": Vocabulary(("free", "paid"))},
        "messages": {"x_mood": Vocabulary(("low", "high", "odd"))},
        "opportunities": {"x_why": Vocabulary(("a", "b"))},
    },
)
TYPES = {name: code for code, name in enumerate(VOCABULARIES.event_types.names)}

#: (at, type, channel, message, decision, value), channel and message and decision -1 for none
Event = tuple[int, str, int, int, int, float]


def config(**sections: object) -> Config:
    return Config.model_validate({"channels": {"push": {}, "email": {}}, **sections})


def event(
    at: int, kind: str, channel: int = -1, message: int = -1, decision: int = -1, value: float = 1.0
) -> Event:
    return (at, kind, channel, message, decision, value)


def make_shard(
    events: Sequence[Sequence[Event]],
    consents: Sequence[Sequence[tuple[int, int, bool]]] | None = None,
    zones: Sequence[int] | None = None,
    signed_up: Sequence[int] | None = None,
    opportunities: Opportunities | None = None,
    ids: Sequence[int] | None = None,
) -> Shard:
    """Return a shard with a list of events for each user; consents are (at, channel, reachable)."""
    users = len(events)
    consents = consents or [[] for _ in range(users)]
    flat = [
        row
        for own in events
        for row in sorted((at, TYPES[kind], ch, m, d, v) for at, kind, ch, m, d, v in own)
    ]
    allowed = [row for own in consents for row in sorted(own)]
    plans = np.arange(users, dtype=np.int32)[:, None] % 3 - 1
    numbers = np.array(ids if ids is not None else range(users), np.uint64)
    return Shard(
        vocabularies=VOCABULARIES,
        messages=Messages(
            domain=np.array([0, 0, 1, 1, 1], np.int32),
            category=np.array([0, 1, 2, 0, 1], np.int32),
            channels=np.ones((5, 2), bool),
            valid_from=np.full(5, MISSING),
            valid_until=np.full(5, MISSING),
            transactional=np.zeros(5, bool),
            numeric=np.array([[0.5], [1.5], [np.nan], [2.0], [3.0]], np.float32),
            categorical=np.array([[0], [1], [2], [-1], [0]], np.int32),
        ),
        users=Users(
            hash=np.stack([numbers, numbers * np.uint64(7) + np.uint64(3)], axis=1),
            zone=np.array(zones if zones is not None else [0] * users, np.int32),
            signed_up_at=np.array(signed_up if signed_up is not None else [MISSING] * users, np.int64),
            numeric=np.arange(users, dtype=np.float32)[:, None],
            categorical=plans,
        ),
        consents=Consents(
            offsets=_offsets([len(own) for own in consents]),
            at=np.array([row[0] for row in allowed], np.int64),
            channel=np.array([row[1] for row in allowed], np.int16),
            reachable=np.array([row[2] for row in allowed], bool),
        ),
        opportunities=opportunities if opportunities is not None else no_opportunities(users),
        events=Events(
            offsets=_offsets([len(own) for own in events]),
            at=np.array([row[0] for row in flat], np.int64),
            type=np.array([row[1] for row in flat], np.int16),
            channel=np.array([row[2] for row in flat], np.int16),
            message=np.array([row[3] for row in flat], np.int32),
            decision=np.array([row[4] for row in flat], np.int32),
            value=np.array([row[5] for row in flat], np.float32),
        ),
        decisions=Decisions.none(users, objectives=4),
    )


def random_shard(seed: int, users: int = 6, most: int = 30, days: float = 40.0) -> Shard:
    """Return a shard with clustered, often equal times, so that ties and gaps of all sizes occur."""
    rng = np.random.default_rng(seed)
    events, consents = [], []
    for _ in range(users):
        count = int(rng.integers(0, most + 1)) if rng.random() > 0.2 else 0
        times = START + (rng.random(count) * days * DAY).astype(np.int64) // HOUR * HOUR
        events.append(
            [
                event(
                    int(at),
                    str(rng.choice(list(TYPES))),
                    int(rng.integers(-1, 2)),
                    int(rng.integers(-1, 5)),
                    -1,
                    float(np.float32(rng.normal(2, 3))),
                )
                for at in times
            ]
        )
        moments = START + rng.integers(0, int(days) * 24, int(rng.integers(0, 4))) * HOUR
        consents.append([(int(at), int(rng.integers(0, 2)), bool(rng.integers(0, 2))) for at in moments])
    return make_shard(
        events,
        consents,
        zones=[int(z) for z in rng.integers(0, len(ZONES), users)],
        signed_up=[int(START - DAY * d) if d else MISSING for d in rng.integers(0, 9, users)],
    )


def random_instants(seed: int, shard: Shard, rows: int = 12, days: int = 45) -> Instants:
    """Return sorted instants on whole hours, so that many fall exactly on events."""
    rng = np.random.default_rng(seed)
    user = np.sort(rng.integers(0, len(shard.users), rows)).astype(np.int32)
    at = START + rng.integers(-24, days * 24, rows) * HOUR
    order = np.lexsort((at, user))
    return Instants(user, at[order])


def cut_events(shard: Shard, until: int) -> Shard:
    """Return the shard without events and consents at or after `until`."""
    keep, keep_consents = shard.events.at < until, shard.consents.at < until
    return replace(
        shard,
        events=Events(
            _kept_offsets(shard.events.offsets, keep),
            *(
                getattr(shard.events, name)[keep]
                for name in ("at", "type", "channel", "message", "decision", "value")
            ),
        ),
        consents=Consents(
            _kept_offsets(shard.consents.offsets, keep_consents),
            *(getattr(shard.consents, name)[keep_consents] for name in ("at", "channel", "reachable")),
        ),
    )


def no_opportunities(users: int) -> Opportunities:
    return Opportunities(
        offsets=np.zeros(users + 1, np.int64),
        hash=np.empty(0, np.uint64),
        message=np.empty(0, np.int32),
        generator=np.empty(0, np.int32),
        domain_value=np.empty(0, np.float32),
        created_at=np.empty(0, np.int64),
        earliest_at=np.empty(0, np.int64),
        expires_at=np.empty(0, np.int64),
        numeric=np.empty((0, 1), np.float32),
        categorical=np.empty((0, 1), np.int32),
    )


def _offsets(counts: Sequence[int]) -> np.ndarray:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(np.array(counts, np.int64))])


def _kept_offsets(offsets: np.ndarray, keep: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(keep)])[offsets]
