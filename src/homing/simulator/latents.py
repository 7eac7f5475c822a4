"""What only the world knows of its users: traits that stay, and a state that every day changes."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from homing.simulator.sending import Sending

#: An opt-in or opt-out that has not happened.
NEVER: Final = int(np.iinfo(np.int64).max)
#: Why somebody stopped being reachable, in the order of `Reach.lost`.
LOSSES: Final = ("opt_out", "token_lost")


@dataclass(frozen=True)
class Reach:
    """Who can be reached: for each user and channel the latest span of time."""

    since: NDArray[np.int64]  # [users, channels] us; NEVER: did not opt in
    until: NDArray[np.int64]  # [users, channels] us; NEVER: has not ended
    lost: NDArray[
        np.bool_
    ]  # [users, channels] where it ended: the address was lost, the user did not opt out

    def at(
        self, user: NDArray[np.int64], channel: NDArray[np.int64], at: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Return whether each user [n] is reachable through a channel [n] at an instant [n] (us)."""
        return np.asarray((self.since[user, channel] <= at) & (at < self.until[user, channel]))

    def take(self, user: NDArray[np.int64]) -> Self:
        """Return some users, in the order given."""
        return type(self)(*(getattr(self, field.name)[user] for field in fields(self)))

    def without(
        self, user: NDArray[np.int64], channel: NDArray[np.int64], at: NDArray[np.int64], lost: bool = False
    ) -> Reach:
        """Return it after users [n] left channels [n] at instants [n] (us): they opted out, or got lost."""
        until, gone = self.until.copy(), self.lost.copy()
        until[user, channel], gone[user, channel] = at, lost
        return Reach(self.since, until, gone)


@dataclass(frozen=True)
class Traits:
    """What a user is. Heavy-tailed, correlated, and only partly visible in features."""

    taste: NDArray[np.float64]  # [users, topics] of unit length
    later_taste: NDArray[np.float64]  # [users, topics] of unit length; where tastes drift to
    intensity: NDArray[np.float64]  # [users] visits a day at full habit
    content_match: NDArray[np.float64]  # [users] probability that an organic visit is worth it
    minutes: NDArray[np.float64]  # [users] factor on the length of visits
    archetype: NDArray[np.int16]  # [users] daily rhythm
    shift: NDArray[np.float64]  # [users] hours by which the own rhythm is later than the archetype's
    affinity: NDArray[np.float64]  # [users, channels] logit offset of opens
    price_sensitivity: NDArray[np.float64]  # [users] standard normal
    push_delay: NDArray[np.float64]  # [users] median minutes to open a push, by device
    signed_up_at: NDArray[np.int64]  # [users] us

    def take(self, user: NDArray[np.int64]) -> Self:
        """Return some users, in the order given."""
        return type(self)(*(getattr(self, field.name)[user] for field in fields(self)))


@dataclass(frozen=True)
class Mood:
    """Where a user stands at the start of a day."""

    habit: NDArray[np.float64]  # [users] in [0, 1]
    average: NDArray[np.float64]  # [users] of habit over the last weeks
    dormant: NDArray[np.bool_]  # [users] has left
    fatigue: NDArray[np.float64]  # [users, channels] recent deliveries, decayed
    memory: NDArray[np.float64]  # [users, categories] recent deliveries, decayed
    free_plan: NDArray[np.bool_]  # [users] has not subscribed
    moved: NDArray[np.int64]  # [users] us: a caused visit that still takes the place of the next; NEVER: none
    reach: Reach

    def take(self, user: NDArray[np.int64]) -> Self:
        """Return some users, in the order given."""
        columns = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "reach"}
        return type(self)(
            **{name: column[user] for name, column in columns.items()}, reach=self.reach.take(user)
        )


@dataclass(frozen=True)
class State:
    """All that a day changes: a world can be wound back to it, or go on from it twice."""

    mood: Mood
    waiting: Sending  # in-app messages that no visit has shown yet
