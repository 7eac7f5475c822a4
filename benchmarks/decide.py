"""Candidates a second through each stage of deciding, over one shard of users, on one core.

Beside softmax and draw stands what most bandit code does: a loop over users around `Generator.choice`.

python benchmarks/decide.py [users] [opportunities a user]
"""

from __future__ import annotations

import sys
import time
from itertools import pairwise
from zoneinfo import available_timezones

import numpy as np

from homing.decision import (
    Context,
    Softmax,
    build_candidates,
    candidate_set_hash,
    draw,
    uniforms_and_ids,
)
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
from homing.schema.times import DAY, HOUR, MISSING

EPOCH = 20_500 * DAY
SENDS_A_USER = 3
LOOPED = 5_000


def offsets_of(counts: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])


def world(users: int, opportunities: float, rng: np.random.Generator) -> Shard:
    zones = sorted(available_timezones())
    messages, channels = 200, 3
    counts = rng.poisson(opportunities, users)
    total = int(counts.sum())
    owner = np.repeat(np.arange(users), counts)
    hashes = rng.integers(0, 2**64, total, dtype=np.uint64)
    created = EPOCH - rng.integers(0, 3 * DAY, total)
    sends = users * SENDS_A_USER
    epoch_at = np.sort(rng.integers(EPOCH - 28 * DAY, EPOCH, (users, SENDS_A_USER)), axis=1).ravel()
    return Shard(
        vocabularies=Vocabularies(
            channels=Vocabulary(("push", "email", "in_app")), zones=Vocabulary(tuple(zones))
        ),
        messages=Messages(
            domain=np.zeros(messages, np.int32),
            category=np.zeros(messages, np.int32),
            channels=rng.random((messages, channels)) < 0.7,
            valid_from=np.full(messages, MISSING),
            valid_until=np.full(messages, MISSING),
            transactional=np.zeros(messages, np.bool_),
            numeric=np.zeros((messages, 0), np.float32),
            categorical=np.zeros((messages, 0), np.int32),
        ),
        users=Users(
            hash=rng.integers(0, 2**64, (users, 2), dtype=np.uint64),
            zone=rng.integers(0, len(zones), users).astype(np.int32),
            signed_up_at=np.zeros(users, np.int64),
            numeric=np.zeros((users, 0), np.float32),
            categorical=np.zeros((users, 0), np.int32),
        ),
        consents=Consents(
            offsets=np.arange(users + 1) * channels,
            at=np.full(users * channels, EPOCH - 90 * DAY),
            channel=np.tile(np.arange(channels, dtype=np.int16), users),
            reachable=rng.random(users * channels) < 0.8,
        ),
        opportunities=Opportunities(
            offsets=offsets_of(counts),
            hash=hashes[np.lexsort((hashes, owner))],
            message=rng.integers(0, messages, total).astype(np.int32),
            generator=np.zeros(total, np.int32),
            domain_value=np.zeros(total, np.float32),
            created_at=created,
            earliest_at=created,
            expires_at=EPOCH + rng.integers(HOUR, 5 * DAY, total),
            numeric=np.zeros((total, 0), np.float32),
            categorical=np.zeros((total, 0), np.int32),
        ),
        events=Events.none(users),
        decisions=Decisions(
            offsets=np.arange(users + 1) * SENDS_A_USER,
            id=np.zeros((sends, 2), np.uint64),
            epoch_at=epoch_at,
            opportunity=np.full(sends, -1, np.int32),
            message=rng.integers(-1, messages, sends).astype(np.int32),
            channel=rng.integers(0, channels, sends).astype(np.int16),
            slot_start=epoch_at + HOUR,
            slot_end=epoch_at + 2 * HOUR,
            propensity=np.full(sends, 0.5),
            candidates=np.full(sends, 2, np.int32),
            candidate_set=np.zeros((sends, 2), np.uint64),
            values=np.zeros((sends, 4), np.float32),
            release=np.zeros(sends, np.int32),
            reason=np.zeros(sends, np.int8),
        ),
    )


def by_loop(values: np.ndarray, offsets: np.ndarray, rng: np.random.Generator) -> float:
    weights = np.ones(4)
    start = time.perf_counter()
    for first, last in pairwise(offsets.tolist()):
        worth = values[first:last] @ weights
        share = np.exp(worth - worth.max())
        share = 0.95 * share / share.sum() + 0.05 / (last - first)
        rng.choice(last - first, p=share)
    return time.perf_counter() - start


def measure(shard: Shard, rows: Instants, config: Config, rng: np.random.Generator) -> None:
    marks = [time.perf_counter()]
    candidates, exclusions = build_candidates(shard, rows, config)
    marks.append(time.perf_counter())
    n = len(candidates)
    values = rng.normal(size=(n, 4)).astype(np.float32)  # a model's work, not counted
    gap = time.perf_counter() - marks[-1]
    policy = Softmax("softmax", np.ones(4), 1.0, 0.05)
    probabilities = policy.probabilities(Context(shard, candidates, values))
    marks.append(time.perf_counter())
    uniform, _ = uniforms_and_ids(shard.users.hash[rows.user], rows.at, "salt")
    marks.append(time.perf_counter())
    draw(probabilities, candidates.offsets, uniform)
    marks.append(time.perf_counter())
    candidate_set_hash(shard, candidates)
    marks.append(time.perf_counter())

    seconds = np.diff(marks) - [0, gap, 0, 0, 0]
    removed = dict(zip(exclusions.rules, exclusions.counts.tolist(), strict=True))
    print(f"  {n} candidates, {n / len(rows):.1f} a row; removed {removed}")
    names = ("candidates and rules", "utility and softmax", "uniforms and ids", "draw", "candidate set hash")
    for name, took in zip((*names, "all"), (*seconds, seconds.sum()), strict=True):
        print(f"  {name:<24}{took:8.3f} s {n / took / 1e6:8.1f} M candidates/s")
    print(f"  a million rows of these: {seconds.sum() * 1e6 / len(rows):.2f} s on one core")
    looped = by_loop(values, candidates.offsets[: LOOPED + 1], rng)
    ours = (seconds[1] + seconds[3]) / n * candidates.offsets[min(LOOPED, len(rows))]
    print(f"  softmax and draw of {LOOPED} rows by a loop: {looped:.3f} s, {looped / ours:.0f} times ours")


def main() -> None:
    users = int(sys.argv[1]) if len(sys.argv) > 1 else 62_500
    opportunities = float(sys.argv[2]) if len(sys.argv) > 2 else 3.2  # about 15 candidates a user
    rng = np.random.default_rng(0)
    config = Config()
    for part in ("first call (compiles, reads zones)", "warm"):
        shard = world(users, opportunities, rng)
        print(f"plan, {part}: {users} users at one epoch")
        rows = Instants(np.arange(users, dtype=np.int32), np.full(users, EPOCH))
        measure(shard, rows, config, rng)
    epochs = EPOCH + np.arange(10) * 6 * HOUR
    few = users // 10
    print(f"replay: {few} users at {len(epochs)} epochs")
    rows = Instants(np.repeat(np.arange(few, dtype=np.int32), len(epochs)), np.tile(epochs, few))
    measure(shard, rows, config, rng)
    every = np.sort(EPOCH + rng.integers(0, 5 * DAY, users))
    print(f"online log: {users} users, each at an instant of its own")
    measure(shard, Instants(np.arange(users, dtype=np.int32), every), config, rng)


if __name__ == "__main__":
    main()
