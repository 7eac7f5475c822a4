from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from homing.schema import EVENT_TYPES
from homing.schema.times import DAY, HOUR, MISSING
from homing.simulator import Mechanisms, Setup, SimulatedWorld, World
from homing.simulator.presets.streaming import STREAMING
from homing.simulator.registry import PRESETS, world_spec
from homing.simulator.spec import Spec

#: every preset, and worlds that nobody has looked at
WORLDS = (*PRESETS, "family:1", "family:4", "family:9")


@dataclass(frozen=True)
class Driven:
    """A world after its days, with what was sent to it."""

    world: World
    sends: int
    decisions: frozenset[tuple[int, int]]

    def events(self, name: str, channel: str | None = None) -> dict[str, NDArray[np.generic]]:
        events = self.world.events()
        rows = events["type"] == EVENT_TYPES.index(name)
        if channel is not None:
            rows &= events["channel"] == self.world.vocabularies.channels.code(channel)
        return {column: values[rows] for column, values in events.items()}

    def rate(self, name: str, channel: str) -> float:
        return len(self.events(name, channel)["at"]) / len(self.events("delivered", channel)["at"])


def streaming(users: int, days: int, seed: int = 0, mechanisms: Mechanisms | None = None) -> SimulatedWorld:
    spec = STREAMING if mechanisms is None else replace(STREAMING, mechanisms=mechanisms)
    return SimulatedWorld(spec, Setup(users, days, seed))


def drive(
    users: int,
    days: int,
    *,
    seed: int = 0,
    rate: float = 0.4,
    mechanisms: Mechanisms | None = None,
    spec: Spec = STREAMING,
    whom: Callable[[NDArray[np.int64]], NDArray[np.bool_]] | None = None,
) -> Driven:
    """Send each user a random opportunity a day, by a random channel and hour, with probability `rate`."""
    changed = spec if mechanisms is None else replace(spec, mechanisms=mechanisms)
    world = SimulatedWorld(changed, Setup(users, days, seed))
    rng = np.random.default_rng(seed + 1)
    opportunities, messages = world.opportunities, world.messages
    owner = np.repeat(np.arange(users), np.diff(opportunities.offsets))
    sends, decisions = 0, set()
    for day in range(days):
        now = world.now
        alive = np.flatnonzero((opportunities.created_at < now) & (opportunities.expires_at > now + DAY))
        alive = alive[rng.permutation(len(alive))]
        user, first = np.unique(owner[alive], return_index=True)
        message = opportunities.message[alive[first]]
        channel = rng.integers(0, 3, len(user))
        slot = now + rng.integers(0, 24, len(user)) * HOUR
        until = messages.valid_until[message]
        keep = rng.random(len(user)) < rate
        keep &= messages.channels[message, channel] & world.reachable()[user, channel]
        keep &= (until == MISSING) | (slot < until)
        if whom is not None:
            keep &= whom(user)
        user, message, channel, slot = user[keep], message[keep], channel[keep], slot[keep]
        ids = np.column_stack([np.full(len(user), day + 1), user + 1]).astype(np.uint64)
        world.respond(
            day,
            user=user,
            message=message,
            channel=channel,
            slot_start=slot,
            slot_end=slot + HOUR,
            decision_id=ids,
        )
        sends += len(user)
        decisions |= {(int(high), int(low)) for high, low in ids}
    return Driven(world, sends, frozenset(decisions))


@pytest.fixture(scope="session")
def driven() -> Iterator[Driven]:
    """Eight thousand users over three weeks."""
    yield drive(8000, 21)


@pytest.fixture(scope="session", params=WORLDS)
def anywhere(request: pytest.FixtureRequest) -> Iterator[Driven]:
    """Each kind of world with fewer users."""
    yield drive(1200, 14, rate=1.0, spec=world_spec(request.param))
