"""A simulated world that answers what a workspace plans, through its ledger, a day at a time.

It is for rehearsing: an experiment, or a change of rules, runs on simulated people before it does on users.
"""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from homing.lifecycle.plan import Planned, plan
from homing.lifecycle.worlds.entrants import untrained
from homing.lifecycle.worlds.rollout import Rollout
from homing.lifecycle.worlds.simulate import known_tables
from homing.schema import InputError, Vocabulary
from homing.schema.times import format_time
from homing.simulator import Setup, World, world_maker
from homing.simulator.tables import Table
from homing.store import SendRows, Workspace, ingest, read_sends, write_tables

_TIMES = {"users": "signed_up_at", "consents": "at", "opportunities": "created_at", "events": "at"}


class ClosedLoop:
    """A world whose log a workspace has, and goes on with."""

    def __init__(
        self, workspace: Workspace, world: str, setup: Setup, log_days: int, policy: str = "random"
    ) -> None:
        """Live through the log once more, up to the day on which it ended.

        Args:
            workspace: with the log, as `homing simulate` wrote it, and a release.
            world: its name.
            setup: of the log; its days reach beyond those of the log.
            log_days: of the log.
            policy: that decided in the log.

        Raises:
            InputError: there is no such world or policy, or the world ends with the log.
        """
        if log_days >= setup.days:
            raise InputError(f"log_days == {log_days}, must be less than the world's days, {setup.days}")
        config = workspace.config
        self.workspace = workspace
        setup = dataclasses.replace(setup, channels=tuple(config.channels))
        entrant = untrained(policy, config)
        self._parts: list[World] = []
        for part in setup.parts():
            run = Rollout(world_maker(world)(part), config)
            contender = entrant(run.world)
            for _ in range(log_days):
                run.day([contender])
            self._parts.append(run.world)
        self._days = log_days
        self._users = [Vocabulary(tuple(part.tables()["users"]["user_id"].tolist())) for part in self._parts]

    @property
    def now(self) -> int:
        """The epoch that is planned next, us."""
        return self._parts[0].now

    def day(self) -> Planned:
        """Plan the next day, let the world answer, and ingest what it says.

        Raises:
            InputError: the world has ended.
        """
        if self._days >= self._parts[0].days:
            raise InputError(f"the world ends at {format_time(self.now)}; take a setup of more days")
        began = self.now
        planned = plan(self.workspace, began)
        sends = read_sends(self.workspace, began)
        for part, users in zip(self._parts, self._users, strict=True):
            _respond(part, self._days, sends, users)
        self._days += 1
        with tempfile.TemporaryDirectory() as folder:
            for number, part in enumerate(self._parts):
                write_tables(Path(folder) / f"part-{number}", _news(part, began))
            ingest(self.workspace, [Path(folder)])
        return planned


def _respond(world: World, day: int, sends: SendRows, users: Vocabulary) -> None:
    """Let the people of one part live a day with what is sent to them."""
    words = world.vocabularies
    user = _codes(sends.user_id, users)
    mine = user >= 0
    world.respond(
        day,
        user=user[mine],
        message=_codes(sends.message_id[mine], words.messages),
        channel=_codes(sends.channel[mine], words.channels).astype(np.int16),
        slot_start=sends.slot_start[mine],
        slot_end=sends.slot_end[mine],
        decision_id=sends.decision[mine],
    )


def _news(world: World, since: int) -> dict[str, Table]:
    """Return what became known from an instant (us) on, in tables that have any of it."""
    tables = known_tables(world)
    news = {}
    for name, column in _TIMES.items():
        at = tables[name][column]
        # a sign-up or an opportunity at the instant itself was known before
        fresh = at > since if name in ("users", "opportunities") else at >= since
        if fresh.any():
            news[name] = {key: values[fresh] for key, values in tables[name].items()}
    return news


def _codes(names: NDArray[np.object_], words: Vocabulary) -> NDArray[np.int32]:
    return np.array([words.code(name) for name in names], np.int32)
