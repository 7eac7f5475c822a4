"""Sends at random that any platform may make: to try a world, or to see its base rates."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from homing.schema.times import HOUR, MISSING
from homing.simulator.world import World


@dataclass(frozen=True)
class Sends:
    """Sends of one day, as `World.respond` takes them."""

    user: NDArray[np.int32]
    message: NDArray[np.int32]
    channel: NDArray[np.int16]
    slot_start: NDArray[np.int64]
    slot_end: NDArray[np.int64]
    decision_id: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.user)

    def take(self, index: Any) -> Sends:
        """Return some rows, in the order given."""
        return Sends(*(getattr(self, field.name)[index] for field in fields(self)))

    def to(self, world: World, day: int) -> None:
        """Let the world live that day with them."""
        world.respond(day, **{field.name: getattr(self, field.name) for field in fields(self)})


def random_sends(world: World, day: int, share: float = 1.0, seed: int = 0) -> Sends:
    """Return legal sends for the next day: to each user, with probability `share`, a live opportunity.

    What a user is sent depends on the seed, the day, the user and whom the world lets reach, so that sends of
    others can be left out without a change to the rest.
    """
    now, offers, messages = world.now, world.opportunities, world.messages
    rng = np.random.default_rng([seed, day])
    users, channels = len(world.users), messages.channels.shape[1]
    wish, hour, chance = rng.random((users, channels)), rng.integers(0, 24, users), rng.random(users)
    luck = rng.random(len(offers))
    owner = np.repeat(np.arange(users), np.diff(offers.offsets))
    start = now + hour[owner] * HOUR
    valid_from, until = messages.valid_from[offers.message], messages.valid_until[offers.message]
    fits = (offers.created_at <= now) & (offers.earliest_at <= start) & (offers.expires_at >= start + HOUR)
    fits &= (valid_from <= start) & ((until == MISSING) | (start < until))
    ways = messages.channels[offers.message] & world.reachable()[owner]
    alive = np.flatnonzero(fits & ways.any(axis=1) & (chance[owner] < share))
    alive = alive[np.argsort(luck[alive], kind="stable")]
    user, first = np.unique(owner[alive], return_index=True)
    chosen = alive[first]
    return Sends(
        user=user.astype(np.int32),
        message=offers.message[chosen],
        channel=np.where(ways[chosen], wish[user], -1.0).argmax(axis=1).astype(np.int16),
        slot_start=start[chosen],
        slot_end=start[chosen] + HOUR,
        decision_id=np.column_stack([np.full(len(user), day + 1), user + 1]).astype(np.uint64),
    )
