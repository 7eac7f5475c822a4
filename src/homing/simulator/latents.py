"""What only the world knows of its users: traits that stay, and a mood that every day changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

#: An opt-out that has not happened.
NEVER: Final = int(np.iinfo(np.int64).max)


@dataclass(frozen=True)
class Traits:
    """What a user is. Heavy-tailed, correlated, and only partly visible in features."""

    taste: NDArray[np.float64]  # [users, topics] of unit length
    intensity: NDArray[np.float64]  # [users] visits a day at full habit
    content_match: NDArray[np.float64]  # [users] probability that an organic visit is worth it
    minutes: NDArray[np.float64]  # [users] factor on the length of visits
    archetype: NDArray[np.int16]  # [users] daily rhythm
    shift: NDArray[np.float64]  # [users] hours by which the own rhythm is later than the archetype's
    affinity: NDArray[np.float64]  # [users, channels] logit offset of opens
    price_sensitivity: NDArray[np.float64]  # [users] standard normal
    push_delay: NDArray[np.float64]  # [users] median minutes to open a push, by device
    free_plan: NDArray[np.bool_]  # [users] at the start
    signed_up_at: NDArray[np.int64]  # [users] us


@dataclass(frozen=True)
class Mood:
    """Where a user stands at the start of a day."""

    habit: NDArray[np.float64]  # [users] in [0, 1]
    dormant: NDArray[np.bool_]  # [users] has left
    fatigue: NDArray[np.float64]  # [users, channels] recent deliveries, decayed
    memory: NDArray[np.float64]  # [users, categories] recent deliveries, decayed
    free_plan: NDArray[np.bool_]  # [users] has not subscribed
    reachable_from: NDArray[np.int64]  # [users, channels] us; NEVER: did not opt in
    unreachable_from: NDArray[np.int64]  # [users, channels] us; NEVER: has not opted out

    def reachable(
        self, user: NDArray[np.int64], channel: NDArray[np.int64], at: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Return whether each user [n] is reachable through a channel [n] at an instant [n] (us)."""
        since, until = self.reachable_from[user, channel], self.unreachable_from[user, channel]
        return np.asarray((since <= at) & (at < until))
