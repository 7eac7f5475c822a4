"""A policy at work in a world, a day at a time: it decides, the world answers, and the log grows.

Epochs are midnights UTC. Every day takes Homing's own main path, so candidate sets, hard rules and
propensities are those of a plan; a ledger that takes in the log replays the same ones.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from homing.decision import decide
from homing.lifecycle.epoch import memory_of, users_at
from homing.lifecycle.worlds.contender import Contender
from homing.lifecycle.worlds.history import History, RecentSends
from homing.lifecycle.worlds.platform import Platform
from homing.schema import Config, Instants, Shard, Vocabularies
from homing.schema.drawn import Drawn
from homing.schema.times import DAY
from homing.simulator import World


class Rollout:
    """One part of a world, and what was decided in it so far."""

    def __init__(self, world: World, config: Config, vocabularies: Vocabularies | None = None) -> None:
        """Begin before the first day.

        Args:
            world: fresh; it is driven from here on.
            config: the hard rules, the objectives and the salt.
            vocabularies: of the ledger that policies were trained on; None: the world's own.
        """
        self.world, self.config = world, config
        self.log: list[Drawn] = []
        self._platform = Platform(world.vocabularies, vocabularies)
        self._sends = RecentSends(len(world.users), memory_of(config))
        self._history = History(len(world.users), config)
        self._known = 0  # days that the history has
        self._still = self._platform.shard(
            Shard(
                world.vocabularies,
                world.messages,
                world.users,
                world.consents(),
                world.opportunities,
                self._history.events,
                self._history.decisions,
            )
        )

    @property
    def vocabularies(self) -> Vocabularies:
        """The names behind the codes of shards and of the log."""
        return self._platform.vocabularies

    def shard(self, history: bool = True) -> Shard:
        """Return what is known now: everything before the next epoch.

        Args:
            history: with events and decisions so far; without them it is faster.
        """
        shard = dataclasses.replace(self._still, consents=self._platform.consents(self.world.consents()))
        if not history:
            return shard
        for day in range(self._known, len(self.log)):
            self._history.decided(self.log[day])
        self._history.happened(self._platform.events(self.world.events(self._known)))
        self._known = len(self.log)
        return dataclasses.replace(shard, events=self._history.events, decisions=self._history.decisions)

    def day(self, contenders: Sequence[Contender], arm: NDArray[np.integer] | None = None) -> Drawn:
        """Decide the next day for everybody, let the world answer, and return the decisions.

        Args:
            contenders: one, or one for each arm.
            arm: [users] place in `contenders` of who decides for each user.
        """
        world, day = self.world, len(self.log)
        shard = self.shard(any(contender.history for contender in contenders))
        everyone = users_at(shard, world.start + day * DAY)
        drawn = []
        for place, contender in enumerate(contenders):
            rows = everyone
            if arm is not None:
                mine = arm[everyone.user] == place
                rows = Instants(everyone.user[mine], everyone.at[mine])
            score = None if contender.score is None else contender.score(shard)
            drawn.append(
                decide(shard, rows, contender.policy, self.config, score, sends=self._sends.sends)[0]
            )
        chosen = Drawn.together(drawn)
        send = np.flatnonzero(chosen.message >= 0)
        world.respond(
            day,
            user=chosen.rows.user[send],
            message=self._platform.in_world("messages", chosen.message[send]),
            channel=self._platform.in_world("channels", chosen.channel[send]),
            slot_start=chosen.slot_start[send],
            slot_end=chosen.slot_end[send],
            decision_id=chosen.id[send],
        )
        self._sends.decided(chosen)
        self.log.append(chosen)
        return chosen


def rollout(
    world: World,
    contender: Contender,
    config: Config,
    vocabularies: Vocabularies | None = None,
    until: int | None = None,
    report: Callable[[float], None] | None = None,
) -> Rollout:
    """Let one contender decide for a part of a world.

    Args:
        world: fresh.
        contender: who decides.
        config: the hard rules, the objectives and the salt.
        vocabularies: of the ledger that it was trained on; None: the world's own.
        until: number of days; None: all of the world's.
        report: is told after each day which share of the days is done.
    """
    run = Rollout(world, config, vocabularies)
    days = world.days if until is None else until
    for day in range(days):
        run.day([contender])
        if report is not None:
            report((day + 1) / days)
    return run
