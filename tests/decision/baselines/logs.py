"""Logs of one decision a user, whose outcomes are drawn from what a test says is true."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from decision.worlds import everyone, offsets_of
from homing.decision import Context, Policy, build_candidates, decide
from homing.schema import (
    EVENT_TYPES,
    Candidates,
    Consents,
    Decisions,
    Events,
    Messages,
    Opportunities,
    Shard,
    Users,
    Vocabularies,
    Vocabulary,
    parse_config,
)
from homing.schema.times import DAY, HOUR, MISSING, format_time

CHANNELS = ("push", "email", "in_app")
ZONES = ("UTC", "Asia/Kolkata", "America/New_York", "Australia/Lord_Howe")
EPOCH = 20_500 * DAY
CONFIG = parse_config(
    {
        "channels": {
            "push": {"slots": ["09:00"]},
            "email": {"slots": ["15:00"]},
            "in_app": {"slots": ["20:00"]},
        },
        "objectives": {
            "clicks": {"event": "clicked", "window": "2d", "scope": "decision"},
            "leaving": {"event": "opted_out", "window": "2d", "direction": "down"},
        },
        "events": {"complete_until": format_time(EPOCH + 8 * DAY)},
        "engine": {"threads": 1},
    }
)


@dataclass(frozen=True)
class Half:
    """Holds half of the time, else draws a candidate with a propensity by its place in the set."""

    tilt: float = 0.0
    name: str = "half"
    floor: float = 0.0

    def probabilities(self, context: Context) -> np.ndarray:
        candidates = context.candidates
        first = np.repeat(candidates.offsets[:-1], candidates.counts)
        weight = np.where(candidates.is_hold, 0.0, np.exp(self.tilt * (np.arange(len(candidates)) - first)))
        total = np.repeat(np.add.reduceat(weight, candidates.offsets[:-1]), candidates.counts)
        held = np.where(candidates.counts == 1, 1.0, 0.5)[candidates.row]
        return np.where(candidates.is_hold, held, (1 - held) * weight / np.maximum(total, 1e-300))


def users_with(seed: int, users: int, channels: int = 3, messages: int = 3) -> Shard:
    """Return people without any events; each is reachable through one of the channels, or all of them.

    Args:
        seed: of everything.
        users: how many.
        channels: through how many each can be reached: 1 or 3.
        messages: each of a category of its own; a user has one to three opportunities.
    """
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 4, users)
    total = int(counts.sum())
    owner = np.repeat(np.arange(users), counts)
    hashes = rng.integers(0, 2**64, total, dtype=np.uint64)
    own = rng.integers(0, 3, users) if channels == 1 else np.tile(np.arange(3), users)
    return Shard(
        vocabularies=Vocabularies(channels=Vocabulary(CHANNELS), zones=Vocabulary(ZONES)),
        messages=Messages(
            domain=np.zeros(messages, np.int32),
            category=np.arange(messages, dtype=np.int32),
            channels=np.ones((messages, 3), np.bool_),
            valid_from=np.full(messages, MISSING),
            valid_until=np.full(messages, MISSING),
            transactional=np.zeros(messages, np.bool_),
            numeric=np.zeros((messages, 0), np.float32),
            categorical=np.zeros((messages, 0), np.int32),
        ),
        users=Users(
            hash=rng.integers(0, 2**64, (users, 2), dtype=np.uint64),
            zone=rng.integers(0, len(ZONES), users).astype(np.int32),
            signed_up_at=np.zeros(users, np.int64),
            numeric=np.zeros((users, 0), np.float32),
            categorical=np.zeros((users, 0), np.int32),
        ),
        consents=Consents(
            offsets=np.arange(users + 1) * (1 if channels == 1 else 3),
            at=np.zeros(len(own), np.int64),
            channel=own.astype(np.int16),
            reachable=np.ones(len(own), np.bool_),
        ),
        opportunities=Opportunities(
            offsets=offsets_of(counts),
            hash=hashes[np.lexsort((hashes, owner))],
            message=rng.integers(0, messages, total).astype(np.int32),
            generator=np.zeros(total, np.int32),
            domain_value=np.zeros(total, np.float32),
            created_at=EPOCH - rng.integers(0, 48, total) * HOUR,
            earliest_at=np.full(total, EPOCH - 3 * DAY),
            expires_at=np.full(total, EPOCH + 9 * DAY),
            numeric=np.zeros((total, 0), np.float32),
            categorical=np.zeros((total, 0), np.int32),
        ),
        events=Events.none(users),
        decisions=Decisions.none(users, len(CONFIG.objectives)),
    )


def with_events(
    shard: Shard,
    user: np.ndarray,
    at: np.ndarray,
    kind: str = "session",
    channel: int = -1,
    decision: np.ndarray | None = None,
) -> Shard:
    """Return the shard with more events."""
    old, new = shard.events, len(user)
    owner = np.concatenate([np.repeat(np.arange(len(shard.users)), np.diff(old.offsets)), user])
    columns = {
        "at": at,
        "type": np.full(new, EVENT_TYPES.index(kind), np.int16),
        "channel": np.full(new, channel, np.int16),
        "message": np.full(new, -1, np.int32),
        "decision": np.full(new, -1, np.int32) if decision is None else decision.astype(np.int32),
        "value": np.ones(new, np.float32),
    }
    columns = {name: np.concatenate([getattr(old, name), column]) for name, column in columns.items()}
    order = np.lexsort((columns["type"], columns["at"], owner))
    offsets = offsets_of(np.bincount(owner, minlength=len(shard.users)))
    return replace(shard, events=Events(offsets, **{name: column[order] for name, column in columns.items()}))


def decided(shard: Shard, policy: Policy) -> Shard:
    """Return the shard with a decision of the policy for everybody at EPOCH."""
    drawn, _ = decide(shard, everyone(shard, EPOCH), policy, CONFIG)
    columns = {
        name: getattr(drawn, name)
        for name in vars(shard.decisions)
        if name not in ("offsets", "epoch_at", "release")
    }
    log = Decisions(
        offsets=np.arange(len(shard.users) + 1, dtype=np.int64),
        epoch_at=drawn.rows.at,
        release=np.zeros(len(drawn), np.int32),
        **columns,
    )
    return replace(shard, decisions=log)


def with_past(shard: Shard, seed: int, most: int = 14) -> Shard:
    """Return the shard with visits in the 14 days before EPOCH and deliveries in the 7 days before it."""
    rng, users = np.random.default_rng(seed), len(shard.users)
    came = rng.random((users, 14)) < rng.uniform(0.1, 0.9, users)[:, None]
    user, day = np.nonzero(came)
    shard = with_events(shard, user, EPOCH - (day + 1) * DAY + rng.integers(1, DAY, len(user)))
    sent = np.repeat(np.arange(users), rng.integers(0, most, users))
    return with_events(shard, sent, EPOCH - rng.integers(1, 7 * DAY, len(sent)), "delivered", channel=0)


def small_log(seed: int = 0, users: int = 400) -> Shard:
    """Return a log with everything that any baseline is fitted on."""
    rng = np.random.default_rng(seed)
    shard = decided(with_past(users_with(seed, users), seed), Half())
    everybody = np.repeat(np.arange(users), 3)
    shard = with_events(shard, everybody, EPOCH + rng.integers(0, 8 * DAY, 3 * users))
    clicked = np.flatnonzero((shard.decisions.message >= 0) & (rng.random(users) < 0.4))
    shard = with_events(shard, clicked, shard.decisions.slot_start[clicked] + HOUR, "clicked", 0, clicked)
    some = rng.permutation(users)[:20]
    return with_events(shard, some, EPOCH + rng.integers(DAY, 2 * DAY, 20), "opted_out", 0)


def candidates_of(shard: Shard) -> Candidates:
    return build_candidates(shard, everyone(shard, EPOCH), CONFIG)[0]
