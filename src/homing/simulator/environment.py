"""A part of a world as a Gymnasium vector environment: each user is an environment, each step a day.

The extra `homing[gym]` installs Gymnasium. Nothing else in Homing needs it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from homing.schema import EVENT_TYPES, InputError
from homing.schema.times import DAY, HOUR, MISSING, to_datetime
from homing.simulator.observation import Observer
from homing.simulator.registry import Maker, world_maker
from homing.simulator.setup import Setup
from homing.simulator.world import World

Floats = NDArray[np.float32]
Info = dict[str, NDArray[Any]]

_SEEDS: Final = 2**31  # seeds of the populations of later episodes are drawn below it


@dataclass(frozen=True)
class Rewards:
    """What a user's day is worth. Choices, not findings: opting out costs as much as five active days."""

    active_day: float = 1.0  # a day with at least one visit
    minute: float = 0.0  # of a visit
    conversion: float = 1.0
    opt_out: float = -5.0  # from one channel


class WorldVectorEnv(VectorEnv[Floats, NDArray[np.int64], NDArray[Any]]):
    """A world in which an agent decides each day for each user: hold, or send one of the offers.

    Observation: float32 [users, len(observation_names)]; see `Observer`.

    Action: 0 holds; 1 + (offer * channels + channel) * slots + slot sends the offer in that place, through
    that channel, in the hour that begins at that local time of the day. At most one send a user and day.
    `info["action_mask"]` (int8 [users, actions]) says what is possible: the offer is there and lives through
    the slot, the message is made for the channel and valid, the user is reachable. An impossible action
    becomes hold, and `info["illegal"]` is 1 for it. There are no caps and no quiet hours: whether restraint
    pays is for the agent to find out.

    Reward: `Rewards`, by the user's events of the day, whatever caused them. `info` has what it is made from:
    `active`, `minutes`, `conversions` and `opt_outs`, each [users].

    Episodes are the days of the setup. All end together, by truncation; nobody's episode is terminated,
    since people who opted out of everything still live on. The mode of autoreset is `NEXT_STEP`: the step
    after the last day ignores its actions and returns the first observation of a new episode, with reward 0.

    Seeds: `reset(seed=n)` makes the population of `Setup(seed=n)`, the same as everywhere else. Without a
    seed the first episode has the setup's, and each later one a new population that follows from it.
    `options={"replicate": k}` keeps the people and changes the luck of their days.
    """

    metadata = {"render_modes": [], "autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012  Gymnasium's name and type

    def __init__(
        self,
        world: str | Maker,
        setup: Setup,
        *,
        offers: int = 4,
        hours: tuple[int, ...] = (8, 12, 18),
        rewards: Rewards = Rewards(),
    ) -> None:
        """Make the first population, from which the spaces follow.

        Args:
            world: a name that `world_maker` knows, or what makes a world from a setup.
            setup: of one part: at most 10,000 users, one environment each.
            offers: places for opportunities, the newest first.
            hours: local times of day at which slots begin, each in [0, 23].
            rewards: weights.

        Raises:
            InputError: more users than a part has, no offers, hours that are none.
        """
        if offers < 1 or not hours or min(hours) < 0 or max(hours) > 23 or len(set(hours)) < len(hours):
            raise InputError(
                f"offers == {offers}, hours == {hours}, must be >= 1, and different hours in [0, 23]"
            )
        self._make = world_maker(world) if isinstance(world, str) else world
        self._setup, self._places, self._hours, self._rewards = setup, offers, hours, rewards
        super().reset(seed=setup.seed)
        self._begin(setup.seed)
        self._fresh = True
        self.observation_names = self._observer.names
        self.num_envs = setup.users
        self._shape = (offers, len(setup.channels), len(hours))
        self.single_observation_space = Box(-np.inf, np.inf, (len(self.observation_names),), np.float32)
        self.single_action_space = Discrete(1 + int(np.prod(self._shape)))
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)

    @property
    def world(self) -> World:
        """The world of this episode."""
        return self._world

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Floats, dict[str, Any]]:
        """Begin an episode.

        Args:
            seed: of the population, >= 0; None: the setup's at first, then one that follows from the last.
            options: `replicate`, see `Setup`.

        Raises:
            InputError: options that are not known.
        """
        options = options or {}
        if options.keys() - {"replicate"}:
            raise InputError(f"options == {options}, must have no key but 'replicate'")
        super().reset(seed=seed)
        if seed is None:
            seed = self._setup.seed if self._fresh else int(self.np_random.integers(_SEEDS))
        self._fresh = False
        self._begin(seed, int(options.get("replicate", self._setup.replicate)))
        return self._observe(), self._info({})

    def step(
        self, actions: NDArray[np.integer[Any]]
    ) -> tuple[Floats, NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]:
        """Let everybody live a day.

        Args:
            actions: [users] as the class says.

        Returns:
            Observations, rewards float64 [users], terminations and truncations bool [users], infos.

        Raises:
            InputError: actions of another shape, or out of range.
        """
        if self._fresh:
            raise InputError("step comes before reset; call reset first")
        nobody = np.zeros(self.num_envs, np.bool_)
        if self._world.now == self._world.start + self._world.days * DAY:
            observation, info = self.reset()
            return observation, np.zeros(self.num_envs), nobody, nobody.copy(), info
        actions = np.asarray(actions)
        if actions.shape != nobody.shape or not ((actions >= 0) & (actions < self._mask.shape[1])).all():
            raise InputError(
                f"actions have shape {actions.shape}, must be [{self.num_envs}], each in "
                f"[0, {self._mask.shape[1] - 1}]"
            )
        legal = self._mask[np.arange(self.num_envs), actions] == 1
        day = (self._world.now - self._world.start) // DAY
        events = self._live(day, np.where(legal, actions, 0))
        outcomes = self._outcomes(events)
        rewards = self._rewards
        reward = (
            rewards.active_day * outcomes["active"]
            + rewards.minute * outcomes["minutes"]
            + rewards.conversion * outcomes["conversions"]
            + rewards.opt_out * outcomes["opt_outs"]
        )
        over = np.full(self.num_envs, day + 1 == self._world.days)
        return (
            self._observe(),
            reward,
            nobody,
            over,
            self._info(outcomes | {"illegal": (~legal).astype(np.int8)}),
        )

    def _begin(self, seed: int, replicate: int = 0) -> None:
        self._world = self._make(replace(self._setup, seed=seed, replicate=replicate))
        self._observer = Observer(self._world, self._places)
        names = getattr(self, "observation_names", self._observer.names)
        if names != self._observer.names:
            raise InputError(
                f"the world of seed {seed} has {len(self._observer.names)} other columns than the first one; "
                "a world's names and features must not depend on the seed"
            )

    def _observe(self) -> Floats:
        """Look at the next day: offers and what is possible are kept for the step that follows."""
        self._offers = self._observer.offers()
        self._slots = self._slot_starts()
        self._mask = self._possible()
        return self._observer.observe(self._offers)

    def _slot_starts(self) -> NDArray[np.int64]:
        """Return when each slot of the day begins for each user: us [users, slots].

        By the offset at noon UTC; on a day of a clock change a slot may be off by the change.
        """
        now = self._world.now
        noon = to_datetime(now + DAY // 2)
        offsets = [
            noon.astimezone(ZoneInfo(name)).utcoffset() for name in self._world.vocabularies.zones.names
        ]
        seconds = np.array([0.0 if offset is None else offset.total_seconds() for offset in offsets])
        offset = (seconds * 1_000_000).astype(np.int64)[self._world.users.zone]
        return np.asarray(now + (np.array(self._hours) * HOUR - offset[:, None] - now) % DAY)

    def _possible(self) -> NDArray[np.int8]:
        """Return which actions are possible, [users, actions]."""
        world, offers = self._world, self._offers
        mask = np.zeros((len(offers), *self._shape), np.bool_)
        user, place = np.nonzero(offers >= 0)
        row = offers[user, place]
        message, start = world.opportunities.message[row], self._slots[user]
        until = world.messages.valid_until[message][:, None]
        lives = (world.opportunities.earliest_at[row][:, None] <= start) & (
            world.opportunities.expires_at[row][:, None] >= start + HOUR
        )
        lives &= (world.messages.valid_from[message][:, None] <= start) & (
            (until == MISSING) | (start + HOUR <= until)
        )
        shown = world.messages.channels[message] & world.reachable()[user]
        mask[user, place] = shown[:, :, None] & lives[:, None, :]
        hold = np.ones((len(offers), 1), np.bool_)
        return np.concatenate([hold, mask.reshape(len(offers), -1)], axis=1).astype(np.int8)

    def _live(self, day: int, actions: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """Let the world live the day with what the actions send, and return its events."""
        user = np.flatnonzero(actions)
        place, channel, slot = np.unravel_index(actions[user] - 1, self._shape)
        message = self._world.opportunities.message[self._offers[user, place]]
        start = self._slots[user, slot]
        self._world.respond(
            day,
            user=user.astype(np.int32),
            message=message,
            channel=channel.astype(np.int16),
            slot_start=start,
            slot_end=start + HOUR,
            decision_id=np.column_stack([np.full(len(user), day + 1), user + 1]).astype(np.uint64),
        )
        events = self._world.events(day)
        self._observer.lived(user, message.astype(np.int64), channel.astype(np.int64), events)
        return events

    def _outcomes(self, events: dict[str, NDArray[Any]]) -> Info:
        """Return what a day came to, float64 [users] each."""

        def total(name: str, value: NDArray[Any] | None = None) -> NDArray[np.float64]:
            rows = events["type"] == EVENT_TYPES.index(name)
            weights = None if value is None else value[rows]
            return np.bincount(events["user"][rows], weights, minlength=self.num_envs).astype(np.float64)

        return {
            "active": (total("session") > 0).astype(np.float64),
            "minutes": total("session", events["value"]),
            "conversions": total("converted"),
            "opt_outs": total("opted_out"),
        }

    def _info(self, parts: Info) -> dict[str, Any]:
        """Return infos by Gymnasium's convention: a mask beside each, of who has it."""
        info: dict[str, Any] = {"action_mask": self._mask, **parts}
        return info | {f"_{name}": np.ones(self.num_envs, np.bool_) for name in info}
