"""A log to start with: a simulated music-streaming world, messaged for six weeks by a cautious random policy.

Every day Homing's own main path decides, so the log's candidate sets and propensities are exact; the world
answers, and cannot see the policy. The log is written as any system would: files in the data contract.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from homing.decision import Context, decide
from homing.lifecycle.plan import users_at
from homing.lifecycle.progress import Progress, Silent
from homing.schema import Config, Decisions, Events, Reason, Sends, Shard, format_ids
from homing.schema.drawn import Drawn
from homing.schema.times import DAY
from homing.simulator import Setup, World, world_maker
from homing.store import write_tables

DAYS = 42
USERS = 20_000
RELEASE = "cautious-random"


@dataclass(frozen=True)
class CautiousRandom:
    """Holds with one probability, and else draws among the candidates alike."""

    hold: float = 0.5
    name: str = RELEASE
    floor: float = 0.0

    def probabilities(self, context: Context) -> NDArray[np.float64]:
        """Return float64 [n]."""
        candidates = context.candidates
        others = np.repeat(candidates.counts - 1, candidates.counts)
        held = np.where(others == 0, 1.0, self.hold)
        share = np.where(candidates.is_hold, held, (1 - held) / np.maximum(others, 1))
        return context.with_forced(share)


def write_demo_log(
    folder: Path,
    config: Config,
    users: int = USERS,
    days: int = DAYS,
    seed: int = 0,
    progress: Progress | None = None,
) -> int:
    """Simulate the world under the cautious policy and write its log.

    Args:
        folder: gets a folder for each part of the population, with one Parquet file a table.
        config: the hard rules under which the log is made.
        users: how many people.
        days: how long, one decision a user and day.
        seed: of the world.
        progress: where to report.

    Returns:
        The end of the log, us: the first instant that can be planned.
    """
    progress, setup = progress or Silent(), Setup(users, days, seed)
    parts = list(setup.parts())
    for number, part in enumerate(parts):

        def report(done: float, number: int = number) -> None:
            progress.update("simulate", (number + done) / len(parts), f"part {number + 1} of {len(parts)}")

        tables = _simulate_part(world_maker("streaming")(part), config, report)
        if number:
            del tables["messages"]  # the same in every part
        write_tables(folder / f"part-{number:05d}", tables)
    return setup.start + days * DAY


def _simulate_part(
    world: World, config: Config, report: Callable[[float], None]
) -> dict[str, dict[str, NDArray[Any]]]:
    """Return the tables of one part of the population after all days under the cautious policy."""
    days, users = world.days, len(world.users)
    policy, log, sent = CautiousRandom(), [], _no_sends(users)
    for day in range(days):
        epoch = world.start + day * DAY
        shard = _shard(world, config)
        drawn, _ = decide(shard, users_at(shard, epoch), policy, config, sends=sent)
        send = np.flatnonzero(drawn.message >= 0)
        world.respond(
            day,
            user=drawn.rows.user[send],
            message=drawn.message[send],
            channel=drawn.channel[send],
            slot_start=drawn.slot_start[send],
            slot_end=drawn.slot_end[send],
            decision_id=drawn.id[send],
        )
        sent = _with(sent, drawn, users)
        log.append(drawn)
        report((day + 1) / days)
    tables = world.tables()
    tables["decisions"] = _decisions(log, world, tables)
    return tables


def _shard(world: World, config: Config) -> Shard:
    """Return the world as a shard without events: consents already hold its opt-outs."""
    people = len(world.users)
    none = np.zeros(people + 1, np.int64)
    i32, i64, f32 = np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0, np.float32)
    return Shard(
        vocabularies=world.vocabularies,
        messages=world.messages,
        users=world.users,
        consents=world.consents(),
        opportunities=world.opportunities,
        events=Events(none, i64, i32.astype(np.int16), i32.astype(np.int16), i32, i32, f32),
        decisions=Decisions(
            offsets=none,
            id=np.zeros((0, 2), np.uint64),
            epoch_at=i64,
            opportunity=i32,
            message=i32,
            channel=i32.astype(np.int16),
            slot_start=i64,
            slot_end=i64,
            propensity=np.zeros(0),
            candidates=i32,
            candidate_set=np.zeros((0, 2), np.uint64),
            values=np.zeros((0, len(config.objectives)), np.float32),
            release=i32,
            reason=i32.astype(np.int8),
        ),
    )


def _no_sends(users: int) -> Sends:
    i64 = np.zeros(0, np.int64)
    return Sends(np.zeros(users + 1, np.int64), i64, np.zeros(0, np.int16), i64)


def _with(sent: Sends, drawn: Drawn, users: int) -> Sends:
    """Return the sends with those of one more day."""
    new = np.flatnonzero(drawn.message >= 0)
    user = np.concatenate([np.repeat(np.arange(users), np.diff(sent.offsets)), drawn.rows.user[new]])
    at = np.concatenate([sent.at, drawn.slot_start[new]])
    order = np.lexsort((at, user))
    counts = np.bincount(user, minlength=users)
    return Sends(
        offsets=np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]),
        at=at[order],
        channel=np.concatenate([sent.channel, drawn.channel[new]])[order],
        known_at=np.concatenate([sent.known_at, drawn.rows.at[new]])[order],
    )


def _decisions(
    log: list[Drawn], world: World, tables: dict[str, dict[str, NDArray[Any]]]
) -> dict[str, NDArray[Any]]:
    """Return all days' decisions as columns of the data contract."""

    def column(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(drawn, name) for drawn in log])

    def named(codes: NDArray[Any], names: NDArray[Any]) -> NDArray[np.str_]:
        # -1, hold, is the last: empty
        return np.take(np.append(names, "").astype(np.str_), codes)

    vocabularies, message = world.vocabularies, column("message")
    epoch = np.concatenate([drawn.rows.at for drawn in log])
    reasons = np.array([reason.name for reason in Reason])
    return {
        "decision_id": format_ids(column("id")),
        "run_id": np.full(len(epoch), "demo"),
        "release_id": np.full(len(epoch), RELEASE),
        "epoch_at": epoch,
        "decided_at": epoch,
        "user_id": tables["users"]["user_id"][np.concatenate([drawn.rows.user for drawn in log])],
        "opportunity_id": named(column("opportunity"), tables["opportunities"]["opportunity_id"]),
        "message_id": named(message, np.array(vocabularies.messages.names)),
        "channel": named(column("channel"), np.array(vocabularies.channels.names)),
        "slot_start": column("slot_start"),
        "slot_end": column("slot_end"),
        "action": np.where(message < 0, "hold", "send"),
        "propensity": column("propensity"),
        "candidates": column("candidates"),
        "candidate_set": _binary(column("candidate_set")),
        "reason": reasons[column("reason")],
    }


def _binary(words: NDArray[np.uint64]) -> NDArray[np.object_]:
    """Return uint64 [n, 2] as n strings of 16 bytes, big-endian."""
    raw = np.ascontiguousarray(words).astype(">u8").tobytes()
    return np.array([raw[start : start + 16] for start in range(0, len(raw), 16)], dtype=np.object_)
