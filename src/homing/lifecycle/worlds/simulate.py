"""A log in the data contract, as any real system would write it, from a policy at work in a world.

Parts of the population never touch, so each is simulated and written on its own: memory does not grow with
the population, and any number of workers writes the same bytes. A part appears whole or not at all, so a run
that was stopped goes on where it was.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from homing.engine import over_shards, worker_count
from homing.lifecycle.progress import Progress, Silent
from homing.lifecycle.worlds.contender import Entrant
from homing.lifecycle.worlds.entrants import untrained
from homing.lifecycle.worlds.rollout import Rollout, rollout
from homing.schema import Config, InputError, Reason, format_ids
from homing.schema.times import DAY, format_time
from homing.simulator import Setup, World, world_maker
from homing.simulator.tables import Table
from homing.store import write_tables

_SETTINGS: Final = "simulation.json"  # in the folder of the log: what it was made from
_TALLY: Final = "part.json"  # in the folder of a part: what it comes to


@dataclass(frozen=True)
class Tally:
    """What a part of a log comes to, or all of it."""

    decisions: int
    sends: int
    rows: dict[str, int]  # by table
    events: dict[str, int]  # by type

    @classmethod
    def total(cls, parts: Iterable[Tally]) -> Tally:
        """Return the sum of several."""
        rows: Counter[str] = Counter()
        events: Counter[str] = Counter()
        decisions = sends = 0
        for part in parts:
            decisions, sends = decisions + part.decisions, sends + part.sends
            rows.update(part.rows)
            events.update(part.events)
        return cls(decisions, sends, dict(rows), dict(events))


@dataclass(frozen=True)
class Simulated:
    """A log that was written."""

    folder: Path
    world: str
    policy: str
    users: int
    days: int
    end: int  # us: the first instant that can be planned
    parts: int
    kept: int  # parts that an earlier run had written
    tally: Tally
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON types only."""
        return asdict(self) | {"folder": str(self.folder), "end": format_time(self.end)}


def simulate(
    folder: Path,
    world: str,
    setup: Setup,
    policy: str,
    config: Config,
    entrant: Entrant | None = None,
    until: int | None = None,
    workers: int = 0,
    progress: Progress | None = None,
) -> Simulated:
    """Let a policy decide in a world, and write the log.

    Args:
        folder: gets a folder for each part of the population, with one Parquet file a table.
        world: its name.
        setup: of the whole population; its channels are those of `config`.
        policy: what the log's `release_id` calls the policy.
        config: the hard rules and the salt.
        entrant: makes the policy ready for a part; None: the one of that name that needs no training.
        until: days after which the log ends, while the world goes on; None: all of the setup's.
        workers: parts at once; 0: as many as there are cores.
        progress: where to report.

    Raises:
        InputError: the world or the policy is not known, or the folder holds a log of other settings.
    """
    progress, began = progress or Silent(), time.perf_counter()
    maker, entrant = world_maker(world), entrant or untrained(policy, config)
    setup = dataclasses.replace(setup, channels=tuple(config.channels))
    days = setup.days if until is None else until
    _claim(folder, _settings(world, setup, days, policy, config))
    parts = list(setup.parts())
    done, lock = [0.0] * len(parts), Lock()

    def report(number: int, share: float) -> None:
        with lock:
            done[number] = share
            progress.update("simulate", sum(done) / len(parts), f"{len(parts)} parts")

    def of_part(number: int) -> tuple[Tally, bool]:
        target = folder / f"part-{number:05d}"
        kept = target.is_dir()
        if not kept:
            part = maker(parts[number])
            run = rollout(part, entrant(part), config, until=days, report=partial(report, number))
            tables = log_tables(run, policy)
            if number:
                del tables["messages"]  # the same in every part
            _write(target, tables)
        report(number, 1.0)
        facts = json.loads((target / _TALLY).read_text())
        return Tally(**facts), kept

    made = list(over_shards(of_part, len(parts), worker_count(workers)))
    return Simulated(
        folder=folder,
        world=world,
        policy=policy,
        users=setup.users,
        days=days,
        end=setup.start + days * DAY,
        parts=len(parts),
        kept=sum(kept for _, kept in made),
        tally=Tally.total(tally for tally, _ in made),
        seconds=time.perf_counter() - began,
    )


def log_tables(run: Rollout, policy: str) -> dict[str, Table]:
    """Return the log of a rollout as columns of the data contract, decisions included.

    In the middle of the world's period, people and opportunities that nobody knows of yet are left out.

    Args:
        run: as far as its days have gone.
        policy: the decisions' `release_id`.
    """
    whole = run.world.tables()
    user_id, opportunity_id = whole["users"]["user_id"], whole["opportunities"]["opportunity_id"]
    tables = known_tables(run.world, whole)
    log, words = run.log, run.vocabularies

    def column(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(drawn, name) for drawn in log])

    def named(codes: NDArray[Any], names: Sequence[str] | NDArray[Any]) -> NDArray[np.str_]:
        # -1, hold, is the last: empty
        return np.take(np.append(names, "").astype(np.str_), codes)

    message, epoch = column("message"), np.concatenate([drawn.rows.at for drawn in log])
    tables["decisions"] = {
        "decision_id": format_ids(column("id")),
        "run_id": np.full(len(epoch), "simulation"),
        "release_id": np.full(len(epoch), policy),
        "epoch_at": epoch,
        "decided_at": epoch,
        "user_id": user_id[np.concatenate([drawn.rows.user for drawn in log])],
        "opportunity_id": named(column("opportunity"), opportunity_id),
        "message_id": named(message, words.messages.names),
        "channel": named(column("channel"), words.channels.names),
        "slot_start": column("slot_start"),
        "slot_end": column("slot_end"),
        "action": np.where(message < 0, "hold", "send"),
        "propensity": column("propensity"),
        "candidates": column("candidates"),
        "candidate_set": _binary(column("candidate_set")),
        "reason": np.array([reason.name for reason in Reason])[column("reason")],
    }
    return tables


def known_tables(world: World, tables: Mapping[str, Table] | None = None) -> dict[str, Table]:
    """Return a world's tables, in the middle of its period without what nobody knows of yet.

    Args:
        world: as far as it has gone.
        tables: its own, where they have been made already.
    """
    known, now = dict(world.tables() if tables is None else tables), world.now
    if now < world.start + world.days * DAY:
        known["users"] = _before(known["users"], "signed_up_at", now)
        known["opportunities"] = _before(known["opportunities"], "created_at", now)
    return known


def _before(table: Table, column: str, now: int) -> Table:
    """Return the rows of what was known at an instant (us): a decision at it would see them."""
    known = table[column] <= now
    return {name: values[known] for name, values in table.items()}


def _settings(world: str, setup: Setup, days: int, policy: str, config: Config) -> dict[str, Any]:
    """Return all that the bytes of a log depend on, by the names that a user gives them."""
    rules = config.model_dump(mode="json", include={"workspace", "channels", "limits", "slots", "objectives"})
    return {
        "world": world,
        "users": setup.users,
        "days": days,
        "world_days": setup.days,
        "seed": setup.seed,
        "start": format_time(setup.start),
        "first": setup.first,
        "replicate": setup.replicate,
        "policy": policy,
        "rules": hashlib.sha256(json.dumps(rules).encode()).hexdigest()[:12],
    }


def _claim(folder: Path, settings: Mapping[str, Any]) -> None:
    """Make the folder the home of this log.

    Raises:
        InputError: it is the home of another one, or holds files that no simulation wrote.
    """
    path = folder / _SETTINGS
    if path.is_file():
        known = json.loads(path.read_text())
        other = [f"{key} == {known.get(key)!r}" for key in settings if known.get(key) != settings[key]]
        if other:
            raise InputError(
                f"{folder} holds a log with {', '.join(other)}; use these settings to go on with it, or "
                "write to another folder"
            )
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is not empty, and not a simulated log; write to another folder")
    folder.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(f".{os.getpid()}")
    aside.write_text(json.dumps(settings, indent=1))
    aside.replace(path)


def _write(target: Path, tables: Mapping[str, Table]) -> None:
    """Write the tables of a part and what they come to; the folder appears whole."""
    # not inside the log, where 'homing ingest' would find it
    aside = target.parent.with_name(f".{target.parent.name}-{os.getpid()}-{target.name}")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        write_tables(aside, tables)
        kinds, counts = np.unique(tables["events"]["type"], return_counts=True)
        tally = Tally(
            decisions=len(tables["decisions"]["user_id"]),
            sends=int((tables["decisions"]["action"] == "send").sum()),
            rows={name: len(next(iter(columns.values()))) for name, columns in tables.items()},
            events=dict(zip(kinds.tolist(), counts.tolist(), strict=True)),
        )
        (aside / _TALLY).write_text(json.dumps(asdict(tally)))
        aside.replace(target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _binary(words: NDArray[np.uint64]) -> NDArray[np.object_]:
    """Return uint64 [n, 2] as n strings of 16 bytes, big-endian."""
    raw = np.ascontiguousarray(words).astype(">u8").tobytes()
    return np.array([raw[start : start + 16] for start in range(0, len(raw), 16)], dtype=np.object_)
